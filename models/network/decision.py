r"""The second stage of a correction: where the decision is made, for the rows that a gate selects.

.. math:: z_{ic}' = z_{ic} + \sum_a g_{ia}\, r_{ia}\, \delta_{ac}

An offset per attribute and class times the detector's risk: soft above the threshold, and the base's answer
below it, as the gate selects rows. It needs no attribute of the row. For two classes it is a threshold that
moves with the risk; for rates it is the form of the best attribute-blind post-processing (Xian and Zhao,
arXiv 2405.04025), with the logit's margin in place of the probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from evenhand.models.network.corrector import Corrector, Field, Selected


class DecisionStage(nn.Module):
    """Adds offsets times risk to logits.

    Args:
        attributes: Number of attributes.
        classes: Number of labels.
    """

    def __init__(self, attributes: int, classes: int) -> None:
        super().__init__()
        self.offsets: Tensor
        self.register_buffer("offsets", torch.zeros(attributes, classes))
        self.active = False
        """Whether any offset is not zero; the graph holds no stage that changes nothing.

        No property: the exporter cannot trace a question about a tensor's values.
        """

    @torch.no_grad()
    def set(self, offsets: Sequence[Sequence[float]]) -> None:
        """Set the offsets ``(attributes, classes)``."""
        self.offsets.copy_(torch.tensor(offsets, dtype=torch.float32))
        self.active = bool(self.offsets.any())

    def forward(self, logits: Tensor, rows: Selected) -> Tensor:
        """Logits ``(rows, classes)`` of the first stage, moved."""
        weight = rows.gates.to(rows.risk.dtype) * rows.risk
        # One attribute after the other: a sum in another order would depend on the batch.
        for attribute in range(self.offsets.shape[0]):
            logits = logits + weight[:, attribute : attribute + 1] * self.offsets[attribute]
        return logits


class Unchanged(Corrector):
    """A first stage that leaves the base's answer as it is."""

    method: ClassVar = "none"
    reads: tuple[Field, ...] = ("logits",)

    def correct(self, rows: Selected) -> Tensor:
        """Change nothing."""
        return rows.logits.clone()


class OffsetsAlone(Unchanged):
    """The first stage where the decision stage is all there is."""

    method: ClassVar = "offsets"
