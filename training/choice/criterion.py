"""The one criterion by which every method chooses on validation rows: ours and the baselines alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from evenhand.models.bundle.target import Target
from evenhand.training.choice.scorer import TargetScorer
from evenhand.training.data.dataset import Rows, Schema
from evenhand.typing import Float64s, Ints

T = TypeVar("T")
TOO_COSTLY = 10.0
"""Larger than the difference of any two values."""


@dataclass(frozen=True)
class Criterion:
    """The value by which every method orders its settings: the target's, among those within its limits.

    Where none is within them, the target's value alone decides. Letting a baseline choose by accuracy instead
    would make it look worse than it is.
    """

    scorer: TargetScorer
    """Over the validation rows."""

    @classmethod
    def against(cls, base: Ints, rows: Rows, schema: Schema, target: Target) -> Criterion:
        """Score against the base's predicted classes ``(validation rows,)``."""
        return cls(TargetScorer(rows, schema, rows.of("val"), base, target))

    def value(self, predicted: Ints) -> float:
        """Value of predicted classes ``(validation rows,)``."""
        return float(self.values(predicted[None])[0])

    def values(self, predicted: Ints) -> Float64s:
        """Values ``(settings,)`` of predicted classes ``(settings, validation rows)``."""
        values = self.scorer.values(predicted)
        costly = ~np.isfinite(values)
        if costly.any():
            values[costly] = self.scorer.merits(predicted[costly]) - TOO_COSTLY
        return values

    def choose(self, candidates: Iterable[T], predicted: Callable[[T], Ints]) -> T:
        """The candidate of highest value; the first of equals.

        Args:
            candidates: At least one.
            predicted: Its classes on the validation rows.
        """
        return max(candidates, key=lambda candidate: self.value(predicted(candidate)))
