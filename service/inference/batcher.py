"""A bounded queue that groups single rows into batches; knows nothing of HTTP, models or fairness.

Every ``submit`` ends exactly once, with a result or a ``ServiceError``, whatever the runner does and
whichever other rows are in the batch. There is no fill timer: engine threads
(:mod:`evenhand.service.inference.workers`) call :meth:`Batcher.take` whenever they are free, and batches grow
while the threads are busy. Rows arrive and leave on the event loop; engine threads call only ``take`` and
``Batch.run``.

Where a run takes less time than the change to another thread and back, ``Limits.quick_tokens`` lets it happen
on the event loop: all rows that came in one turn of the loop are one batch.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar, cast

from evenhand.service.errors import (
    Closing,
    DeadlineExceeded,
    EngineFailed,
    Overloaded,
    ServiceError,
    TooLarge,
)

In = TypeVar("In")
Out = TypeVar("Out")
log = logging.getLogger(__name__)
NO_DEADLINE = math.inf


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rows may wait, and what fits into one batch."""

    queue_rows: int
    batch_rows: int
    batch_tokens: int
    """Padding included."""
    row_padding: float = math.inf
    """Tokens of padding that one more row may bring into a batch."""
    wait_s: float = math.inf
    """A request whose expected wait is longer is refused."""
    workers: int = 1
    """Batches that run at the same time."""
    quick_tokens: int = 0
    """Submissions of at most so many tokens run on the event loop, and so do batches of them; 0: none."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """Size and duration of one batch."""

    rows: int
    tokens: int
    """Without padding."""
    padded_tokens: int
    seconds: float
    queued_s: tuple[float, ...]
    """How long each row waited."""


@dataclass(eq=False, slots=True)
class Submission(Generic[Out]):
    """The rows of one submit. Only the event loop writes it; engine threads read ``cancelled``."""

    future: asyncio.Future[None]
    results: list[Out | ServiceError | None]
    pending: int
    deadline_s: float
    cancelled: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class QueuedRow(Generic[In, Out]):
    """One item that waits, and the submission it belongs to."""

    item: In
    size: int
    submission: Submission[Out]
    index: int
    since_s: float


def nearest(live: Sequence[QueuedRow[In, Out]], limits: Limits) -> list[QueuedRow[In, Out]]:
    """The first row, and the rows nearest to it in length that fit the limits with it.

    A row that would cost more padding than a run of its own waits for rows of its length.
    """
    oldest = live[0]
    others = sorted(live[1:], key=lambda row: abs(row.size - oldest.size))
    batch, longest = [oldest], oldest.size
    for row in others:
        wider = max(longest, row.size)
        tokens = wider * (len(batch) + 1)
        if len(batch) == limits.batch_rows or tokens > limits.batch_tokens:
            break
        if tokens - longest * len(batch) - row.size <= limits.row_padding:
            longest = wider
            batch.append(row)
    return batch


class Batch(Generic[In, Out]):
    """Rows that one engine thread runs together.

    Args:
        rows: The rows.
        run_batch: Scores items in order.
        answer: Takes the rows, a result for each, and the seconds of the run; ``None`` if the thread failed.
    """

    def __init__(
        self,
        rows: list[QueuedRow[In, Out]],
        run_batch: Callable[[Sequence[In]], Sequence[Out]],
        answer: Callable[[Sequence[QueuedRow[In, Out]], Sequence[Out | ServiceError], float | None], None],
    ) -> None:
        self._run_batch = run_batch
        self._answer = answer
        self._rows = rows
        self._started_s = time.monotonic()
        self._failed = False

    def run(self) -> None:
        """Score the rows and deliver the results. A row that breaks the engine fails alone.

        Raises:
            BaseException: what ends the thread, such as ``SystemExit``; no result is delivered then.
        """
        results = self._scored([row.item for row in self._rows])
        if not self._failed:
            self._answer(self._rows, results, time.monotonic() - self._started_s)

    def fail(self) -> None:
        """Answer every row with :class:`EngineFailed`: the thread that ran them died or hangs."""
        self._failed = True
        self._answer(self._rows, [EngineFailed() for _ in self._rows], None)

    def _scored(self, items: list[In]) -> list[Out | ServiceError]:
        """Run items; if the run fails, run the halves, so that only the row that breaks the engine fails."""
        try:
            results = list(self._run_batch(items))
            if len(results) != len(items):
                raise RuntimeError(f"the engine answered {len(results)} rows for {len(items)}")
        except Exception:
            if len(items) == 1:
                log.exception("the engine failed on one row; that row alone gets an error")
                return [EngineFailed()]
            middle = len(items) // 2
            return [*self._scored(items[:middle]), *self._scored(items[middle:])]
        return [*results]


class Batcher(Generic[In, Out]):
    """A bounded queue in front of the engine threads.

    Args:
        run_batch: Scores items in order; called in an engine thread.
        size_of: Tokens of an item.
        limits: Bounds of the queue and of a batch.
        wake: Called when rows have arrived.
        report: Called after every batch, on the event loop.
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
        self._ready: list[QueuedRow[In, Out]] = []
        self.yields = False
        """Whether other queues go first: then nothing runs on the event loop."""
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
        """Whether rows are accepted."""
        return self._loop is not None and not self._closing

    def start(self) -> None:
        """Accept rows from now on, on the running event loop."""
        self._loop = asyncio.get_running_loop()

    def expect(self, tokens_per_s: float) -> None:
        """Set the measured speed of one worker, for the first estimates of a wait; later runs correct it."""
        self._tokens_per_s = tokens_per_s

    def admit(self, rows: int) -> None:
        """Refuse rows that do not fit into the queue, or would wait too long.

        Raises:
            Overloaded: the queue is full, or the expected wait is too long.
            Closing: ``close`` was called, or ``start`` was not.
        """
        if not self.alive:
            raise Closing
        if self.full_for(rows):
            raise Overloaded(retry_after_s=self.expected_wait_s)

    def full_for(self, rows: int) -> bool:
        """Whether this many more rows would not fit, or would wait too long."""
        return (
            len(self._waiting) + rows > self._limits.queue_rows or self.expected_wait_s > self._limits.wait_s
        )

    @property
    def expected_wait_s(self) -> float:
        """Seconds that a row which arrives now is expected to wait."""
        return self._seconds(self._waiting_tokens)

    def _seconds(self, tokens: int) -> float:
        return tokens / (self._tokens_per_s * self._limits.workers) if self._tokens_per_s else 0.0

    async def submit(self, items: Sequence[In], deadline_s: float = NO_DEADLINE) -> list[Out | ServiceError]:
        """Queue items and wait for their results; a failure is returned in place of its result.

        Either all items are queued or none, so that no request is half refused.

        Args:
            items: What to run.
            deadline_s: On ``time.monotonic()``'s clock; a row that no worker took by then is not run.

        Raises:
            Overloaded: they do not fit into the queue.
            TooLarge: several items together need longer than the deadline allows.
            Closing: ``close`` was called, or ``start`` was not.
        """
        self.admit(len(items))  # again: other rows may have arrived while these were tokenised
        now, sizes = time.monotonic(), [self._size_of(item) for item in items]
        if len(items) > 1:
            self._refuse_too_much(sum(sizes), deadline_s - now)
        assert self._loop is not None
        submission: Submission[Out] = Submission(
            self._loop.create_future(), [None] * len(items), len(items), deadline_s
        )
        rows = [
            QueuedRow(item, size, submission, i, now)
            for i, (item, size) in enumerate(zip(items, sizes, strict=True))
        ]
        self._open += 1
        quick = self.is_quick(sum(sizes))
        if quick:
            if not self._ready:
                self._loop.call_soon(self._run_ready)
            self._ready += rows
        else:
            with self._lock:
                self._waiting.extend(rows)
                self._waiting_tokens += sum(sizes)
            self._wake()
        try:
            await submission.future
        finally:
            submission.cancelled = True  # a batch that is being formed skips its rows
            if submission.pending and not quick:
                self._forget(submission)  # the caller disconnected: its rows must not take room in the queue
            self._open -= 1
            self._end_if_drained()
        return cast("list[Out | ServiceError]", submission.results)  # the future ends when none is missing

    def is_quick(self, tokens: int) -> bool:
        """Whether a submission of so many tokens runs on the event loop."""
        return tokens <= self._limits.quick_tokens and not self.yields

    async def close(self) -> None:
        """Refuse new rows, and wait until all accepted ones are answered."""
        self._closing = True
        self._end_if_drained()
        await self._drained.wait()

    def take(self) -> Batch[In, Out] | None:
        """The oldest row, and the waiting rows nearest to it in length that fit the limits with it.

        Rows of similar length share a batch, so that padding stays small. The oldest row is always taken, so
        no row starves. Called by engine threads.
        """
        now = time.monotonic()
        with self._lock:
            expired = [
                row
                for row in self._waiting
                if not row.submission.cancelled and row.submission.deadline_s <= now
            ]
            live = [
                row
                for row in self._waiting
                if not row.submission.cancelled and row.submission.deadline_s > now
            ]
            taken = nearest(live, self._limits) if live else []
            gone = set(map(id, taken))
            self._waiting = deque(row for row in live if id(row) not in gone)
            self._waiting_tokens = sum(row.size for row in self._waiting)
        if expired:
            self._answer(expired, [DeadlineExceeded() for _ in expired], None)
        return Batch(taken, self.run_batch, self._answer) if taken else None

    def _run_ready(self) -> None:
        """Run rows that came in this turn of the loop, as many as are quick together."""
        now, taken, tokens = time.monotonic(), list[QueuedRow[In, Out]](), 0
        for row in self._ready:
            tokens += row.size
            if taken and (tokens > self._limits.quick_tokens or len(taken) == self._limits.batch_rows):
                break
            taken.append(row)
        del self._ready[: len(taken)]
        if self._ready:
            assert self._loop is not None
            self._loop.call_soon(self._run_ready)
        live = [row for row in taken if not row.submission.cancelled and row.submission.deadline_s > now]
        late = [row for row in taken if not row.submission.cancelled and row.submission.deadline_s <= now]
        self._deliver(late, [DeadlineExceeded() for _ in late], None)
        if live:
            Batch(live, self.run_batch, self._deliver).run()

    def _answer(
        self, rows: Sequence[QueuedRow[In, Out]], results: Sequence[Out | ServiceError], seconds: float | None
    ) -> None:
        """Deliver results to the submissions, and report the batch. Called by engine threads."""
        self._post(partial(self._deliver, rows, results, seconds))

    def _deliver(
        self, rows: Sequence[QueuedRow[In, Out]], results: Sequence[Out | ServiceError], seconds: float | None
    ) -> None:
        """The same, on the event loop."""
        for row, result in zip(rows, results, strict=True):
            self._end(row, result)
        if seconds is not None and self._loop is not None:
            # Two turns later: in the next turn the requests build their replies, and uvloop sends them at
            # its end.
            self._loop.call_soon(self._loop.call_soon, self._report_batch, rows, seconds)

    def _forget(self, submission: Submission[Out]) -> None:
        with self._lock:
            self._waiting = deque(row for row in self._waiting if row.submission is not submission)
            self._waiting_tokens = sum(row.size for row in self._waiting)

    def _post(self, work: Callable[[], object]) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(work)

    def _end(self, row: QueuedRow[In, Out], result: Out | ServiceError) -> None:
        submission = row.submission
        if submission.results[row.index] is not None:
            return
        submission.results[row.index] = result
        submission.pending -= 1
        if not submission.pending and not submission.future.done():
            submission.future.set_result(None)

    def _end_if_drained(self) -> None:
        if self._closing and not self._open:
            self._drained.set()

    def _refuse_too_much(self, tokens: int, left_s: float) -> None:
        needed_s = self._seconds(tokens)
        if needed_s > left_s:
            raise TooLarge(
                f"these items need about {needed_s:.0f} s, and {max(left_s, 0.0):.0f} s are left until the "
                f"deadline; "
                "send several smaller requests"
            )

    def _report_batch(self, rows: Sequence[QueuedRow[In, Out]], seconds: float) -> None:
        sizes = [row.size for row in rows]
        tokens = sum(sizes)
        rate = tokens / max(seconds, 1e-6)
        self._tokens_per_s += 0.1 * (rate - self._tokens_per_s) if self._tokens_per_s else rate
        started_s = time.monotonic() - seconds
        queued_s = tuple(max(0.0, started_s - row.since_s) for row in rows)
        self._report(BatchReport(len(rows), tokens, max(sizes) * len(rows), seconds, queued_s))
