"""Feeds the record to sequential evidence, in a thread: one process at a time, over all workers and replicas.

Where it stands is in the database and nowhere else: a lot of records is read from the cursor on, and the
    cursor and
the evidence are moved in one transaction, which fails if the cursor is not where it was read. So a process
may be killed at any moment, and any other goes on. The lock only saves two from doing the same work.
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
"""The fact about the database that says which record was read last."""
LOT_ROWS = 500
"""Records in one transaction: some hundredths of a second."""
LOCK = 0x65766964656E6365
"""Of PostgreSQL's advisory locks, the evaluator's."""
AWAY = (SQLAlchemyError, OSError)


def read_evidence(engine: Engine) -> list[Kept]:
    """All comparisons: the same in every process.

    Raises:
        SQLAlchemyError: the database is away.
    """
    with engine.connect() as connection:
        rows = connection.execute(select(evidence).order_by(*evidence.primary_key))
        return [
            Kept(model, attribute, group, metric, Comparison(**json.loads(state)))
            for model, attribute, group, metric, state in rows
        ]


class Evaluator:
    """Sequential evidence of one process.

    Args:
        engine: Of the record.
        keys: Of the record.
        rules: What the operator asks for.
        evaluate_s: How often new records are looked for.
        report: Told all comparisons, after every look, in the evaluator's thread.
        background: Supervises the thread; its own where none is passed.
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
        self._engine, self._rules, self._every_s, self._report = engine, rules, evaluate_s, report
        self._writes = engine.execution_options(writes=True)
        self._reader = Reader(keys)
        self._thread = (background or Background()).thread("evidence", self._look)
        self._away = False

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the lot that is under way."""
        self._thread.stop()

    def lot(self) -> int:
        """Take the next records, unless another process is at it.

        Returns:
            How many were taken.

        Raises:
            SQLAlchemyError: the database is away; nothing has happened.
            OSError: so is the file that locks it.
        """
        with _alone(self._engine) as alone:
            if not alone:
                return 0
            with self._engine.connect() as connection:
                before = _cursor(connection)
                after, readings = self._reader.after(connection, before, LOT_ROWS)
                states = _states(connection, {model for model, _, _ in readings})
            if after == before:
                return 0
            changed = _weigh(self._rules, states, readings)
            with self._writes.begin() as connection:
                if not _move(connection, before, after):
                    return 0
                _keep(connection, changed)
            return after - before

    def _look(self) -> float:
        """Take a lot and report; returns the seconds until the next look.

        A database that is away is no failure of the evaluator: the service answers without it.
        """
        started = time.monotonic()
        try:
            taken = self.lot()
            if taken < LOT_ROWS:
                self._report(read_evidence(self._engine))
        except AWAY as error:
            if not self._away:
                log.warning(
                    "evidence: the record's database is away (%s); trying again", type(error).__name__
                )
            self._away = True
            return self._every_s
        if self._away:
            log.warning("evidence goes on")
        self._away = False
        # With much to catch up on, half of the time is others'.
        return self._every_s if taken < LOT_ROWS else time.monotonic() - started


@contextmanager
def _alone(engine: Engine) -> Iterator[bool]:
    """Whether no other process evaluates; none does until this ends, and a process that dies lets go."""
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            yield bool(connection.execute(select(func.pg_try_advisory_xact_lock(LOCK))).scalar_one())
        return
    lock = os.open(f"{engine.url.database}.evidence.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _locked(lock)
    finally:
        os.close(lock)


def _locked(file: int) -> bool:
    import fcntl  # not on every system, and not needed where PostgreSQL is used

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
    """What is kept about these models."""
    states: dict[str, dict[tuple[str, str, str], dict[str, Any]]] = {model: {} for model in models}
    for model, attribute, group, metric, state in connection.execute(
        select(evidence).where(evidence.c.model.in_(models))
    ):
        states[model][attribute, group, metric] = json.loads(state)
    return states


def _weigh(
    rules: EvidenceSettings,
    states: dict[str, dict[tuple[str, str, str], dict[str, Any]]],
    readings: list[Reading],
) -> list[dict[str, str]]:
    """Take what was read into the evidence; returns the rows that are to be kept."""
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
    """Move the cursor; not if somebody else has."""
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


def _keep(connection: Connection, rows: list[dict[str, str]]) -> None:
    """Only whoever moved the cursor writes here."""
    for row in rows:
        key = [evidence.c[name] == row[name] for name in ("model", "attribute", "group", "metric")]
        if not connection.execute(update(evidence).where(*key).values(state=row["state"])).rowcount:
            connection.execute(insert(evidence).values(**row))
