"""No correction: the base's own answer, monitored by detectors. For a base that was trained to be fair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.decision import Unchanged
from evenhand.training.correctors.interface import CorrectorInput, CorrectorMethod
from evenhand.training.learning.config import CorrectionConfig


def make(split: SplitModel, attributes: Sequence[str], *, config: CorrectionConfig) -> Unchanged:
    """The base without a correction."""
    return Unchanged(split)


def learn(corrector: Unchanged, inputs: CorrectorInput) -> dict[str, Any]:
    """There is nothing to learn."""
    return {}


NONE = CorrectorMethod("none", "No correction, detectors only", "", make, learn, chosen=False)
METHODS = (NONE,)
