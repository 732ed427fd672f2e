"""The settings to choose from: the adapters' strength, and how many rows each attribute's detector flags.

A threshold is named by its *level*: the flagged share of rows, in multiples of the share of rows outside the
reference group. Held-out training rows turn levels into risks, so a setting is fixed before any validation
row is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from evenhand.console import track
from evenhand.models.network.corrector import Corrector
from evenhand.training.data.dataset import HELD, TUNE, Rows, Schema
from evenhand.training.evaluation.metrics import MIN_CELL, pooled_name
from evenhand.training.learning.adapters import answers
from evenhand.training.learning.config import CorrectionConfig
from evenhand.training.learning.features import Features
from evenhand.typing import Bools, Float32s, Float64s, Ints

STRENGTHS = (0.3, 0.45, 0.6, 0.8, 1.0)
LEVELS = (0.5, 0.75, 1.0)
ALWAYS = float("inf")
"""The level that flags every row."""
NEVER = 1.0


@dataclass(frozen=True)
class Setting:
    """A strength, and a level per attribute."""

    strength: float
    levels: tuple[float, ...]
    """One per gated attribute; 0 is never."""

    @property
    def plain_levels(self) -> list[float | str]:
        """The levels as JSON can say them."""
        return ["always" if level == ALWAYS else level for level in self.levels]


def levels_of(config: CorrectionConfig) -> tuple[float, ...]:
    """Levels that may be chosen; the adapters learn on all rows that the highest may flag."""
    return (ALWAYS,) if config.gate == "always" else LEVELS


def settings(attributes: int, levels: Sequence[float] = LEVELS) -> list[Setting]:
    """Every setting but "never": strengths by levels of every attribute."""
    return [
        Setting(strength, chosen)
        for strength in STRENGTHS
        for chosen in product((0.0, *levels), repeat=attributes)
        if any(chosen)
    ]


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
        return tuple(self._threshold(attribute, level) for attribute, level in enumerate(levels))

    def _threshold(self, attribute: int, level: float) -> float:
        if level == 0.0:
            return NEVER
        if level == ALWAYS:
            return 0.0
        share = min(1.0, level * self.shares[attribute])
        return min(float(np.quantile(self._risk[:, attribute], 1.0 - share)), NEVER - 1e-6)


class PredictionTable:
    """Predicted class of some rows at every strength, under every possible set of open gates."""

    def __init__(
        self, correction: Corrector, features: Features, chosen: Ints, possible: Bools, risk: Float32s
    ) -> None:
        """Run the corrector as often as needed.

        Args:
            correction: What was learnt.
            features: Hidden states.
            chosen: Rows.
            possible: ``(rows, attributes)`` which gates any setting can open.
            risk: ``(rows, attributes)``.
        """
        self._bits = 1 << np.arange(possible.shape[1])
        base = features.base_logits[chosen].argmax(axis=1)
        self._predicted = np.tile(base[:, None], (len(STRENGTHS), 1, 1 << possible.shape[1]))
        reach = possible @ self._bits
        for index, strength in enumerate(track(STRENGTHS, len(STRENGTHS), "answers at every strength")):
            with correction.at_strength(strength):
                for subset in range(1, 1 << possible.shape[1]):
                    at = np.flatnonzero((reach & subset) == subset)
                    gates = np.repeat((subset & self._bits > 0)[None], len(at), axis=0)
                    if len(at):
                        logits = answers(correction, features, chosen[at], gates, risk[at])
                        self._predicted[index, at, subset] = logits.argmax(axis=1)

    def predict(self, strength: float, is_open: Bools) -> Ints:
        """Predictions ``(rows,)`` under gates ``(rows, attributes)``."""
        predicted: Ints = self._predicted[
            STRENGTHS.index(strength), np.arange(len(is_open)), is_open @ self._bits
        ]
        return predicted


class CellScorer:
    """Worst cell, accuracy and value of predictions on some rows.

    The value is the worst cell's accuracy over all attributes, plus the mean over attributes of their worst,
    plus a little for overall accuracy; minus infinity where accuracy falls by more than ``cost``.
    """

    def __init__(self, rows: Rows, schema: Schema, chosen: Ints, base: Ints, cost: float) -> None:
        self.truth = rows.labels[chosen]
        self.base_right = base == self.truth
        self.names: list[tuple[str, str, str]] = []
        members: list[Bools] = []
        self._attribute: list[str] = []
        for attribute, group, inside in _groups(rows, schema, chosen):
            for code, label in enumerate(schema.labels):
                cell = inside & (self.truth == code)
                if cell.sum() >= MIN_CELL:
                    self.names.append((attribute, group, label))
                    members.append(cell)
                    self._attribute.append(attribute)
        self.members = np.stack(members) if members else np.zeros((0, len(chosen)), bool)
        self._cost = cost

    def worst(self, right: Bools) -> int | None:
        """Index of the cell of lowest accuracy; ``None`` if no cell is large enough."""
        return int(np.argmin(self._accuracies(right))) if len(self.members) else None

    def value(self, predicted: Ints) -> float:
        """How good predictions ``(rows,)`` are."""
        right = predicted == self.truth
        if right.mean() < self.base_right.mean() - self._cost - 1e-9:
            return float("-inf")
        if not len(self.members):
            return float(right.mean())
        accuracies, attribute = self._accuracies(right), np.array(self._attribute)
        lowest = [accuracies[attribute == index].min() for index in np.unique(attribute)]
        return float(accuracies.min() + np.mean(lowest) + 0.1 * right.mean())

    def _accuracies(self, right: Bools) -> Float64s:
        # A product of two boolean arrays is boolean: it would say whether any row is right, not how many.
        accuracies: Float64s = (self.members @ right.astype(np.int64)) / self.members.sum(axis=1)
        return accuracies


def _groups(rows: Rows, schema: Schema, chosen: Ints) -> Iterator[tuple[str, str, Bools]]:
    """Every group of every attribute, and all but the reference together; without attributes, everyone."""
    if not schema.groups:
        yield "everyone", "everyone", np.ones(len(chosen), dtype=bool)
    for attribute, names in schema.groups.items():
        groups = rows.groups[attribute][chosen]
        for code, name in enumerate(names):
            yield attribute, name, groups == code
        yield attribute, pooled_name(names[0]), groups > 0
