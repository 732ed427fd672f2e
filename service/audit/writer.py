"""The writer: one thread that writes records in batches; the event loop never waits for it.

Records that came since the last commit go into the next one. While the database is down or its disk is full,
no record is lost as long as the spool can be written; while anything waits there, new records go behind it.

At ``durability: request`` this thread alone decides what becomes of a request's records, once: they are on
disk and the request is acknowledged, or they are dropped and it is refused. No timer withdraws a request, for
a commit that is under way cannot be called back. Only if a connection breaks during a commit and the spool
cannot be written either, the outcome is unknown; the caller is told so.

A record that cannot be encoded, or that the database refuses, is searched by halves and lost alone.

At ``durability: batch`` ``kill -9`` can lose records that were in no commit and not in the spool: those of
the last ``FLUSH_S`` seconds and of the time of the last commit, which a lock may delay by ``store.BUSY_S``
and PostgreSQL by ``store.STATEMENT_S``. At ``request`` it loses no acknowledged record. A power cut loses no
more, for commits and spool are on disk when they return.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import chain

from evenhand.service.audit.chain import Event
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.events import AnsweredRows
from evenhand.service.audit.maintenance.migrate import RecordRefused, reason
from evenhand.service.audit.record_batch import RecordBatch, make, merge
from evenhand.service.audit.spool import ADOPT_S, MEMORY_ROWS, Backlog, Spool
from evenhand.service.audit.store import AWAY, BUSY_S, STATEMENT_S, InDoubt, RecordAway, Store, Unwritable
from evenhand.service.background import Background, Thread
from evenhand.service.types import Row

log = logging.getLogger(__name__)

Content = AnsweredRows | Event | RecordBatch
"""What is handed over to be recorded; a batch is made already."""
FLUSH_S = 0.25
"""How long a record waits for others at ``durability: batch``."""
RETRY_S = 1.0
"""How soon a database that is down is tried again."""
CATCH_UP_S = 0.2
"""How long the spool is written to the database before new records are."""
BATCH_ROWS = 2000
"""Records that are written at once, without waiting for more."""
BULK_ROWS = 10_000
"""Records in one transaction at most, unless one request has more: in bulk the same pages of the database's
indexes change again and again, and a transaction writes each of them once."""
HOLD_S = 0.5
"""How long a transaction of many records should hold the chain, for which others wait."""
STALLED_S = STATEMENT_S + BUSY_S
"""How long one batch may take before answers that wait for their records count as blocked."""
SHOWN = 20
"""Ids that a log line names at most."""
NOWHERE = "the record can be written neither to database nor to disk"


@dataclass(frozen=True, slots=True)
class RecordReport:
    """Counts what became of records; called in any thread."""

    rows: Callable[[str, int], None]
    """``written``, ``spooled``, ``lost`` or ``refused`` together with the answer, and how many."""
    spool: Callable[[int], None]
    """How many records are in the spool."""


@dataclass(slots=True)
class _Item:
    content: Content
    rows: int
    done: Future[None] | None


class Writer:
    """The thread and its queue.

    Args:
        store: The database.
        spool: Where batches wait while it is down.
        keys: Makes pseudonyms.
        report: Counts what became of records.
        flush_s: How long a record waits for others.
        background: Supervises the threads.
    """

    def __init__(
        self,
        store: Store,
        spool: Spool,
        keys: Keys,
        report: RecordReport,
        flush_s: float,
        background: Background,
    ) -> None:
        self._store, self._keys, self._report = store, keys, report
        self._backlog = Backlog(spool, self._lose)
        self._flush_s = flush_s
        self._queue: deque[_Item] = deque()
        self._queued_rows = 0
        self._flushes: list[Future[None]] = []
        self._wake = threading.Condition()
        self._stop = threading.Event()
        self._flushed_at_s = -math.inf
        self._away: Thread | None = None
        """The thread that checks whether the database is back."""
        self._losing = False
        self._refusing = False
        self._row_s = HOLD_S / BATCH_ROWS
        """How long a record took lately."""
        self._begun_s: float | None = None
        """Since when a batch is being written."""
        self.problem: str | None = None
        """Why nothing can be written to the database now, in one sentence."""
        self._background = background
        self._thread = background.thread("record", self._turn, finishes=True)
        self._last_turn = False

    @property
    def spooled(self) -> int:
        """Records that are not in the database yet, though no longer in the queue."""
        return self._backlog.rows

    @property
    def blockage(self) -> str | None:
        """Why requests that wait for their record are not acknowledged now; ``None`` if they are."""
        begun_s = self._begun_s
        if self._refusing:
            return f"no answer can leave: {NOWHERE}"
        if begun_s is not None and time.monotonic() - begun_s > STALLED_S:
            return f"no answer can leave: the record has been at one write for over {STALLED_S:.0f} s"
        return None

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self) -> None:
        """Write what waits, to the database or the spool, and end."""
        with self._wake:
            self._stop.set()
            self._wake.notify()
        self._thread.stop()
        if (away := self._away) is not None:
            away.stop(BUSY_S)

    def put(self, content: Content, rows: int, done: Future[None] | None) -> None:
        """Hand over; returns at once.

        Args:
            content: What to record.
            rows: How many records that is.
            done: Completed when they are durable.
        """
        if done is not None:
            done.set_running_or_notify_cancel()  # whoever waits may leave; the record is written all the same
        if not rows:  # nothing is durable at once
            if done is not None:
                done.set_result(None)
            return
        with self._wake:
            room = self._queued_rows + rows <= MEMORY_ROWS and not self._stop.is_set()
            if room:
                self._queue.append(_Item(content, rows, done))
                self._queued_rows += rows
                # Else the thread is busy, or waits for more anyway.
                if len(self._queue) == 1 or done is not None or self._queued_rows >= BATCH_ROWS:
                    self._wake.notify()
        if not room and done is None:
            self._lose(rows)
        elif not room and done is not None:
            self._refuse([_Item(content, rows, done)], RecordAway("the record is full"))

    def flush(self, within_s: float) -> None:
        """Wait until all that was handed over before is in the database.

        Raises:
            RecordAway: it is not, in this time.
        """
        done: Future[None] = Future()
        with self._wake:
            self._flushes.append(done)
            self._wake.notify()
        try:
            done.result(within_s)
        except TimeoutError:
            raise RecordAway("the record's database is slow or away") from None

    def _turn(self) -> float | None:
        """Wait for work and do it; ``None`` once all is written and no more will come."""
        if self._last_turn and not self._queue:
            self._backlog.close()
            return None
        items, flushes, self._last_turn = self._wait()
        if items:
            self._write(items)
        try:
            self._catch_up()
            self._look_again()
        finally:  # whoever waits must not wait for the next turn, which does not have these
            self._answer(flushes)
        return 0.0

    def _wait(self) -> tuple[list[_Item], list[Future[None]], bool]:
        """Wait for work; take what there is, up to one batch."""
        with self._wake:
            self._wake.wait_for(
                lambda: (
                    self._queue or self._flushes or self._stop.is_set() or (self.spooled and not self._away)
                ),
                RETRY_S if self._refusing else ADOPT_S,
            )
            wait_s = self._flushed_at_s + self._flush_s - time.monotonic()
            if self._queue and wait_s > 0:
                self._wake.wait_for(self._is_urgent, wait_s)
            items: list[_Item] = []
            rows = 0
            most = min(BULK_ROWS, max(BATCH_ROWS, int(HOLD_S / self._row_s)))
            while self._queue and (not items or rows + self._queue[0].rows <= most):
                items.append(self._queue.popleft())
                rows += items[-1].rows
            self._queued_rows -= rows
            flushes = [] if self._queue else self._flushes
            if not self._queue:
                self._flushes = []
            self._flushed_at_s = time.monotonic()
            return items, flushes, self._stop.is_set()

    def _is_urgent(self) -> bool:
        """Whether waiting for more records would make somebody wait, or gain nothing."""
        someone_waits = any(item.done is not None for item in self._queue)
        return bool(self._flushes or someone_waits or self._queued_rows >= BATCH_ROWS or self._stop.is_set())

    def _write(self, items: list[_Item]) -> None:
        self._begun_s = self._begun_s or time.monotonic()
        parts = [items]
        while parts:
            part = parts.pop(0)
            try:
                refusal = self._place(part)
            except MemoryError:
                self._put_back([*part, *chain.from_iterable(parts)])
                return
            except Exception as error:
                halves = _halves(part)
                parts[:0] = halves
                if not halves:
                    self._give_up(part[0], error)
            else:
                self._answer_those_who_wait(part, refusal)
        self._begun_s = None

    def _place(self, items: list[_Item]) -> RecordAway | None:
        """Write items, as one batch, where it can be.

        Returns:
            Why they are not on disk; ``None`` if they are. Memory keeps those that nobody waits for.

        Raises:
            MemoryError: none of them is stored, and later there may be room.
            Exception: one of them cannot be encoded, or is refused; none of them is stored.
        """
        batches = self._batches(items)
        failure = RecordAway(NOWHERE) if self.spooled else self._append(batches, again=False)
        batch = merge(batches)
        if failure is None or not batch.events:  # or all of it is on record under the same own ids
            return None
        for each in batches:
            each.spooled = True
        why = self._backlog.spool(batch)
        if why is None:
            self._report.rows("spooled", len(batch.events))
        elif kept := [item for item in items if item.done is None]:
            self._backlog.keep(merge(self._batches(kept)), why)
        self._report.spool(self.spooled)
        return None if why is None else failure

    def _batches(self, items: list[_Item]) -> list[RecordBatch]:
        """Items as batches; those that came as one stay one, for whoever made it looks at it afterwards."""
        contents = [item.content for item in items]
        ready = [content for content in contents if isinstance(content, RecordBatch)]
        others = [content for content in contents if not isinstance(content, RecordBatch)]
        return [*ready, make(others, self._keys)] if others else ready

    def _answer_those_who_wait(self, items: list[_Item], refusal: RecordAway | None) -> None:
        waiting = [item for item in items if item.done is not None]
        if refusal is None:
            self._acknowledge(waiting)
        elif waiting:
            self._refuse(waiting, refusal)
            if not self._refusing:
                self._refusing = True
                log.error("answers are refused, for %s; nothing of them is stored", NOWHERE)

    def _acknowledge(self, waiting: list[_Item]) -> None:
        self._take_again()
        for item in waiting:
            if item.done is not None:
                item.done.set_result(None)

    def _refuse(self, waiting: list[_Item], refusal: RecordAway) -> None:
        self._report.rows("refused", sum(item.rows for item in waiting))
        for item in waiting:
            if item.done is not None:
                item.done.set_exception(refusal)

    def _take_again(self) -> None:
        if self._refusing:
            self._refusing = False
            log.warning("records can be written again; answers leave")

    def _look_again(self) -> None:
        """Check whether answers can leave again: a service that is not ready gets no requests."""
        if self._refusing and self._backlog.is_writable:
            self._take_again()
        elif self._refusing and self._away is None:
            self.gone(RecordAway(NOWHERE))

    def _give_up(self, item: _Item, error: Exception) -> None:
        """Lose one item that cannot be written anywhere, ever."""
        why = error.orig if isinstance(error, Unwritable) else type(error).__name__
        content = item.content
        ids = [content.id] if isinstance(content, Event) else [row.id for row in _rows_of(content)]
        shown = ", ".join(ids[:SHOWN])
        log.error("lost: the record of %s cannot be written (%s); please report this", shown, why)
        self._report.rows("lost", item.rows)
        if item.done is not None:
            item.done.set_exception(Unwritable(why))

    def _put_back(self, items: list[_Item]) -> None:
        """Queue items again: there was no memory to encode or spool them; later there may be."""
        rows = sum(item.rows for item in items)
        log.error("no memory for %d records; they are tried again", rows)
        with self._wake:
            self._queue.extendleft(reversed(items))
            self._queued_rows += rows
        time.sleep(RETRY_S)

    def _append(self, batches: list[RecordBatch], again: bool) -> RecordAway | None:
        """Write batches to the database; returns why it did not take them."""
        if self._away is not None:
            return RecordAway(NOWHERE)
        began_s, rows = time.monotonic(), sum(len(batch.events) for batch in batches)
        try:
            self._store.append(batches, again)
        except (*AWAY, RecordRefused) as error:
            self.gone(error)
            return error if isinstance(error, InDoubt) else RecordAway(NOWHERE)
        self._back()
        if rows >= BATCH_ROWS:  # of a few the commit is most
            self._row_s = max(1e-6, (time.monotonic() - began_s) / rows)
        self._report.rows("written", sum(len(batch.events) for batch in batches))
        return None

    def gone(self, error: BaseException) -> None:
        """Log once that the database cannot be written, and check in a thread when it is back."""
        if self.problem is None:
            self.problem = reason(error)
            log.error("the record goes to the spool, for the database cannot be written: %s", self.problem)
        # In a thread of its own: a database that is slow to fail must not delay the spool.
        self._away = self._background.thread("record_database", self._look)
        try:
            self._away.start(RETRY_S)
        except RuntimeError:  # no thread can be had now: whoever writes next looks by itself, and not at once
            self._away = None
            self._stop.wait(RETRY_S)

    def _look(self) -> float | None:
        """Check whether the database is back.

        Returns:
            Seconds until the next check; ``None`` if it is back.
        """
        try:
            self._store.probe()
        except (*AWAY, RecordRefused) as error:
            problem = reason(error)
            if isinstance(error, RecordRefused) and problem != self.problem:
                log.error("the record stays in the spool: %s", problem)
            self.problem = problem
            return RETRY_S
        with self._wake:
            self._away = None
            self._wake.notify()
        self._take_again()
        if not self.spooled:  # else it is back once it takes what waits
            self._back()
        return None

    def _back(self) -> None:
        if self.problem is not None:
            log.warning("the record's database is back; %d records of the spool follow", self.spooled)
            self.problem = None

    def _lose(self, rows: int) -> None:
        if not self._losing:
            self._losing = True
            log.critical(
                "records are lost: more wait in memory than may, for neither database nor disk takes them"
            )
        self._report.rows("lost", rows)

    def _catch_up(self) -> None:
        """Write what waits to the database, oldest first, for a while."""
        self._backlog.look_around()
        if not self.spooled or self._away is not None:
            return
        until_s, rows = time.monotonic() + CATCH_UP_S, BATCH_ROWS
        while time.monotonic() < until_s:
            batches = self._backlog.oldest(rows)
            try:
                if not batches or self._append(batches, again=True) is not None:
                    break
            except Unwritable as error:
                if len(batches) == 1:
                    count = len(batches[0].events)
                    log.error("lost: %d records that waited cannot be written (%s)", count, error.orig)
                    self._backlog.set_aside()
                rows = 1  # one after the other, until it is clear which
                continue
            self._backlog.drop(len(batches))
            self._losing = False
        self._report.spool(self.spooled)

    def _answer(self, flushes: list[Future[None]]) -> None:
        if flushes and self.spooled and self._away is None:
            with self._wake:  # it catches up: the next turn may tell
                self._flushes += flushes
            return
        for done in flushes:
            if self.spooled:
                done.set_exception(RecordAway("the record's database is down"))
            else:
                done.set_result(None)


def _rows_of(content: AnsweredRows | RecordBatch) -> Sequence[Row | Event]:
    return content.events if isinstance(content, RecordBatch) else content.rows


def _halves(items: list[_Item]) -> list[list[_Item]]:
    """Items in two halves; one item is split by its rows, unless its caller waits for all of them."""
    if len(items) > 1:
        return [items[: len(items) // 2], items[len(items) // 2 :]]
    content, middle = items[0].content, items[0].rows // 2
    if not isinstance(content, AnsweredRows) or items[0].done is not None or not middle:
        return []
    parts = content.rows[:middle], content.rows[middle:]
    return [[_Item(replace(content, rows=rows), len(rows), None)] for rows in parts]
