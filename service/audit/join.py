"""Feedback: true labels and groups that become known after a decision, joined to it by its id.

What is on record stays: the same again is a duplicate, anything else a conflict, and neither changes a count.
    Whoever
joins holds the chain, so that of two replicas that are told the same one joins it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, insert, select

from evenhand.service.audit import aggregates, store
from evenhand.service.audit.aggregates import DAY_MS, Cells
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.events import event
from evenhand.service.audit.feedback import Feedback, Joined, Known, UnknownLabel, cells_of, count, wrong
from evenhand.service.audit.record_batch import RecordBatch
from evenhand.service.audit.store import Store
from evenhand.service.audit.tables import attributes, labels, records
from evenhand.service.ids import ulid_ms

BULK = 500
"""Items in one transaction: others must write, too."""
SETTLE_MS = 300
"""A decision that another replica just made may not be in the database yet; it is waited for this long."""


class _Work:
    """One transaction's worth: what is on record about its decisions, and what is added."""

    def __init__(self) -> None:
        self.lot = RecordBatch()
        self.cells: Cells = {}
        self.labels: dict[str, str] = {}
        self.new_labels: list[dict[str, Any]] = []
        self.alive: set[str] = set()
        self.groups: dict[tuple[str, str], str] = {}
        """By pseudonym and attribute."""


class Joiner:
    """Joins feedback to the decisions of one database.

    Args:
        store: The database.
        keys: Makes pseudonyms.
        feedback_days: What comes later than this is not joined.
        flush: Brings what this process took to the database.
    """

    def __init__(self, store: Store, keys: Keys, feedback_days: int, flush: Callable[[], None]) -> None:
        self._store, self._keys, self._flush = store, keys, flush
        self._keep_ms = feedback_days * DAY_MS

    def join(self, items: list[Feedback]) -> list[Joined]:
        """Join items in their order; see :class:`evenhand.service.audit.recorder.Recorder`."""
        found: list[Joined] = []
        for start in range(0, len(items), BULK):
            found += self._bulk(items[start : start + BULK])
        return found

    def override(self, name: str, label: str, by: str, reason: str) -> dict[str, Any] | None:
        """Record that a person decided otherwise."""
        known = self._look_up([name]).get(name)
        if known is None:
            return None
        if label not in known.configuration["labels"]:
            raise UnknownLabel(
                "the model has no such label; it has " + ", ".join(known.configuration["labels"])
            )
        told = event("override", {"label": label, "by": by, "reason": reason}, name)
        with self._store.writing() as connection:
            if name not in _alive(connection, {name}):
                return None
            store.append(connection, RecordBatch([told]))
        body: dict[str, Any] = from_json(told.body)
        return body

    def _bulk(self, items: list[Feedback]) -> list[Joined]:
        expired_ms = time.time_ns() // 1_000_000 - self._keep_ms
        made_ms = {item.id: ulid_ms(item.id) for item in items}
        known = self._look_up(
            [name for name, at_ms in made_ms.items() if at_ms is not None and at_ms >= expired_ms]
        )
        found: dict[int, Joined] = {}
        for place, item in enumerate(items):
            at_ms = made_ms[item.id]
            if at_ms is not None and at_ms < expired_ms:
                found[place] = Joined(item.id, "expired")
            elif item.id not in known:
                found[place] = Joined(item.id, "orphan")
            elif (message := wrong(item, known[item.id])) is not None:
                found[place] = Joined(item.id, "error", message)
        good = {place: item for place, item in enumerate(items) if place not in found}
        if good:
            with self._store.writing() as connection:
                work = self._begin(connection, list(good.values()))
                found |= {
                    place: self._item(work, item, known[item.id])
                    if item.id in work.alive
                    else Joined(item.id, "orphan")
                    for place, item in good.items()
                }
                _write(connection, work)
        return [found[place] for place in range(len(items))]

    def _look_up(self, names: list[str]) -> dict[str, Known]:
        """Decisions by id; those that are on their way to the database are waited for."""
        names = [name for name in names if ulid_ms(name) is not None]
        known = self._read(names)
        if missing := [name for name in names if name not in known]:
            self._flush()
            youngest_ms = max(ulid_ms(name) or 0 for name in missing)
            age_ms = time.time_ns() // 1_000_000 - youngest_ms
            if 0 <= age_ms < SETTLE_MS:
                time.sleep((SETTLE_MS - age_ms) / 1000)
            known |= self._read(missing)
        return known

    def _read(self, names: list[str]) -> dict[str, Known]:
        self._store.open()
        asked = select(records.c.id, records.c.at_ms, records.c.body).where(
            records.c.id.in_(names), records.c.kind == "decision", records.c.body.is_not(None)
        )
        with self._store.engine.connect() as connection:
            rows = [(name, at_ms, from_json(body)) for name, at_ms, body in connection.execute(asked)]
            return {
                name: Known(at_ms, body, self._store.configuration(connection, body["configuration"]))
                for name, at_ms, body in rows
            }

    def _begin(self, connection: Connection, items: list[Feedback]) -> _Work:
        """What is on record about these decisions, while nobody else can change it."""
        work, names = _Work(), {item.id for item in items}
        work.alive = _alive(connection, names)
        asked = select(labels.c.decision, labels.c.label).where(labels.c.decision.in_(names))
        work.labels = {name: label for name, label in connection.execute(asked)}
        of = select(attributes.c.pseudonym, attributes.c.attribute, attributes.c.group)
        declared = connection.execute(of.where(attributes.c.pseudonym.in_(map(self._keys.pseudonym, names))))
        work.groups = {(pseudonym, name): group for pseudonym, name, group in declared}
        return work

    def _item(self, work: _Work, item: Feedback, known: Known) -> Joined:
        pseudonym = self._keys.pseudonym(item.id)
        told = known.configuration["attributes"]
        sent = {name: aggregates.listed(told[name]["groups"], group) for name, group in item.groups.items()}
        have = {name: group for name in told if (group := work.groups.get((pseudonym, name))) is not None}
        label = work.labels.get(item.id)
        if (item.label is not None and label not in (None, item.label)) or any(
            have.get(name, group) != group for name, group in sent.items()
        ):
            return Joined(item.id, "conflict")
        # A group that was declared with the request was counted then, though it may not be kept any more.
        new = {
            name: group
            for name, group in sent.items()
            if name not in have and name not in known.body["declared"]
        }
        is_new = item.label is not None and label is None
        if not new and not is_new:
            return Joined(item.id, "duplicate")
        _add(work, item, known, pseudonym, new, is_new)
        counted = count(known, have | new, new, work.labels.get(item.id), is_new)
        cells_of(work.cells, known, counted)
        return Joined(item.id, "joined", counted=counted)


