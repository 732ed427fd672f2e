"""Behaviour of a server under faulty rows, overload and SIGTERM."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.loops import Closed, closed, opened
from bench.protocols import Ask, mixed
from bench.servers import MARK, Running, Server
from bench.side_by_side.speed import SATURATED, Plan
from bench.summary import LOST, UNANSWERED, Record, rounded
from bench.wire import once

GOOD = 620
EVERY = 32
TOO_MUCH = 3.0
FAULTS_S = 45.0
AFTERWARDS_S = 5.0
TEXT = "a post with a fault"


@dataclass(frozen=True, slots=True)
class Trial:
    """One server's tests; each begins with a fresh process."""

    server: Server
    asks: Sequence[Ask]
    plan: Plan
    overload_seconds: float

    async def schema(self, running: Running) -> dict[str, Any]:
        """Good rows that fail because others are malformed."""
        return await self._faults(
            running, [self.server.protocol.wrong_type(), self.server.protocol.missing()]
        )

    async def in_model(self, running: Running) -> dict[str, Any]:
        """Good rows that fail because the model raises for others; the server was started faulty."""
        return await self._faults(running, [self.server.protocol.poisoned(f"{MARK} {TEXT}")])

    async def _faults(self, running: Running, bad: Sequence[Ask]) -> dict[str, Any]:
        """One row in 32 is faulty, 64 connections at once."""
        good = list(itertools.islice(itertools.cycle(self.asks), GOOD))
        outcome = await Closed(running.port, iter(mixed(good, bad, EVERY)), FAULTS_S).run(SATURATED)
        rest = await once(running.port, good[0].request, AFTERWARDS_S)
        return {**_failed(outcome.records), "answers_afterwards": rest is not None and rest.status == 200}

    async def overload(self, running: Running) -> dict[str, Any]:
        """Three times what it can do, which is measured just before."""
        await closed(running.port, self.asks, SATURATED, self.plan.warmup_s)
        before = (await closed(running.port, self.asks, SATURATED, self.plan.seconds)).figures()[
            "throughput_per_s"
        ]
        if not before:
            return {"saturated_per_s": before}
        outcome = await opened(running.port, self.asks, TOO_MUCH * before, self.overload_seconds)
        figures, statuses = outcome.figures(), Counter(record.status for record in outcome.records)
        return {
            "saturated_per_s": before,
            "ratio_to_saturated": rounded(figures["throughput_per_s"] / before),
            "lost": statuses[LOST],
            "unanswered": statuses[UNANSWERED],
            **figures,
        }

    async def stop(self, running: Running) -> dict[str, Any]:
        """SIGTERM with 64 requests under way; no more are sent from then on."""
        under_way = 0

        def at_end(busy: int) -> None:
            nonlocal under_way
            under_way = busy
            running.tree.terminate()

        await closed(running.port, self.asks, SATURATED, self.plan.warmup_s)
        load = Closed(running.port, itertools.cycle(self.asks), self.plan.seconds / 2, at_end)
        records = (await load.run(SATURATED)).records
        ended = running.tree.wait_stopped()
        late = sorted(records, key=lambda record: record.due_s + record.latency_s)[len(records) - under_way :]
        return {
            "under_way": under_way,
            "answered": sum(record.status == 200 for record in late),
            "statuses": {str(status): count for status, count in Counter(r.status for r in late).items()},
            "exit_code": ended.exit_code,
            "seconds": rounded(ended.seconds),
            "orphans": ended.orphans,
        }


def _failed(records: Sequence[Record]) -> dict[str, Any]:
    good = [record for record in records if record.kind == "good"]
    bad = Counter(record.status for record in records if record.kind != "good")
    return {
        "good": len(good),
        "failed_good": len(good) - sum(record.status == 200 and record.right is not False for record in good),
        "statuses_of_good": dict(Counter(str(record.status) for record in good)),
        "statuses_of_bad": {str(status): count for status, count in bad.items()},
    }
