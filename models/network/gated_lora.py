r"""Gated LoRA: PEFT makes, names and saves the adapters; the gate that selects rows is ours.

.. math:: y_i = W x_i + b + \sum_a g_{ia} \frac{\alpha}{r} B_a A_a x_i, \qquad g_{ia} \in \{0, 1\}

``B`` starts at zero, so a new adapter changes nothing. A closed gate *selects* the base's value
(``torch.where``) instead of multiplying the adapter's by zero: if an adapter overflowed, 0 x inf = NaN would
reach rows that must not change.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import Conv2d as PeftLoraConv2d
from peft.tuners.lora import Linear as PeftLoraLinear
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from evenhand.models.network.backbones import Inputs, SplitModel
from evenhand.models.network.corrector import Corrector, Selected


@dataclass
class Gates:
    """Which rows get which adapter in the next forward pass; shared by all gated layers of one model."""

    open: Tensor | None = None
    """``(rows, attributes)`` bool."""
    columns: dict[str, int] = field(default_factory=dict)
    """Column of every adapter; an attribute whose rows are never corrected has none."""
    axis: int = 0
    """Axis of the rows in what the gated layers read."""
    shares: bool = False
    """Whether that axis may hold several places per row, one row after the other, as windows of an image."""

    def spread(self, column: int, like: Tensor) -> Tensor:
        """One adapter's gates, in a shape that broadcasts over what a gated layer returns."""
        assert self.open is not None
        gate = self.open[:, column]
        if self.shares:
            places = like.shape[self.axis] // gate.shape[0]
            gate = gate.unsqueeze(1).expand(-1, places).reshape(-1)
        shape = [1] * like.dim()
        shape[self.axis] = -1
        return gate.view(shape)


class _GatedLora:
    """PEFT's LoRA layer with a gate per row and adapter; it ignores PEFT's own ``active_adapter``."""

    gates: Gates
    base_layer: nn.Module
    lora_A: nn.ModuleDict  # noqa: N815 - PEFT's name
    lora_B: nn.ModuleDict  # noqa: N815
    scaling: dict[str, float]

    def forward(self, x: Tensor, *_: Any, **__: Any) -> Tensor:  # noqa: ANN401 - PEFT's signature
        """Apply the base layer, and to gated rows their adapters; ``(rows, ..., width)``."""
        result: Tensor = self.base_layer(x)
        if self.gates.open is None:
            raise RuntimeError("gated LoRA was run without gates; set Gates.open first")
        for name, column in self.gates.columns.items():
            delta = self.lora_B[name](self.lora_A[name](x)) * self.scaling[name]
            result = torch.where(self.gates.spread(column, result), result + delta, result)
        return result


class GatedLoraLinear(_GatedLora, PeftLoraLinear):  # type: ignore[misc] # PEFT is not typed
    """A gated linear layer."""


class GatedLoraConv2d(_GatedLora, PeftLoraConv2d):  # type: ignore[misc]
    """A gated convolution over ``(rows, channels, height, width)``."""


GATED = {nn.Linear: GatedLoraLinear, Conv1D: GatedLoraLinear, nn.Conv2d: GatedLoraConv2d}
"""What takes the place of which layer; GPT-2's ``Conv1D`` is a linear layer with its weight transposed."""


class ConditionalLora(Corrector):
    """The suffix of a split model, with one gated adapter per attribute on its query and value projections.

    Args:
        split: The frozen base, cut; its suffix receives the adapters.
        attributes: Adapter names, one per attribute.
        rank: Rank of every adapter (the paper's 8).
        alpha: LoRA's scale numerator (the paper's 16).
    """

    method: ClassVar = "lora"

    def __init__(self, split: SplitModel, attributes: Sequence[str], rank: int = 8, alpha: int = 16) -> None:
        super().__init__(split)
        self.reads = split.reads
        shares = split.family.whole and "image" in split.family.kinds
        self.gates = Gates(
            columns={name: column for column, name in enumerate(attributes)},
            axis=split.family.axis,
            shares=shares,
        )
        # Full names say themselves in which blocks they are.
        within = (
            {}
            if split.family.paths
            else {
                "layers_to_transform": list(range(split.layer, split.layers)),
                "layers_pattern": split.family.blocks.rsplit(".", 1)[-1],
            }
        )
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=split.targets, **within)
        config._register_custom_module(GATED)
        peft = get_peft_model(split.suffix, config, adapter_name=attributes[0])
        for name in attributes[1:]:
            peft.add_adapter(name, config)
        self.peft: PeftModel = peft
        for layer in self.gated_layers():
            layer.gates = self.gates
        for name, parameter in peft.named_parameters():
            parameter.requires_grad_("lora_" in name)

    def gated_layers(self) -> list[_GatedLora]:
        """The layers that carry adapters."""
        return [module for module in self.peft.modules() if isinstance(module, _GatedLora)]

    def forward(
        self,
        hidden: Tensor,
        attention_mask: Tensor | None,
        gates: Tensor,
        inputs: Inputs | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Finish rows from the cut on.

        Args:
            hidden: ``(rows, seq, hidden)``.
            attention_mask: ``(rows, seq)``; only text has one.
            gates: ``(rows, attributes)`` bool.
            inputs: The rows as the base takes them, for a base that runs whole.

        Returns:
            Logits ``(rows, classes)``, and the head's input ``(rows, width)``.
        """
        self.gates.open = gates
        try:
            return self.split.finish(hidden, attention_mask, inputs)
        finally:
            self.gates.open = None

    def correct(self, rows: Selected) -> Tensor:
        """Finish the rows with their adapters."""
        logits: Tensor = self(rows.hidden, rows.mask, rows.gates, rows.inputs)[0]
        return logits

    def keep(self, attributes: Sequence[str]) -> None:
        """Drop the adapters of all other attributes; without any attribute nothing is dropped."""
        for name in [name for name in self.gates.columns if attributes and name not in attributes]:
            self.peft.delete_adapter(name)
            del self.gates.columns[name]

    @contextlib.contextmanager
    def at_strength(self, strength: float) -> Iterator[None]:
        """Run with every adapter's change multiplied by ``strength``."""
        usual = [dict(layer.scaling) for layer in self.gated_layers()]
        try:
            for layer in self.gated_layers():
                layer.scaling.update({name: value * strength for name, value in layer.scaling.items()})
            yield
        finally:
            for layer, scaling in zip(self.gated_layers(), usual, strict=True):
                layer.scaling.update(scaling)

    @torch.no_grad()
    def fold_strength(self, strength: float) -> None:
        """Make ``strength`` part of the weights, so that it travels with the adapter files."""
        for layer in self.gated_layers():
            for up in layer.lora_B.values():
                next(up.parameters()).mul_(strength)

    def save(self, folder: Path, base: str) -> None:
        """Write one PEFT folder per attribute.

        Args:
            folder: Where to.
            base: What the adapters' configuration calls the base model.
        """
        for config in self.peft.peft_config.values():
            config.base_model_name_or_path = base
        # Without the last argument PEFT asks the hub about the base's vocabulary.
        self.peft.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
        for readme in folder.rglob("README.md"):
            readme.unlink()  # PEFT's template; the bundle has its own card
