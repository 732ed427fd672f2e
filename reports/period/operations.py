"""Operations of a period besides decisions: switches, overrides, accesses, erasures."""

from __future__ import annotations

from collections import Counter
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, and_, select

from evenhand.reports.period.source import ReportPeriod
from evenhand.service.audit.events import time_of
from evenhand.service.audit.tables import records

Plain = dict[str, Any]
COUNTED_ONLY = ("decision", "label", "groups")
"""Kinds that are too many to be listed; they are counted elsewhere."""
LISTED = 200
LEFT_OUT = ("v", "kind", "id", "time", "reason")
"""Fields that are shown elsewhere, or that a person wrote about another: those stay in the record."""


def operations(connection: Connection, model: str, period: ReportPeriod) -> Plain:
    """Events of a period that are about a model, or about the record as a whole.

    Returns:
        ``counts`` by kind; ``events``, the last :data:`LISTED` of them, each ``time``, ``kind`` and
        ``facts``; and how many were ``left_out``. An erased event is counted as ``erased``.
    """
    inside = and_(records.c.at_ms >= period.from_ms, records.c.at_ms < period.to_ms)
    about = records.alias()
    statement = (
        select(records.c.kind, records.c.at_ms, records.c.body, about.c.body)
        .select_from(records.outerjoin(about, about.c.id == records.c.subject))
        .where(inside, records.c.kind.not_in(COUNTED_ONLY))
        .order_by(records.c.seq)
    )
    counts, events = Counter[str](), list[Plain]()
    for kind, at_ms, text, subject in connection.execute(statement.execution_options(yield_per=1000)):
        body = {} if text is None else from_json(text)
        of = body.get("model") or (from_json(subject).get("model") if subject else None)
        if of not in (None, model):
            continue
        counts[kind if text is not None else "erased"] += 1
        facts = {name: value for name, value in body.items() if name not in LEFT_OUT}
        events.append({"time": time_of(at_ms), "kind": kind, "facts": facts})
        if len(events) > 2 * LISTED:
            del events[:LISTED]
    kept = events[-LISTED:]
    return {"counts": dict(counts), "events": kept, "left_out": sum(counts.values()) - len(kept)}
