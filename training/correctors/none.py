"""No correction: the base's own answer, monitored by detectors. For a base that was trained to be fair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.corrector import Corrector, Selected
from evenhand.training.correctors.interface import CorrectorInput, CorrectorMethod
from evenhand.training.learning.config import CorrectionConfig


class Nothing(Corrector):
    """The base's answer."""

    method: ClassVar = "none"
    reads: ClassVar = ("logits",)

    def correct(self, rows: Selected) -> Tensor:
        """Change nothing."""
        return rows.logits.clone()


def make(split: SplitModel, attributes: Sequence[str], *, config: CorrectionConfig) -> Nothing:
    """The base without a correction."""
    return Nothing(split)


def learn(corrector: Nothing, inputs: CorrectorInput) -> dict[str, Any]:
    """There is nothing to learn."""
    return {}


NONE = CorrectorMethod("none", "No correction, detectors only", "", make, learn, chosen=False)
METHODS = (NONE,)
