"""``evenhand predict`` in order: load the bundle, read the file in chunks, answer, record, write, go on.

Memory holds one chunk. A run that is killed at any moment goes on with the same command and ends with the
same bytes: chunks are cut at the same rows, and each is on disk before the journal says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from evenhand.console import Show
from evenhand.models.bundle.bundle import hash_bytes
from evenhand.models.bundle.manifest import Manifest, Mode
from evenhand.service.bulk.answers import AnsweredRow, Answerer, RunOptions, loaded
from evenhand.service.bulk.columns import ColumnOptions, RowColumns, row_columns
from evenhand.service.bulk.journal import Journal, Progress
from evenhand.service.bulk.output import Format, OutputColumns, format_of
from evenhand.service.bulk.record import Recorder, RecordOptions, decision_ids
from evenhand.service.catalog.trial import TriedBundle
from evenhand.service.types import Decision
from evenhand.tables.arrow import PlainType, open_parquet, plain_types
from evenhand.tables.read import PARQUET, header, scan
from evenhand.tables.table import DataError, Row

FAILED, CORRECTED, MOVED = "failed", "corrected", "moved"
FLAGGED, APPLIED = "flagged ", "applied "
"""Before an attribute's name, in the counts."""


@dataclass(frozen=True)
class Job:
    """What a user asks for."""

    bundle: Path
    source: Path
    out: Path
    columns: ColumnOptions = field(default_factory=ColumnOptions)
    mode: Mode | None = None
    """Lowers the bundle's own modes, as a request's does."""
    batch_rows: int = 8192
    """Rows that are in memory, and between two lines of the journal."""
    run: RunOptions = field(default_factory=RunOptions)
    record: RecordOptions | None = None
    restart: bool = False
    """Whether to begin anew where an interrupted run could go on."""
    types: Mapping[str, PlainType] | None = None
    """Types of columns to copy that are no texts; those that the file states if ``None``."""
    start: int = 0
    """Rows of the file to leave out."""
    rows: int | None = None
    """Rows to answer at most; all if ``None``."""


@dataclass(frozen=True)
class Plan:
    """What is about to be done, for people."""

    manifest: Manifest
    columns: RowColumns
    absent: tuple[str, ...]
    """Features that the file lacks: missing in every row."""
    done: int
    """Rows that an interrupted run has answered already."""
    modes: tuple[Mode, ...]
    """Of each attribute."""


@dataclass(frozen=True)
class Summary:
    """What was done."""

    rows: int
    counts: Counter[str]
    out: Path
    errors: Path
    manifest: Manifest

    @property
    def failed(self) -> int:
        """Rows without an answer."""
        return self.counts[FAILED]

    def in_words(self) -> str:
        """One line."""
        corrected = ", ".join(
            f"{name} {self.counts[APPLIED + name]:,}" for name in self.manifest.attribute_names
        )
        failed = f"{self.failed:,} failed" + (f" ({self.errors})" if self.failed else "")
        return (
            f"{self.out}: {self.rows:,} rows; corrected {self.counts[CORRECTED]:,} ({corrected}), "
            f"{self.counts[MOVED]:,} of them to another label; {failed}"
        )


