"""Feedback: true labels and groups that become known after a decision, joined to it by its id or own id.

The first label or group of a decision stays on record. The same value again is a duplicate, another value a
conflict; neither changes a count. A join holds the chain, so that of two replicas that receive the same item
one joins it.

A decision and its true label count under the declared group, or under the detector's flag as long as none is
declared: a group that is declared later moves both. They count under the group of an intersection once both
of its groups are declared. So the order in which labels and groups arrive changes no count. A series of
Prometheus cannot go down: there a decision that moved counts under both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic_core import from_json
from sqlalchemy import Connection, insert, select

from evenhand.models.bundle.intersections import groups_of_row, recorded
from evenhand.service.audit import aggregates, pseudonyms, store
from evenhand.service.audit.aggregates import DAY_MS, HOUR_MS, NO_BIN, Cells
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.elsewhere.bodies import SOURCE as ELSEWHERE
from evenhand.service.audit.events import event
from evenhand.service.audit.pseudonyms import Named
from evenhand.service.audit.record_batch import RecordBatch
from evenhand.service.audit.store import Store
from evenhand.service.audit.tables import labels, records
from evenhand.service.errors import InvalidInput, UnknownDecision
from evenhand.service.ids import is_own_id, ulid_ms
from evenhand.service.types import Counted, counted_under
from evenhand.tables.cells import spelled
from evenhand.tables.ranges import in_range

BULK = 500
"""Items in one transaction: others must write, too."""
SETTLE_MS = 300
"""A decision that another replica just made may not be in the database yet; it is waited for this long."""
Result = Literal["joined", "duplicate", "conflict", "orphan", "expired", "error"]


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became known about a decision."""

    id: str
    """Of the decision, or the caller's own id of it; see :mod:`evenhand.service.audit.pseudonyms`."""
    label: str | None = None
    """Its true label."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Groups by attribute."""
    model: str | None = None
    """The model that decided; needed where decisions of several models have this own id."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What came of one item."""

    id: str
    """Of the decision, where it is on record."""
    result: Result
    message: str | None = None
    """What is wrong with it, where ``result`` is ``error``; or which of several decisions it is about."""
    counted: Counted | None = None
    """Only of a joined one."""


@dataclass(frozen=True, slots=True)
class RecordedDecision:
    """A decision, as it is on record."""

    at_ms: int
    body: dict[str, Any]
    configuration: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Resolved:
    """An item, with the decision that it is about."""

    item: Feedback
    """By the id of the decision, where there is one."""
    decision: RecordedDecision | None = None
    failed: Joined | None = None
    """What came of it, where it cannot be joined."""
    message: str | None = None
    """Which decision it is about, where its own id names several."""


@dataclass(frozen=True, slots=True)
class _News:
    """What an item adds to its decision."""

    groups: dict[str, str]
    """New groups by attribute."""
    label: str | None
    """The new label."""


class _Transaction:
    """What is on record about some decisions, and what one transaction adds."""

    def __init__(self) -> None:
        self.batch = RecordBatch()
        self.cells: Cells = {}
        self.labels: dict[str, str] = {}
        self.new_labels: list[dict[str, Any]] = []
        self.alive: set[str] = set()
        self.moved: dict[str, set[str]] = {}
        """Attributes by decision whose group was declared later, whether or not it is still kept."""
        self.groups: dict[str, dict[str, str]] = {}
        """By decision and attribute."""


