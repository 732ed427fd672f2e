"""Checks of the record: folder, keys, database, checkpoints, spool and disk."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from evenhand.service.doctor.findings import Finding
from evenhand.service.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

OFF = "off"
KEY, CHECKPOINT_KEY, DATABASE = "record.key", "checkpoint.key", "record.db"
SUFFIX, ASIDE = ".spool", ".aside"
AHEAD_S = 5.0
LITTLE_BYTES, TOO_LITTLE_BYTES = 2**30, 50 * 2**20
UNSIGNED = 2
"""Number of checkpoint intervals without a checkpoint before a warning."""


def check_record(chosen: Settings) -> Iterator[Finding]:
    """Check the record without changing it."""
    if chosen.record == OFF:
        yield Finding("record", "ok", "off: nothing is recorded")
        return
    folder = chosen.state
    state = _check_folder(folder)
    yield state
    if not folder.is_dir():
        if chosen.record:
            do = "Bring the record's key, unless this is a first start"
            yield Finding("database", "warning", "not asked, for there is no record.key to compare with", do)
        return
    if state.state != "problem":
        yield from _check_keys(folder, bool(chosen.record) or (folder / DATABASE).is_file())
        yield from _check_spool(folder)
        yield _check_room(folder)
        yield from _check_database(chosen)


def _check_folder(folder: Path) -> Finding:
    if not folder.exists():
        above = next(path for path in (*folder.absolute().parents,) if path.exists())
        if not os.access(above, os.W_OK | os.X_OK):
            said = f"{folder} is not there, and {above} cannot be written"
            return Finding("state", "problem", said, "Make it, owned by the service's user, mode 0700")
        return Finding("state", "ok", f"{folder} will be made at the first start")
    if not folder.is_dir():
        return Finding(
            "state", "problem", f"{folder} is no folder", "Move the file away, or set EVENHAND_STATE"
        )
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding(
            "state", "problem", f"{folder} cannot be written by this user", "Give it to the service's user"
        )
    if stat.S_IMODE(folder.stat().st_mode) & 0o007:
        return Finding("state", "warning", f"other users may look into {folder}", f"chmod o-rwx {folder}")
    return Finding("state", "ok", f"{folder} is the service's alone")


def _check_keys(folder: Path, begun: bool) -> Iterator[Finding]:
    from evenhand.service.audit.checkpoints import CheckpointError, load_key
    from evenhand.service.audit.digest_keys import KeyFileError, load_keys

    for name, read in ((KEY, load_keys), (CHECKPOINT_KEY, load_key)):
        path = folder / name
        if not path.exists():
            if name == KEY and begun:
                said = f"{path} is not there, but a database is named or there"
                yield Finding(
                    "key", "warning", said, "Restore it from your backup, unless this is a first start"
                )
            else:
                yield Finding("key", "ok", f"{path} will be made at the start")
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        try:
            read(path)
        except (KeyFileError, CheckpointError) as error:
            yield Finding("key", "problem", str(error), f"{path} must be a key that this user can read")
            continue
        if mode & 0o077:
            who, state = ("everybody", "problem") if mode & 0o007 else ("its group", "warning")
            yield Finding("key", state, f"{path} can be read by {who}", f"chmod 600 {path}")  # type: ignore[arg-type]
        else:
            yield Finding("key", "ok", f"{path} is a key, and its owner's alone")


def _check_spool(folder: Path) -> Iterator[Finding]:
    """Check for records that wait. A lock on the file shows that its writer is alive."""
    files = [path for path in sorted((folder / "spool").glob(f"*{SUFFIX}")) if path.stat().st_size]
    left = [path for path in files if not _held(path)]
    if left:
        size = sum(path.stat().st_size for path in left)
        said = f"{len(left)} files ({size:,} bytes) wait, of a service that is gone"
        yield Finding(
            "spool", "warning", said, "The next start writes them to the database: keep this folder"
        )
    elif files:
        said = f"a service that runs has {len(files)} files waiting"
        yield Finding(
            "spool", "warning", said, "Its database is down, or slow: see /readyz and the database below"
        )
    else:
        yield Finding("spool", "ok", "nothing waits")
    for path in sorted((folder / "spool").glob(f"*{ASIDE}")):
        said = f"{path.name} holds what no database would take: records that are lost to the record"
        yield Finding(
            "spool", "warning", said, "Note it with the reports of that time; then move the file away"
        )


def _held(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _check_room(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    said = f"{free / 2**30:.1f} GiB free where {folder} lies"
    if free < LITTLE_BYTES:
        state = "problem" if free < TOO_LITTLE_BYTES else "warning"
        return Finding("disk", state, said, "Make room: the spool, and SQLite's database, are there")  # type: ignore[arg-type]
    return Finding("disk", "ok", said)


def _check_database(chosen: Settings) -> Iterator[Finding]:
    from sqlalchemy.exc import DBAPIError, TimeoutError

    from evenhand.service.audit.maintenance.migrate import RecordRefused, reason
    from evenhand.service.audit.store import make_engine

    own = chosen.state / DATABASE
    if not chosen.record and not own.is_file():
        yield Finding("database", "ok", f"{own} will be made at the first start")
        return
    if not chosen.record and stat.S_IMODE(own.stat().st_mode) & 0o007 and chosen.state.stat().st_mode & 0o005:
        yield Finding(
            "database", "warning", f"other users may read {own}", f"chmod o-rwx {own} {chosen.state}"
        )
    try:
        engine = make_engine(chosen.record or f"sqlite:///{own}")
        try:
            yield from _ask(engine, chosen)
        finally:
            engine.dispose()
    except RecordRefused as error:
        yield Finding("database", "problem", str(error))
    except (DBAPIError, TimeoutError) as error:
        do = "See that it runs, that the address and the user are right, and that it is whole"
        yield Finding("database", "problem", f"it cannot be asked: {reason(error)}", do)


def _ask(engine: Engine, chosen: Settings) -> Iterator[Finding]:
    from evenhand.service.audit.digest_keys import KeyFileError, load_keys
    from evenhand.service.audit.maintenance.migrate import HEAD, begun_with, steps, version

    with engine.connect() as connection:
        at = version(connection)
        if at is None:
            yield Finding("database", "ok", "reachable and empty; the first start makes its tables")
            return
        if at not in steps():
            said = f"a newer version of Evenhand wrote it (step {at}; this one knows {HEAD})"
            yield Finding("database", "problem", said, "Update Evenhand here, or name another database")
            return
        if at != HEAD:
            said = f"reachable, at step {at} of {HEAD}"
            yield Finding(
                "database", "warning", said, "Back it up; the next start brings it to this version's tables"
            )
            return
        yield Finding("database", "ok", f"{engine.dialect.name} answers, at step {at}")
        path = chosen.state / KEY
        if path.is_file():
            try:
                fits = load_keys(path).fingerprint == begun_with(connection)
            except KeyFileError:
                return  # reported by _check_keys
            if not fits:
                said = f"the record was begun with another key than {path}"
                yield Finding(
                    "database", "problem", said, "Copy the record.key that it was begun with from your backup"
                )
                return
        yield from _check_head(connection, chosen)


def _check_head(connection: Connection, chosen: Settings) -> Iterator[Finding]:
    """Check that the chain's end is there, was signed recently, and is not in the future."""
    from sqlalchemy import select

    from evenhand.service.audit.events import time_of
    from evenhand.service.audit.tables import chain, checkpoints, records

    head = connection.execute(select(chain.c.seq, chain.c.pruned_seq)).first()
    last = connection.execute(
        select(records.c.seq, records.c.at_ms).order_by(records.c.seq.desc()).limit(1)
    ).first()
    signed = connection.execute(
        select(checkpoints.c.seq, checkpoints.c.at_ms).order_by(checkpoints.c.seq.desc())
    )
    point = signed.first()
    ends = 0 if head is None else head.seq
    if ends != (last.seq if last is not None else 0 if head is None else head.pruned_seq):
        yield Finding(
            "chain", "problem", f"record {ends} should be its last and is not", "Run: evenhand audit verify"
        )
        return
    if last is None:
        yield Finding("chain", "ok", "no records yet")
        return
    covered = 0 if point is None else point.seq
    said = f"{ends:,} records, the last of {time_of(last.at_ms)}; signed up to {covered:,}"
    since_s = time.time() - (last.at_ms if point is None else point.at_ms) / 1000
    if covered < ends and since_s > UNSIGNED * chosen.checkpoint_s:
        do = "Start the service, and see in its log why the head is not signed"
        yield Finding("chain", "warning", f"{said}, {since_s / 3600:.0f} h ago", do)
    else:
        yield Finding("chain", "ok", f"{said}; evenhand audit verify checks each")
    if (ahead_s := last.at_ms / 1000 - time.time()) > AHEAD_S:
        said = f"the newest record is {ahead_s:.0f} s later than this machine's clock"
        yield Finding("clock", "problem", said, "Set the clock (NTP) here, or where that record was written")
