"""Export of the record as one file of JSON lines, or of Parquet, which can be verified on its own.

The first line says what the file is; then one line per record, in order, with its body as the text that was
hashed.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, cast

from pydantic_core import from_json, to_json
from sqlalchemy import Connection, Engine, func, select

from evenhand.service.audit import checkpoints, store
from evenhand.service.audit.checkpoints import Checkpoint
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.events import event, time_of
from evenhand.service.audit.maintenance.checker import Bounds, Checker, Report
from evenhand.service.audit.maintenance.record_parquet import (
    SUFFIX,
    ParquetExport,
    ParquetMissing,
    lines_of,
)
from evenhand.service.audit.maintenance.retention import writing
from evenhand.service.audit.maintenance.tampering import Place, Stored
from evenhand.service.audit.maintenance.verify import (
    BATCH_ROWS,
    Progress,
    bounds_of,
    snapshot,
    stored,
    stream,
)
from evenhand.service.audit.pseudonyms import declared_groups
from evenhand.service.audit.record_batch import RecordBatch
from evenhand.service.audit.tables import configurations, records

FORMAT = 1
BODIES = 500
"""Records whose attributes are looked up at a time."""
FIELDS = {
    "seq": "number of the record, without holes",
    "id": "ULID; a decision's is the one that its caller got",
    "kind": "decision, label, groups, override, mode, shadow, promote, reload, access, erase, prune, report",
    "time": "at_ms for people; not hashed",
    "at_ms": "milliseconds since 1970, UTC",
    "subject": "id of the decision that an event is about",
    "body": "JSON as text, as it was hashed; null if it was erased",
    "body_sha256": "SHA-256 of the body in UTF-8, hexadecimal",
    "link": "SHA-256 of: link of the record before (32 bytes), 'seq|id|kind|at_ms|subject|' in UTF-8, "
    "body_sha256 (32 bytes); hexadecimal",
    "attributes": "declared sensitive attributes, where the file has them; not covered by the chain",
    "checkpoint": "Ed25519 signature of 'evenhand checkpoint 1|seq|link in hexadecimal|at_ms'",
    "configuration": "what a decision's body refers to by SHA-256: model, bundle, adapters, thresholds, "
    "labels",
}


class RecordExportError(ValueError):
    """The file cannot be written or read; the message says which and why."""


@dataclass(frozen=True, slots=True)
class ExportPeriod:
    """From and up to, in milliseconds since 1970; the end is not in it."""

    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Why sensitive attributes are exported, and by whom."""

    keys: Keys
    purpose: str
    by: str


@dataclass(frozen=True, slots=True)
class Range:
    """The records of a period, and those between them."""

    first: int
    last: int


def span(engine: Engine, period: ExportPeriod) -> Range:
    """Which records a period has.

    Raises:
        RecordExportError: it has none.
    """
    query = select(func.min(records.c.seq), func.max(records.c.seq))
    if period.from_ms is not None:
        query = query.where(records.c.at_ms >= period.from_ms)
    if period.to_ms is not None:
        query = query.where(records.c.at_ms < period.to_ms)
    with snapshot(engine) as connection:
        first, last = connection.execute(query).one()
    if first is None:
        raise RecordExportError("there is no record in this period")
    return Range(first, last)


def export(
    engine: Engine, chosen: Range, out: Path, disclosure: Disclosure | None, progress: Progress
) -> int:
    """Write records to a file.

    Args:
        engine: The record's.
        chosen: From ``span``.
        out: The file; compressed if it ends with ``.gz``, Parquet if it ends with ``.parquet``.
        disclosure: For an export with sensitive attributes; it is recorded first.
        progress: Called now and then.

    Returns:
        How many records.

    Raises:
        RecordExportError: the file is there already, or the chain has a hole where it should begin.
        OSError: it cannot be written.
    """
    if out.exists():
        raise RecordExportError(f"{out}: is there already; name another file")
    if disclosure is not None:
        _note(engine, chosen, disclosure)
    draft = out.with_name(f".{out.name}.part")
    try:
        with snapshot(engine) as connection, _writing(draft, out.suffix == ".gz") as file:
            head, done = _head(connection, chosen, disclosure), 0
            sink: _JsonLines | ParquetExport = (
                ParquetExport(file, head) if out.suffix == SUFFIX else _JsonLines(file, head)
            )
            for lines in _lines(connection, chosen, disclosure):
                sink.write(lines)
                done += len(lines)
                progress(done, chosen.last - chosen.first + 1)
            sink.close()
        draft.replace(out)
    except ParquetMissing as error:
        raise RecordExportError(f"{out}: {error}, or export JSON lines") from error
    finally:
        draft.unlink(missing_ok=True)
    return done


def verify_file(
    path: Path, kept: Iterable[Checkpoint], trusted: frozenset[bytes], progress: Progress
) -> Report:
    """Check a file that ``export`` wrote; needs nothing else.

    Raises:
        RecordExportError: it is none.
    """
    try:
        if path.suffix == SUFFIX:
            return _check(lines_of(path), path, kept, trusted, progress)
        with _reading(path) as file:
            return _check(_whole(file), path, kept, trusted, progress)
    except ParquetMissing as error:
        raise RecordExportError(f"{path}: {error}") from error
    except OSError as error:
        raise RecordExportError(
            f"{path}: cannot be read ({error.strerror or type(error).__name__})"
        ) from error


