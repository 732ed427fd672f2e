"""Decisions by field: the columns of a file, or of many lines. One row of them is what a caller sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from evenhand.service.elsewhere.rows import FIELDS, Faulty, RowError, fields_of

Column = list[Any]


@dataclass(slots=True)
class Fields:
    """Some decisions; ``None`` stands for what was not sent."""

    places: Sequence[int]
    """Number of each one's line or row, from 1."""
    columns: dict[str, Column]
    """By field."""
    nested: dict[str, dict[str, Column]] = field(default_factory=dict)
    """By field and its part, where the parts are columns of their own."""

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.places)

    def row(self, place: int) -> dict[str, Any]:
        """The fields of one decision."""
        row = _of_row(self.columns, place)
        for name, parts in self.nested.items():
            if of_row := _of_row(parts, place):
                row[name] = of_row
        return row

    def take(self, rows: Sequence[int]) -> Fields:
        """Some of the rows."""
        return Fields(
            [self.places[row] for row in rows],
            _take(self.columns, rows),
            {name: _take(parts, rows) for name, parts in self.nested.items()},
        )

    def by_model(self) -> dict[Any, Fields]:
        """The rows by the model that they name; ``None`` where they name none.

        Raises:
            TypeError: one of them names something that cannot be looked up.
        """
        models = self.columns.get("model")
        if models is None:
            return {None: self} if self.places else {}
        rows: dict[Any, list[int]] = {name: [] for name in models}
        if len(rows) == 1:
            return dict.fromkeys(rows, self)
        for row, name in enumerate(models):
            rows[name].append(row)
        return {name: self.take(of_model) for name, of_model in rows.items()}


def _of_row(columns: Mapping[str, Column], place: int) -> dict[str, Any]:
    return {name: value for name, column in columns.items() if (value := column[place]) is not None}


def _take(columns: Mapping[str, Column], rows: Sequence[int]) -> dict[str, Column]:
    return {name: [column[row] for row in rows] for name, column in columns.items()}


@dataclass(frozen=True, slots=True)
class ItemChunk:
    """Decisions of a JSON body."""

    places: Sequence[int]
    items: Sequence[Any]

    def read(self) -> tuple[Fields, list[Faulty]]:
        """The decisions by field, and those that are none."""
        return gather(self.places, self.items)


def gather(places: Sequence[int], sent: Sequence[Any]) -> tuple[Fields, list[Faulty]]:
    """The fields of decisions, and those that are none.

    Args:
        places: Number of each one's line or row.
        sent: What was sent, read; what is :class:`RowError` could not be read.
    """
    if set(map(type, sent)) != {dict} or not set(chain.from_iterable(sent)) <= _FIELDS:
        places, sent, faulty = _one_by_one(places, sent)
    else:
        faulty = []
    names = set(chain.from_iterable(sent))
    return Fields(places, {name: [row.get(name) for row in sent] for name in FIELDS if name in names}), faulty


_FIELDS = frozenset(FIELDS)


def _one_by_one(
    places: Sequence[int], sent: Sequence[Any]
) -> tuple[list[int], list[Mapping[str, Any]], list[Faulty]]:
    """Decisions with their fields gathered, and those that are none."""
    kept, rows, faulty = list[int](), list[Mapping[str, Any]](), list[Faulty]()
    for place, one in zip(places, sent, strict=True):
        try:
            if isinstance(one, RowError):
                raise one
            rows.append(fields_of(one))
            kept.append(place)
        except RowError as error:
            faulty.append(Faulty(place, str(error)))
    return kept, rows, faulty
