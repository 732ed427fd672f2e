"""One thread that writes what the event loop hands over, in lots, and never keeps it waiting.

What came since the last commit goes into the next one. A database that is away, or a disk that is full, costs no
record as long as the spool can be written; while anything waits there, what is new goes behind it.

What ``kill -9`` can lose at ``durability: batch`` is what was not in a commit, nor in the spool: what was taken in the
last ``FLUSH_S`` seconds and while the last commit was under way, which a lock may hold up for ``store.BUSY_S`` and
PostgreSQL for ``store.STATEMENT_S``. At ``request`` nothing whose future said that it is done. A machine that loses
power loses no more, for commits and spool are on disk when they return.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from evenhand.service.audit.backlog import ADOPT_S, MEMORY_ROWS, Backlog
from evenhand.service.audit.chain import Event
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.events import Batch
from evenhand.service.audit.maintenance.migrate import RecordRefused, reason
from evenhand.service.audit.record_batch import Lot, make
from evenhand.service.audit.spool import Spool
from evenhand.service.audit.store import AWAY, BUSY_S, RecordAway, Store
from evenhand.service.background import Background, Thread

log = logging.getLogger(__name__)

FLUSH_S = 0.25
"""How long a record waits for company at ``durability: batch``."""
RETRY_S = 1.0
"""How soon a database that is away is tried again."""
CATCH_UP_S = 0.2
"""How long the spool is written to the database before what is new is looked at."""
LOT_ROWS = 2000
"""Records in one transaction at most, but for a request that alone has more."""


@dataclass(frozen=True, slots=True)
class RecordReport:
    """Who is told what became of records; called in any thread."""

    rows: Callable[[str, int], None]
    """``written``, ``spooled`` or ``lost``, and how many."""
    spool: Callable[[int], None]
    """How many records are in the spool."""


@dataclass(slots=True)
class _Item:
    told: Batch | Event
    rows: int
    done: Future[None] | None


class Writer:
    """The thread and its queue.

    Args:
        store: The database.
        spool: Where lots wait while it is away.
        keys: Makes pseudonyms.
        report: Told what became of records.
        flush_s: How long a record waits for company.
        background: Supervises the threads.
    """

    def __init__(
        self, store: Store, spool: Spool, keys: Keys, report: RecordReport, flush_s: float, background: Background
    ) -> None:
        self._store, self._keys, self._report = store, keys, report
        self._backlog = Backlog(spool, self._lose)
        self._flush_s = flush_s
        self._queue: deque[_Item] = deque()
        self._queued_rows = 0
        self._flushes: list[Future[None]] = []
        self._wake = threading.Condition()
        self._stop = threading.Event()
        self._flushed_at_s = 0.0
        self._away: Thread | None = None
        """Looks whether the database is back."""
        self._losing = False
        self.problem: str | None = None
        """Why nothing can be written to the database now, in one sentence."""
        self._background = background
        self._thread = background.thread("record", self._turn, finishes=True)
        self._last_turn = False

    @property
    def spooled(self) -> int:
        """Records that are not in the database yet, though no longer in the queue."""
        return self._backlog.rows

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

    def put(self, told: Batch | Event, rows: int, done: Future[None] | None) -> None:
        """Hand over; returns at once.

        Args:
            told: What to record.
            rows: How many records that is.
            done: Told when they are durable.
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
                self._queue.append(_Item(told, rows, done))
                self._queued_rows += rows
                if len(self._queue) == 1:  # else the thread is busy, or waits for more anyway
                    self._wake.notify()
        if not room:
            self._lose(rows)
            if done is not None:
                done.set_exception(RecordAway("the record is full"))

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
        self._catch_up()
        self._answer(flushes)
        return 0.0

    def _wait(self) -> tuple[list[_Item], list[Future[None]], bool]:
        """Wait for work; take what there is, up to one lot."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._queue or self._flushes or self._stop.is_set() or (self.spooled and not self._away),
                ADOPT_S,
            )
            company_s = self._flushed_at_s + self._flush_s - time.monotonic()
            if self._queue and company_s > 0:
                self._wake.wait_for(lambda: self._flushes or self._stop.is_set(), company_s)
            items: list[_Item] = []
            rows = 0
            while self._queue and (not items or rows + self._queue[0].rows <= LOT_ROWS):
                items.append(self._queue.popleft())
                rows += items[-1].rows
            self._queued_rows -= rows
            flushes = [] if self._queue else self._flushes
            if not self._queue:
                self._flushes = []
            self._flushed_at_s = time.monotonic()
            return items, flushes, self._stop.is_set()

    def _write(self, items: list[_Item]) -> None:
        durable = False
        try:
            durable = self._store_lot(make((item.told for item in items), self._keys))
        except MemoryError:
            self._put_back(items)
            return
        except Exception:
            log.exception("records are lost, for they cannot be put into words; please report this")
            self._report.rows("lost", sum(item.rows for item in items))
        for item in items:
            if item.done is not None and durable:
                item.done.set_result(None)
            elif item.done is not None:
                item.done.set_exception(RecordAway("the record can be written neither to database nor to disk"))

    def _put_back(self, items: list[_Item]) -> None:
        """There was no memory to put these into words, or into the spool; later there may be."""
        rows = sum(item.rows for item in items)
        log.error("no memory for %d records; they are tried again", rows)
        with self._wake:
            self._queue.extendleft(reversed(items))
            self._queued_rows += rows
        time.sleep(RETRY_S)

    def _store_lot(self, lot: Lot) -> bool:
        """Write a lot where it can be; returns whether it is durable now."""
        if not self.spooled and self._append([lot], again=False):
            return True
        durable = self._backlog.add(lot)
        if durable:
            self._report.rows("spooled", len(lot.events))
        self._report.spool(self.spooled)
        return durable

    def _append(self, lots: list[Lot], again: bool) -> bool:
        if self._away is not None:
            return False
        try:
            self._store.append(lots, again)
        except (*AWAY, RecordRefused) as error:
            self.gone(error)
            return False
        self._back()
        self._report.rows("written", sum(len(lot.events) for lot in lots))
        return True

    def gone(self, error: BaseException) -> None:
        """The database cannot be written: say so once."""
        if self.problem is None:
            self.problem = reason(error)
            log.error("the record goes to the spool, for the database cannot be written: %s", self.problem)
        # In a thread of its own: a database that keeps us waiting before it fails must not keep the spool waiting.
        self._away = self._background.thread("record_database", self._look)
        try:
            self._away.start(RETRY_S)
        except RuntimeError:  # no thread can be had now: whoever writes next looks by itself, and not at once
            self._away = None
            self._stop.wait(RETRY_S)

    def _look(self) -> float | None:
        """Look whether the database is back.

        Returns:
            Seconds until the next look; ``None`` if it is back.
        """
        try:
            self._store.probe()
        except (*AWAY, RecordRefused) as error:
            said = reason(error)
            if isinstance(error, RecordRefused) and said != self.problem:
                log.error("the record stays in the spool: %s", said)
            self.problem = said
            return RETRY_S
        with self._wake:
            self._away = None
            self._wake.notify()
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
            log.critical("records are lost: more wait in memory than may, for neither database nor disk takes them")
        self._report.rows("lost", rows)

    def _catch_up(self) -> None:
        """Write what waits to the database, oldest first, for a while."""
        self._backlog.look_around()
        if not self.spooled or self._away is not None:
            return
        until_s = time.monotonic() + CATCH_UP_S
        while time.monotonic() < until_s:
            oldest = self._backlog.oldest(LOT_ROWS)
            if not oldest or not self._append(oldest, again=True):
                break
            self._backlog.drop()
            self._losing = False
        self._report.spool(self.spooled)

    def _answer(self, flushes: list[Future[None]]) -> None:
        if flushes and self.spooled and self._away is None:
            with self._wake:  # it catches up: the next turn may tell
                self._flushes += flushes
            return
        for done in flushes:
            if self.spooled:
                done.set_exception(RecordAway("the record's database is away"))
            else:
                done.set_result(None)
