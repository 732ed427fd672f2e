"""The torch engine's files: a base to JSON and safetensors, and a bundle's files back to the model.

Nothing is pickled, and a bundle brings no code: the architecture is one of
:data:`evenhand.models.network.backbones.FAMILIES`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peft import set_peft_model_state_dict
from safetensors.torch import load, save_file
from torch import Tensor, nn
from transformers import AutoConfig

from evenhand.models.bundle.bundle import BASE_CONFIG, BASE_WEIGHTS, DETECTOR, Bundle, adapter_file
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.network.backbones import SplitModel, set_up
from evenhand.models.network.decision import OffsetsAlone
from evenhand.models.network.fairnet import FairNet
from evenhand.models.network.gated_lora import ConditionalLora
from evenhand.models.network.structure import auto_class, family_of_config
from evenhand.models.network.tabular import TabularClassifier, TabularConfig

PRIVATE = ("_name_or_path", "transformers_version")
"""Fields left out of the configuration: the local path of the base, and what the manifest says already."""

RUNS = (ConditionalLora.method, OffsetsAlone.method)
"""Corrections that the torch engine runs: adapters, and the decision stage that a fit may leave alone."""


def save_base(model: nn.Module, folder: Path, weights: str) -> None:
    """Write a base model.

    Args:
        model: A classifier of one of the families.
        folder: The bundle.
        weights: ``float32``, or ``float16`` to store what are float16 values in half the bytes.
    """
    config: Any = model.config
    plain = asdict(config) if isinstance(config, TabularConfig) else config.to_dict()
    state = model.state_dict()
    if weights == "float16":
        state = {name: _half(tensor) for name, tensor in state.items()}
    (folder / BASE_CONFIG).parent.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in plain.items() if name not in PRIVATE}
    (folder / BASE_CONFIG).write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / BASE_WEIGHTS)


def rebuild(bundle: Bundle) -> FairNet:
    """Make the model of a bundle for the torch engine, from its verified bytes alone.

    Raises:
        ValueError: the files do not make the model that the manifest describes. Other libraries raise their
            own errors where a file is not what its name says.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # notes of PEFT and transformers for each other
        return _rebuild(bundle.manifest, bundle.parts)


def _rebuild(manifest: Manifest, parts: Mapping[str, bytes]) -> FairNet:
    base = _architecture(json.loads(parts[BASE_CONFIG]), manifest.input.kind)
    base.load_state_dict({name: _whole(tensor) for name, tensor in load(parts[BASE_WEIGHTS]).items()})
    correction = manifest.correction
    split = SplitModel(base, correction.layer)
    if (split.classes, split.layers) != (len(manifest.labels), correction.layers):
        raise ValueError(
            f"the base has {split.classes} labels and {split.layers} blocks, "
            f"the manifest {len(manifest.labels)} and {correction.layers}"
        )
    if correction.method not in RUNS:
        raise ValueError(f"the torch engine runs {' and '.join(RUNS)} only, not {correction.method}")
    adapts = correction.method == ConditionalLora.method
    make = (
        partial(ConditionalLora, rank=correction.rank, alpha=correction.alpha)
        if adapts
        else lambda split, _: OffsetsAlone(split)
    )
    fairnet = FairNet(split, manifest.attribute_names, correction.pooling, make)
    fairnet.detectors.load_state_dict(load(parts[DETECTOR]))
    adapted = [name for name in manifest.attribute_names if adapts and adapter_file(name) in parts]
    fairnet.correction.keep(adapted)
    for name in adapted:
        _load_adapter(fairnet, name, load(parts[adapter_file(name)]))
    fairnet.soft = correction.soft
    if correction.offsets is not None:
        fairnet.decision.set(
            [
                [correction.offsets[name][label] for label in manifest.labels]
                for name in manifest.attribute_names
            ]
        )
    return fairnet.requires_grad_(False).eval()


def _architecture(config: dict[str, Any], kind: str) -> nn.Module:
    """An untrained base, computing as it did when it was fitted."""
    model_type = config.pop("model_type", None)
    if model_type == "tabular":
        return TabularClassifier(TabularConfig(**{**config, "categories": tuple(config["categories"])}))
    made = AutoConfig.for_model(model_type, **config)
    family_of_config(made, kind)
    # A fit uses eager attention too; other implementations add in another order.
    made._attn_implementation = "eager"
    return set_up(auto_class(kind).from_config(made, dtype=torch.float32, trust_remote_code=False))


def _load_adapter(fairnet: FairNet, name: str, weights: dict[str, Tensor]) -> None:
    """Load one adapter's weights, and refuse those that do not fit, which PEFT would ignore."""
    correction = fairnet.correction
    assert isinstance(correction, ConditionalLora)
    result = set_peft_model_state_dict(correction.peft, weights, adapter_name=name)
    # Two matrices per adapted projection.
    if result.unexpected_keys or len(weights) != 2 * len(correction.gated_layers()):
        raise ValueError(f"the adapter of {name} does not fit the base")


def _half(tensor: Tensor) -> Tensor:
    half = tensor.half()
    return half if tensor.is_floating_point() and torch.equal(half.float(), tensor) else tensor


def _whole(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