def _alive(connection: Connection, names: set[str]) -> set[str]:
    """Of these decisions those that were not erased since they were read, while nobody else can erase one."""
    store.head(connection)
    asked = select(records.c.id).where(records.c.id.in_(names), records.c.body.is_not(None))
    return set(connection.execute(asked).scalars())


def _add(
    work: _Work, item: Feedback, known: Known, pseudonym: str, new: dict[str, str], is_new: bool
) -> None:
    """Put what is new on record."""
    if is_new:
        assert item.label is not None
        favourable = item.label in known.configuration["favourable"]
        told = event("label", {"label": item.label, "favourable": favourable}, item.id)
        work.lot.events.append(told)
        work.labels[item.id] = item.label
        work.new_labels.append({"decision": item.id, "label": item.label, "at_ms": told.at_ms})
    if new:
        work.lot.events.append(event("groups", {"attributes": sorted(new)}, item.id))
        for name, group in new.items():
            work.groups[pseudonym, name] = group
            work.lot.attributes.append((pseudonym, name, group, known.at_ms // DAY_MS))


def _write(connection: Connection, work: _Work) -> None:
    """Write what was added, if anything was."""
    if not work.lot.events:
        return
    work.lot.attributes.sort()
    work.lot.cells = aggregates.rows_of(work.cells)
    store.append(connection, work.lot)
    if work.new_labels:
        connection.execute(insert(labels), work.new_labels)
