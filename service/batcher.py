"""Groups single rows into batches; knows nothing of HTTP, models or fairness.

Guarantee: every ``submit`` ends exactly once, with a result or a ``ServiceError``, whatever the runner does and
whoever else shares the batch. There is no fill timer: a free engine takes what waits at once, and batches grow while
the engine is busy.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.errors import Closing, DeadlineExceeded, EngineFailed, Overloaded, ServiceError

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait and run at once."""

    queue_rows: int
    batch_rows: int
    batch_tokens: int


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What one run of the engine was like."""

    rows: int
    tokens: int
    """Without padding."""
    padded_tokens: int
    seconds: float
    queued_s: tuple[float, ...]
    """How long each row waited."""


@dataclass(eq=False, slots=True)
class _Waiting(Generic[In, Out]):
    item: In
    size: int
    future: asyncio.Future[Out]
    since_s: float
    deadline_s: float


class Batcher(Generic[In, Out]):
    """A queue in front of one engine.

    Args:
        run_batch: Scores items in order; runs in ``executor``.
        size_of: Tokens of an item.
        limits: Bounds of the queue and of a batch.
        executor: Where the engine runs; one thread.
        report: Told about every run.
    """

    def __init__(
        self,
        run_batch: Callable[[Sequence[In]], Sequence[Out]],
        size_of: Callable[[In], int],
        limits: Limits,
        executor: Executor,
        report: Callable[[BatchReport], None],
    ) -> None:
        self._run_batch = run_batch
        self._size_of = size_of
        self._limits = limits
        self._executor = executor
        self._report = report
        self._waiting: deque[_Waiting[In, Out]] = deque()
        self._wake = asyncio.Event()
        self._closing = False
        self._loop: asyncio.Task[None] | None = None

    @property
    def depth(self) -> int:
        """Rows that wait."""
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        """Whether submits are being answered."""
        return self._loop is not None and not self._loop.done() and not self._closing

    def start(self) -> None:
        """Begin to take rows."""
        self._loop = asyncio.create_task(self._work(), name="batcher")

    def has_room(self, rows: int) -> bool:
        """Whether so many more rows would be taken now."""
        return len(self._waiting) + rows <= self._limits.queue_rows

    async def submit(self, items: Sequence[In], deadline_s: float = math.inf) -> list[Out | ServiceError]:
        """Wait for each item's own result; a failure of one is returned in its place.

        All items are taken or none, so that a request is never half refused.

        Args:
            items: Rows to score.
            deadline_s: Monotonic time after which a row that still waits is not run.

        Raises:
            Overloaded: they do not fit into the queue.
            Closing: ``close`` was called, or the batcher died.
        """
        if not self.alive:
            raise Closing
        if not self.has_room(len(items)):
            raise Overloaded
        now, loop = time.monotonic(), asyncio.get_running_loop()
        mine = [_Waiting(item, self._size_of(item), loop.create_future(), now, deadline_s) for item in items]
        self._waiting.extend(mine)
        self._wake.set()
        try:
            results = await asyncio.gather(*(waiting.future for waiting in mine), return_exceptions=True)
        finally:
            for waiting in mine:
                waiting.future.cancel()  # the caller left: rows that were not taken yet are skipped
        return [_as_result(result) for result in results]

    async def close(self) -> None:
        """Answer everything that was accepted, refuse the rest, and stop."""
        self._closing = True
        self._wake.set()
        if self._loop is not None:
            await asyncio.wait([self._loop])

    async def _work(self) -> None:
        """Take and run batches until closed; whatever ends this loop answers everyone who waits."""
        try:
            while self._waiting or not self._closing:
                batch = self._take()
                if batch:
                    await self._run(batch)
                else:
                    self._wake.clear()
                    if not self._closing:
                        await self._wake.wait()
        finally:
            for waiting in self._waiting:
                _end(waiting, Closing())
            self._waiting.clear()

    def _take(self) -> list[_Waiting[In, Out]]:
        """The oldest row, and the waiting rows nearest to it in length that fit the limits with it.

        Rows of like length share a batch so that padding stays small; as the oldest always goes, nobody starves.
        """
        now = time.monotonic()
        for waiting in self._waiting:
            if waiting.deadline_s < now:
                _end(waiting, DeadlineExceeded())
        while self._waiting and self._waiting[0].future.done():
            self._waiting.popleft()
        if not self._waiting:
            return []
        oldest = self._waiting[0]
        others = [waiting for waiting in self._waiting if waiting is not oldest and not waiting.future.done()]
        others.sort(key=lambda waiting: abs(waiting.size - oldest.size))
        batch, longest = [oldest], oldest.size
        for waiting in others[: self._limits.batch_rows - 1]:
            longest = max(longest, waiting.size)
            if longest * (len(batch) + 1) > self._limits.batch_tokens:
                break
            batch.append(waiting)
        taken = set(map(id, batch))
        self._waiting = deque(w for w in self._waiting if id(w) not in taken and not w.future.done())
        return batch

    async def _run(self, batch: list[_Waiting[In, Out]]) -> None:
        """Run a batch; if it fails, run its halves, so that only the row that breaks the engine fails."""
        items, started = [waiting.item for waiting in batch], time.monotonic()
        try:
            results = await asyncio.get_running_loop().run_in_executor(self._executor, self._run_batch, items)
            if len(results) != len(items):
                raise RuntimeError(f"the engine answered {len(results)} rows for {len(items)}")
        except Exception:
            if len(batch) == 1:
                _end(batch[0], EngineFailed())
                return
            middle = len(batch) // 2
            await self._run(batch[:middle])
            await self._run(batch[middle:])
            return
        except BaseException:
            for waiting in batch:
                _end(waiting, Closing())
            raise
        for waiting, result in zip(batch, results, strict=True):
            if not waiting.future.done():
                waiting.future.set_result(result)
        self._tell(batch, started)

    def _tell(self, batch: list[_Waiting[In, Out]], started: float) -> None:
        sizes = [waiting.size for waiting in batch]
        self._report(
            BatchReport(
                rows=len(batch),
                tokens=sum(sizes),
                padded_tokens=max(sizes) * len(batch),
                seconds=time.monotonic() - started,
                queued_s=tuple(started - waiting.since_s for waiting in batch),
            )
        )


def _end(waiting: _Waiting[In, Out], error: ServiceError) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(error)


def _as_result(result: Out | BaseException) -> Out | ServiceError:
    if isinstance(result, BaseException) and not isinstance(result, ServiceError):
        return EngineFailed()
    return result
