"""Stage 1: the base model, fine-tuned with cross-entropy or left as it is."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig
from transformers.utils.hub import cached_file, extract_commit_hash

from evenhand.console import say
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.encoders.table import UNKNOWN, TableFeatures
from evenhand.models.bundle.inputs import Encoded, pad_of
from evenhand.models.bundle.manifest import ImageInput, Input, TableInput
from evenhand.models.network.backbones import SplitModel, block_count, set_up
from evenhand.models.network.family import UnsupportedBaseError
from evenhand.models.network.structure import auto_class, family_of_config
from evenhand.models.network.tabular import TabularClassifier, TabularConfig
from evenhand.models.onnx.torch_export import round_to_float16
from evenhand.training.data.content import files_hash, folder_hash, images_hash
from evenhand.training.data.dataset import DataError, Rows, Schema
from evenhand.training.data.image_file import image_json
from evenhand.training.data.items import encode_all
from evenhand.training.data.preprocess_file import features_json, tokenizer_of
from evenhand.training.learning.base_check import check_base
from evenhand.training.learning.config import FitConfig, fingerprint
from evenhand.training.learning.finetune import FinetuneKey, cross_entropy, finetune
from evenhand.training.learning.text_base import text_input


@dataclass(frozen=True)
class Base:
    """A frozen base model with its inputs."""

    model: nn.Module
    preprocess: bytes
    """The file that says how an item becomes arrays."""
    spec: Input
    encoded: list[Encoded]
    """All rows."""

    @property
    def pad_id(self) -> int:
        """The padding token, where there are tokens."""
        return pad_of(self.spec)

    def cut(self, layer: int) -> SplitModel:
        """The model, cut before a block; a new suffix each time, so adapters never meet."""
        return SplitModel(self.model, layer)


@dataclass(frozen=True)
class Loaded:
    """A base before fine-tuning."""

    model: nn.Module
    preprocess: bytes
    spec: Input


def prepare(config: FitConfig, rows: Rows, schema: Schema, folder: Path) -> tuple[Base, Rows, Schema]:
    """Load the base, fine-tune it unless the settings keep it, and freeze it.

    Returns:
        The base, and the rows and schema with labels in the order of the base's outputs.

    Raises:
        DataError: the base, its preprocessing or a row cannot be used; the message says why.
        UnsupportedBaseError: the base cannot be served, or has no block of the number in the settings.
    """
    loaded = load(config, schema, rows)
    model = loaded.model
    # Check now, before hours of fine-tuning, that the base can be cut there.
    layer = config.detector.layer if isinstance(config.detector.layer, int) else 1
    block_count(model, layer)
    if config.base_stage.keep:
        rows, schema = _align(model, rows, schema)
    encoded, bad = encode_all(make_encoder(loaded.preprocess, loaded.spec), rows.items)
    if bad:
        first, reason = bad[0]
        raise DataError(f"{len(bad)} rows cannot be read; the first is row {rows.row[first] + 1}: {reason}")
    check_base(model, layer, encoded, pad_of(loaded.spec))
    if not config.base_stage.keep:
        train = rows.of("train")
        say(f"fine-tuning the base on {len(train)} rows")
        run = FinetuneKey("base", config.seed, folder, pad_of(loaded.spec), cross_entropy(rows.labels))
        finetune(model, encoded, rows, train, config.base_stage, run)
    if config.weights == "float16":
        round_to_float16(model)
    model.requires_grad_(False)
    return Base(model.eval(), loaded.preprocess, loaded.spec, encoded), rows, schema


def weights_hash(model: nn.Module) -> str:
    """SHA-256 over all weights by name: the base that a bundle was learnt on."""
    digest = sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def key_of(config: FitConfig, rows: Rows, data_sha256: str) -> str:
    """Hash of the content of everything that decides the base; checkpoints resume only under the same hash.

    Args:
        config: All settings.
        rows: The data; image files are read.
        data_sha256: Hash of the table.
    """
    columns = replace(config.columns, images=None)
    # A table's features are chosen from its content where none is named.
    features = list(rows.items[0]) if config.columns.task == "table" else []
    data = (data_sha256, images_hash(rows), features)
    return fingerprint(asdict(config.base_stage), pretrained_hash(config), config.seed, asdict(columns), data)


def pretrained_hash(config: FitConfig) -> str:
    """Identity of the pretrained base: a folder's hash, or a hub id with its revision if that is cached."""
    if config.box is not None and config.box.file:
        file = Path(config.box.file)
        if file.is_dir():
            return folder_hash(file)
        own = [file, *([Path(config.box.tokenizer)] if config.box.tokenizer else [])]
        return files_hash([(each.name, each) for each in own])
    if config.columns.task == "table":
        return config.base
    if Path(config.base).is_dir():
        return folder_hash(Path(config.base))
    try:
        revision = extract_commit_hash(cached_file(config.base, "config.json"), None)
    except (OSError, ValueError):  # loading the base reports the error
        revision = None
    return f"{config.base}@{revision}" if revision else config.base