class Joiner:
    """Joins feedback to the decisions of one database.

    Args:
        store: The database.
        keys: Makes pseudonyms.
        feedback_days: Feedback that comes later than this is not joined.
        flush: Brings what this process took to the database.
    """

    def __init__(self, store: Store, keys: Keys, feedback_days: int, flush: Callable[[], None]) -> None:
        self._store, self._keys, self._flush = store, keys, flush
        self._keep_ms = feedback_days * DAY_MS

    def join(self, items: list[Feedback]) -> list[Joined]:
        """Join items in their order; see :class:`evenhand.service.audit.client.AuditClient`."""
        joined: list[Joined] = []
        for start in range(0, len(items), BULK):
            joined += self._bulk(items[start : start + BULK])
        return joined

    def override(self, name: str, label: str, by: str, reason: str) -> dict[str, Any]:
        """Record that a person decided otherwise; see :class:`evenhand.service.audit.client.AuditClient`."""
        decision = self._look_up([name]).get(name)
        if decision is None:
            raise UnknownDecision
        if label not in decision.configuration["labels"]:
            raise InvalidInput(_unknown_label(decision))
        override = event("override", {"label": label, "by": by, "reason": reason}, name)
        with self._store.writing() as connection:
            if name not in _alive(connection, {name}):
                raise UnknownDecision
            store.append(connection, RecordBatch([override]))
        body: dict[str, Any] = from_json(override.body)
        return body

    def _bulk(self, items: list[Feedback]) -> list[Joined]:
        resolved = self._resolve(items)
        results = {place: one.failed for place, one in enumerate(resolved) if one.failed is not None}
        good = {place: one for place, one in enumerate(resolved) if place not in results}
        if good:
            with self._store.writing() as connection:
                work = self._begin(connection, list(good.values()))
                results |= {place: self._join_one(work, one) for place, one in good.items()}
                _write(connection, work)
        return [results[place] for place in range(len(items))]

    def _resolve(self, items: list[Feedback]) -> list[_Resolved]:
        """The decision of each item: by its id, else by the caller's own id."""
        expired_ms = time.time_ns() // 1_000_000 - self._keep_ms
        names = list(dict.fromkeys(item.id for item in items))
        decisions = self._look_up([name for name in names if (ulid_ms(name) or 0) >= max(1, expired_ms)])
        meant = self._meant([name for name in names if name not in decisions])
        resolved = [
            _of_model(item, meant[item.id]) if item.id in meant else _Resolved(item) for item in items
        ]
        decisions |= self._read([one.item.id for one in resolved if one.item.id not in decisions])
        return [_checked(one, decisions.get(one.item.id), expired_ms) for one in resolved]

    def _meant(self, names: list[str]) -> dict[str, list[Named]]:
        """The decisions that own ids mean; those that are on their way to the database are waited for."""
        names = [name for name in names if is_own_id(name)]
        if not names:
            return {}
        self._flush()  # a decision that waits here is newer than all on record
        meant = self._read_own_ids(names)
        # A name that may be an id of ours was waited for as such.
        if missing := [name for name in names if name not in meant and ulid_ms(name) is None]:
            time.sleep(SETTLE_MS / 1000)
            meant |= self._read_own_ids(missing)
        return meant

    def _read_own_ids(self, names: list[str]) -> dict[str, list[Named]]:
        self._store.open()
        with self._store.engine.connect() as connection:
            return pseudonyms.newest(connection, self._keys, names)

    def _join_one(self, work: _Transaction, one: _Resolved) -> Joined:
        item, decision = one.item, one.decision
        if decision is None or item.id not in work.alive:
            return Joined(item.id, "orphan")
        return replace(self._item(work, item, decision), message=one.message)

    def _look_up(self, names: list[str]) -> dict[str, RecordedDecision]:
        """Decisions by id; those that are on their way to the database are waited for."""
        decisions = self._read(names)
        if missing := [name for name in names if name not in decisions]:
            self._flush()
            youngest_ms = max(ulid_ms(name) or 0 for name in missing)
            age_ms = time.time_ns() // 1_000_000 - youngest_ms
            if 0 <= age_ms < SETTLE_MS:
                time.sleep((SETTLE_MS - age_ms) / 1000)
            decisions |= self._read(missing)
        return decisions

    def _read(self, names: list[str]) -> dict[str, RecordedDecision]:
        names = [name for name in names if ulid_ms(name) is not None]
        if not names:
            return {}
        self._store.open()
        query = select(records.c.id, records.c.at_ms, records.c.body).where(
            records.c.id.in_(names), records.c.kind == "decision", records.c.body.is_not(None)
        )
        with self._store.engine.connect() as connection:
            rows = [(name, at_ms, from_json(body)) for name, at_ms, body in connection.execute(query)]
            return {
                name: RecordedDecision(
                    at_ms, body, self._store.configuration(connection, body["configuration"])
                )
                for name, at_ms, body in rows
            }

    def _begin(self, connection: Connection, resolved: Sequence[_Resolved]) -> _Transaction:
        """What is on record about these decisions, while nobody else can change it."""
        work, names = _Transaction(), {one.item.id for one in resolved}
        work.alive = _alive(connection, names)
        query = select(labels.c.decision, labels.c.label).where(labels.c.decision.in_(names))
        work.labels = {name: label for name, label in connection.execute(query)}
        at_ms = {one.item.id: one.decision.at_ms for one in resolved if one.decision is not None}
        work.groups = pseudonyms.declared_groups(connection, self._keys, at_ms)
        work.moved = _moved(connection, names)
        return work

    def _item(self, work: _Transaction, item: Feedback, decision: RecordedDecision) -> Joined:
        if item.label is not None:
            item = replace(item, label=spelled(decision.configuration["labels"], item.label))
        listed = decision.configuration["attributes"]
        sent = {
            name: aggregates.listed(listed[name]["groups"], in_range(listed[name].get("ranges", ()), group))
            for name, group in item.groups.items()
        }
        have = {name: group for name, group in work.groups.get(item.id, {}).items() if name in listed}
        label = work.labels.get(item.id)
        if (item.label is not None and label not in (None, item.label)) or any(
            have.get(name, group) != group for name, group in sent.items()
        ):
            return Joined(item.id, "conflict")
        # A group that was declared with the request was counted then, though it may not be kept any more.
        new = {
            name: group
            for name, group in sent.items()
            if name not in have and name not in decision.body["declared"]
            if name not in work.moved.get(item.id, ())
        }
        news = _News(new, item.label if label is None else None)
        if not news.groups and news.label is None:
            return Joined(item.id, "duplicate")
        self._add(work, item.id, decision, news)
        counted = _count(decision, have | new, news, work.labels.get(item.id))
        _add_cells(work.cells, decision, counted)
        _move_cells(work.cells, decision, counted)
        return Joined(item.id, "joined", counted=counted)

    def _add(self, work: _Transaction, name: str, decision: RecordedDecision, news: _News) -> None:
        """Put what is new on record."""
        if news.label is not None:
            favourable = news.label in decision.configuration["favourable"]
            label = event("label", {"label": news.label, "favourable": favourable}, name)
            work.batch.events.append(label)
            work.labels[name] = news.label
            work.new_labels.append({"decision": name, "label": news.label, "at_ms": label.at_ms})
        if news.groups:
            pseudonym = self._keys.pseudonym(name)
            work.batch.events.append(event("groups", {"attributes": sorted(news.groups)}, name))
            for attribute, group in news.groups.items():
                work.groups.setdefault(name, {})[attribute] = group
                work.moved.setdefault(name, set()).add(attribute)
                work.batch.attributes.append((pseudonym, attribute, group, decision.at_ms // DAY_MS))


def _of_model(item: Feedback, named: list[Named]) -> _Resolved:
    """An item by the decision that its own id means.

    Args:
        item: By own id.
        named: One decision of each model that has decided under it.
    """
    of_model = [one for one in named if item.model in (None, one.model)]
    if not of_model:
        return _Resolved(item)
    if len(of_model) > 1:
        models = ", ".join(one.model for one in of_model)
        message = f"decisions of several models have this own id; name the model, one of {models}"
        return _Resolved(item, failed=Joined(item.id, "error", message))
    (one,) = of_model
    several = (
        f"{one.decisions} decisions have this own id; the newest is meant" if one.decisions > 1 else None
    )
    return _Resolved(replace(item, id=one.decision), message=several)


def _checked(one: _Resolved, decision: RecordedDecision | None, expired_ms: int) -> _Resolved:
    """An item with its decision, or with the reason why it cannot be joined."""
    item, at_ms = one.item, ulid_ms(one.item.id)
    if one.failed is not None:
        return one
    if at_ms is not None and at_ms < expired_ms:
        return replace(one, failed=Joined(item.id, "expired"))
    if decision is None:
        return replace(one, failed=Joined(item.id, "orphan"))
    if (message := _error(item, decision)) is not None:
        return replace(one, failed=Joined(item.id, "error", message))
    return replace(one, decision=decision)


def _alive(connection: Connection, names: set[str]) -> set[str]:
    """Of these decisions those that were not erased since they were read, while nobody else can erase one."""
    store.head(connection)
    query = select(records.c.id).where(records.c.id.in_(names), records.c.body.is_not(None))
    return set(connection.execute(query).scalars())


def _moved(connection: Connection, names: set[str]) -> dict[str, set[str]]:
    """Attributes by decision whose group was declared later."""
    query = select(records.c.subject, records.c.body).where(
        records.c.subject.in_(names), records.c.kind == "groups", records.c.body.is_not(None)
    )
    moved: dict[str, set[str]] = {}
    for name, body in connection.execute(query):
        moved.setdefault(name, set()).update(from_json(body)["attributes"])
    return moved


def _write(connection: Connection, work: _Transaction) -> None:
    """Write what was added, if anything was."""
    if not work.batch.events:
        return
    work.batch.attributes.sort()
    cells = {table: {key: of for key, of in rows.items() if any(of)} for table, rows in work.cells.items()}
    work.batch.cells = aggregates.rows_of(cells)
    store.append(connection, work.batch)
    if work.new_labels:
        connection.execute(insert(labels), work.new_labels)


def _error(item: Feedback, decision: RecordedDecision) -> str | None:
    """What is wrong with an item, whatever else is on record; never what was sent."""
    names = decision.configuration["attributes"]
    if item.label is None and not item.groups:
        return "nothing to join; send a label, groups, or both"
    if item.model not in (None, decision.body["model"]):
        return "the decision was made by another model"
    if decision.body["error"] is not None:
        return "this item was answered with an error; there is no decision to join to"
    if item.label is not None and spelled(decision.configuration["labels"], item.label) is None:
        return _unknown_label(decision)
    if any(name not in names for name in item.groups):
        return "the model has no such attribute; it has " + ", ".join(names)
    return None


def _unknown_label(decision: RecordedDecision) -> str:
    return "the model has no such label; it has " + ", ".join(decision.configuration["labels"])


def _count(decision: RecordedDecision, groups: Mapping[str, str], news: _News, label: str | None) -> Counted:
    """What an item adds to the counts.

    Args:
        decision: Its decision.
        groups: All declared groups by attribute, the new ones among them.
        news: What the item brought.
        label: The true label, if it is known by now.
    """
    body, configuration = decision.body, decision.configuration
    is_elsewhere = body.get("source") == ELSEWHERE  # then no detector looked at the row
    flagged = {
        name: None if is_elsewhere else name in body["flagged"] for name in configuration["attributes"]
    }
    crossed, completed = _crossed(configuration, groups, news)
    outcomes: list[tuple[str, str, str]] = []
    for name in configuration["attributes"] if label is not None else ():
        if news.label is not None and name not in body["declared"]:
            outcomes.append((name, *counted_under(None, flagged[name])))
        if name in groups and (news.label is not None or name in news.groups):
            outcomes.append((name, *counted_under(groups[name], flagged[name])))
    if label is not None:
        of_label = crossed if news.label is not None else completed
        outcomes += [(name, group, "declared") for name, group in of_label.items()]
    return Counted(
        model=body["model"],
        base=body["base"]["favourable"],
        final=body["final"]["favourable"],
        label=None if label is None else label in configuration["favourable"],
        is_new=news.label is not None,
        p=body["p_favourable"],
        bin=NO_BIN if body["p_favourable"] is None else aggregates.tenth(body["p_favourable"]),
        flagged=flagged,
        references={name: facts["reference"] for name, facts in configuration["attributes"].items()},
        decisions=(*news.groups.items(), *completed.items()),
        outcomes=tuple(outcomes),
    )


def _crossed(
    configuration: Mapping[str, Any], groups: Mapping[str, str], news: _News
) -> tuple[dict[str, str], dict[str, str]]:
    """The decision's groups by intersection: all of them, and those that the new groups complete."""
    intersections = recorded(configuration)
    had = {name: group for name, group in groups.items() if name not in news.groups}
    before, crossed = (groups_of_row(intersections, declared) for declared in (had, groups))
    return crossed, {name: group for name, group in crossed.items() if name not in before}


def _add_cells(cells: Cells, decision: RecordedDecision, counted: Counted) -> None:
    """Add to the hourly cells, under the hour of the decision."""
    hour, bits = decision.at_ms // HOUR_MS, (int(counted.base), int(counted.final))
    for name, group in counted.decisions:
        for source in aggregates.sources("declared", decision.body.get("abstained")):
            cell = (hour, counted.model, name, group, source, *bits, counted.bin)
            aggregates.add(cells, "hourly_decisions", cell, counted.p or 0.0)
    for name, group, source in counted.outcomes:
        outcome = (hour, counted.model, name, group, source, *bits, int(bool(counted.label)), counted.bin)
        aggregates.add(cells, "hourly_outcomes", outcome, counted.p or 0.0)


def _move_cells(cells: Cells, decision: RecordedDecision, counted: Counted) -> None:
    """Take away, from the hourly cells of the detector's flag, what counts under a declared group now."""
    hour, bits = decision.at_ms // HOUR_MS, (int(counted.base), int(counted.final))
    p = -(counted.p or 0.0)
    for name, _ in counted.decisions:
        if name in counted.flagged:  # nothing was inferred for an intersection
            group, inferred = counted_under(None, counted.flagged[name])
            for source in aggregates.sources(inferred, decision.body.get("abstained")):
                cell = (hour, counted.model, name, group, source, *bits, counted.bin)
                aggregates.add(cells, "hourly_decisions", cell, p, rows=-1)
    for name, _, source in counted.outcomes:
        if source == "declared" and name in counted.flagged and name not in decision.body["declared"]:
            group, inferred = counted_under(None, counted.flagged[name])
            label = int(bool(counted.label))
            outcome = (hour, counted.model, name, group, inferred, *bits, label, counted.bin)
            aggregates.add(cells, "hourly_outcomes", outcome, p, rows=-1)
