"""The one criterion by which every method chooses on validation rows: ours and the baselines alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from training.data import Rows, Schema
from training.metrics import cells, worst

Ints = NDArray[np.int64]
T = TypeVar("T")


@dataclass(frozen=True)
class Criterion:
    """Highest worst cell among those that cost at most ``cost`` accuracy; where none does, highest worst cell.

    The correction is chosen so; letting each baseline choose by accuracy instead would make it look worse than it is.
    """

    rows: Rows
    schema: Schema
    chosen: Ints
    """The validation rows."""
    floor: float
    """Accuracy of the base on them, less what may be lost."""

    @classmethod
    def against(cls, base: Ints, rows: Rows, schema: Schema, cost: float) -> Criterion:
        """Judge against the base's predicted classes ``(validation rows,)``."""
        chosen = rows.of("val")
        return cls(rows, schema, chosen, float((base == rows.labels[chosen]).mean()) - cost)

    def value(self, predicted: Ints) -> float:
        """Value of predicted classes ``(validation rows,)``: within the floor first, then worst cell, then accuracy."""
        truth = self.rows.labels[self.chosen]
        accuracy = float((predicted == truth).mean())
        found = []
        for name in self.schema.attributes:
            groups = self.rows.groups[name][self.chosen]
            found += cells(name, self.schema.groups[name], self.schema.labels, groups, truth, predicted)
        lowest = worst(found)
        least = 0.0 if lowest is None else lowest.accuracy.value or 0.0
        # The worst cell is a share of at least thirty rows; a thousandth of the accuracy only breaks ties.
        return 2.0 * (accuracy >= self.floor) + least + 1e-3 * accuracy

    def choose(self, candidates: Iterable[T], predicted: Callable[[T], Ints]) -> T:
        """The candidate of highest value; the first of equals.

        Args:
            candidates: At least one.
            predicted: Its classes on the validation rows.
        """
        return max(candidates, key=lambda candidate: self.value(predicted(candidate)))
