"""Where record batches wait while the database is down: files in the state folder, one per process.

A batch is on disk when ``append`` returns. A line is a head with check sum, length and number of records, and
the batch in JSON. A line that a crash tore was never acknowledged and is left out. A whole line that is no
batch goes to a file beside it, for people to look at. Another process takes over the file of a process that
died; a lock, which ends with its process, says who lives. While the disk takes nothing either, batches wait
in memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from evenhand.service.audit.record_batch import RecordBatch
from evenhand.service.ids import ulid

log = logging.getLogger(__name__)

SUFFIX, ASIDE = ".spool", ".aside"
HEAD_BYTES = 27
HEAD = re.compile(rb"([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8}) ")
CHUNK_BYTES = 65536
PROBE_BYTES = 4096
"""How much room on the disk a probe needs."""
ADOPT_S = 5.0
"""How often spools of dead processes are looked for."""
MEMORY_ROWS = 20_000
"""Records that wait in memory at most; more are lost."""


class _Line(NamedTuple):
    """One batch in a file."""

    text: bytes
    rows: int
    begin: int
    end: int
    """Where the next one begins, if all is well."""


class _File:
    """One file, which this process holds.

    Args:
        path: Where it lies.
        descriptor: Of the open and locked file.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._read = 0
        self._end = os.fstat(descriptor).st_size
        self.rows = 0
        """Records that wait."""
        for line in self.lines():
            if line.begin != self._read:
                log.error(
                    "spool file %s is damaged at byte %d; what it held there is lost", path.name, self._read
                )
            self.rows += line.rows
            self._read = line.end
        self._read = 0

    def append(self, text: bytes, rows: int) -> None:
        """Write one batch; the next write overwrites what a failed one left."""
        line = _framed(text, rows)
        at = self._end
        try:
            while at < self._end + len(line):
                at += os.pwrite(self._descriptor, line[at - self._end :], at)
            os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._end)
            raise
        self._end = at
        self.rows += rows

    def probe(self) -> None:
        """Write to the disk, and take it back."""
        try:
            os.pwrite(self._descriptor, bytes(PROBE_BYTES), self._end)
            os.fsync(self._descriptor)
        finally:
            os.ftruncate(self._descriptor, self._end)

    def lines(self) -> Iterator[_Line]:
        """The batches that wait, oldest first; what is damaged is left out."""
        at: int | None = self._read
        while at is not None and at < self._end:
            if (line := self._line(at)) is not None:
                yield line
                at = line.end
            else:
                at = self._after_newline(at)

    def drop(self, line: _Line) -> None:
        """Drop a batch and all before it."""
        self._read, self.rows = line.end, self.rows - line.rows

    def empty(self) -> None:
        """Remove all lines."""
        os.ftruncate(self._descriptor, 0)
        self._read = self._end = 0

    def close(self, remove: bool) -> None:
        """Close it."""
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _line(self, at: int) -> _Line | None:
        head = HEAD.fullmatch(os.pread(self._descriptor, HEAD_BYTES, at))
        if head is None:
            return None
        check, length, rows = (int(part, 16) for part in head.groups())
        if at + HEAD_BYTES + length >= self._end:  # or memory would be taken on the word of a damaged head
            return None
        text = os.pread(self._descriptor, length + 1, at + HEAD_BYTES)
        if len(text) != length + 1 or not text.endswith(b"\n") or crc32(text[:-1]) != check:
            return None
        return _Line(text[:-1], rows, at, at + HEAD_BYTES + length + 1)

    def _after_newline(self, at: int) -> int | None:
        while chunk := os.pread(self._descriptor, CHUNK_BYTES, at):
            place = chunk.find(b"\n")
            if place >= 0:
                return at + place + 1
            at += len(chunk)
        return None


