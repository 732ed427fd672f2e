"""What corrections of the base's own answer share: two classes, and the margin of the favourable one."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.corrector import Corrector, Field
from evenhand.training.correctors.interface import CorrectorInput, NotApplicableError
from evenhand.typing import Bools, Float32s


class MarginCorrector(Corrector):
    """Changes how far the favourable one of two classes is ahead, and nothing else about an answer.

    Args:
        split: The frozen base, cut.
    """

    reads: tuple[Field, ...] = ("logits", "risk")

    def __init__(self, split: SplitModel) -> None:
        super().__init__(split)
        self.favourable: Tensor
        self.register_buffer("favourable", torch.ones(split.classes))

    def margin(self, logits: Tensor) -> Tensor:
        """``(rows,)`` logit of the favourable class less the other's."""
        return logits @ self.favourable

    def with_margin(self, logits: Tensor, margin: Tensor) -> Tensor:
        """Logits ``(rows, classes)`` of another margin ``(rows,)`` and the same sum."""
        return logits + (margin - self.margin(logits))[:, None] * self.favourable / 2

    def begin(self, inputs: CorrectorInput) -> Float32s:
        """Learn which class is the favourable one.

        Returns:
            ``(rows,)`` the base's margins.

        Raises:
            NotApplicableError: there are more than two classes.
        """
        labels, favourable = inputs.material.schema.labels, inputs.material.schema.favourable
        if len(labels) != 2:
            raise NotApplicableError(f"defined for two classes; this data has {len(labels)}")
        sign = [1.0 if label in favourable else -1.0 for label in labels]
        self.favourable.copy_(torch.tensor(sign))
        margins: Float32s = inputs.material.features.base_logits @ np.array(sign, dtype=np.float32)
        return margins


def favourable_truth(inputs: CorrectorInput) -> Bools:
    """``(rows,)`` whether the true label is the favourable one."""
    return np.isin(
        np.array(inputs.material.schema.labels)[inputs.material.rows.labels],
        inputs.material.schema.favourable,
    )
