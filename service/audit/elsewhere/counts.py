"""What decisions made elsewhere count. Pure functions.

They count as served ones do, under the name of their declared model: under the declared group, or, where none
was declared, under the group ``unknown`` of the inferred ones, because no detector looked at the row. The
answer of the base and the served one are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from evenhand.service.audit.aggregates import HOUR_MS, NO_BIN, Cells, tenth
from evenhand.service.audit.elsewhere.rows import Reported, ReportedRows
from evenhand.service.types import counted_under

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


def count_rows(names: Sequence[str], rows: Iterable[Reported]) -> dict[Kind, Totals]:
    """Rows by kind.

    Args:
        names: Of the model's attributes.
        rows: Its rows.
    """
    kinds: dict[Kind, Totals] = {}
    for row in rows:
        groups = tuple([row.groups.get(name) for name in names])
        totals = kinds.setdefault(kind_of(groups, row.favourable, row.p, row.is_good), [0, 0.0])
        totals[0] += 1
        totals[1] += row.p or 0.0
    return kinds


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
    return cells_of(batch.at_ms // HOUR_MS, batch.model.name, names, count_rows(names, batch.rows))


def _add(cells: Cells, table: str, key: tuple[str | int, ...], *totals: float) -> None:
    cell = cells[table].setdefault(key, [0] * len(totals))
    cell[:] = [before + more for before, more in zip(cell, totals, strict=True)]