def load(config: FitConfig, schema: Schema, rows: Rows) -> Loaded:
    """The base before fine-tuning, with a new seeded head.

    Weights are safetensors only, and no code of the base's repository runs.

    Raises:
        DataError: the base or its preprocessing cannot be used; the message says why.
        UnsupportedBaseError: it cannot be served, or reads another kind of input; the message says why.
    """
    torch.manual_seed(config.seed)
    task = config.columns.task
    if task == "table":
        if config.base_stage.keep:
            raise DataError("--keep-base: a base for tables is made at fit; there is none to keep")
        return _tabular(rows, schema)
    try:
        family_of_config(_configuration(config), task)
        model = set_up(_pretrained(config, schema))
        if task == "image":
            return Loaded(model, image_json(config.base), ImageInput())
        tokenizer: Any = tokenizer_of(config.base)
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, DataError | UnsupportedBaseError):
            raise
        reason = str(error).strip().splitlines()[0]
        raise DataError(
            f"base {config.base!r} does not load ({reason}); give a hub id or a model folder"
        ) from error
    content = tokenizer.backend_tokenizer.to_str().encode()
    return Loaded(model, content, text_input(model, tokenizer, task, config.base_stage.max_tokens))


def _configuration(config: FitConfig) -> Any:  # noqa: ANN401 - a configuration of transformers
    """The base's own configuration, of an adapter folder that of the model under it.

    Raises:
        DataError: the settings keep a head that answers otherwise than with one label of several.
    """
    place, adapter = config.base, Path(config.base) / "adapter_config.json"
    if adapter.is_file() and not (Path(config.base) / "config.json").is_file():
        place = json.loads(adapter.read_text())["base_model_name_or_path"]
    own = AutoConfig.from_pretrained(place, trust_remote_code=False)  # nosec B615 - the user's choice
    problem = getattr(own, "problem_type", None)
    heads = {"multi_label_classification": "a probability of its own for every label (multi-label)"}
    heads["regression"] = "a number (regression)"
    head = heads.get(str(problem), "one number" if own.num_labels == 1 else "")
    if config.base_stage.keep and head:
        raise DataError(
            f"--keep-base: {config.base!r} answers with {head}; supported is one label out of two or more: "
            "leave out --keep-base to train such a head, and of several labels fit one bundle each"
        )
    return own


def _pretrained(config: FitConfig, schema: Schema) -> Any:  # noqa: ANN401 - a Hugging Face classifier
    labels = (
        {}
        if config.base_stage.keep
        else {
            "num_labels": len(schema.labels),
            "id2label": dict(enumerate(schema.labels)),
            "label2id": {label: index for index, label in enumerate(schema.labels)},
            "problem_type": "single_label_classification",
            "ignore_mismatched_sizes": True,
        }
    )
    safe: dict[str, Any] = {
        "use_safetensors": True,
        "trust_remote_code": False,
        "output_loading_info": True,
        **labels,
    }
    kind = auto_class(config.columns.task)
    try:
        model, loaded = kind.from_pretrained(config.base, attn_implementation="eager", **safe)
    except (TypeError, ValueError) as error:
        if "attn_implementation" not in str(error):
            raise
        model, loaded = kind.from_pretrained(config.base, **safe)
    if config.base_stage.keep and loaded["missing_keys"]:
        raise DataError(_no_head(config.base, sorted(loaded["missing_keys"])))
    return model.float()


def _no_head(base: str, missing: list[str]) -> str:
    """Why a base cannot be kept whose weights are not all in its checkpoint: the library draws the others."""
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return (
        f"--keep-base: {base!r} is no trained classifier: it lacks {', '.join(missing[:3])}{more}, which "
        "would be random\nleave out --keep-base to train it, or give a classifier that is fine-tuned"
    )


def _tabular(rows: Rows, schema: Schema) -> Loaded:
    """A new classifier in the shape of the table's columns."""
    content = features_json(rows, schema.columns)
    features = TableFeatures.model_validate_json(content)
    sizes = tuple(UNKNOWN + 1 + len(column.categories) for column in features.categorical)
    model = TabularClassifier(TabularConfig(len(features.numeric), sizes, len(schema.labels)))
    return Loaded(model, content, TableInput())


def _align(model: nn.Module, rows: Rows, schema: Schema) -> tuple[Rows, Schema]:
    """Use the kept base's own label order."""
    config: Any = model.config
    names = [str(name) for _, name in sorted(config.id2label.items())]
    if set(names) != set(schema.labels):
        raise DataError(
            f"--keep-base: the base answers {names}, the label column holds {list(schema.labels)}; "
            "rename the values so that they are the same"
        )
    codes = np.array([names.index(label) for label in schema.labels], dtype=np.int64)
    return replace(rows, labels=codes[rows.labels]), replace(schema, labels=tuple(names))
