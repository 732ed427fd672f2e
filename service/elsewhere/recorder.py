"""Records decisions made elsewhere, counts them, and says what became of each. It knows nothing of HTTP."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from evenhand.service.audit.client import REPLICA, AuditClient
from evenhand.service.audit.elsewhere.bodies import ReportedRows
from evenhand.service.audit.feedback import Feedback
from evenhand.service.elsewhere.columns import CheckedRows
from evenhand.service.elsewhere.rows import CONFLICT
from evenhand.service.metrics.collectors import Metrics

CHUNK_ROWS = 2000
"""Decisions that are on record as a whole or not at all."""
IN_FLIGHT = 7
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

    rows: Sequence[CheckedRows]
    """All of them, by model."""
    others: dict[int, Result]
    """Those that were not recorded now, by place."""
    spooled: int
    """Recorded ones that wait on disk."""

    @property
    def number(self) -> int:
        """How many they are."""
        return sum(map(len, self.rows))

    def results(self) -> list[Result]:
        """One result per decision."""
        results = []
        for of_model in self.rows:
            columns = of_model.columns
            for place, name, shadow in zip(of_model.places, columns.ids, columns.shadows, strict=True):
                result = self.others.get(place) or Result(place, "recorded", name)
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

    async def record(self, rows: Sequence[CheckedRows]) -> Recorded:
        """Record decisions; those of one model are on record as a whole or not at all.

        Returns:
            What became of them, once they are in the database or the spool.

        Raises:
            RecordUnavailable: they can be written neither to the database nor to the disk.
        """
        others: dict[int, Result] = {}
        spooled = 0
        async with self._room:
            for each in rows:
                of_model, waiting = await self._record(each)
                others |= of_model
                spooled += waiting
        return Recorded(rows, others, spooled)

    async def _record(self, rows: CheckedRows) -> tuple[dict[int, Result], int]:
        """Record decisions of one model; returns those that were not recorded, and how many are spooled."""
        model, at_ms = rows.model, time.time_ns() // 1_000_000
        sent = ReportedRows(model, model.configuration, rows.columns, at_ms, REPLICA)
        batch, done = await asyncio.to_thread(self._audit.take_reported, sent)
        await asyncio.shield(asyncio.wrap_future(done))
        self._metrics.fairness.reported(model.name, batch.cells)
        others: dict[int, Result] = {}
        if batch.doubled:
            doubled = [row for row, name in enumerate(rows.columns.ids) if name in batch.doubled]
            others = await self._join(rows.take(doubled), batch.doubled)
        recorded = len(rows) - len(others)
        for outcome, number in {
            "recorded": recorded,
            **Counter(one.result for one in others.values()),
        }.items():
            self._metrics.reported(model.name, outcome, number)
        return others, recorded if batch.spooled else 0

    async def _join(self, rows: CheckedRows, recorded: dict[str, str]) -> dict[int, Result]:
        """Rows that are on record: a label or groups that came with them are joined to what is there."""
        audit, columns, results = self._audit, rows.columns, dict[int, Result]()
        decided = await audit.call(audit.answers, [recorded[name] for name in columns.ids])
        news: list[tuple[int, Feedback]] = []
        for row, place in enumerate(rows.places):
            name, label, truth = recorded[columns.ids[row]], columns.labels[row], columns.truths[row]
            if decided.get(name, label) != label:
                results[place] = Result(place, "conflict", name, CONFLICT)
                continue
            results[place] = Result(place, "duplicate", name)
            groups = columns.groups_of(row)
            if truth is not None or groups:
                news.append((place, Feedback(name, truth, groups)))
        joined = await audit.call(audit.feedback, [item for _, item in news]) if news else []
        for (place, _), one in zip(news, joined, strict=True):
            if one.counted is not None:
                self._metrics.fairness.joined(one.counted)
                self._metrics.record.feedback(one.result)
            results[place] = replace(results[place], feedback=one.result)
        return results
