"""The decision stage alone: offsets per attribute and class, times the detector's risk.

It needs the base's scores and the risks only, so it works on any base and costs next to nothing. Levels and
offsets are searched on held-out rows with all else (:mod:`evenhand.training.choice.search`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.corrector import Corrector
from evenhand.models.network.decision import OffsetsAlone
from evenhand.training.correctors.interface import CorrectorInput, CorrectorMethod
from evenhand.training.learning.config import CorrectionConfig


def make(split: SplitModel, attributes: Sequence[str], *, config: CorrectionConfig) -> OffsetsAlone:
    """The base's answer; the decision stage moves it."""
    return OffsetsAlone(split)


def learn(corrector: Corrector, inputs: CorrectorInput) -> dict[str, Any]:
    """There is nothing to learn before the choice."""
    return {}


OFFSETS = CorrectorMethod(
    "offsets",
    "Offsets times risk",
    "after Xian and Zhao 2024, arXiv 2405.04025",
    make,
    learn,
    effect="an offset per label, times the risk, is added to the scores",
    learns=False,
    decides=True,
    strengths=(0.0,),
)
METHODS = (OFFSETS,)
