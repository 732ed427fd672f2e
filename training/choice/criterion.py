"""The one criterion by which every method chooses on validation rows: ours and the baselines alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from evenhand.training.choice.candidates import CellScorer
from evenhand.training.data.dataset import Rows, Schema
from evenhand.typing import Ints

T = TypeVar("T")
TOO_COSTLY = 10.0
"""Larger than the difference of any two values."""


@dataclass(frozen=True)
class Criterion:
    """The value by which every method orders its settings.

    Highest worst cell among those that cost at most ``cost`` accuracy against the base; where none does,
    highest worst cell. Letting a baseline choose by accuracy instead would make it look worse than it is.
    """

    scorer: CellScorer
    """Over the validation rows."""

    @classmethod
    def against(cls, base: Ints, rows: Rows, schema: Schema, cost: float) -> Criterion:
        """Score against the base's predicted classes ``(validation rows,)``."""
        return cls(CellScorer(rows, schema, rows.of("val"), base, cost))

    def value(self, predicted: Ints) -> float:
        """Value of predicted classes ``(validation rows,)``."""
        value = self.scorer.value(predicted)
        if np.isfinite(value):
            return value
        right = predicted == self.scorer.truth
        index = self.scorer.worst(right)
        least = right.mean() if index is None else right[self.scorer.members[index]].mean()
        return float(least) - TOO_COSTLY

    def choose(self, candidates: Iterable[T], predicted: Callable[[T], Ints]) -> T:
        """The candidate of highest value; the first of equals.

        Args:
            candidates: At least one.
            predicted: Its classes on the validation rows.
        """
        return max(candidates, key=lambda candidate: self.value(predicted(candidate)))
