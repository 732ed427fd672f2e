"""Answered rows on the record of decisions, as if served; each once, however often a run stops."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evenhand.service.audit.client import REPLICA, AuditClient, AuditOptions
from evenhand.service.audit.events import AnsweredRows, configuration
from evenhand.service.audit.writer import RecordReport
from evenhand.service.bulk.answers import INVALID, AnsweredRow
from evenhand.service.bulk.columns import RowColumns
from evenhand.service.catalog.trial import TriedBundle
from evenhand.service.ids import is_own_id, ulid_of
from evenhand.service.inference import preprocess
from evenhand.service.types import Decision, Row
from evenhand.tables.cells import GONE_GROUP, clean, is_gone

IN_STATE = "state"
"""SQLite in the state folder, in place of a database's URL."""
TRANSACTION_ROWS = 2000
"""Rows of one transaction at most; the service's writer has as many."""


@dataclass(frozen=True)
class RecordOptions:
    """Where decisions are recorded."""

    url: str
    """Of the database, or :data:`IN_STATE`."""
    state: Path
    """Folder of the record's keys."""


class Recorder:
    """Records the rows of one run.

    Args:
        options: Where.
        model: What answers.
        columns: Of the file; its attributes' columns hold declared groups.

    Raises:
        RecordRefused: the database cannot be used.
        KeyFileError: its key cannot be used.
    """

    def __init__(self, options: RecordOptions, model: TriedBundle, columns: RowColumns) -> None:
        url = "" if options.url == IN_STATE else options.url
        report = RecordReport(lambda *_: None, lambda _: None)
        self._client = AuditClient(AuditOptions(options.state, url), report)
        self._manifest = model.bundle.manifest
        self._configuration = configuration(self._manifest, model.bundle.sha256)
        self._columns = columns

    def record(self, rows: Sequence[AnsweredRow], ids: Sequence[str], latency_s: float) -> None:
        """Record rows; they are in the database when this returns.

        Args:
            rows: With their answers.
            ids: Of the decisions; the same whenever the same rows are tried again.
            latency_s: How long their answers took, all together.

        Raises:
            RecordUnavailable: the database is down.
        """
        # As in the service, rows that the caller got wrong are not on record.
        pairs = [(row, name) for row, name in zip(rows, ids, strict=True) if row.error != INVALID]
        for start in range(0, len(pairs), TRANSACTION_ROWS):
            some = [self._row(row, name) for row, name in pairs[start : start + TRANSACTION_ROWS]]
            at_ms = time.time_ns() // 1_000_000
            batch = AnsweredRows(self._manifest, self._configuration, some, at_ms, latency_s, REPLICA)
            self._client.write_once(batch)

    def close(self) -> None:
        """Release the database."""
        self._client.engine.dispose()

    def _row(self, row: AnsweredRow, name: str) -> Row:
        result = row.result if isinstance(row.result, Decision) else row.error
        cells = {
            attribute: cell
            for attribute, column in self._columns.attributes.items()
            if (cell := clean(row.values.get(column) or "")) and not is_gone(cell, GONE_GROUP)
        }
        (declared,) = preprocess.declared_groups(cells, 1, self._manifest)
        own_id = clean(row.values.get(self._columns.id or "") or "")
        return Row(
            name,
            result,
            preprocess.listed(declared, self._manifest),
            self._client.keys.digest(preprocess.plain(row.item)),
            own_id if is_own_id(own_id) else None,
        )


def decision_ids(began_ms: int, seed: str, numbers: Sequence[int]) -> list[str]:
    """An id for each row: the same for the same run and row.

    Args:
        began_ms: When the run began.
        seed: Random, of the run, in hexadecimal.
        numbers: Of the rows.
    """
    return [
        ulid_of(began_ms, hashlib.sha256(f"{seed} {number}".encode()).digest()[:10]) for number in numbers
    ]
