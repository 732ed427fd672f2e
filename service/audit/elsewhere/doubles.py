"""Decisions whose own id is on record already: they are taken out of a batch before it is written.

It is done in the transaction that writes, which holds the chain: of two replicas that get the same decision,
one records it. A batch that waited in the spool is compared when it is written, so that a client that sent it
again in the meantime has it once.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json
from sqlalchemy import Connection

from evenhand.service.audit import aggregates
from evenhand.service.audit.aggregates import HOUR_MS, Cells
from evenhand.service.audit.chain import Event
from evenhand.service.audit.elsewhere.counts import cells_of, kind_of

if TYPE_CHECKING:
    from evenhand.service.audit.record_batch import RecordBatch

IN_SQLITE = (
    "SELECT model, pseudonym, decision FROM own_ids WHERE pseudonym IN (SELECT value FROM json_each(?))"
)
IN_POSTGRESQL = "SELECT model, pseudonym, decision FROM own_ids WHERE pseudonym = ANY(%s)"
Pseudonym = Callable[[str], str]


def drop_doubles(connection: Connection, batches: Iterable[RecordBatch], pseudonym: Pseudonym) -> None:
    """Take decisions out of batches that are on record, or in an earlier batch, under the same own id.

    Args:
        connection: Of a transaction that holds the chain.
        batches: In the order in which they are written; ``doubled`` says what was taken out of each.
        pseudonym: The name under which a decision's attributes are kept.
    """
    written: dict[tuple[str, str], str] = {}
    for batch in batches:
        if not batch.once:
            continue
        once = set(batch.once)
        own = [row for row in batch.own_ids if row[1] in once]
        on_record = recorded(connection, [own_id for own_id, _, _ in own])
        for own_id, decision, model in own:
            # A batch that is written again may be on record itself.
            first = on_record.get((model, own_id)) or written.get((model, own_id))
            if first is None:
                written[model, own_id] = decision
            else:
                batch.doubled[decision] = first
        if batch.doubled:
            _without(batch, pseudonym)


def recorded(connection: Connection, names: Sequence[str]) -> dict[tuple[str, str], str]:
    """The decisions that are on record, by model and the pseudonym of their own id.

    The names are one parameter: a query with a parameter for each takes longer to make than to run.
    """
    query, parameter = (
        (IN_SQLITE, json.dumps(names))
        if connection.dialect.name == "sqlite"
        else (IN_POSTGRESQL, list(names))
    )
    rows = connection.exec_driver_sql(query, (parameter,))
    on_record: dict[tuple[str, str], str] = {}
    for model, own_id, decision in rows:
        on_record.setdefault((model, own_id), decision)
    return on_record


def _without(batch: RecordBatch, pseudonym: Pseudonym) -> None:
    """Take doubled decisions, and all that comes with them, out of a batch."""
    doubled = batch.doubled
    gone = [event for event in batch.events if event.id in doubled]
    names = {pseudonym(decision): decision for decision in doubled}
    groups = defaultdict[str, dict[str, str]](dict)
    for name, attribute, group, _ in batch.attributes:
        if name in names:
            groups[names[name]][attribute] = group
    cells: Cells = {}
    for table, rows in batch.cells.items():
        aggregates.merge(cells, table, rows)
    for less in _cells(batch, gone, groups):
        for table, rows in aggregates.rows_of(less).items():
            aggregates.merge(cells, table, rows)
    batch.events = [event for event in batch.events if event.id not in doubled]
    batch.attributes = [row for row in batch.attributes if row[0] not in names]
    batch.labels = [row for row in batch.labels if row[0] not in doubled]
    batch.own_ids = [row for row in batch.own_ids if row[1] not in doubled]
    batch.once = [decision for decision in batch.once if decision not in doubled]
    places = {table: -(1 + sums) for table, sums in aggregates.SUMS.items()}
    batch.cells = {
        table: [row for row in rows if row[places[table]]]
        for table, rows in aggregates.rows_of(cells).items()
    }


def _cells(batch: RecordBatch, gone: list[Event], groups: dict[str, dict[str, str]]) -> Iterable[Cells]:
    """What the doubled decisions counted, to be taken away."""
    for event in gone:
        body: dict[str, Any] = from_json(event.body)
        names = list(from_json(batch.configurations[body["configuration"]])["attributes"])
        p, declared = body["p_favourable"], groups[event.id]
        favourable = body["final"]["favourable"]
        is_good = body["truth"]["favourable"] if "truth" in body else None
        kind = kind_of(tuple(declared.get(name) for name in names), favourable, p, is_good)
        hour = event.at_ms // HOUR_MS
        yield cells_of(hour, body["model"], names, {kind: [1, p or 0.0]}, sign=-1)