class Prediction:
    """One run over one file; use it once.

    Args:
        job: What to do.
        model: The job's bundle, if it is loaded already.

    Raises:
        BundleError: the bundle cannot be served.
        DataError: the file or the output cannot be used.
        RecordRefused: the record's database cannot be used.
    """

    def __init__(self, job: Job, model: TriedBundle | None = None) -> None:
        self.job = job
        if not job.out.absolute().parent.is_dir():
            raise DataError(f"--out {job.out}: no folder {job.out.parent}")
        names = header(job.source)
        self._model = model or loaded(job.bundle, job.run)
        self._manifest = self._model.bundle.manifest
        self._columns = row_columns(job.source, names, job.columns, self._manifest, self._model.encoder)
        plain = types_of(job.source) if job.types is None else job.types
        self._output = OutputColumns(self._manifest, self._columns, job.record is not None, plain)
        self._format: Format = format_of(job.out, self._output.types())
        self._answerer = Answerer(self._model, self._columns, job.mode, job.run.limits)
        self._journal = Journal(job.out)
        self._header = names

    def plan(self, done: int) -> Plan:
        """What is about to be done."""
        absent = tuple(name for name in self._columns.features if name not in self._header)
        return Plan(self._manifest, self._columns, absent, done, self._answerer.modes)

    def run(self, say: Callable[[Plan], None], show: Show) -> Summary:
        """Answer the file.

        Args:
            say: Called with the plan, before the first row.
            show: Called with how many rows are done, and of how many; 0 where that is not known.

        Raises:
            DataError: the file changed while it was read, the journal is another run's, or there is no row.
            RecordUnavailable: the record's database is down; the same command goes on later.
            OSError: the disk takes no more; the same command goes on later.
        """
        job, journal = self.job, self._journal
        start = Progress(seed=os.urandom(16).hex(), began_ms=time.time_ns() // 1_000_000)
        with journal.held(), self._recording() as recorder:
            identity, state = self.identity(), _state(job.source)
            goes_on = journal.begin(identity, start, job.restart)
            say(self.plan(journal.progress.rows if goes_on else 0))
            if not journal.progress.complete:
                self._answer(recorder, show)
                if _state(job.source) != state:
                    raise DataError(f"{job.source}: changed while it was read; --restart begins anew")
                journal.complete()
            self._publish()
        progress = journal.progress
        return Summary(progress.rows, progress.counts, job.out, journal.errors, self._manifest)

    @contextlib.contextmanager
    def _recording(self) -> Iterator[Recorder | None]:
        """What puts rows on record, if they are recorded."""
        if self.job.record is None:
            yield None
            return
        with contextlib.closing(Recorder(self.job.record, self._model, self._columns)) as recorder:
            yield recorder

    def _answer(self, recorder: Recorder | None, show: Show) -> None:
        job, journal = self.job, self._journal
        total = rows_of(job.source) if job.rows is None else job.rows
        if not journal.progress.draft_bytes:
            journal.add(0, self._format.head(), b"", Counter())
        rows = scan(job.source, self._columns.read, job.start + journal.progress.rows)
        left = None if job.rows is None else job.rows - journal.progress.rows
        for chunk in chunks(islice(rows, left), job.batch_rows):
            began_s = time.monotonic()
            answered = self._answerer.answer(chunk)
            ids = self._ids(answered) if recorder else []
            if recorder is not None:
                recorder.record(answered, ids, time.monotonic() - began_s)
            draft = self._format.chunk(self._output.cells(answered, ids))
            journal.add(len(answered), draft, self._errors(answered), counts_of(answered))
            show(journal.progress.rows, total)
        if not journal.progress.rows:
            journal.forget()
            raise DataError(f"{job.source}: no row")

    def _publish(self) -> None:
        made = self.job.out.with_name(f".{self.job.out.name}.whole")
        is_made = self._journal.draft.exists() and self._format.finish(self._journal.draft, made)
        self._journal.publish(made if is_made else None)

    def _ids(self, rows: Sequence[AnsweredRow]) -> list[str]:
        progress = self._journal.progress
        return decision_ids(progress.began_ms, progress.seed, [row.number for row in rows])

    def _errors(self, rows: Sequence[AnsweredRow]) -> bytes:
        """A line of JSON for each row that failed."""
        lines = []
        for row in rows:
            if not isinstance(row.result, Decision):
                own = {"id": row.values.get(self._columns.id)} if self._columns.id else {}
                line = {"row": row.number, **own, "type": row.error, "error": row.result}
                lines.append(json.dumps(line, ensure_ascii=False) + "\n")
        return "".join(lines).encode()

    def identity(self) -> dict[str, Any]:
        """What decides the output's bytes, in the words of the options, as JSON holds it."""
        job, columns = self.job, self._columns
        return {
            "bundle": self._model.bundle.sha256,
            "file": [str(job.source.absolute()), *_state(job.source)],
            "rows": [job.start, job.rows],
            "--mode": job.mode,
            "--batch-rows": job.batch_rows,
            "--threads": job.run.session.threads,
            "--provider": job.run.provider,
            "--id": columns.id,
            "--keep": dict(columns.keep),
            "--attribute": dict(columns.attributes),
            "columns of inputs": [*columns.features, str(columns.inputs.images)],
            # A URL may hold a password, and the journal is a plain file.
            "--record": hash_bytes(job.record.url.encode()) if job.record else None,
        }


def chunks(rows: Iterable[tuple[int, Row]], size: int) -> Iterator[list[tuple[int, Row]]]:
    """Rows in lists of ``size``; the last one may be shorter."""
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk


def counts_of(rows: Sequence[AnsweredRow]) -> Counter[str]:
    """What the last line of the command says, of some rows."""
    counts: Counter[str] = Counter()
    for row in rows:
        decision = row.result
        if not isinstance(decision, Decision):
            counts[FAILED] += 1
            continue
        counts[CORRECTED] += decision.corrected
        counts[MOVED] += decision.final.label != decision.base.label
        for verdict in decision.verdicts:
            counts[FLAGGED + verdict.attribute] += verdict.flagged
            counts[APPLIED + verdict.attribute] += verdict.result == "applied"
    return counts


def _state(path: Path) -> list[int]:
    """Size and time of the last change: whether a file is as it was."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def types_of(path: Path) -> dict[str, PlainType]:
    """The types that a file states of its columns, where they are no texts."""
    return plain_types(path) if path.suffix.lower() == PARQUET else {}


def rows_of(path: Path) -> int:
    """How many rows a file has; 0 where only reading it would tell."""
    return int(open_parquet(path).metadata.num_rows) if path.suffix.lower() == PARQUET else 0
