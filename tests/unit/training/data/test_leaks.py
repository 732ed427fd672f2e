"""A column that says the outcome is told from one that predicts it well."""

import numpy as np
import pandas as pd
import pytest

from evenhand.tables.column import Column
from evenhand.tables.frame import series_cells
from evenhand.training.data.leaks import leaks

ROWS = 2000
DRAW = np.random.default_rng(1)
INCOME = DRAW.normal(50, 20, ROWS)
RICH = INCOME > 60
LABEL = np.where(RICH, "yes", "no")


def swapped(share: float) -> np.ndarray:
    """The label as numbers, with a share of them wrong."""
    return np.where(np.random.default_rng(2).random(ROWS) < share, ~RICH, RICH).astype(int)


def says(column: object, outcome: object = LABEL) -> bool:
    return leaks(*(Column.of("", series_cells(pd.Series(values))) for values in (column, outcome)))


@pytest.mark.parametrize(
    "column",
    [
        LABEL,
        np.where(RICH, "accepted", "refused"),
        swapped(0.01),
        INCOME,
        INCOME.astype(str),
        np.where(RICH, "2020", None),
        np.where(RICH, DRAW.choice(["a", "b"], ROWS), DRAW.choice(["c", "d", "e"], ROWS)),
    ],
    ids=["copy", "recoded", "noisy", "threshold", "threshold of strings", "gaps", "finer"],
)
def test_what_says_the_label_leaks(column: object) -> None:
    assert says(column)


@pytest.mark.parametrize(
    "column",
    [
        swapped(0.1),
        DRAW.normal(0, 1, ROWS),
        INCOME + DRAW.normal(0, 10, ROWS),
        np.arange(ROWS).astype(str),
        np.full(ROWS, "same"),
    ],
    ids=["nine of ten", "noise", "strong", "all differ", "constant"],
)
def test_what_predicts_it_well_does_not(column: object) -> None:
    assert not says(column)


def test_a_rare_label_is_not_said_by_everything() -> None:
    rare = np.where(np.arange(ROWS) % 100 == 0, "yes", "no")
    assert not says(DRAW.choice(["a", "b"], ROWS), rare)
    assert says(np.where(rare == "yes", 1, 0), rare)


def test_rows_without_a_label_are_not_asked() -> None:
    label = pd.Series(LABEL).where(pd.Series(DRAW.random(ROWS) < 0.5))
    assert says(np.where(RICH, 1, 0), label)
    assert not says(np.where(label.isna(), 1, 0), label)


def test_a_few_rows_say_nothing_but_a_copy() -> None:
    assert not says(swapped(0.0)[:12], LABEL[:12])
    assert says(LABEL[:12], LABEL[:12])