class _JsonLines:
    """Writes records as lines of JSON after the head."""

    def __init__(self, file: IO[bytes], head: bytes) -> None:
        self._file = file
        file.write(head)

    def write(self, lines: list[dict[str, Any]]) -> None:
        """Add records."""
        self._file.writelines(to_json(line) + b"\n" for line in lines)

    def close(self) -> None:
        """Nothing waits."""


def _check(
    lines: Iterator[bytes],
    path: Path,
    kept: Iterable[Checkpoint],
    trusted: frozenset[bytes],
    progress: Progress,
) -> Report:
    try:
        head = from_json(next(lines, b""))
        before, last = (
            Place(_number(head[end]), bytes.fromhex(head[end]["link"])) for end in ("before", "last")
        )
        if head["evenhand_audit"] != FORMAT:
            raise ValueError("another format")
        statements = [*map(checkpoints.read, head["checkpoints"]), *kept]
        bounds = Bounds(before, last, pruned=False, later=not head["complete"])
        checker = Checker(bounds, statements, trusted, head["configurations"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordExportError(
            f"{path}: the first line is not the head of an export of format {FORMAT}"
        ) from error
    for number, line in enumerate(lines, start=2):
        if number % BATCH_ROWS == 0:
            progress(number, last.seq - before.seq)
        try:
            record = _stored(from_json(line))
        except (ValueError, KeyError, TypeError):
            checker.unreadable(number)
        else:
            checker.take(record)
    return checker.end()


def _stored(line: dict[str, Any]) -> Stored:
    digest, link = (bytes.fromhex(line[name]) for name in ("body_sha256", "link"))
    header = (_number(line), line["id"], line["kind"], line["at_ms"], line["subject"])
    return stored((*header, line["body"], digest, link))


def _number(line: dict[str, Any]) -> int:
    seq = line["seq"]
    if type(seq) is not int:
        raise TypeError("no number")
    return seq


def _whole(file: IO[bytes]) -> Iterator[bytes]:
    """Lines, up to where the file is cut off."""
    with contextlib.suppress(EOFError, gzip.BadGzipFile, zlib.error):
        yield from file


def _note(engine: Engine, chosen: Range, disclosure: Disclosure) -> None:
    """Record who exports sensitive attributes, and why, before they are written."""
    of = (records.c.seq >= chosen.first, records.c.seq <= chosen.last, records.c.kind == "decision")
    with snapshot(engine) as connection:
        decisions = connection.execute(select(func.count()).select_from(records).where(*of)).scalar_one()
    facts = {
        "what": "export with attributes",
        "purpose": disclosure.purpose,
        "by": disclosure.by,
        "decisions": decisions,
        "first": chosen.first,
        "last": chosen.last,
    }
    with writing(engine) as connection:
        store.append(connection, RecordBatch([event("access", facts)]))


def _head(connection: Connection, chosen: Range, disclosure: Disclosure | None) -> bytes:
    """The first line."""
    bounds = bounds_of(connection)
    links = select(records.c.link)
    before = bounds.before
    if chosen.first - 1 != before.seq:
        link = connection.execute(links.where(records.c.seq == chosen.first - 1)).scalar()
        if link is None:
            raise RecordExportError(f"record {chosen.first - 1} is missing: run evenhand audit verify")
        before = Place(chosen.first - 1, link)
    last = connection.execute(links.where(records.c.seq == chosen.last)).scalar_one()
    signed = [one for one in checkpoints.stored(connection) if chosen.first - 1 <= one.seq <= chosen.last]
    head = {
        "evenhand_audit": FORMAT,
        "made": time_of(time.time_ns() // 1_000_000),
        "purpose": None if disclosure is None else disclosure.purpose,
        "before": {"seq": before.seq, "link": before.link.hex()},
        "last": {"seq": chosen.last, "link": last.hex()},
        "complete": chosen.last == bounds.head.seq,
        "fields": FIELDS,
        "configurations": {row.sha256: row.body for row in connection.execute(select(configurations))},
        "checkpoints": [one.facts() for one in signed],
        "public_key": signed[-1].public_key.hex() if signed else None,
    }
    return to_json(head) + b"\n"


def _lines(
    connection: Connection, chosen: Range, disclosure: Disclosure | None
) -> Iterator[list[dict[str, Any]]]:
    rows = stream(connection, chosen.first, chosen.last)
    while some := list(islice(rows, BODIES)):
        groups = (
            {}
            if disclosure is None
            else declared_groups(
                connection, disclosure.keys, {row.id: row.at_ms for row in some if row.kind == "decision"}
            )
        )
        yield [_line(row, groups) for row in some]


def _line(row: Stored, groups: dict[str, dict[str, str]]) -> dict[str, Any]:
    line: dict[str, Any] = {
        "seq": row.seq,
        "id": row.id,
        "kind": row.kind,
        "time": time_of(row.at_ms),
        "at_ms": row.at_ms,
        "subject": row.subject,
        "body": row.body,
        "body_sha256": row.body_sha256.hex(),
        "link": row.link.hex(),
    }
    if row.id in groups:
        line["attributes"] = groups[row.id]
    return line


@contextlib.contextmanager
def _writing(path: Path, packed: bool) -> Iterator[IO[bytes]]:
    """A file for its owner alone."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        if not packed:
            yield file
        else:
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, compresslevel=6) as inside:
                yield cast(IO[bytes], inside)
        file.flush()
        os.fsync(file.fileno())


def _reading(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return cast(IO[bytes], gzip.open(path, "rb"))
    return path.open("rb")
