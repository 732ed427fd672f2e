"""A consistent copy of an SQLite record, taken while the service writes."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine

PAGES = 1000
"""Pages copied between two calls of progress."""


class BackupError(ValueError):
    """No copy was made; the message says why and what to do."""


def back_up(engine: Engine, out: Path, progress: Callable[[int, int], None]) -> int:
    """Copy the database as it is at one moment, with SQLite's own means.

    Args:
        engine: The record's database.
        out: The file to write.
        progress: Called with how many pages are copied, of how many.

    Returns:
        The last record that is in the copy.

    Raises:
        BackupError: it is no SQLite, or the file is there.
        OSError: the file cannot be written.
    """
    if engine.dialect.name != "sqlite":
        raise BackupError("this record is not in SQLite: take pg_dump --format=custom for PostgreSQL")
    if out.exists():
        raise BackupError(f"{out} exists already; name another file")
    draft = out.with_name(f"{out.name}.{secrets.token_hex(4)}")
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        last = _copy(Path(engine.url.database or ""), draft, progress)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        os.link(draft, out)
    except FileExistsError as error:
        raise BackupError(f"{out} exists already; name another file") from error
    except sqlite3.Error as error:
        raise BackupError(f"the record cannot be copied ({type(error).__name__}: {error})") from error
    finally:
        draft.unlink(missing_ok=True)
    return last


def _copy(source: Path, target: Path, progress: Callable[[int, int], None]) -> int:
    reading = sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    writing = sqlite3.connect(target, isolation_level=None)
    try:
        # A transaction that reads keeps the copy at one moment: without it every write would begin it anew.
        reading.execute("BEGIN")
        last = int(reading.execute("SELECT seq FROM chain").fetchone()[0])
        reading.backup(writing, pages=PAGES, progress=lambda _, left, all_: progress(all_ - left, all_))
        # One file, whole by itself; the service sets it back.
        writing.execute("PRAGMA journal_mode = DELETE")
    finally:
        writing.close()
        reading.close()
    return last
