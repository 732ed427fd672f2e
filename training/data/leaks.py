"""Columns that say the label or an attribute: copies, and what was written down after the outcome."""

from __future__ import annotations

import numpy as np
from sklearn.tree import DecisionTreeClassifier

from evenhand.models.bundle.encoders.table import FLOAT32_MAX
from evenhand.tables.column import Column
from evenhand.typing import Bools, Ints

MOST_ROWS = 20_000
"""Rows on which a column is tried."""
FEW_VALUES = 20
"""Numbers of so few values are tried like categories, each value by itself."""
LEFT_ERRORS = 0.05
"""A column says the outcome if it leaves this share of the most frequent outcome's errors, or less."""
LEAST_ERRORS = 10
"""With fewer errors of the most frequent outcome nothing can be said."""


def leaks(values: Column, outcome: Column) -> bool:
    """Whether a column alone says another one, on the rows where that has a value.

    The outcome is predicted by one answer for each value, or by thresholds on numbers. It is learnt on one
    half of the rows and tried on the other, so that many different values alone say nothing.

    Args:
        values: The column; a gap in it may say the outcome too.
        outcome: The label, or an attribute.
    """
    rows = np.flatnonzero(outcome.codes >= 0)
    if len(rows) > MOST_ROWS:
        rows = rows[np.random.default_rng(0).choice(len(rows), MOST_ROWS, replace=False)]
    rows = np.random.default_rng(0).permutation(rows)
    # Every other row of each outcome, so that a rare one is in both halves.
    rows = rows[np.argsort(outcome.codes[rows], kind="stable")]
    truth, codes = outcome.codes[rows], values.codes[rows]
    if len(rows) and (codes >= 0).all() and _equal(values, outcome, codes, truth):
        return True
    learnt = np.arange(len(rows)) % 2 == 0
    errors = int((truth[~learnt] != _common(truth[learnt])).sum())
    if errors < LEAST_ERRORS:
        return False
    by_threshold = values.numeric and len(values.values) > FEW_VALUES
    predicted = (
        _by_threshold(values, codes, truth, learnt) if by_threshold else _by_value(codes, truth, learnt)
    )
    return int((predicted[~learnt] != truth[~learnt]).sum()) <= LEFT_ERRORS * errors


def _equal(values: Column, outcome: Column, codes: Ints, truth: Ints) -> bool:
    return bool((np.array(values.values)[codes] == np.array(outcome.values)[truth]).all())


def _common(truth: Ints) -> int:
    """The most frequent code."""
    return int(np.bincount(truth).argmax()) if len(truth) else 0


def _by_threshold(values: Column, codes: Ints, truth: Ints, learnt: Bools) -> Ints:
    """``(rows,)`` what thresholds on the numbers say: a tree with one leaf more than there are outcomes."""
    numbers = np.append(values.numbers, np.nan)[codes][:, None].clip(-FLOAT32_MAX, FLOAT32_MAX)
    tree = DecisionTreeClassifier(max_leaf_nodes=int(truth.max()) + 2, random_state=0)
    predicted: Ints = tree.fit(numbers[learnt], truth[learnt]).predict(numbers)
    return predicted


def _by_value(codes: Ints, truth: Ints, learnt: Bools) -> Ints:
    """``(rows,)`` the most frequent outcome of the row's value, or of all rows for a value not learnt."""
    counts = np.zeros((int(codes.max()) + 2, int(truth.max()) + 1), dtype=np.int64)
    np.add.at(counts, (codes[learnt], truth[learnt]), 1)  # the last line is that of gaps
    best = np.where(counts.any(axis=1), counts.argmax(axis=1), _common(truth[learnt]))
    return np.asarray(best[codes], dtype=np.int64)
