"""The user's own features of decisions, from a table: more that rows can be sliced by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evenhand.reports.period.slices import Feature
from evenhand.reports.period.source import ReportError
from evenhand.tables.cells import GONE, clean
from evenhand.tables.column import Column
from evenhand.tables.read import read_table
from evenhand.tables.table import DataError, Table
from evenhand.typing import Ints

ID = "id"
MAX_COLUMNS = 40
MAX_VALUES = 12
"""Rarer values are taken together."""
INTERVALS = 5
"""Numbers are cut into so many intervals of about equally many rows."""
MISSING, OTHER, INFINITE = "missing", "other", "infinite"


@dataclass(frozen=True)
class UserFeatures:
    """A table, by decision."""

    rows: pd.Index
    """Decision ids."""
    columns: Sequence[Feature]

    def of(self, decisions: Sequence[str]) -> tuple[list[Feature], int]:
        """The features of some decisions, and how many of these are in the table.

        Raises:
            ReportError: none is.
        """
        places = self.rows.get_indexer(pd.Index(decisions))
        if decisions and not (places >= 0).any():
            raise ReportError(
                "no id in --features is of a decision in this period; they are the ids of the replies"
            )
        features = []
        for column in self.columns:
            values = [*column.values, MISSING]
            codes = np.where(places >= 0, column.codes[places], len(column.values)).astype(np.int16)
            features.append(Feature(column.name, values, codes))
        return features, int((places >= 0).sum())


def read(path: Path) -> UserFeatures:
    """Read a table with a column ``id``.

    Raises:
        ReportError: it cannot be used.
    """
    try:
        table = read_table(path)
    except DataError as error:
        raise ReportError(str(error)) from error
    if ID not in table.cells:
        raise ReportError(f"{path}: no column {ID!r} with the decisions' ids")
    if table.refused:
        first = table.refused[0]
        raise ReportError(
            f"{path}: {len(table.refused)} rows cannot be read; the first is row {first.row_number}: "
            f"{first.reason}"
        )
    ids = pd.Index([clean(cell or "") for cell in table.cells[ID]])
    if ids.has_duplicates:
        again = int(np.flatnonzero(ids.duplicated())[0])
        raise ReportError(
            f"{path}: column {ID!r} names a decision more than once; row {table.numbers[again]} does so again"
        )
    names = [name for name in table.columns if name != ID]
    if not 0 < len(names) <= MAX_COLUMNS:
        raise ReportError(f"{path}: {len(names)} columns besides {ID!r}; give 1 to {MAX_COLUMNS}")
    return UserFeatures(ids, [_feature(table, name) for name in names])


def _feature(table: Table, name: str) -> Feature:
    """A column's values: intervals of many numbers, and else the most frequent values."""
    column = Column.of(name, table.cells[name], GONE)
    if column.numeric and len(column.values) > MAX_VALUES:
        return _intervals(column)
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.values))
    common = list(np.argsort(-counts, kind="stable")[:MAX_VALUES])
    values = [column.values[code] for code in common]
    if len(column.values) > MAX_VALUES:
        values = [*values, _free(OTHER, values)]
    place = np.full(len(column.values) + 1, len(values) - 1, dtype=np.int64)
    place[common] = np.arange(len(common))
    return _with_missing(name, values, np.where(column.codes < 0, -1, place[column.codes]))


def _intervals(column: Column) -> Feature:
    """Numbers in intervals of about equally many rows; infinite ones are a value of their own."""
    numbers = np.append(column.numbers, np.nan)[column.codes]
    finite = pd.Series(numbers).where(np.isfinite(numbers))
    cut = pd.qcut(finite, INTERVALS, duplicates="drop")
    values = [f"{interval.left:.4g} to {interval.right:.4g}" for interval in cut.cat.categories]
    codes = cut.cat.codes.to_numpy().astype(np.int64)
    if np.isinf(numbers).any():
        values = [*values, INFINITE]
        codes = np.where(np.isinf(numbers), len(values) - 1, codes)
    return _with_missing(column.name, values, codes)


def _free(word: str, values: Sequence[str]) -> str:
    """The word, or another one where it is a value of the table."""
    return word if word not in values else f"{word} values"


def _with_missing(name: str, values: Sequence[str], codes: Ints) -> Feature:
    missing = [MISSING] if (codes < 0).any() else []
    places: NDArray[Any] = np.where(codes < 0, len(values), codes)
    return Feature(name, [*values, *missing], places.astype(np.int16))
