"""What waits for the database: in the spool, or in memory while the disk takes nothing either."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable

from evenhand.service.audit.record_batch import RecordBatch
from evenhand.service.audit.spool import Spool

log = logging.getLogger(__name__)

ADOPT_S = 5.0
"""How often spools of dead processes are looked for."""
MEMORY_ROWS = 20_000
"""Records that wait in memory at most; beyond them they are lost."""


class Backlog:
    """Lots in the order in which they came, but that those in memory come last.

    Args:
        spool: Where they wait.
        lose: Told how many records are lost.
    """

    def __init__(self, spool: Spool, lose: Callable[[int], None]) -> None:
        self._spool, self._lose = spool, lose
        self._kept: list[RecordBatch] = []
        self._kept_rows = 0
        self._from_spool = False
        self._looked_s = -math.inf

    @property
    def rows(self) -> int:
        """Records that wait."""
        return self._spool.rows + self._kept_rows

    def spool(self, lot: RecordBatch) -> str | None:
        """Let a lot wait on disk.

        Returns:
            Why it cannot; ``None`` if it is there now.

        Raises:
            ValueError: no database would take it.
        """
        try:
            self._spool.append(lot)
        except OSError as error:
            return error.strerror or type(error).__name__
        return None

    def keep(self, lot: RecordBatch, why: str) -> None:
        """Let a lot wait in memory, for the disk does not take it either."""
        if not self._kept:
            log.error("the record's spool cannot be written (%s); records are kept in memory", why)
        rows = len(lot.events)
        if self._kept_rows + rows > MEMORY_ROWS:
            self._lose(rows)
            return
        self._kept.append(lot)
        self._kept_rows += rows

    @property
    def is_writable(self) -> bool:
        """Whether the disk takes lots."""
        try:
            self._spool.probe()
        except OSError:
            return False
        return True

    def oldest(self, rows: int) -> list[RecordBatch]:
        """The lots that wait longest, one at least if there is any."""
        lots = self._spool.oldest(rows)
        self._from_spool = bool(lots)
        return lots or self._kept[: max(1, rows)]  # each has a record at least

    def drop(self, lots: int) -> None:
        """So many lots, that :meth:`oldest` gave last, are in the database."""
        if self._from_spool:
            self._spool.drop()
        else:
            self._forget(lots)

    def set_aside(self) -> None:
        """The one lot that :meth:`oldest` gave last is refused by the database."""
        if self._from_spool:
            self._spool.set_aside()
        else:
            self._lose(len(self._kept[0].events))
            self._forget(1)

    def look_around(self) -> None:
        """Take over what dead processes left, and put on disk what memory keeps, as soon as either can be.

        Raises:
            OSError: the spool cannot be read.
        """
        self._spool_kept()
        if time.monotonic() >= self._looked_s + ADOPT_S:
            self._looked_s = time.monotonic()
            self._spool.adopt()
            self._spool.tidy()

    def close(self) -> None:
        """Let go; what is on disk waits for the next process, what is in memory is lost."""
        self._spool_kept()
        if self._kept_rows:
            self._lose(self._kept_rows)
        self._spool.close()

    def _forget(self, lots: int) -> None:
        self._kept_rows -= sum(len(lot.events) for lot in self._kept[:lots])
        del self._kept[:lots]

    def _spool_kept(self) -> None:
        while self._kept:
            try:
                self._spool.append(self._kept[0])
            except OSError:
                return
            self._forget(1)
