"""The whole classifier in torch: base, detectors, gates, corrected suffix.

The parity proof compares the ONNX graph with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from evenhand.models.network.backbones import Inputs, SplitModel
from evenhand.models.network.corrector import Corrector, Field, Selected
from evenhand.models.network.decision import DecisionStage
from evenhand.models.network.detector import BiasDetectors, Pooling
from evenhand.models.network.gated_lora import ConditionalLora

SHADOW, APPLY = 1, 2


class Outputs(NamedTuple):
    """Fields and shapes are those of :class:`evenhand.models.bundle.runtime_onnx.GraphOutputs`."""

    logits: Tensor
    base_logits: Tensor
    shadow_logits: Tensor
    risk: Tensor
    flagged: Tensor


class FairNet(nn.Module):
    """Base model, one bias detector per attribute, and the two stages that answer the rows that they flag.

    Args:
        split: The frozen base, cut before the first corrected block.
        attributes: Attribute names, in the order of every attribute axis.
        pooling: How the detectors reduce positions.
        make: Makes the corrector; by default adapters of the size in FairNet's paper.
    """

    def __init__(
        self,
        split: SplitModel,
        attributes: Sequence[str],
        pooling: Pooling = "attention",
        make: Callable[[SplitModel, Sequence[str]], Corrector] = ConditionalLora,
    ) -> None:
        super().__init__()
        self.attributes = tuple(attributes)
        self.split = split
        self.detectors = BiasDetectors(len(self.attributes), split.hidden_size, pooling)
        self.correction = make(split, self.attributes)
        self.soft = False
        """Whether the first stage's change is multiplied by the risk, as the decision stage's is."""
        self.decision = DecisionStage(len(self.attributes), split.classes)

    def risk(self, hidden: Tensor, attention_mask: Tensor) -> Tensor:
        """Risk per row and attribute ``(batch, attributes)``, from the tapped state."""
        return torch.sigmoid(self.detectors(hidden, attention_mask))

    @property
    def reads(self) -> tuple[Field, ...]:
        """What of a flagged row both stages read."""
        soft: tuple[Field, ...] = ("logits", "risk") if self.soft else ()
        risk: tuple[Field, ...] = ("risk",) if self.decision.active else ()
        return tuple(dict.fromkeys((*self.correction.reads, *soft, *risk)))

    def correct(self, rows: Selected) -> Tensor:
        """Logits ``(rows, classes)`` of selected rows: the representation's, then the decision's offsets."""
        logits = self.correction.correct(rows)
        if self.soft:
            weight = (rows.gates.to(rows.risk.dtype) * rows.risk).amax(dim=1, keepdim=True)
            logits = rows.logits + weight * (logits - rows.logits)
        return self.decision(logits, rows) if self.decision.active else logits

    def forward(self, inputs: Inputs, thresholds: Tensor, modes: Tensor) -> Outputs:
        """Answer a batch.

        A row that an attribute in mode apply and one in mode shadow both flag stands twice in the suffix's
        batch: once as it is served, and once as it would be served if the shadowed attribute were applied.

        Args:
            inputs: What the base takes, by name.
            thresholds: ``(attributes,)``.
            modes: ``(batch, attributes)``, 0 off, 1 shadow, 2 apply.
        """
        base_logits, hidden, heads = self.split.base(inputs)
        attention_mask = self.split.mask(inputs, hidden)
        risk = self.risk(hidden, attention_mask)
        flagged = risk >= thresholds
        applied, candidate = flagged & (modes == APPLY), flagged & (modes >= SHADOW)
        serve = applied.any(dim=1).nonzero().squeeze(1)
        shadow = (flagged & (modes == SHADOW)).any(dim=1).nonzero().squeeze(1)
        rows = torch.cat([serve, shadow])
        logits, shadow_logits = base_logits, base_logits
        if len(rows):
            gates = torch.cat([applied[serve], candidate[shadow]])
            selected = Selected(
                gates,
                hidden[rows],
                attention_mask[rows],
                base_logits[rows],
                risk[rows],
                heads[rows],
                {name: array[rows] for name, array in inputs.items()} if "inputs" in self.reads else {},
            )
            corrected = self.correct(selected)
            logits = base_logits.index_copy(0, serve, corrected[: len(serve)])
            shadow_logits = logits.index_copy(0, shadow, corrected[len(serve) :])
        return Outputs(logits, base_logits, shadow_logits, risk, flagged)
