"""What is written in one transaction: as a whole, or not at all. Pure.

Counts and attributes belong to the batch, not to its records: only the key that makes the pseudonym leads
from a decision to a group.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter
from pydantic_core import to_json
from sqlalchemy import Float, Integer, Table
from sqlalchemy import String as Text

from evenhand.service.audit import aggregates, events
from evenhand.service.audit.aggregates import DAY_MS, SUMS, Cells
from evenhand.service.audit.chain import Event
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.elsewhere.bodies import ReportedRows, events_of
from evenhand.service.audit.elsewhere.columns import ReportedColumns
from evenhand.service.audit.elsewhere.counts import count as count_reported
from evenhand.service.audit.events import AnsweredRows
from evenhand.service.audit.tables import META

Attribute = tuple[str, str, str, int]
"""Pseudonym, attribute, group, and the day of the decision, in days since 1970."""
OwnId = tuple[str, str, str]
"""Pseudonym of a caller's own id, decision, and model."""
Label = tuple[str, str, int]
"""Decision, its true label, and when that became known, in milliseconds since 1970."""

_NO_NUL = r"^[^\x00]*$"
_Number = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_Text = Annotated[str, StringConstraints(pattern=_NO_NUL)]
_Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-Z]{26}$")]
_Name = Annotated[str, StringConstraints(pattern=_NO_NUL, max_length=64)]
_EventFields = tuple[_Id, _Name, _Number, _Text, _Id | None]
_Pseudonym = Annotated[_Name, Field(max_length=32)]
_Form = tuple[
    Annotated[list[_EventFields], Field(min_length=1)],
    dict[_Name, _Text],
    list[tuple[_Pseudonym, _Name, _Name, _Number]],
    dict[str, list[Any]],
]
_Once = list[_Id]
_FormWithOwnIds = tuple[
    Annotated[list[_EventFields], Field(min_length=1)],
    dict[_Name, _Text],
    list[tuple[_Pseudonym, _Name, _Name, _Number]],
    dict[str, list[Any]],
    list[tuple[_Pseudonym, _Id, _Name]],
]
_FormOfReported = tuple[
    Annotated[list[_EventFields], Field(min_length=1)],
    dict[_Name, _Text],
    list[tuple[_Pseudonym, _Name, _Name, _Number]],
    dict[str, list[Any]],
    list[tuple[_Pseudonym, _Id, _Name]],
    list[tuple[_Id, _Name, _Number]],
    list[_Id],
]
"""With the true labels of decisions made elsewhere, and those that are recorded once."""


@dataclass(slots=True)
class RecordBatch:
    """Records, and what is stored with them."""

    events: list[Event] = field(default_factory=list)
    configurations: dict[str, str] = field(default_factory=dict)
    """Bodies by hash."""
    attributes: list[Attribute] = field(default_factory=list)
    cells: dict[str, list[list[Any]]] = field(default_factory=dict)
    """By hourly table: rows of keys, number and sums."""
    own_ids: list[OwnId] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    """True labels that came with their decisions, which hold them, too."""
    once: list[str] = field(default_factory=list)
    """Decisions that are recorded only if the model has no other one of the same own id."""
    doubled: dict[str, str] = field(default_factory=dict)
    """Decisions that were taken out for that, and the one that is on record; not stored."""
    spooled: bool = False
    """Whether it waits on disk: own ids are compared when it is written; not stored."""

    def to_json(self) -> bytes:
        """One line; :meth:`from_json` reads it."""
        fields = [(event.id, event.kind, event.at_ms, event.body, event.subject) for event in self.events]
        cells = {table: sorted(rows) for table, rows in self.cells.items()}  # an order that says nothing
        parts = [fields, self.configurations, self.attributes, cells]
        if self.labels or self.once:
            return to_json([*parts, self.own_ids, self.labels, self.once])
        return to_json([*parts, self.own_ids] if self.own_ids else parts)

    @classmethod
    def from_json(cls, line: bytes) -> RecordBatch:
        """What :meth:`to_json` wrote.

        Raises:
            ValueError: it is none; a database would refuse it again and again.
        """
        records, configurations, attributes, cells, *more = _FORM.validate_json(line)
        for table, rows in cells.items():
            if table not in _ROWS:
                raise ValueError("cells of a table that is not there")
            _ROWS[table].validate_python(rows)
        return cls([Event(*fields) for fields in records], configurations, attributes, cells, *more)


