"""Feeds the record to sequential evidence, in a thread. One process does so at a time, over all replicas.

The only state is in the database. A batch of records is read from the cursor on, and one transaction moves
the cursor and the evidence; it fails if the cursor is not where it was read. So a process may be killed at
any moment and another goes on. The lock only saves two processes from doing the same work.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.tables import about, evidence
from evenhand.service.background import Background
from evenhand.service.monitoring.sequential.evidence import Comparison, Evidence, EvidenceSettings
from evenhand.service.monitoring.sequential.readings import Reader, Reading
from evenhand.service.monitoring.sequential.verdicts import Kept

log = logging.getLogger(__name__)

CURSOR = "evidence_cursor"
"""Name of the database's fact that holds the number of the last record read."""
BATCH_ROWS = 500
"""Records in one transaction, which takes some hundredths of a second."""
LOCK = 0x65766964656E6365
"""Number of the evaluator's advisory lock in PostgreSQL."""
DATABASE_ERRORS = (SQLAlchemyError, OSError)


def read_evidence(engine: Engine) -> list[Kept]:
    """All comparisons, the same in every process.

    Raises:
        SQLAlchemyError: the database is down.
    """
    with engine.connect() as connection:
        rows = connection.execute(select(evidence).order_by(*evidence.primary_key))
        return [
            Kept(model, attribute, group, metric, Comparison(**json.loads(state)))
            for model, attribute, group, metric, state in rows
        ]


class Evaluator:
    """Updates sequential evidence from one process.

    Args:
        engine: Database of the record.
        keys: Keys of the record.
        rules: The operator's settings.
        evaluate_s: Seconds between two reads of new records.
        report: Called in the evaluator's thread with all comparisons, after every read.
        background: Supervises the thread; a new one if ``None``.
    """

    def __init__(
        self,
        engine: Engine,
        keys: Keys,
        rules: EvidenceSettings,
        evaluate_s: float,
        report: Callable[[list[Kept]], None],
        background: Background | None = None,
    ) -> None:
        self._engine, self._rules, self._evaluate_s, self._report = engine, rules, evaluate_s, report
        self._writes = engine.execution_options(writes=True)
        self._reader = Reader(keys)
        self._thread = (background or Background()).thread("evidence", self._look)
        self._is_down = False

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the current batch."""
        self._thread.stop()

    def take_batch(self) -> int:
        """Evaluate the next records, unless another process does so.

        Returns:
            Number of records.

        Raises:
            SQLAlchemyError: the database is down; nothing has changed.
            OSError: the lock file cannot be used; nothing has changed.
        """
        with _locked(self._engine) as is_locked:
            if not is_locked:
                return 0
            with self._engine.connect() as connection:
                before = _cursor(connection)
                after, readings = self._reader.after(connection, before, BATCH_ROWS)
                states = _states(connection, {model for model, _, _ in readings})
            if after == before:
                return 0
            changed = _update(self._rules, states, readings)
            with self._writes.begin() as connection:
                if not _move(connection, before, after):
                    return 0
                _store(connection, changed)
            return after - before

    def _look(self) -> float:
        """Evaluate a batch and report; returns the seconds until the next one.

        A database that is down is no failure of the evaluator: the service answers without it.
        """
        started = time.monotonic()
        try:
            taken = self.take_batch()
            if taken < BATCH_ROWS:
                self._report(read_evidence(self._engine))
        except DATABASE_ERRORS as error:
            if not self._is_down:
                log.warning(
                    "evidence: the record's database is down (%s); trying again", type(error).__name__
                )
            self._is_down = True
            return self._evaluate_s
        if self._is_down:
            log.warning("evidence goes on")
        self._is_down = False
        # While it catches up, the thread sleeps half of the time.
        return self._evaluate_s if taken < BATCH_ROWS else time.monotonic() - started


@contextmanager
def _locked(engine: Engine) -> Iterator[bool]:
    """Whether this process holds the lock. It is released at the end, and if the process dies."""
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            yield bool(connection.execute(select(func.pg_try_advisory_xact_lock(LOCK))).scalar_one())
        return
    lock = os.open(f"{engine.url.database}.evidence.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _lock_file(lock)
    finally:
        os.close(lock)


def _lock_file(file: int) -> bool:
    import fcntl  # not on every system, and not needed with PostgreSQL

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _cursor(connection: Connection) -> int:
    value = connection.execute(select(about.c.value).where(about.c.name == CURSOR)).scalar_one_or_none()
    return int(value or 0)


def _states(
    connection: Connection, models: set[str]
) -> dict[str, dict[tuple[str, str, str], dict[str, Any]]]:
    """The stored state of these models, by attribute, group and metric."""
    states: dict[str, dict[tuple[str, str, str], dict[str, Any]]] = {model: {} for model in models}
    for model, attribute, group, metric, state in connection.execute(
        select(evidence).where(evidence.c.model.in_(models))
    ):
        states[model][attribute, group, metric] = json.loads(state)
    return states


def _update(
    rules: EvidenceSettings,
    states: dict[str, dict[tuple[str, str, str], dict[str, Any]]],
    readings: list[Reading],
) -> list[dict[str, str]]:
    """Update the evidence with the readings; returns the rows to store."""
    models = {model: Evidence(rules, kept) for model, kept in states.items()}
    for model, metric, seen in readings:
        models[model].add(seen, metric)
    return [
        {
            "model": model,
            "attribute": attribute,
            "group": group,
            "metric": metric,
            "state": json.dumps(model_evidence.comparisons[attribute, group, metric].state()),
        }
        for model, model_evidence in models.items()
        for attribute, group, metric in sorted(model_evidence.changed)
    ]


def _move(connection: Connection, before: int, after: int) -> bool:
    """Move the cursor, unless another process has moved it; returns whether it moved."""
    if before:
        moved = (
            update(about).where(about.c.name == CURSOR, about.c.value == str(before)).values(value=str(after))
        )
        return connection.execute(moved).rowcount == 1
    try:
        connection.execute(insert(about).values(name=CURSOR, value=str(after)))
    except IntegrityError:
        return False
    return True


def _store(connection: Connection, rows: list[dict[str, str]]) -> None:
    """Store the evidence; called only by the process that moved the cursor."""
    for row in rows:
        key = [evidence.c[name] == row[name] for name in ("model", "attribute", "group", "metric")]
        if not connection.execute(update(evidence).where(*key).values(state=row["state"])).rowcount:
            connection.execute(insert(evidence).values(**row))
