"""The settings to choose from: strength, flagged rows and offsets, and what a corrector answers under each.

A threshold is named by its *level*: the flagged share of rows, in multiples of the share of rows outside the
reference group. Held-out training rows turn levels into risks, so a setting is fixed before any validation
row is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evenhand.console import track
from evenhand.models.network.corrector import Corrector
from evenhand.training.data.dataset import HELD, TUNE, Rows
from evenhand.training.learning.adapters import answers
from evenhand.training.learning.config import CorrectionConfig
from evenhand.training.learning.features import Features
from evenhand.typing import Bools, Float32s, Ints

LEVELS = (0.5, 0.75, 1.0, 1.5, 2.0)
HARD_LEVEL = 1.0
"""Correctors that compare flagged rows with the others learn on what this level flags."""
WIDEST = 0.95
"""Share of rows that no level exceeds: some rows must stay the base's, to compare with."""
LARGEST_OFFSET = 30.0
"""In logits, at risk 1. Rows of hardly any risk would ask for millions, which drown the base's scores in rows
of much risk, and make the last digits of the risk decide."""
ALWAYS = float("inf")
"""The level that flags every row."""
NEVER = 1.0


@dataclass(frozen=True)
class Setting:
    """A strength, and per attribute a level and offsets."""

    strength: float
    levels: tuple[float, ...]
    """One per gated attribute; 0 is never."""
    offsets: tuple[tuple[float, ...], ...]
    """Per gated attribute one per class: what the decision stage adds, times the risk."""

    @property
    def plain_levels(self) -> list[float | str]:
        """The levels as JSON can say them."""
        return ["always" if level == ALWAYS else level for level in self.levels]


def untouched(attributes: int, classes: int) -> Setting:
    """The setting that corrects nothing."""
    return Setting(0.0, (0.0,) * attributes, ((0.0,) * classes,) * attributes)


def levels_of(config: CorrectionConfig) -> tuple[float, ...]:
    """Levels that may be chosen."""
    return (ALWAYS,) if config.gate == "always" else LEVELS


def learnt_level(config: CorrectionConfig, soft: bool) -> float:
    """The level whose flagged rows a corrector learns on.

    Args:
        config: With the gate.
        soft: Whether its change grows with the risk: then it learns on all rows that any setting may flag.
    """
    return ALWAYS if config.gate == "always" else max(LEVELS) if soft else HARD_LEVEL


class Cuts:
    """Turns levels into risk thresholds.

    Args:
        risk: ``(rows, attributes)`` of all rows.
        members: ``(rows, attributes)`` 1 outside the reference group, 0 inside, -1 not known.
        rows: All rows; held-out training rows decide.
    """

    def __init__(self, risk: Float32s, members: Ints, rows: Rows) -> None:
        self._risk = risk[rows.of(HELD, TUNE)]
        seen = members[rows.of("train", HELD, TUNE)]
        self.shares = [float((column == 1).sum() / max((column >= 0).sum(), 1)) for column in seen.T]

    def thresholds(self, levels: Sequence[float]) -> tuple[float, ...]:
        """One risk per attribute, from which on rows are flagged."""
        return tuple(self.threshold(attribute, level) for attribute, level in enumerate(levels))

    def threshold(self, attribute: int, level: float) -> float:
        """The risk of one attribute from which on rows are flagged."""
        if level == 0.0:
            return NEVER
        if level == ALWAYS:
            return 0.0
        share = min(WIDEST, level * self.shares[attribute])
        return min(float(np.quantile(self._risk[:, attribute], 1.0 - share)), NEVER - 1e-6)


class LogitTable:
    """The first stage's logits of some rows at every strength, under every possible set of open gates.

    Args:
        correction: What was learnt.
        features: Hidden states and the base's logits.
        chosen: Rows.
        possible: ``(chosen, attributes)`` which gates any setting can open.
        risk: ``(chosen, attributes)``.
        strengths: Those to compute; 0 is the base.
    """

    def __init__(
        self,
        correction: Corrector,
        features: Features,
        chosen: Ints,
        possible: Bools,
        risk: Float32s,
        strengths: Sequence[float],
    ) -> None:
        self._bits = 1 << np.arange(possible.shape[1])
        self._strengths = tuple(strengths)
        base = np.asarray(features.base_logits[chosen])
        self._logits = np.tile(base[:, None], (len(self._strengths), 1, 1 << possible.shape[1], 1))
        reach = possible @ self._bits
        steps = [(at, s) for at, s in enumerate(self._strengths) if s > 0.0]
        for index, strength in track(steps, len(steps), "answers at every strength"):
            with correction.at_strength(strength):
                for subset in range(1, 1 << possible.shape[1]):
                    at = np.flatnonzero((reach & subset) == subset)
                    gates = np.repeat((subset & self._bits > 0)[None], len(at), axis=0)
                    if len(at):
                        self._logits[index, at, subset] = answers(
                            correction, features, chosen[at], gates, risk[at]
                        )

    def logits(self, strength: float, is_open: Bools, rows: Ints) -> Float32s:
        """Logits ``(rows, classes)`` of the rows at some places, under gates ``(rows, attributes)``."""
        logits: Float32s = self._logits[self._strengths.index(strength), rows, is_open @ self._bits]
        return logits
