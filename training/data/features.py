"""The columns that a model of a table learns from: numbers and categories, and what stands between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenhand.models.bundle.encoders.table import EMPTY_CELLS, FLOAT32_MAX, not_usable, raw_number
from evenhand.tables.cells import GONE, is_code
from evenhand.tables.column import Column
from evenhand.tables.table import DataError, Table
from evenhand.typing import Bools

MOSTLY = 0.95
"""Share of numbers from which on the rest of a column's values are taken for gaps or mistakes."""
FEW_WORDS = 3
"""So many different values at most are taken for gaps or mistakes among numbers; more are categories."""
SOME = 0.05
"""From this share of numbers on it is said that a column of categories has some."""


@dataclass(frozen=True)
class FeatureColumn:
    """A column as a feature."""

    column: Column
    categories: bool = False
    """Whether its values are categories even if they are numbers."""
    words: tuple[str, ...] = ()
    """Words among numbers that are read as missing."""
    note: str = ""
    """What was guessed."""
    raw: list[float | str | None] | None = None
    """``(rows,)`` the cells as they stand, for a model of the user's; ``None`` for a model of our own."""

    @property
    def numeric(self) -> bool:
        """Whether a model reads it as a number."""
        return self.column.numeric and not self.categories

    @property
    def unusable(self) -> Bools:
        """``(rows,)`` whether a row's number is infinite, or larger than 32 bits can say."""
        if self.raw is not None:
            return np.array([isinstance(cell, float) and not abs(cell) < FLOAT32_MAX for cell in self.raw])
        if not self.numeric:
            return np.zeros(len(self.column.codes), dtype=bool)
        return self.column.with_values(~(np.abs(self.column.numbers) < FLOAT32_MAX))

    def items(self) -> list[float | str | None]:
        """``(rows,)`` what the encoder takes."""
        if self.raw is not None:
            return self.raw
        if not self.numeric:
            return list(self.column.texts())
        numbers = [*(float(number) for number in self.column.numbers), None]
        return [numbers[code] for code in self.column.codes]


def feature_column(table: Table, name: str, *, categories: bool = False) -> FeatureColumn:
    """One column as a feature.

    Args:
        table: The data.
        name: The column's.
        categories: Whether its values are categories even if they are numbers.

    Raises:
        DataError: nearly all values are numbers, and the others look like mistakes.
    """
    cells = table.cells[name]
    column = Column.of(name, cells)
    if column.type != "text" or categories or not column.values:
        return FeatureColumn(column, categories)
    numbers = np.array([not np.isnan(n) for n in column.numbers])
    if any(is_code(value) for value in column.values):
        share = column.share(numbers)
        return FeatureColumn(column, note="digits that begin with 0: codes, no numbers" if share == 1 else "")
    strays = [value for value, number in zip(column.values, numbers, strict=True) if not number]
    share = column.share(numbers)
    if share < MOSTLY or len(strays) > FEW_WORDS:
        return FeatureColumn(column, note=f"{100 * share:.1f} % are numbers" if share >= SOME else "")
    if any(letter.isdecimal() for value in strays for letter in value):
        raise DataError(_mistaken(table, column, ~numbers, strays))
    return FeatureColumn(
        Column.of(name, cells, GONE | {word.lower() for word in strays}), words=tuple(strays)
    )


def raw_column(table: Table, name: str, *, text: bool) -> FeatureColumn:
    """One column as it stands, for a model of the user's: nothing is mended, and no text respelled.

    It is a column of numbers where every value is one, as pandas has it, or all are truth values. Of a file
    without types the words are missing that pandas reads so: what the model was fitted on, as a rule.

    Args:
        table: The data.
        name: The column's.
        text: Whether the model reads texts there, even if they look like numbers.
    """
    gone = EMPTY_CELLS if table.untyped else frozenset[str]()
    cells = [None if cell is None or cell in gone else cell for cell in table.cells[name]]
    numbers = {cell: None if text else raw_number(cell) for cell in set(cells) if cell is not None}
    words = None in numbers.values()
    column = Column.of(name, cells, {""}, words=words)
    values = cells if words else [None if cell is None else numbers[cell] for cell in cells]
    return FeatureColumn(column, categories=words, raw=list(values))


def _mistaken(table: Table, column: Column, places: Bools, strays: Sequence[str]) -> str:
    rows = np.flatnonzero(column.with_values(places))
    return (
        f"column {column.name}: {strays[0]!r} in row {table.numbers[rows[0]]} is no number"
        f"{f' ({len(rows) - 1} more rows)' if len(rows) > 1 else ''}, and {column.rows - len(rows)} other "
        f"values are\nmend the row, or take each value by itself with --category {column.name}"
    )


def feature_items(features: Mapping[str, FeatureColumn], rows: int) -> tuple[list[dict[str, Any]], list[str]]:
    """One object of named features per row, and why it cannot be used; empty if it can."""
    reasons = [""] * rows
    for name, feature in features.items():
        for row in np.flatnonzero(feature.unusable):
            reasons[row] = reasons[row] or not_usable(name)
    cells = [feature.items() for feature in features.values()]
    return [dict(zip(features, row, strict=True)) for row in zip(*cells, strict=True)], reasons
