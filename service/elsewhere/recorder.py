"""Records decisions made elsewhere, counts them, and says what became of each. It knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from evenhand.service.audit.client import REPLICA, AuditClient
from evenhand.service.audit.elsewhere.rows import ReportedRows
from evenhand.service.audit.feedback import Feedback
from evenhand.service.catalog.observed import ObservedModel
from evenhand.service.elsewhere.rows import CONFLICT, Checked
from evenhand.service.metrics.collectors import Metrics

CHUNK_ROWS = 2000
"""Decisions in one transaction at most."""
IN_FLIGHT = 3
"""Chunks of all requests together that wait for the disk; further ones are not read yet."""

Outcome = Literal["recorded", "duplicate", "conflict", "error"]
OUTCOMES: tuple[Outcome, ...] = ("recorded", "duplicate", "conflict", "error")


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one decision."""

    place: int
    """Number of its line or row."""
    result: Outcome
    id: str | None = None
    """Of the decision on record."""
    message: str | None = None
    shadow: Mapping[str, Any] | None = None
    """What a bundle would have answered."""
    feedback: str | None = None
    """What became of the label and the groups of a duplicate, as ``POST /feedback`` says it."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of some decisions."""

    rows: Sequence[Checked]
    """All of them, in their order."""
    others: dict[int, Result]
    """Those that were not recorded now, by place."""
    spooled: int
    """Recorded ones that wait on disk."""

    def results(self) -> list[Result]:
        """One result per decision, in their order."""
        results = []
        for each in self.rows:
            result = self.others.get(each.place) or Result(each.place, "recorded", each.row.id)
            shadow = each.row.shadow
            results.append(result if shadow is None else replace(result, shadow=shadow))
        return results


class Recorder:
    """Records and counts the decisions of one process.

    Args:
        audit: The record.
        metrics: Counts them.
    """

    def __init__(self, audit: AuditClient, metrics: Metrics) -> None:
        self._audit, self._metrics = audit, metrics
        self._room = asyncio.Semaphore(IN_FLIGHT)

    async def record(self, rows: Sequence[Checked]) -> Recorded:
        """Record decisions; those of one model are on record as a whole or not at all.

        Returns:
            What became of them, once they are in the database or the spool.

        Raises:
            RecordUnavailable: they can be written neither to the database nor to the disk.
        """
        by_model: dict[str, list[Checked]] = {}
        for checked in rows:
            by_model.setdefault(checked.model.name, []).append(checked)
        others: dict[int, Result] = {}
        spooled = 0
        async with self._room:
            for each in by_model.values():
                of_model, waiting = await self._record(each[0].model, each)
                others |= of_model
                spooled += waiting
        return Recorded(rows, others, spooled)

    async def _record(self, model: ObservedModel, rows: Sequence[Checked]) -> tuple[dict[int, Result], int]:
        """Record decisions of one model; returns those that were not recorded, and how many are spooled."""
        at_ms = time.time_ns() // 1_000_000
        sent = ReportedRows(model, model.configuration, [each.row for each in rows], at_ms, REPLICA)
        batch, done = await asyncio.to_thread(self._audit.take_reported, sent)
        await asyncio.shield(asyncio.wrap_future(done))
        self._metrics.fairness.reported(model.name, batch.cells)
        others: dict[int, Result] = {}
        if batch.doubled:
            others = await self._join([each for each in rows if each.row.id in batch.doubled], batch.doubled)
        recorded = len(rows) - len(others)
        for outcome, number in {
            "recorded": recorded,
            **Counter(one.result for one in others.values()),
        }.items():
            self._metrics.reported(model.name, outcome, number)
        return others, recorded if batch.spooled else 0

    async def _join(self, rows: Sequence[Checked], recorded: dict[str, str]) -> dict[int, Result]:
        """Rows that are on record: a label or groups that came with them are joined to what is there."""
        audit, results = self._audit, dict[int, Result]()
        decided = await audit.call(audit.answers, [recorded[each.row.id] for each in rows])
        news: list[tuple[int, Feedback]] = []
        for each in rows:
            name, row = recorded[each.row.id], each.row
            if decided.get(name, row.label) != row.label:
                results[each.place] = Result(each.place, "conflict", name, CONFLICT)
                continue
            results[each.place] = Result(each.place, "duplicate", name)
            if row.truth is not None or row.groups:
                news.append((each.place, Feedback(name, row.truth, row.groups)))
        joined = await audit.call(audit.feedback, [item for _, item in news]) if news else []
        for (place, _), one in zip(news, joined, strict=True):
            if one.counted is not None:
                self._metrics.fairness.joined(one.counted)
                self._metrics.record.feedback(one.result)
            results[place] = replace(results[place], feedback=one.result)
        return results
