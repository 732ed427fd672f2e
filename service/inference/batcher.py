"""Groups single rows into batches; knows nothing of HTTP, models or fairness.

Guarantee: every ``submit`` ends exactly once, with a result or a ``ServiceError``, whatever the runner does
    and
whoever else shares the batch. There is no fill timer: engine threads
(:mod:`evenhand.service.inference.workers`) call :meth:`Batcher.take` whenever they are free, and batches grow
while they are busy. Rows come and go on the event loop; only ``take`` and ``Batch.run`` are called from
engine threads.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, cast

from evenhand.service.errors import Closing, DeadlineExceeded, Overloaded, ServiceError, TooLarge
from evenhand.service.inference.batch import (
    Batch,
    BatchReport,
    In,
    Limits,
    Out,
    QueuedRow,
    Submission,
    nearest,
)

NO_DEADLINE = math.inf


class Batcher(Generic[In, Out]):
    """A bounded queue in front of the engine threads.

    Args:
        run_batch: Scores items in order; called in an engine thread.
        size_of: Tokens of an item.
        limits: Bounds of the queue and of a batch.
        wake: Called when rows have arrived.
        report: Told about every batch, on the event loop.
    """

    def __init__(
        self,
        run_batch: Callable[[Sequence[In]], Sequence[Out]],
        size_of: Callable[[In], int],
        limits: Limits,
        wake: Callable[[], None],
        report: Callable[[BatchReport], None],
    ) -> None:
        self.run_batch = run_batch
        self._size_of = size_of
        self._limits = limits
        self._wake = wake
        self._report = report
        self._lock = threading.Lock()
        self._waiting: deque[QueuedRow[In, Out]] = deque()
        self._waiting_tokens = 0
        self._tokens_per_s = 0.0
        self._open = 0
        self._closing = False
        self._drained = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def depth(self) -> int:
        """Rows that wait."""
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        """Whether submits are taken."""
        return self._loop is not None and not self._closing

    def start(self) -> None:
        """Begin to take rows, on the running event loop."""
        self._loop = asyncio.get_running_loop()

    def expect(self, tokens_per_s: float) -> None:
        """Say how fast one lane is, so that the first requests can be judged; later runs correct it."""
        self._tokens_per_s = tokens_per_s

    def admit(self, rows: int) -> None:
        """Refuse, before any work on them, rows that would not fit or would wait too long.

        Raises:
            Overloaded: the caller may come back later.
            Closing: ``close`` was called, or ``start`` was not.
        """
        if not self.alive:
            raise Closing
        if self.full_for(rows):
            raise Overloaded(retry_after_s=self.expected_wait_s)

    def full_for(self, rows: int) -> bool:
        """Whether so many more rows would not fit, or would probably wait too long."""
        return (
            len(self._waiting) + rows > self._limits.queue_rows or self.expected_wait_s > self._limits.wait_s
        )

    @property
    def expected_wait_s(self) -> float:
        """How long a row that came now would probably wait."""
        return self._seconds(self._waiting_tokens)

    def _seconds(self, tokens: int) -> float:
        return tokens / (self._tokens_per_s * self._limits.lanes) if self._tokens_per_s else 0.0

    async def submit(self, items: Sequence[In], deadline_s: float = NO_DEADLINE) -> list[Out | ServiceError]:
        """Wait for each item's own result; a failure of one is returned in its place.

        All items are taken or none, so that a request is never half refused.

        Args:
            items: What to run.
            deadline_s: On ``time.monotonic()``'s clock; a row that is not taken by then is not run.

        Raises:
            Overloaded: they do not fit into the queue.
            TooLarge: several would together take longer than the deadline allows.
            Closing: ``close`` was called, or ``start`` was not.
        """
        self.admit(len(items))
        now, sizes = time.monotonic(), [self._size_of(item) for item in items]
        if len(items) > 1:
            self._refuse_too_much(sum(sizes), deadline_s - now)
        assert self._loop is not None
        group: Submission[Out] = Submission(
            self._loop.create_future(), [None] * len(items), len(items), deadline_s
        )
        rows = [
            QueuedRow(item, size, group, i, now)
            for i, (item, size) in enumerate(zip(items, sizes, strict=True))
        ]
        self._open += 1
        with self._lock:
            self._waiting.extend(rows)
            self._waiting_tokens += sum(sizes)
        self._wake()
        try:
            await group.future
        finally:
            group.left = True  # rows that are being taken are skipped
            if group.missing:
                self._forget(group)  # the caller left: what it asked for must not keep others out
            self._open -= 1
            self._end_if_drained()
        return cast("list[Out | ServiceError]", group.results)  # the future ends when none is missing

    async def close(self) -> None:
        """Answer everything that was accepted, refuse the rest, and stop."""
        self._closing = True
        self._end_if_drained()
        await self._drained.wait()

    def take(self) -> Batch[In, Out] | None:
        """The oldest row, and the waiting rows nearest to it in length that fit the limits with it.

        Rows of like length share a batch so that padding stays small; as the oldest always goes, nobody
        starves. Called by engine threads.
        """
        now = time.monotonic()
        with self._lock:
            expired = [row for row in self._waiting if not row.group.left and row.group.deadline_s <= now]
            live = [row for row in self._waiting if not row.group.left and row.group.deadline_s > now]
            taken = nearest(live, self._limits) if live else []
            gone = set(map(id, taken))
            self._waiting = deque(row for row in live if id(row) not in gone)
            self._waiting_tokens = sum(row.size for row in self._waiting)
        if expired:
            self._answer(expired, [DeadlineExceeded() for _ in expired], None)
        return Batch(taken, self.run_batch, self._answer) if taken else None

    def _answer(
        self, rows: Sequence[QueuedRow[In, Out]], results: Sequence[Out | ServiceError], seconds: float | None
    ) -> None:
        """Hand results to whoever waits for them, and report the batch. Called by engine threads."""

        def hand_out() -> None:
            for row, result in zip(rows, results, strict=True):
                self._end(row, result)
            if seconds is not None and self._loop is not None:
                # Two turns on: in the next one whoever waits makes the answers, which uvloop sends at its
                # end.
                self._loop.call_soon(self._loop.call_soon, self._tell, rows, seconds)

        self._post(hand_out)

    def _forget(self, group: Submission[Out]) -> None:
        with self._lock:
            self._waiting = deque(row for row in self._waiting if row.group is not group)
            self._waiting_tokens = sum(row.size for row in self._waiting)

    def _post(self, work: Callable[[], object]) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(work)

    def _end(self, row: QueuedRow[In, Out], result: Out | ServiceError) -> None:
        group = row.group
        if group.results[row.index] is not None:
            return
        group.results[row.index] = result
        group.missing -= 1
        if not group.missing and not group.future.done():
            group.future.set_result(None)

    def _end_if_drained(self) -> None:
        if self._closing and not self._open:
            self._drained.set()

    def _refuse_too_much(self, tokens: int, left_s: float) -> None:
        needed_s = self._seconds(tokens)
        if needed_s > left_s:
            raise TooLarge(
                f"these items need about {needed_s:.0f} s, and {max(left_s, 0.0):.0f} s are left until the deadline; "
                "send several smaller requests"
            )

    def _tell(self, rows: Sequence[QueuedRow[In, Out]], seconds: float) -> None:
        sizes = [row.size for row in rows]
        tokens = sum(sizes)
        rate = tokens / max(seconds, 1e-6)
        self._tokens_per_s += 0.1 * (rate - self._tokens_per_s) if self._tokens_per_s else rate
        started_s = time.monotonic() - seconds
        queued_s = tuple(max(0.0, started_s - row.since_s) for row in rows)
        self._report(BatchReport(len(rows), tokens, max(sizes) * len(rows), seconds, queued_s))
