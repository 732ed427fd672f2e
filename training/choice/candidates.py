"""The settings to choose from: strength, flagged rows and offsets, and what a corrector answers under each.

A threshold is named by its *level*: the flagged share of rows, in multiples of the share of rows outside the
reference group. Held-out training rows turn levels into risks, so a setting is fixed before any validation
row is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
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
SURE = 0.95
"""The highest threshold. Above it a good detector's risks differ by chance alone: a level would split rows
that surely belong to a group."""
UNLIKELY = 0.5
"""The lowest threshold, in multiples of the share of rows outside the reference group: a row that is half as
likely as any row to belong to a group is none of its."""
LARGEST_OFFSET = 30.0
"""In logits, at risk 1. Rows of hardly any risk would ask for millions, which drown the base's scores in rows
of much risk, and make the last digits of the risk decide."""
ALWAYS = float("inf")
"""The level that flags every row."""
NEVER = 1.0
AT_ONCE = 1024
"""Rows between two lines of progress."""


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
        at_level = float(np.quantile(self._risk[:, attribute], 1.0 - share))
        return float(np.clip(at_level, UNLIKELY * self.shares[attribute], SURE))

    def counting(self, config: CorrectionConfig) -> tuple[float, ...]:
        """Per attribute the risk that flags as many rows as are outside its reference group.

        Rows of an attribute that is not corrected are counted from it on.
        """
        level = 0.0 if config.gate == "always" else 1.0
        return self.thresholds([level] * len(self.shares))


class LogitTable:
    """The first stage's logits at every strength, under every set of open gates, computed when asked for.

    A search asks for few of the sets that several attributes can form, and rows that certify are asked about
    under the tested settings alone.

    Args:
        correction: What was learnt; only its own strength may change while the table is in use.
        features: Hidden states and the base's logits of all rows.
        risk: ``(rows, attributes)`` of all rows.
    """

    def __init__(self, correction: Corrector, features: Features, risk: Float32s) -> None:
        self._correction, self._features, self._risk = correction, features, risk
        self._bits = 1 << np.arange(risk.shape[1])
        self._answers: dict[tuple[float, int], Float32s] = {}
        """``(rows, classes)`` per strength and set of gates; not a number where nobody asked yet."""

    def logits(self, strength: float, is_open: Bools, rows: Ints) -> Float32s:
        """Logits ``(rows, classes)`` under gates ``(rows, attributes)``; at strength 0 the base's."""
        logits: Float32s = np.array(self._features.base_logits[rows])
        if strength == 0.0:
            return logits
        subset = is_open @ self._bits
        stores = {int(of): self._of(strength, int(of)) for of in np.unique(subset) if of}
        missing = np.zeros(len(rows), bool)
        for of, stored in stores.items():
            missing |= (subset == of) & np.isnan(stored[rows, 0])
        self._compute(strength, is_open[missing], rows[missing])
        for of, stored in stores.items():
            logits[subset == of] = stored[rows[subset == of]]
        return logits

    def _of(self, strength: float, subset: int) -> Float32s:
        """What is known under a set of gates."""
        key = (strength, subset)
        if key not in self._answers:
            self._answers[key] = np.full(self._features.base_logits.shape, np.nan, dtype=np.float32)
        return self._answers[key]

    def _compute(self, strength: float, is_open: Bools, rows: Ints) -> None:
        """Answer rows under gates that nobody asked about yet."""
        parts = range(0, len(rows), AT_ONCE)
        with self._correction.at_strength(strength) if len(parts) else nullcontext():
            for start in track(parts, len(parts), f"answers at strength {strength:g}"):
                at, gates = rows[start : start + AT_ONCE], is_open[start : start + AT_ONCE]
                logits = answers(self._correction, self._features, at, gates, self._risk[at])
                for of in np.unique(gates @ self._bits):
                    inside = gates @ self._bits == of
                    self._answers[strength, int(of)][at[inside]] = logits[inside]
