"""Which rows are for training, validation and test: as a column or the data set says, or by the seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from evenhand.tables.cells import clean
from evenhand.tables.column import Column
from evenhand.tables.table import DataError, Table
from evenhand.training.data.columns import Columns
from evenhand.typing import Ints

SPLITS = ("train", "val", "test")
SHARE = 0.15
"""Share of the rows for validation, and for the test."""
FEW_SPLITS = 10
"""Up to so many values of a split column are named where they are none of the splits."""
LONGEST_NAME = 40
OTHER_NAMES = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "development", "eval"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}


@dataclass(frozen=True)
class RowSplits:
    """The split of each row."""

    names: NDArray[np.object_]
    """``(rows,)`` of :data:`SPLITS`, or another name."""
    left_out: list[str]
    """``(rows,)`` why a row is in no split; empty if it is in one."""
    notes: tuple[str, ...] = ()
    """What was guessed, in sentences."""


def split_name(text: str) -> str:
    """The split that a value of a split column means; the value itself where it means none.

    Data sets of the hub have several parts of a kind, such as ``validation_matched``.
    """
    cleaned = clean(text)
    lower = cleaned.lower()
    return OTHER_NAMES.get(lower) or OTHER_NAMES.get(lower.partition("_")[0], cleaned)


def says_splits(column: Column) -> bool:
    """Whether every value of a column means one of the splits, and training rows are among them."""
    names = {split_name(value) for value in column.values}
    return "train" in names and len(names) > 1 and names <= {*SPLITS}


def split_of(table: Table, columns: Columns, label: Column, seed: int) -> RowSplits:
    """The split of each row of a table.

    A data set's own splits are kept; one that has no labelled row is drawn from the training rows.

    Args:
        table: The data.
        columns: May name a column with the splits.
        label: The labels, whose shares a drawn split keeps.
        seed: Decides what is drawn.

    Raises:
        DataError: a label has too few rows to be drawn for every split.
    """
    if not columns.split:
        return _drawn(label, seed)
    written = table.cells[columns.split]
    meant = {value: split_name(value) for value in dict.fromkeys(written) if value is not None}
    names = np.array([None if value is None else meant[value] for value in written], dtype=object)
    notes = [
        f"{value!r} of {columns.split} is the split {split}"
        for value, split in meant.items()
        if value != split and split in SPLITS
    ]
    if columns.split == table.split:
        notes += _filled(names, label, seed)
    return RowSplits(names, _left_out(names, columns.split), tuple(notes))


def _drawn(label: Column, seed: int) -> RowSplits:
    """70 % of the labelled rows for training, 15 % each for validation and test."""
    names = np.full(len(label.codes), "test", dtype=object)
    indices = np.flatnonzero(label.codes >= 0)
    train, rest = _two(indices, label, 2 * SHARE, seed)
    val, _ = _two(rest, label, 0.5, seed)
    names[train], names[val] = "train", "val"
    return RowSplits(names, [""] * len(names))


def _filled(names: NDArray[np.object_], label: Column, seed: int) -> list[str]:
    """Draw a split that the data set lacks from its training rows, in place."""
    notes = []
    for split in SPLITS[1:]:
        if ((names == split) & (label.codes >= 0)).any():
            continue
        train = np.flatnonzero((names == "train") & (label.codes >= 0))
        _, drawn = _two(train, label, SHARE, seed)
        names[drawn] = split
        notes.append(f"the data set has no labelled rows for {split}: {len(drawn)} training rows are")
    return notes


def _two(indices: Ints, label: Column, share: float, seed: int) -> tuple[Ints, Ints]:
    """Rows in two parts, the second a share of them, with the same share of every label."""
    texts = np.array([*label.values, ""], dtype=object)[label.codes[indices]].astype(str)
    try:
        first, second = train_test_split(indices, test_size=share, random_state=seed, stratify=texts)
    except ValueError as error:
        raise DataError(_too_few(texts.tolist(), error)) from error
    return first, second


def _too_few(texts: Sequence[str], error: ValueError) -> str:
    """Why rows cannot be split by label, in words of the table."""
    rare = [(rows, text) for text, rows in Counter(texts).items() if rows < 2 / SHARE]
    why = ", ".join(f"label {text!r} has {rows}" for rows, text in sorted(rare)[:FEW_SPLITS]) or str(error)
    return (
        f"cannot split {len(texts)} rows by label into {', '.join(SPLITS)}: {why}\n"
        "leave out the rows of such labels, or name a column that says the split with --split"
    )


def _left_out(names: NDArray[np.object_], column: str) -> list[str]:
    """Why each row is in no split; a few names are said, many are none."""
    strange = Counter(name for name in names if name not in SPLITS)
    few = len(strange) <= FEW_SPLITS
    reasons = {
        name: f"{column} is {str(name)[:LONGEST_NAME] if name else 'missing'}"
        if few
        else f"{column} is no split"
        for name in strange
    }
    return [reasons.get(name, "") for name in names]
