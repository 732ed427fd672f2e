"""An output that grows beside its final name, and the journal with which an interrupted run goes on.

After each chunk the draft is on disk first and the journal, which says how long the draft is, second: what a
kill leaves behind the last journalled byte is cut off, and the chunk is answered again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from evenhand.tables.table import DataError

FORMAT = 1


@dataclass
class Progress:
    """How far a run is."""

    rows: int = 0
    """Rows of the file that are answered or have failed."""
    draft_bytes: int = 0
    errors_bytes: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """What the last line of the command says."""
    complete: bool = False
    """Whether all rows are done, and only the files' names are missing."""
    seed: str = ""
    """From which the ids of decisions come, in hexadecimal."""
    began_ms: int = 0
    """When the run began, in milliseconds since 1970."""


class Journal:
    """The files of one run, which this process holds.

    Args:
        out: The final name.

    Raises:
        DataError: another process writes this output.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self.path = out.with_name(f"{out.name}.journal")
        self.draft = out.with_name(f".{out.name}.part")
        self.errors = out.with_name(f"{out.name}.errors.jsonl")
        self._errors_draft = out.with_name(f".{out.name}.errors.part")
        self.progress = Progress()
        self._job: dict[str, Any] = {}
        self._files: tuple[IO[bytes], IO[bytes]] | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """No other process writes this output meanwhile.

        Raises:
            DataError: one does.
            OSError: the folder cannot be written.
        """
        lock = self.out.with_name(f".{self.out.name}.lock")
        with lock.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise DataError(
                    f"{self.out}: another process is writing it; wait, or name another file"
                ) from error
            try:
                yield
            finally:
                self._close()
                lock.unlink(missing_ok=True)

    def begin(self, job: dict[str, Any], start: Progress, restart: bool) -> bool:
        """Begin, or go on where a run of the same job was interrupted.

        Args:
            job: What decides the output's bytes.
            start: Of a run that begins anew.
            restart: Whether to begin anew in any case.

        Returns:
            Whether it goes on.

        Raises:
            DataError: the journal is of another job, or the output is there already.
        """
        self._job = job
        left = None if restart else self._left()
        if self.out.exists() and not (left and left.complete):
            raise DataError(f"{self.out}: is there already; name another file")
        self.progress = left or start
        if left is None:
            self._discard()
            self._write()
        if not self.progress.complete:
            self._open()
        return left is not None

    def _left(self) -> Progress | None:
        """How far an interrupted run got; ``None`` if there was none."""
        try:
            content = json.loads(self.path.read_bytes())
            if content["journal"] != FORMAT:
                raise ValueError("another format")
            left = Progress(**content["progress"] | {"counts": Counter(content["progress"]["counts"])})
            job = content["job"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{self.path}: not a journal; --restart begins anew") from error
        differs = [name for name in self._job.keys() | job.keys() if self._job.get(name) != job.get(name)]
        if differs and not left.rows:
            return None  # nothing is lost if it begins anew
        if differs:
            raise DataError(
                f"{self.path}: an interrupted run with another {', '.join(sorted(differs))} wrote it after "
                f"{left.rows:,} rows\nrepeat that command to go on, or begin anew with --restart"
            )
        return left

    def _open(self) -> None:
        """Open the drafts at their journalled ends; cut off what a kill left behind them."""
        files = []
        ends = (self.draft, self.progress.draft_bytes), (self._errors_draft, self.progress.errors_bytes)
        for path, end in ends:
            file = path.open("ab")
            files.append(file)
            if file.tell() < end:
                raise DataError(f"{path}: shorter than {self.path.name} says; begin anew with --restart")
            file.truncate(end)
            file.seek(end)
        self._files = (files[0], files[1])

    def add(self, rows: int, draft: bytes, errors: bytes, counts: Counter[str]) -> None:
        """Add a chunk; on disk when this returns.

        Raises:
            OSError: the disk takes no more; the same command goes on later.
        """
        assert self._files is not None  # begin opens them
        try:
            for file, content in zip(self._files, (draft, errors), strict=True):
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:  # which does not name the file
            raise OSError(error.errno, error.strerror, str(self.draft)) from error
        self.progress.rows += rows
        self.progress.draft_bytes += len(draft)
        self.progress.errors_bytes += len(errors)
        self.progress.counts.update(counts)
        self._write()

    def complete(self) -> None:
        """All rows are done."""
        self.progress.complete = True
        self._write()

    def publish(self, made: Path | None) -> None:
        """Give the files their final names: first the errors, last the output; then forget the run.

        Args:
            made: The output, if it is another file than the draft.
        """
        self._close()
        source = made or self.draft
        if not source.exists() and not self.out.exists():
            raise DataError(f"{self.draft}: no longer there; begin anew with --restart")
        if source.exists():  # else it has its name already, and this run was interrupted after that
            if self.progress.errors_bytes:
                if self._errors_draft.exists():
                    os.replace(self._errors_draft, self.errors)
            else:
                self.errors.unlink(missing_ok=True)
            _sync(source)
            os.replace(source, self.out)
            _sync(self.out.parent)
        self.forget()

    def forget(self) -> None:
        """Leave nothing of the run but what was published."""
        self._discard()
        self.path.unlink(missing_ok=True)

    def _discard(self) -> None:
        for path in (self.draft, self._errors_draft):
            path.unlink(missing_ok=True)

    def _write(self) -> None:
        content = {"journal": FORMAT, "job": self._job, "progress": vars(self.progress)}
        write_text(self.path, json.dumps(content, indent=1))

    def _close(self) -> None:
        for file in self._files or ():
            file.close()
        self._files = None


def write_text(path: Path, text: str) -> None:
    """Replace a file's content in one step, on disk when this returns."""
    draft = path.with_name(f".{path.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
