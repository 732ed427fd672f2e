"""What waits for the database: in the spool, or in memory while the disk takes nothing either."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from evenhand.service.audit.record_batch import Lot
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
        self._kept: list[Lot] = []
        self._kept_rows = 0
        self._from_spool = False
        self._looked_s = 0.0

    @property
    def rows(self) -> int:
        """Records that wait."""
        return self._spool.rows + self._kept_rows

    def add(self, lot: Lot) -> bool:
        """Let a lot wait; returns whether it is on disk now."""
        try:
            self._spool.append(lot)
        except OSError as error:
            if not self._kept:
                log.error("the record's spool cannot be written (%s); records are kept in memory", error.strerror)
            self._keep(lot)
            return False
        return True

    def oldest(self, rows: int) -> list[Lot]:
        """The lots that wait longest, one at least if there is any."""
        found = self._spool.oldest(rows)
        self._from_spool = bool(found)
        return found or list(self._kept)

    def drop(self) -> None:
        """What :meth:`oldest` gave last is in the database."""
        if self._from_spool:
            self._spool.drop()
            return
        self._kept.clear()
        self._kept_rows = 0

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

    def _keep(self, lot: Lot) -> None:
        rows = len(lot.events)
        if self._kept_rows + rows > MEMORY_ROWS:
            self._lose(rows)
            return
        self._kept.append(lot)
        self._kept_rows += rows

    def _spool_kept(self) -> None:
        while self._kept:
            try:
                self._spool.append(self._kept[0])
            except OSError:
                return
            self._kept_rows -= len(self._kept.pop(0).events)
