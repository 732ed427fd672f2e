"""Decisions made elsewhere as columns: a million rows are a few lists, not a million objects. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from evenhand.service.audit.elsewhere.rows import Reported


@dataclass(slots=True)
class ReportedColumns:
    """Checked decisions of one model: each field is as in :class:`Reported`, with one value per row."""

    ids: list[str]
    own_ids: list[str | None]
    labels: list[str]
    scores: list[float | None]
    p: list[float | None]
    truths: list[str | None]
    groups: dict[str, list[str | None]]
    """By attribute, for all of the model's; ``None`` where no group was declared."""
    digests: list[str]
    shadows: list[Mapping[str, Any] | None]
    """What a bundle would have answered, where one is served."""

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.ids)

    def put(self, place: int, row: Reported) -> None:
        """Set one row."""
        self.own_ids[place], self.labels[place] = row.own_id, row.label
        self.scores[place], self.p[place], self.truths[place] = row.score, row.p, row.truth
        self.digests[place] = row.digest
        for name, column in self.groups.items():
            column[place] = row.groups.get(name)

    def groups_of(self, place: int) -> dict[str, str]:
        """The declared groups of one row, by attribute."""
        return {name: group for name, column in self.groups.items() if (group := column[place]) is not None}

    def take(self, places: Sequence[int]) -> ReportedColumns:
        """Some of the rows."""
        taken = {each.name: _take(getattr(self, each.name), places) for each in fields(self)}
        return ReportedColumns(**taken)


def _take(column: Any, places: Sequence[int]) -> Any:  # noqa: ANN401 - a column, or columns by name
    if isinstance(column, dict):
        return {name: _take(of, places) for name, of in column.items()}
    return [column[place] for place in places]


def columns_of(rows: Sequence[Reported], attributes: Sequence[str]) -> ReportedColumns:
    """Rows as columns.

    Args:
        rows: Of one model.
        attributes: Of the model.
    """
    columns = ReportedColumns(
        ids=[row.id for row in rows],
        own_ids=[None] * len(rows),
        labels=[""] * len(rows),
        scores=[None] * len(rows),
        p=[None] * len(rows),
        truths=[None] * len(rows),
        groups={name: [None] * len(rows) for name in attributes},
        digests=[""] * len(rows),
        shadows=[None] * len(rows),
    )
    for place, row in enumerate(rows):
        columns.put(place, row)
    return columns
