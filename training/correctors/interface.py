"""The interface of a corrector at inference: what answers flagged rows, and how it is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.corrector import Corrector
from evenhand.training.data.dataset import HELD, DataError
from evenhand.training.learning.config import CorrectionConfig
from evenhand.training.learning.features import Material
from evenhand.typing import Bools, Float32s, Ints

WITH_OFFSETS = (0.0, 0.5, 1.0)
"""Strengths of a first stage that the decision stage follows; 0 is the decision stage alone."""


@dataclass(frozen=True)
class CorrectorInput:
    """What a corrector is learnt from."""

    material: Material
    """Hidden states and rows, with the groups that training may see."""
    gates: Bools
    """``(rows, attributes)`` rows that some setting may flag."""
    risk: Float32s
    """``(rows, attributes)``."""
    members: Ints
    """``(rows, attributes)`` 1 outside the reference group, 0 inside, -1 not known."""
    config: CorrectionConfig
    folder: Path
    """For checkpoints."""

    @property
    def held(self) -> Ints:
        """Training rows that the base has not learnt from: its errors there are like those in service."""
        return self.material.rows.of(HELD)


class Make(Protocol):
    """Makes an unlearnt corrector."""

    def __call__(
        self, split: SplitModel, attributes: Sequence[str], *, config: CorrectionConfig
    ) -> Corrector:
        """A new corrector, whose buffers and parameters :class:`Learn` sets."""


class Learn(Protocol):
    """Learns a corrector."""

    def __call__(  # each corrector is a class of its own
        self,
        corrector: Any,  # noqa: ANN401
        inputs: CorrectorInput,
    ) -> dict[str, Any]:
        """Change it in place; returns what a reader of the log should know.

        Raises:
            NotApplicableError: it is not defined for this data.
        """


@dataclass(frozen=True)
class CorrectorMethod:
    """One way of correcting."""

    name: str
    """What the command line and the manifest call it."""
    title: str
    source: str
    """Paper or library."""
    make: Make
    learn: Learn
    learns: bool = True
    """Whether it learns from held-out rows; on those that nothing learnt from, settings are put in order."""
    chosen: bool = True
    """Whether settings are chosen by what they change; one that changes no answer takes the highest level."""
    compares: bool = False
    """Whether it learns by comparing flagged rows with the others, so that some row must stay unflagged."""
    effect: str = ""
    """How a flagged row's answer changes, in a few words for the model card."""
    decides: bool = False
    """Whether the decision stage's offsets follow it; a method that moves decisions itself needs none."""
    soft: bool = False
    """Whether its change is multiplied by the risk; a method that reads the risk does it itself."""
    strengths: tuple[float, ...] = (0.3, 0.6, 1.0)
    """What it may be multiplied by; 0 leaves it out, so that offsets alone answer."""
    layers: bool = False
    """Whether it needs the base's own layers, which a model file does not have."""
    always: bool = False
    """Whether ``evenhand compare`` also has a row of it on every row, without a gate."""


class NotApplicableError(DataError):
    """The method is not defined for this data; the message says why."""
