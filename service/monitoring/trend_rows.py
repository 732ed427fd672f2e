"""Reads the rows of a trend: hourly counts for long windows, decisions of the record for short ones.

Every query is bounded, and a window that was cut says so. A decision whose body was erased has no time and no
answer any more; it stays in the hourly counts alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from pydantic_core import from_json
from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, and_, func, select

from evenhand.models.bundle.intersections import groups_of_row, recorded
from evenhand.service.audit.aggregates import HOUR_MS
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.events import time_of
from evenhand.service.audit.pseudonyms import declared_groups
from evenhand.service.audit.tables import (
    configurations,
    hourly_decisions,
    hourly_outcomes,
    labels,
    records,
)
from evenhand.service.monitoring.cells import Window
from evenhand.service.monitoring.trend import Bucket, Counts, Mark, TrendCounts

FINE_HOURS = 6
"""Up to so many hours, buckets are made from single decisions."""
DAY_HOURS = 168
"""Beyond so many hours, a bucket is a day in UTC."""
WIDTHS_S = (5, 15, 60, 300, 900, 3600)
"""How long a bucket of decisions may be."""
MOST_BUCKETS = 60
BUCKET_ROWS = 300
"""Decisions that a bucket should have on average, so that the cells in it have enough."""
MOST_DECISIONS = 20_000
MOST_COUNTS = 100_000
MOST_MARKS = 100
MOST_OVERRIDES = 1_000
LOT = 500
SAME_MS = 60_000
"""Each process records a reload of its own; the same words again within this time are one mark."""
TOGETHER_MS = 2_000
"""The same switch of other attributes within this time belongs to the one before."""
SWITCHES = ("mode", "promote", "reload", "shadow")
MODES = {"off": "correction off", "shadow": "correction in shadow", "apply": "correction applied"}


@dataclass(frozen=True, slots=True)
class AnsweredRow:
    """A decision of the record, with what became known of it."""

    at_ms: int
    base: bool
    final: bool
    label: bool | None
    groups: dict[str, str]
    """By attribute, and by intersection that the target names."""


def read_trend(engine: Engine, keys: Keys, model: str, window: Window) -> tuple[TrendCounts, list[Mark]]:
    """The rows and the marks of a window.

    Args:
        engine: The record's database.
        keys: Those of the record: declared groups are kept under pseudonyms.
        model: Its name; all versions together.
        window: The hours.
    """
    with engine.connect() as connection:
        marks, cut = read_marks(connection, model, window)
        if window.end - window.first > FINE_HOURS:
            counts = _hourly(connection, model, window)
        else:
            counts = bucketed(*_decisions(connection, keys, model, window), marks)
    said = [words for words in (counts.cut, cut) if words is not None]
    return replace(counts, cut=" ".join(said) or None), marks


def _hourly(connection: Connection, model: str, window: Window) -> TrendCounts:
    hours = 1 if window.end - window.first <= DAY_HOURS else 24
    read = [_hours(connection, table, model, window) for table in (hourly_decisions, hourly_outcomes)]
    # The oldest hour that was read may lack counts.
    first = max([window.first, *(rows[-1][1] + 1 for rows in read if len(rows) > MOST_COUNTS)])
    counts: dict[int, Counts] = {}
    for n, hour, attribute, group, base, final, *label in chain.from_iterable(read):
        if hour >= first:
            key = (attribute, group, bool(label[0]) if label else None, bool(base), bool(final))
            counts.setdefault(hour // hours, Counter())[key] += int(n)
    buckets = [
        Bucket(max(window.first, place * hours) * HOUR_MS, min(window.end, (place + 1) * hours) * HOUR_MS, of)
        for place, of in sorted(counts.items())
    ]
    cut = f"There are more counts than are read at once: the trend begins at {time_of(first * HOUR_MS)}."
    return TrendCounts(buckets, "hourly counts", hours * 3600, cut if first > window.first else None)


def _hours(connection: Connection, table: Table, model: str, window: Window) -> Sequence[Any]:
    """How many rows each hour, attribute, group, pair of answers and true label has; the newest first."""
    names = ("hour", "attribute", "group", "base", "final", "label")
    columns = [table.c[name] for name in names if name in table.c]
    hour = table.c.hour
    inside = (table.c.model == model, table.c.source == "declared", hour >= window.first, hour < window.end)
    query = select(func.sum(table.c.n), *columns).where(*inside).group_by(*columns).order_by(hour.desc())
    return connection.execute(query.limit(MOST_COUNTS + 1)).all()


def _decisions(
    connection: Connection, keys: Keys, model: str, window: Window
) -> tuple[list[AnsweredRow], str | None]:
    """The newest decisions of a window with a declared group, the oldest first; and what was left out."""
    query = (
        select(records.c.at_ms, records.c.id, records.c.body, labels.c.label)
        .select_from(records.outerjoin(labels, labels.c.decision == records.c.id))
        .where(_inside(window), records.c.kind == "decision", records.c.body.is_not(None))
        .order_by(records.c.at_ms.desc(), records.c.seq.desc())
        .limit(MOST_DECISIONS + 1)
    )
    read = connection.execute(query).all()
    cut = None
    if len(read) > MOST_DECISIONS:
        read = read[:MOST_DECISIONS]
        cut = (
            f"Only the newest {MOST_DECISIONS:,} decisions were read: the trend begins at "
            f"{time_of(read[-1].at_ms)}."
        )
    bodies = {row.id: body for row in read if (body := from_json(row.body))["model"] == model}
    answered = [row for row in reversed(read) if (body := bodies.get(row.id)) and body["error"] is None]
    groups = _groups(connection, keys, {row.id: row.at_ms for row in answered})
    decided_by = _configurations(connection, {body["configuration"] for body in bodies.values()})
    return [
        _answered(row, bodies[row.id], decided_by[bodies[row.id]["configuration"]], groups[row.id])
        for row in answered
        if row.id in groups
    ], cut


def _answered(
    row: Any,  # noqa: ANN401 - a row of SQLAlchemy
    body: dict[str, Any],
    configuration: dict[str, Any],
    groups: dict[str, str],
) -> AnsweredRow:
    return AnsweredRow(
        row.at_ms,
        body["base"]["favourable"],
        body["final"]["favourable"],
        None if row.label is None else row.label in configuration["favourable"],
        groups | groups_of_row(recorded(configuration), groups),
    )


def _groups(connection: Connection, keys: Keys, at_ms: Mapping[str, int]) -> dict[str, dict[str, str]]:
    """Declared groups by decision and attribute."""
    groups: dict[str, dict[str, str]] = {}
    moments = list(at_ms.items())
    for start in range(0, len(moments), LOT):
        groups |= declared_groups(connection, keys, dict(moments[start : start + LOT]))
    return groups


def _configurations(connection: Connection, names: set[str]) -> dict[str, dict[str, Any]]:
    """Configurations by hash."""
    query = select(configurations.c.sha256, configurations.c.body).where(configurations.c.sha256.in_(names))
    return {name: from_json(body) for name, body in connection.execute(query)}


def bucketed(rows: Sequence[AnsweredRow], cut: str | None, marks: Sequence[Mark]) -> TrendCounts:
    """Rows in the order of time as buckets of one length; a switch of the correction ends a bucket early."""
    switches = sorted(mark.at_ms for mark in marks if mark.is_switch)
    width_s = _width_s(rows)
    width_ms = 1000 * width_s
    counts: dict[tuple[int, int], Counts] = {}
    for row in rows:
        inside = counts.setdefault((row.at_ms // width_ms, bisect_right(switches, row.at_ms)), Counter())
        for attribute, group in row.groups.items():
            inside[attribute, group, None, row.base, row.final] += 1
            if row.label is not None:
                inside[attribute, group, row.label, row.base, row.final] += 1
    buckets = [
        Bucket(
            max(place * width_ms, switches[turn - 1] if turn else 0),
            min([(place + 1) * width_ms, *switches[turn : turn + 1]]),
            inside,
        )
        for (place, turn), inside in sorted(counts.items())
    ]
    return TrendCounts(buckets, "decisions", width_s, cut)


def _width_s(rows: Sequence[AnsweredRow]) -> int:
    """The shortest length with few enough buckets and enough rows in each, on average."""
    if not rows:
        return WIDTHS_S[-1]
    span_s = (rows[-1].at_ms - rows[0].at_ms) / 1000
    least_s = max(span_s / MOST_BUCKETS, span_s * BUCKET_ROWS / len(rows))
    return next((width_s for width_s in WIDTHS_S if width_s >= least_s), WIDTHS_S[-1])


def read_marks(connection: Connection, model: str, window: Window) -> tuple[list[Mark], str | None]:
    """Operations of a window that are about a model, in the order of time; and what was left out."""
    switches = connection.execute(_events(window, SWITCHES, MOST_MARKS)).all()
    overrides = connection.execute(_events(window, ("override",), MOST_OVERRIDES)).all()
    cut = None
    if len(switches) > MOST_MARKS or len(overrides) > MOST_OVERRIDES:
        cut = f"Only the newest {MOST_MARKS} switches and {MOST_OVERRIDES:,} overrides were read."
    marks = [
        mark
        for at_ms, kind, text, _ in reversed(switches[:MOST_MARKS])
        if (body := from_json(text))["model"] == model and (mark := _switch(at_ms, kind, body))
    ]
    overridden = [
        at_ms
        for at_ms, _, _, subject in reversed(overrides[:MOST_OVERRIDES])
        if subject is not None and from_json(subject)["model"] == model
    ]
    return sorted(_merged(marks) + _overrides(overridden, window), key=lambda mark: mark.at_ms), cut


def _events(window: Window, kinds: Sequence[str], most: int) -> Select[Any]:
    """The newest events of some kinds, each with the decision that it is about."""
    about = records.alias()
    return (
        select(records.c.at_ms, records.c.kind, records.c.body, about.c.body)
        .select_from(records.outerjoin(about, about.c.id == records.c.subject))
        .where(_inside(window), records.c.kind.in_(kinds), records.c.body.is_not(None))
        .order_by(records.c.at_ms.desc(), records.c.seq.desc())
        .limit(most + 1)
    )


def _switch(at_ms: int, kind: str, body: dict[str, Any]) -> Mark:
    if kind == "mode":
        return Mark(at_ms, kind, MODES[body["mode"]], tuple(body["attributes"]), is_switch=True)
    if kind == "promote":
        return Mark(at_ms, kind, f"version {body['version']} promoted", is_switch=True)
    if kind == "shadow":
        version = body["version"]
        return Mark(at_ms, kind, f"version {version} tried in shadow" if version else "shadow version ended")
    if body["result"] == "ok":
        return Mark(at_ms, kind, f"new bundle loaded, version {body['version']}", is_switch=True)
    return Mark(at_ms, kind, "a new bundle was refused")


def _merged(marks: Sequence[Mark]) -> list[Mark]:
    """One mark where the same was done again shortly after: by another process, or to another attribute."""
    merged: list[Mark] = []
    for mark in marks:
        last = merged[-1] if merged else None
        if last is None or (last.kind, last.words) != (mark.kind, mark.words):
            merged.append(mark)
            continue
        attributes = _united(last.attributes, mark.attributes)
        if mark.at_ms - last.at_ms > (SAME_MS if attributes == last.attributes else TOGETHER_MS):
            merged.append(mark)
        else:
            merged[-1] = replace(last, attributes=attributes)
    return merged


def _united(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if one is None or other is None else tuple(dict.fromkeys(one + other))


def _overrides(at_ms: Sequence[int], window: Window) -> list[Mark]:
    """Overrides by people, those of a sixtieth of the window as one mark."""
    width_ms = (window.end - window.first) * HOUR_MS // MOST_BUCKETS
    first: dict[int, int] = {}
    counts: Counter[int] = Counter()
    for moment in at_ms:
        first.setdefault(moment // width_ms, moment)
        counts[moment // width_ms] += 1
    return [
        Mark(first[place], "override", f"{n} {'decision' if n == 1 else 'decisions'} overridden by a person")
        for place, n in counts.items()
    ]


def _inside(window: Window) -> ColumnElement[bool]:
    return and_(records.c.at_ms >= window.first * HOUR_MS, records.c.at_ms < window.end * HOUR_MS)
