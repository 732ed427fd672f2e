"""What is written in one transaction: as a whole, or not at all. Pure.

Counts and attributes are of the lot, not of its records: nothing in it leads from a decision to a group but the key
that makes its pseudonym.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json, to_json

from service.record import counts, events
from service.record.chain import Event
from service.record.counts import DAY_MS, Cells
from service.record.events import Batch
from service.record.keys import Keys

Attribute = tuple[str, str, str, int]
"""Pseudonym, attribute, group, and the day of the decision, in days since 1970."""


@dataclass(slots=True)
class Lot:
    """Records, and what is stored with them."""

    events: list[Event] = field(default_factory=list)
    configurations: dict[str, str] = field(default_factory=dict)
    """Bodies by hash."""
    attributes: list[Attribute] = field(default_factory=list)
    cells: dict[str, list[list[Any]]] = field(default_factory=dict)
    """By hourly table: rows of keys, number and sums."""

    def to_json(self) -> bytes:
        """One line; :meth:`from_json` reads it."""
        told = [(event.id, event.kind, event.at_ms, event.body, event.subject) for event in self.events]
        cells = {table: sorted(rows) for table, rows in self.cells.items()}  # an order that says nothing
        return to_json([told, self.configurations, self.attributes, cells])

    @classmethod
    def from_json(cls, line: bytes) -> Lot:
        """What :meth:`to_json` wrote."""
        told, configurations, attributes, cells = from_json(line)
        return cls([Event(*fields) for fields in told], configurations, [tuple(row) for row in attributes], cells)


def make(found: Iterable[Batch | Event], keys: Keys) -> Lot:
    """Put what waits into one lot.

    Args:
        found: Batches of decisions, and other events, in their order.
        keys: Makes pseudonyms.
    """
    lot, cells = Lot(), Cells()
    for item in found:
        if isinstance(item, Event):
            lot.events.append(item)
            continue
        lot.events += events.decisions(item)
        lot.configurations[item.configuration.sha256] = item.configuration.body
        lot.attributes += _attributes(item, keys)
        counts.decided(cells, item)
    lot.attributes.sort()  # an order that says nothing
    lot.cells = counts.rows_of(cells)
    return lot


def merge(lots: list[Lot]) -> Lot:
    """Lots as one, for one transaction."""
    if len(lots) == 1:
        return lots[0]
    merged = Lot()
    cells: Cells = {}
    for lot in lots:
        merged.events += lot.events
        merged.configurations |= lot.configurations
        merged.attributes += lot.attributes
        for table, rows in lot.cells.items():
            counts.merge(cells, table, rows)
    merged.attributes.sort()
    merged.cells = counts.rows_of(cells)
    return merged


def _attributes(batch: Batch, keys: Keys) -> list[Attribute]:
    day = batch.at_ms // DAY_MS
    groups = {attribute.name: attribute.groups for attribute in batch.manifest.attributes}
    return [
        (keys.pseudonym(row.id), name, counts.listed(groups[name], group), day)
        for row in batch.rows
        for name, group in row.declared.items()
    ]
