"""What decisions made elsewhere count. Pure functions.

They count as served ones do, under the name of their declared model: under the declared group, or, where none
was declared, under the group ``unknown`` of the inferred ones, because no detector looked at the row. The
answer of the base and the served one are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from evenhand.service.audit.aggregates import BINS, HOUR_MS, NO_BIN, Cells, tenth
from evenhand.service.audit.elsewhere.bodies import ReportedRows
from evenhand.service.audit.elsewhere.columns import ReportedColumns
from evenhand.service.types import Described, Ints, counted_under

Totals = list[float]
"""Rows, and the sum of their scores."""


class Kind(NamedTuple):
    """What rows have in common that add to the same cells."""

    groups: tuple[str | None, ...]
    """One per attribute; ``None`` where none was declared."""
    favourable: bool
    bin: int
    """Tenth of the probability of a favourable label."""
    is_good: bool | None
    """Whether the true label is favourable, if it is known."""


def kind_of(groups: tuple[str | None, ...], favourable: bool, p: float | None, is_good: bool | None) -> Kind:
    """The kind of one row."""
    return Kind(groups, favourable, NO_BIN if p is None else tenth(p), is_good)


def count_rows(model: Described, columns: ReportedColumns) -> dict[Kind, Totals]:
    """Rows by kind, counted as arrays.

    Args:
        model: Whose rows these are.
        columns: The rows.
    """
    favourable = set(model.favourable)
    p = np.array([np.nan if one is None else one for one in columns.p])
    has_p = ~np.isnan(p)
    keys: list[tuple[list[Any], Ints]] = [
        *(_coded(columns.groups[attribute.name]) for attribute in model.attributes),
        _coded([label in favourable for label in columns.labels]),
        _coded([None if truth is None else truth in favourable for truth in columns.truths]),
    ]
    tenths = np.where(has_p, np.minimum(BINS - 1, BINS * np.where(has_p, p, 0.0)), NO_BIN).astype(np.int64)
    values, combined = [each for each, _ in keys], tenths - NO_BIN
    for each, codes in keys:
        combined = combined * len(each) + codes
    kinds, place = np.unique(combined, return_inverse=True)
    rows, scores = np.bincount(place), np.bincount(place, weights=np.where(has_p, p, 0.0))
    return {
        _kind(int(kind), values): [int(number), float(score)]
        for kind, number, score in zip(kinds, rows, scores, strict=True)
    }


def _coded(column: Sequence[Any]) -> tuple[list[Any], Ints]:
    """The values of a column, and for each row the place of its own among them."""
    values = list(dict.fromkeys(column))
    places = {value: place for place, value in enumerate(values)}
    return values, np.fromiter(map(places.__getitem__, column), np.int64, len(column))


def _kind(combined: int, values: Sequence[list[Any]]) -> Kind:
    """The kind of a number that :func:`count_rows` made of all its parts."""
    parts = []
    for each in reversed(values):
        combined, place = divmod(combined, len(each))
        parts.append(each[place])
    is_good, favourable, *groups = parts
    return Kind(tuple(reversed(groups)), favourable, combined + NO_BIN, is_good)


def cells_of(
    hour: int, model: str, names: Sequence[str], kinds: Mapping[Kind, Totals], sign: int = 1
) -> Cells:
    """The cells of the hourly tables.

    Args:
        hour: Of the decisions, since 1970.
        model: Its name.
        names: Of its attributes.
        kinds: Rows by kind.
        sign: -1 to take rows away that were counted.
    """
    cells: Cells = {"hourly_decisions": {}, "hourly_outcomes": {}, "hourly_risk": {}}
    for kind, (rows, score) in kinds.items():
        bits, rows, score = (int(kind.favourable),) * 2, sign * rows, sign * score
        for name, declared in zip(names, kind.groups, strict=True):
            cell = (hour, model, name, *counted_under(declared, None))
            _add(cells, "hourly_decisions", (*cell, *bits, kind.bin), rows, score)
            _add(cells, "hourly_risk", (hour, model, name, *bits, NO_BIN), rows, 0.0, 0.0)
            if kind.is_good is not None:
                _add(cells, "hourly_outcomes", (*cell, *bits, int(kind.is_good), kind.bin), rows, score)
    return cells


def count(batch: ReportedRows) -> Cells:
    """The cells of a batch."""
    names = [attribute.name for attribute in batch.model.attributes]
    kinds = count_rows(batch.model, batch.columns)
    return cells_of(batch.at_ms // HOUR_MS, batch.model.name, names, kinds)


def _add(cells: Cells, table: str, key: tuple[str | int, ...], *totals: float) -> None:
    cell = cells[table].setdefault(key, [0] * len(totals))
    cell[:] = [before + more for before, more in zip(cell, totals, strict=True)]
