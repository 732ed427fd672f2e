"""Stage 1: the base model, fine-tuned with cross-entropy or left as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from models.backbones import family_of
from models.export import round_to_float16
from models.inputs import Encoded, TextEncoder
from models.manifest import TextInput
from training.config import FitConfig
from training.data import DataError, Rows, Schema
from training.finetune import Run, cross_entropy, finetune
from training.progress import say


@dataclass(frozen=True)
class Base:
    """A frozen base model with its inputs."""

    model: nn.Module
    tokenizer: bytes
    spec: TextInput
    encoded: list[Encoded]
    """All rows, tokenised."""


def prepare(config: FitConfig, rows: Rows, schema: Schema, folder: Path) -> tuple[Base, Rows, Schema]:
    """Load the base, fine-tune it unless it is to be kept, freeze it.

    Returns:
        The base, and the rows and schema with labels in the order of the base's outputs.

    Raises:
        DataError: the base or its tokenizer cannot be used; the message says why.
    """
    model, tokenizer = load(config, schema)
    if config.base_stage.keep:
        rows, schema = _align(model, rows, schema)
    spec = TextInput(max_tokens=_limit(config.base_stage.max_tokens, tokenizer), pad_id=tokenizer.pad_token_id)
    content = tokenizer.backend_tokenizer.to_str().encode()
    encoder = TextEncoder(content, spec)
    encoded = [encoder.encode(text) for text in rows.texts]
    if not config.base_stage.keep:
        train = rows.of("train")
        say(f"fine-tuning the base on {len(train)} rows")
        run = Run("base", config.seed, folder, spec.pad_id, cross_entropy(rows.labels))
        finetune(model, encoded, rows, train, config.base_stage, run)
    if config.weights == "float16":
        round_to_float16(model)
    model.requires_grad_(False)
    return Base(model.eval(), content, spec, encoded), rows, schema


def weights_hash(model: nn.Module) -> str:
    """SHA-256 over all weights by name: the base that a bundle was learnt on."""
    digest = sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def load(config: FitConfig, schema: Schema) -> tuple[nn.Module, AutoTokenizer]:
    """The base before fine-tuning, its new head seeded: from safetensors, and running no code of its repository.

    Raises:
        DataError: the base or its tokenizer cannot be used; the message says why.
    """
    labels = (
        {}
        if config.base_stage.keep
        else {
            "num_labels": len(schema.labels),
            "id2label": dict(enumerate(schema.labels)),
            "label2id": {label: index for index, label in enumerate(schema.labels)},
            "ignore_mismatched_sizes": True,
        }
    )
    torch.manual_seed(config.seed)
    try:
        tokenizer = AutoTokenizer.from_pretrained(config.base, use_fast=True, trust_remote_code=False)
        model: nn.Module = AutoModelForSequenceClassification.from_pretrained(
            config.base, use_safetensors=True, trust_remote_code=False, attn_implementation="eager", **labels
        )
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"base {config.base!r} does not load ({reason}); give a hub id or a model folder") from error
    if not tokenizer.is_fast or tokenizer.pad_token_id is None:
        raise DataError(f"base {config.base!r} has no fast tokenizer with a padding token; serving needs one")
    family_of(model)
    return model.float(), tokenizer


def _limit(wanted: int, tokenizer: AutoTokenizer) -> int:
    """No more tokens than the base has positions."""
    return min(wanted, int(min(tokenizer.model_max_length, 8192)))


def _align(model: nn.Module, rows: Rows, schema: Schema) -> tuple[Rows, Schema]:
    """Use the kept base's own label order."""
    names = [str(name) for _, name in sorted(model.config.id2label.items())]  # type: ignore[union-attr, operator]
    if set(names) != set(schema.labels):
        raise DataError(
            f"--keep-base: the base answers {names}, the label column holds {list(schema.labels)}; "
            "rename the values so that they are the same"
        )
    codes = np.array([names.index(label) for label in schema.labels], dtype=np.int64)
    return replace(rows, labels=codes[rows.labels]), replace(schema, labels=tuple(names))
