"""A row's split is what its column or its data set says, by whichever usual name; the rest is drawn."""

import numpy as np
import pytest

from evenhand.tables.cells import GONE_LABEL
from evenhand.tables.column import Column
from evenhand.tables.table import DataError, Table
from evenhand.training.data.columns import Columns
from evenhand.training.data.splits import RowSplits, split_name, split_of

COLUMNS = Columns("x", "y", ("s",), "part")


def splits(parts: list[str | None], labels: list[str | None], own: str | None = None) -> RowSplits:
    table = Table("t", "", {"y": labels, "part": parts}, list(range(1, len(labels) + 1)), split=own)
    return split_of(table, COLUMNS, Column.of("y", labels, GONE_LABEL), seed=0)


@pytest.mark.parametrize(
    ("written", "split"),
    [
        ("train", "train"),
        ("Training", "train"),
        (" validation ", "val"),
        ("dev", "val"),
        ("validation_matched", "val"),
        ("TEST", "test"),
        ("test_r1", "test"),
        ("holdout", "holdout"),
        ("unsupervised", "unsupervised"),
    ],
)
def test_usual_names_mean_a_split(written: str, split: str) -> None:
    assert split_name(written) == split


def test_other_names_are_said_and_strange_ones_left_out() -> None:
    made = splits(["train", "validation", "test", "later", None], ["a"] * 5)
    assert made.names.tolist() == ["train", "val", "test", "later", None]
    assert made.left_out == ["", "", "", "part is later", "part is missing"]
    assert made.notes == ("'validation' of part is the split val",)


def test_a_data_sets_own_splits_are_kept_and_missing_ones_drawn_from_training() -> None:
    labels: list[str | None] = ["a", "b"] * 200
    labels[300:] = [None] * 100
    parts: list[str | None] = [*["train"] * 200, *["validation"] * 100, *["test"] * 100]
    made = splits(parts, labels, own="part")
    assert (made.names[200:300] == "val").all()
    drawn = np.flatnonzero(made.names[:200] == "test")
    assert len(drawn) == 30
    assert sum(labels[row] == "a" for row in drawn) == 15
    assert made.notes[-1] == "the data set has no labelled rows for test: 30 training rows are"
    # A column that a user names is not mended.
    assert (splits(parts, labels).names[:200] == "train").all()


def test_a_label_of_few_rows_is_named_where_rows_cannot_be_split() -> None:
    labels: list[str | None] = [*["a", "b"] * 50, "c"]
    table = Table("t", "", {"y": labels}, list(range(101)))
    with pytest.raises(DataError) as refused:
        split_of(table, Columns("x", "y", ("s",)), Column.of("y", labels), seed=0)
    assert str(refused.value) == (
        "cannot split 101 rows by label into train, val, test: label 'c' has 1\n"
        "leave out the rows of such labels, or name a column that says the split with --split"
    )
