"""Where the blocks, the head and the projections of any Hugging Face classifier are, read off its modules.

Nothing is rewritten per architecture: the blocks are the list of modules that holds most parameters, the head
is the last linear layer with one output per label, and the adapted projections are the blocks' queries and
values, or their other linear layers, or their convolutions. What is read here is proven on rows before
anything is learnt (:mod:`evenhand.training.learning.base_check`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForImageClassification, AutoModelForSequenceClassification
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
    MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
)
from transformers.pytorch_utils import Conv1D

from evenhand.models.network.family import FAMILIES, Family, UnsupportedBaseError

QUERY_VALUE = (
    *("query", "value", "q_proj", "v_proj", "q_lin", "v_lin", "q", "v", "to_q", "to_v", "query_proj"),
    *("value_proj", "c_attn", "qkv", "Wqkv", "qkv_proj", "query_key_value", "in_proj", "attn_q", "attn_v"),
)
"""What libraries call the projections to queries and values, apart or in one matrix."""
LINEAR = (nn.Linear, Conv1D)
PECULIAR: dict[str, dict[str, Any]] = {
    # One group of weights is called once per layer.
    "albert": {"blocks": "albert.encoder.albert_layer_groups", "repeats": True},
    # Hidden states are (positions, rows, width), and the head reads the last position, padding or not.
    "xlnet": {"axis": 1, "left": True},
}
"""What cannot be read off the modules, by model type."""
INPUTS = {"text": "input_ids", "pair": "input_ids", "image": "pixel_values"}


def auto_class(kind: str) -> Any:  # noqa: ANN401 - a class of transformers, which is not typed
    """What loads and makes the classifiers of a kind of input."""
    return AutoModelForImageClassification if kind == "image" else AutoModelForSequenceClassification


def family_of_config(config: Any, kind: str) -> Family:  # noqa: ANN401 - a configuration of transformers
    """Look a base up from its configuration alone, before any weight is read.

    Args:
        config: The base's configuration.
        kind: ``text``, ``pair`` or ``image``.

    Raises:
        UnsupportedBaseError: this base cannot be served; the message names its type and says why.
    """
    if reason := _refusal(config, kind):
        raise UnsupportedBaseError(
            f"base model type {config.model_type!r} is not supported for {kind}: {reason}"
        )
    if kind in (exact := FAMILIES.get(config.model_type, Family("", "", (), ()))).kinds:
        return exact
    # Where a type has several classes, the library reads this list, which may be missing.
    config.architectures = config.architectures or []
    with torch.device("meta"):
        try:
            model = auto_class(kind).from_config(config, trust_remote_code=False)
        except ImportError as error:
            reason = str(error).strip().splitlines()[0]
            raise UnsupportedBaseError(
                f"base model type {config.model_type!r} needs a library that is not here ({reason})"
            ) from error
    return read_structure(model, kind)


def read_structure(model: nn.Module, kind: str | None = None) -> Family:
    """The family of a classifier of a type that :data:`FAMILIES` does not list.

    Raises:
        UnsupportedBaseError: it has no repeated blocks, no linear head or nothing to adapt.
    """
    config: Any = model.config
    model_type = str(config.model_type)
    kinds = ("image",) if getattr(model, "main_input_name", "") == "pixel_values" else ("text", "pair")
    if kind is not None and kind not in kinds:
        raise UnsupportedBaseError(
            f"base model type {model_type!r} is not supported for {kind}: it reads {kinds[0]}"
        )
    if kind is not None and getattr(model, "main_input_name", "") != INPUTS[kind]:
        raise UnsupportedBaseError(
            f"base model type {model_type!r} is not supported for {kind}: it takes "
            f"{getattr(model, 'main_input_name', 'something else')}, not {INPUTS[kind]}"
        )
    peculiar = PECULIAR.get(model_type, {})
    blocks = peculiar.get("blocks") or _largest_list(model)
    paths = tuple(_entries(model, blocks)) if blocks else ()
    head = _head(model, paths)
    targets = _targets(model, paths)
    lacks = [
        (not paths, "it has no list of repeated blocks"),
        (not head, f"its last layer is no linear layer with {config.num_labels} outputs"),
        (not targets, "its blocks have no linear layer or convolution to adapt"),
    ]
    if reasons := [reason for missing, reason in lacks if missing]:
        raise UnsupportedBaseError(f"base model type {model_type!r} is not supported: {'; '.join(reasons)}")
    family = Family(blocks, head, targets, kinds, paths=paths, whole=True)
    return replace(family, **{name: value for name, value in peculiar.items() if name != "blocks"})


def adapted(model: nn.Module, family: Family, layer: int) -> list[str]:
    """Full names of the projections that carry adapters, in the blocks from ``layer`` on."""
    first = 0 if family.repeats else layer
    return [
        name
        for path in family.paths[first:]
        for name, module in _inside(model, path)
        if name.rpartition(".")[2] in family.targets and _adaptable(module)
    ]


def _refusal(config: Any, kind: str) -> str:  # noqa: ANN401
    """Why a configuration cannot be served; empty if it can."""
    names = (
        MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES
        if kind == "image"
        else MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES
    )
    if config.model_type not in names:
        what = "image" if kind == "image" else "text"
        return f"the library transformers has no {what} classifier of this type"
    if config.is_encoder_decoder:
        return "it has an encoder and a decoder, and flagged rows could only be finished in one of them"
    if getattr(config, "quantization_config", None) is not None:
        return "its weights are quantised; give the base with float weights"
    if kind == "image" and getattr(config, "num_channels", 3) != 3:
        return f"it reads images of {config.num_channels} channels, and images are encoded in three"
    return ""


def _largest_list(model: nn.Module) -> str:
    """Path of the list of modules with most parameters; the outermost of equals; empty if there is none."""
    lists = [
        (sum(parameter.numel() for parameter in module.parameters()), -len(name), name)
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(list(_entries(model, name))) > 1
    ]
    return max(lists, default=(0, 0, ""))[2]


def _entries(model: nn.Module, path: str) -> Iterator[str]:
    """Paths of a list's modules, those of lists inside it in their place."""
    for name, module in model.get_submodule(path).named_children():
        if isinstance(module, nn.ModuleList):
            yield from _entries(model, f"{path}.{name}")
        else:
            yield f"{path}.{name}"


def _head(model: nn.Module, paths: tuple[str, ...]) -> str:
    """Path of the last linear layer outside the blocks with one output per label."""
    labels = int(model.config.num_labels)  # type: ignore[union-attr, arg-type]
    heads = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and module.out_features == labels
        and not any(name.startswith(f"{path}.") for path in paths)
    ]
    return heads[-1] if heads else ""


def _targets(model: nn.Module, paths: tuple[str, ...]) -> tuple[str, ...]:
    """Last names of the projections to adapt: queries and values, else linear layers, else convolutions."""
    inside = [(name.rpartition(".")[2], of) for path in paths for name, of in _inside(model, path)]
    linear = dict.fromkeys(name for name, module in inside if isinstance(module, LINEAR))
    attention = [name for name in linear if name in QUERY_VALUE]
    convolutions = dict.fromkeys(name for name, module in inside if _adaptable(module))
    return tuple(attention or linear or convolutions)


def _inside(model: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    """All modules of a block with their full names."""
    for name, module in model.get_submodule(path).named_modules():
        if name:
            yield f"{path}.{name}", module


def _adaptable(module: nn.Module) -> bool:
    return isinstance(module, LINEAR) or (type(module) is nn.Conv2d and module.groups == 1)
