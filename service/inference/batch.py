"""One batch: which rows share it, how it runs, and what it was like. A row that breaks the engine fails alone."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from evenhand.service.errors import EngineFailed, ServiceError

In = TypeVar("In")
Out = TypeVar("Out")
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may wait and run at once."""

    queue_rows: int
    batch_rows: int
    batch_tokens: int
    """Padding included."""
    row_padding: float = math.inf
    """Tokens of padding that one more row may bring into a batch."""
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
class Submission(Generic[Out]):
    """The rows of one submit; touched on the event loop only, but for ``left``, which engine threads read."""

    future: asyncio.Future[None]
    results: list[Out | ServiceError | None]
    missing: int
    deadline_s: float
    left: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class QueuedRow(Generic[In, Out]):
    """One item that waits, and whose it is."""

    item: In
    size: int
    group: Submission[Out]
    index: int
    since_s: float


def nearest(live: Sequence[QueuedRow[In, Out]], limits: Limits) -> list[QueuedRow[In, Out]]:
    """The first row, and the rows nearest to it in length that fit the limits with it.

    A row that would cost more padding than a run of its own waits for company of its length.
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
    """Rows on their way through an engine thread.

    Args:
        rows: The rows.
        run_batch: Scores items in order.
        answer: Takes the rows, a result for each, and the seconds it took; ``None`` if they were lost.
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
        """Score the rows and hand out the results; a row that breaks the engine fails alone.

        Raises:
            BaseException: what ends the thread, such as ``SystemExit``; nothing was handed out then.
        """
        results = self._scored([row.item for row in self._rows])
        if not self._failed:
            self._answer(self._rows, results, time.monotonic() - self._started_s)

    def fail(self) -> None:
        """Answer every row with :class:`EngineFailed`: the thread that ran them is lost."""
        self._failed = True
        self._answer(self._rows, [EngineFailed() for _ in self._rows], None)

    def _scored(self, items: list[In]) -> list[Out | ServiceError]:
        """Run items; if that fails, run the halves, so that only the row that breaks the engine fails."""
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
