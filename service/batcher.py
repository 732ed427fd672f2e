"""Groups single rows into batches; knows nothing of HTTP, models or fairness.

Guarantee: every ``submit`` ends exactly once, with a result or a ``ServiceError``, whatever the runner does and
whoever else shares the batch. There is no fill timer: engine threads (:mod:`service.lanes`) call :meth:`Batcher.take`
whenever they are free, and batches grow while they are busy. Rows come and go on the event loop; only ``take`` and
``Batch.run`` are called from engine threads.
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
from typing import Generic, TypeVar

from service.errors import Closing, DeadlineExceeded, EngineFailed, Overloaded, ServiceError, TooLarge

In = TypeVar("In")
Out = TypeVar("Out")
NO_DEADLINE = math.inf
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait and run at once."""

    queue_rows: int
    batch_rows: int
    batch_tokens: int
    """Padding included."""
    wait_s: float = math.inf
    """A request that would probably wait longer is refused."""
    lanes: int = 1
    """Batches that run at the same time."""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What one batch was like."""

    rows: int
    tokens: int
    """Without padding."""
    padded_tokens: int
    seconds: float
    queued_s: tuple[float, ...]
    """How long each row waited."""


@dataclass(eq=False, slots=True)
class _Group(Generic[Out]):
    """The rows of one submit; touched on the event loop only, but for ``left``, which engine threads read."""

    future: asyncio.Future[None]
    results: list[Out | ServiceError | None]
    missing: int
    deadline_s: float
    left: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class _Row(Generic[In, Out]):
    item: In
    size: int
    group: _Group[Out]
    index: int
    since_s: float


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
        self._waiting: deque[_Row[In, Out]] = deque()
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
        wait_s = self.expected_wait_s
        if len(self._waiting) + rows > self._limits.queue_rows or wait_s > self._limits.wait_s:
            raise Overloaded(retry_after_s=wait_s)

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
            TooLarge: they alone would take longer than the deadline allows.
            Closing: ``close`` was called, or ``start`` was not.
        """
        self.admit(len(items))
        now, sizes = time.monotonic(), [self._size_of(item) for item in items]
        self._refuse_too_much(sum(sizes), deadline_s - now)
        assert self._loop is not None
        group: _Group[Out] = _Group(self._loop.create_future(), [None] * len(items), len(items), deadline_s)
        rows = [_Row(item, size, group, i, now) for i, (item, size) in enumerate(zip(items, sizes, strict=True))]
        self._open += 1
        with self._lock:
            self._waiting.extend(rows)
            self._waiting_tokens += sum(sizes)
        self._wake()
        try:
            await group.future
        finally:
            group.left = True  # a caller that left: rows that were not taken yet are skipped
            self._open -= 1
            self._end_if_drained()
        return [result if result is not None else EngineFailed() for result in group.results]

    async def close(self) -> None:
        """Answer everything that was accepted, refuse the rest, and stop."""
        self._closing = True
        self._end_if_drained()
        await self._drained.wait()

    def take(self) -> Batch[In, Out] | None:
        """The oldest row, and the waiting rows nearest to it in length that fit the limits with it.

        Rows of like length share a batch so that padding stays small; as the oldest always goes, nobody starves.
        Called by engine threads.
        """
        now = time.monotonic()
        with self._lock:
            expired = [row for row in self._waiting if not row.group.left and row.group.deadline_s <= now]
            live = [row for row in self._waiting if not row.group.left and row.group.deadline_s > now]
            taken = self._nearest(live) if live else []
            gone = set(map(id, taken))
            self._waiting = deque(row for row in live if id(row) not in gone)
            self._waiting_tokens = sum(row.size for row in self._waiting)
        if expired:
            self.end(expired, [DeadlineExceeded() for _ in expired])
        return Batch(self, taken) if taken else None

    def _nearest(self, live: list[_Row[In, Out]]) -> list[_Row[In, Out]]:
        oldest = live[0]
        others = sorted(live[1:], key=lambda row: abs(row.size - oldest.size))
        batch, longest = [oldest], oldest.size
        for row in others[: self._limits.batch_rows - 1]:
            longest = max(longest, row.size)
            if longest * (len(batch) + 1) > self._limits.batch_tokens:
                break
            batch.append(row)
        return batch

    def finish(self, rows: Sequence[_Row[In, Out]], results: Sequence[Out | ServiceError], started_s: float) -> None:
        """Hand results to whoever waits for them, and report the batch. Called by engine threads."""
        seconds = time.monotonic() - started_s
        self.end(rows, results)
        self._post(lambda: self._tell(rows, started_s, seconds))

    def end(self, rows: Sequence[_Row[In, Out]], results: Sequence[Out | ServiceError]) -> None:
        """Hand results to whoever waits for them; a row that has one already keeps it."""

        def hand_out() -> None:
            for row, result in zip(rows, results, strict=True):
                self._end(row, result)

        self._post(hand_out)

    def _post(self, work: Callable[[], object]) -> None:
        assert self._loop is not None
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(work)

    def _end(self, row: _Row[In, Out], result: Out | ServiceError) -> None:
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

    def _tell(self, rows: Sequence[_Row[In, Out]], started_s: float, seconds: float) -> None:
        sizes = [row.size for row in rows]
        tokens = sum(sizes)
        rate = tokens / max(seconds, 1e-6)
        self._tokens_per_s += 0.1 * (rate - self._tokens_per_s) if self._tokens_per_s else rate
        queued_s = tuple(started_s - row.since_s for row in rows)
        self._report(BatchReport(len(rows), tokens, max(sizes) * len(rows), seconds, queued_s))


class Batch(Generic[In, Out]):
    """Rows on their way through an engine thread."""

    def __init__(self, batcher: Batcher[In, Out], rows: list[_Row[In, Out]]) -> None:
        self._batcher = batcher
        self._rows = rows
        self._started_s = time.monotonic()
        self._failed = False

    def run(self) -> None:
        """Score the rows and hand out the results; a row that breaks the engine fails alone.

        Raises:
            BaseException: what ends the thread, such as ``SystemExit``; nothing was handed out then.
        """
        results = self._scored([row.item for row in self._rows])
        if not self._failed:
            self._batcher.finish(self._rows, results, self._started_s)

    def fail(self) -> None:
        """Answer every row with :class:`EngineFailed`: the thread that ran them is lost."""
        self._failed = True
        self._batcher.end(self._rows, [EngineFailed() for _ in self._rows])

    def _scored(self, items: list[In]) -> list[Out | ServiceError]:
        """Run items; if that fails, run the halves, so that only the row that breaks the engine fails."""
        try:
            results = list(self._batcher.run_batch(items))
            if len(results) != len(items):
                raise RuntimeError(f"the engine answered {len(results)} rows for {len(items)}")
        except Exception:
            if len(items) == 1:
                log.exception("the engine failed on one row; that row alone gets an error")
                return [EngineFailed()]
            middle = len(items) // 2
            return [*self._scored(items[:middle]), *self._scored(items[middle:])]
        return [*results]