class Spool:
    """The batches that wait, oldest first: those of processes that died before our own.

    Args:
        folder: Shared by the processes of one machine; made where it is not there.
        lose: Called with the number of records of a line that cannot be read.
    """

    def __init__(self, folder: Path, lose: Callable[[int], None]) -> None:
        self._folder, self._lose = folder, lose
        self._own: _File | None = None
        self._adopted: list[_File] = []
        self._read: list[tuple[_File, _Line]] = []

    @property
    def rows(self) -> int:
        """How many records wait."""
        return sum(file.rows for file in self._files())

    def adopt(self) -> None:
        """Take over the files of processes that died.

        Raises:
            OSError: the folder cannot be read.
        """
        held = {file.path for file in self._files()}
        for path in sorted(self._folder.glob(f"*{SUFFIX}")) if self._folder.is_dir() else ():
            if path not in held and (descriptor := _lock(path, os.O_RDWR)) is not None:
                self._adopted.append(_File(path, descriptor))

    def append(self, batch: RecordBatch) -> None:
        """Write a batch to the disk.

        Raises:
            OSError: it cannot be; then nothing of it is kept.
            ValueError: no database would take it.
        """
        text = batch.to_json()
        RecordBatch.from_json(text)
        self._mine().append(text, len(batch.events))

    def probe(self) -> None:
        """Check that a batch can be written.

        Raises:
            OSError: it cannot be.
        """
        self._mine().probe()

    def _mine(self) -> _File:
        if self._own is None:
            self._own = self._make()
        return self._own

    def oldest(self, rows: int) -> list[RecordBatch]:
        """The batches that wait longest, one at least if there is any, and no more than so many records."""
        self._read, batches = [], list[RecordBatch]()
        for file in self._files():
            for line in file.lines():
                rows -= line.rows
                if batches and rows < 0:
                    return batches
                try:
                    batch = _batch(line)
                except ValueError:
                    if batches:  # its turn comes when those before it are written
                        return batches
                    log.critical(
                        "%d records are lost: the spool's line is no batch of this version", line.rows
                    )
                    self._set_aside(file, line)
                    continue
                self._read.append((file, line))
                batches.append(batch)
        return batches

    def set_aside(self) -> None:
        """Keep what :meth:`oldest` read last, which the database refuses, out of the way."""
        for file, line in self._read:
            self._set_aside(file, line)
        self._read = []
        self.tidy()

    def _set_aside(self, file: _File, line: _Line) -> None:
        """Keep a line that no database will take where it stops none of those behind it."""
        path = file.path.with_suffix(ASIDE)
        log.critical("lines of the spool that cannot be written are kept in %s", path.name)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            with open(descriptor, "ab") as beside:
                beside.write(_framed(line.text, line.rows))
        except OSError as error:
            log.error("it cannot be kept either: %s", error.strerror)
        file.drop(line)
        self._lose(line.rows)

    def drop(self) -> None:
        """Drop what :meth:`oldest` read last, which is in the database."""
        for file, line in self._read:
            file.drop(line)
        self._read = []
        self.tidy()

    def tidy(self) -> None:
        """Remove adopted files in which nothing waits, and empty our own if nothing waits in it."""
        for file in [file for file in self._adopted if not file.rows]:
            file.close(remove=True)
            self._adopted.remove(file)
        if self._own is not None and not self._own.rows:
            self._own.empty()

    def close(self) -> None:
        """Close all files; the next process takes over what waits in them."""
        for file in self._files():
            file.close(remove=not file.rows)
        self._adopted, self._own = [], None

    def _files(self) -> list[_File]:
        return self._adopted if self._own is None else [*self._adopted, self._own]

    def _make(self) -> _File:
        """A file of our own; if another process took it over before it was locked, another file."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            path = self._folder / (ulid() + SUFFIX)
            descriptor = _lock(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            if descriptor is not None:
                _sync_folder(self._folder)
                return _File(path, descriptor)


class Backlog:
    """Batches in the order in which they came, except that those in memory come last.

    Args:
        spool: Where they wait.
        lose: Called with the number of records that are lost.
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

    def spool(self, batch: RecordBatch) -> str | None:
        """Put a batch on disk.

        Returns:
            Why it cannot; ``None`` if it is there now.

        Raises:
            ValueError: no database would take it.
        """
        try:
            self._spool.append(batch)
        except OSError as error:
            return error.strerror or type(error).__name__
        return None

    def keep(self, batch: RecordBatch, why: str) -> None:
        """Keep a batch in memory, where the disk does not take it either."""
        if not self._kept:
            log.error("the record's spool cannot be written (%s); records are kept in memory", why)
        rows = len(batch.events)
        if self._kept_rows + rows > MEMORY_ROWS:
            self._lose(rows)
            return
        self._kept.append(batch)
        self._kept_rows += rows

    @property
    def is_writable(self) -> bool:
        """Whether the disk takes batches."""
        try:
            self._spool.probe()
        except OSError:
            return False
        return True

    def oldest(self, rows: int) -> list[RecordBatch]:
        """The batches that wait longest, one at least if there is any."""
        batches = self._spool.oldest(rows)
        self._from_spool = bool(batches)
        return batches or self._kept[: max(1, rows)]  # each has a record at least

    def drop(self, batches: int) -> None:
        """Drop so many of the batches that :meth:`oldest` returned last: they are in the database."""
        if self._from_spool:
            self._spool.drop()
        else:
            self._forget(batches)

    def set_aside(self) -> None:
        """Set aside the one batch that :meth:`oldest` returned last: the database refuses it."""
        if self._from_spool:
            self._spool.set_aside()
        else:
            self._lose(len(self._kept[0].events))
            self._forget(1)

    def look_around(self) -> None:
        """Take over what dead processes left, and put on disk what memory keeps.

        Raises:
            OSError: the spool cannot be read.
        """
        self._spool_kept()
        if time.monotonic() >= self._looked_s + ADOPT_S:
            self._looked_s = time.monotonic()
            self._spool.adopt()
            self._spool.tidy()

    def close(self) -> None:
        """Close; what is on disk waits for the next process, what is in memory is lost."""
        self._spool_kept()
        if self._kept_rows:
            self._lose(self._kept_rows)
        self._spool.close()

    def _forget(self, batches: int) -> None:
        self._kept_rows -= sum(len(batch.events) for batch in self._kept[:batches])
        del self._kept[:batches]

    def _spool_kept(self) -> None:
        while self._kept:
            try:
                self._spool.append(self._kept[0])
            except OSError:
                return
            self._forget(1)


def _framed(text: bytes, rows: int) -> bytes:
    """A line as it is on disk."""
    return b"%08x %08x %08x %s\n" % (crc32(text), len(text), rows, text)


def _batch(line: _Line) -> RecordBatch:
    """What a line holds.

    Raises:
        ValueError: no batch, or not of so many records as its head says.
    """
    batch = RecordBatch.from_json(line.text)
    if len(batch.events) != line.rows:
        raise ValueError("another number of records than its head says")
    return batch


def _lock(path: Path, flags: int) -> int | None:
    """Open and lock a file; ``None`` where another process holds it, or it is gone."""
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return descriptor
    except BlockingIOError:
        pass
    os.close(descriptor)
    return None


def _sync_folder(folder: Path) -> None:
    """A file is there after a crash only if its folder says so on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