def make(items: Iterable[AnsweredRows | Event], keys: Keys) -> RecordBatch:
    """Make one batch of what waits.

    Args:
        items: Answered rows, and other events, in their order.
        keys: Makes pseudonyms.
    """
    batch, cells = RecordBatch(), Cells()
    for item in items:
        if isinstance(item, Event):
            batch.events.append(item)
            continue
        pseudonyms = [None if row.own_id is None else keys.own_id(row.own_id) for row in item.rows]
        batch.events += events.decisions(item, pseudonyms)
        batch.own_ids += [
            (pseudonym, row.id, item.manifest.name)
            for row, pseudonym in zip(item.rows, pseudonyms, strict=True)
            if pseudonym is not None
        ]
        batch.configurations[item.configuration.sha256] = item.configuration.body
        batch.attributes += _attributes(item, keys)
        aggregates.count(cells, item)
    batch.attributes.sort()  # an order that says nothing
    batch.cells = aggregates.rows_of(cells)
    return batch


def make_reported(item: ReportedRows, keys: Keys) -> RecordBatch:
    """Make a batch of decisions that were made elsewhere.

    Args:
        item: The decisions.
        keys: Makes pseudonyms.
    """
    columns, name, day = item.columns, item.model.name, item.at_ms // DAY_MS
    pseudonyms = _own_ids(columns.own_ids, keys)
    batch = RecordBatch(events_of(item, pseudonyms))
    batch.configurations[item.configuration.sha256] = item.configuration.body
    batch.attributes = _declared(columns, keys, day)
    batch.labels = [
        (decision, truth, item.at_ms)
        for decision, truth in zip(columns.ids, columns.truths, strict=True)
        if truth is not None
    ]
    batch.own_ids = [
        (pseudonym, decision, name)
        for pseudonym, decision in zip(pseudonyms, columns.ids, strict=True)
        if pseudonym is not None
    ]
    batch.once = [decision for _, decision, _ in batch.own_ids]
    batch.cells = aggregates.rows_of(count_reported(item))
    return batch


def _own_ids(own_ids: Sequence[str | None], keys: Keys) -> list[str | None]:
    """The pseudonyms of own ids; ``None`` where there is none."""
    if None not in own_ids:
        return [*keys.own_ids(own_ids)]  # type: ignore[arg-type]  # no None
    return [None if own_id is None else keys.own_id(own_id) for own_id in own_ids]


def _declared(columns: ReportedColumns, keys: Keys, day: int) -> list[Attribute]:
    """Declared groups, in the order of their pseudonyms, which says nothing."""
    names = list(columns.groups)
    rows = sorted(zip(keys.pseudonyms(columns.ids), *columns.groups.values(), strict=True), key=itemgetter(0))
    return [
        (pseudonym, name, group, day)
        for pseudonym, *groups in rows
        for name, group in zip(names, groups, strict=True)
        if group is not None
    ]


def merge(batches: list[RecordBatch]) -> RecordBatch:
    """Batches as one, for one transaction."""
    if len(batches) == 1:
        return batches[0]
    merged = RecordBatch()
    cells: Cells = {}
    for batch in batches:
        merged.events += batch.events
        merged.configurations |= batch.configurations
        merged.attributes += batch.attributes
        merged.own_ids += batch.own_ids
        merged.labels += batch.labels
        merged.once += batch.once
        for table, rows in batch.cells.items():
            aggregates.merge(cells, table, rows)
    merged.attributes.sort()
    merged.cells = aggregates.rows_of(cells)
    return merged


def _attributes(batch: AnsweredRows, keys: Keys) -> list[Attribute]:
    day = batch.at_ms // DAY_MS
    groups = {attribute.name: attribute.groups for attribute in batch.manifest.attributes}
    return [
        (keys.pseudonym(row.id), name, aggregates.listed(groups[name], group), day)
        for row in batch.rows
        for name, group in row.declared.items()
    ]


def _rows(table: Table) -> TypeAdapter[Any]:
    """The form of a table's rows."""
    kinds = {Text: _Name, Integer: _Number, Float: float}
    columns = tuple(
        next(kind for sql, kind in kinds.items() if isinstance(column.type, sql)) for column in table.c
    )
    row = Annotated[tuple[columns], Field(strict=False)]  # type: ignore[valid-type]  # JSON has no tuples
    return TypeAdapter(list[row], config=_STRICT)


_STRICT = ConfigDict(strict=True, allow_inf_nan=False)
_FORM: TypeAdapter[Any] = TypeAdapter(_Form | _FormWithOwnIds | _FormOfReported, config=_STRICT)
_ROWS = {name: _rows(META.tables[name]) for name in SUMS}
