"""Verification of the record in a database, along the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, select, text

from evenhand.service.audit import checkpoints
from evenhand.service.audit.chain import GENESIS
from evenhand.service.audit.checkpoints import END_MS, Checkpoint
from evenhand.service.audit.maintenance.checker import Bounds, Checker, Report
from evenhand.service.audit.maintenance.tampering import Place, Stored
from evenhand.service.audit.tables import chain, configurations, records

BATCH_ROWS = 2000
"""Rows that are in memory at a time."""
NOT_PROVED = (
    "that no record was put in or rewritten since the last checkpoint by somebody who may write to the "
    "database: keep checkpoints elsewhere, and give them with --checkpoints",
    "that what the service wrote was true when it wrote it",
    "labels, attributes, own ids and hourly counts, which are kept beside the chain; labels are also in it, "
    "as events, and pseudonyms of own ids in the bodies of decisions",
)
"""What a verified record does not prove."""
Progress = Callable[[int, int], None]
"""Called with how many records are done, and of how many."""


class NoRecordError(ValueError):
    """There is nothing to verify; the message says where."""


@contextmanager
def snapshot(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one moment, while the service goes on writing."""
    postgresql = engine.dialect.name == "postgresql"
    if postgresql:
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection:
        if postgresql:  # reading a long chain takes longer than the service may wait for anything
            for name in ("statement_timeout", "idle_in_transaction_session_timeout"):
                connection.execute(text(f"SET LOCAL {name} = 0"))
            yield connection
            return
        driver: Any = connection.connection.driver_connection
        driver.text_factory = _lossy
        try:
            yield connection
        finally:
            driver.text_factory = str


def verify(
    engine: Engine, kept: Iterable[Checkpoint], trusted: frozenset[bytes], progress: Progress
) -> Report:
    """Check a database.

    Args:
        engine: The record's.
        kept: Checkpoints that were kept elsewhere.
        trusted: Public keys that checkpoints may be signed with; any, if there are none.
        progress: Called now and then.

    Raises:
        NoRecordError: the database has no chain.
    """
    with snapshot(engine) as connection:
        bounds = bounds_of(connection)
        bodies = {row.sha256: row.body for row in connection.execute(select(configurations))}
        checker = Checker(bounds, [*checkpoints.stored(connection), *kept], trusted, bodies)
        total = bounds.head.seq - bounds.before.seq
        for done, record in enumerate(stream(connection)):
            if done % BATCH_ROWS == 0:
                progress(done, total)
            checker.take(record)
        progress(total, total)
    return checker.end()


def bounds_of(connection: Connection) -> Bounds:
    """Where the chain says that it begins and ends.

    Raises:
        NoRecordError: it does not say.
    """
    rows = connection.execute(select(chain)).all()
    if len(rows) != 1:
        raise NoRecordError(f"the database has {len(rows)} rows in the table chain, and should have one")
    row = rows[0]
    before = Place(row.pruned_seq, row.pruned_link)
    return Bounds(before, Place(row.seq, row.link), pruned=True, later=False)


def stream(connection: Connection, first: int | None = None, last: int | None = None) -> Iterator[Stored]:
    """Records in order; one batch is in memory at a time.

    Args:
        connection: From ``snapshot``.
        first: The first one's number; ``None`` is the chain's first.
        last: The last one's number; ``None`` is the chain's last.
    """
    query = select(*(column.label(column.name) for column in records.columns)).order_by(records.c.seq)
    if first is not None:
        query = query.where(records.c.seq >= first)
    if last is not None:
        query = query.where(records.c.seq <= last)
    compiled = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
    # The driver's own values: a column of another type than ours must be a finding, and not an exception.
    for row in connection.execution_options(yield_per=BATCH_ROWS).exec_driver_sql(compiled):
        yield stored(row)


def stored(columns: Iterable[Any]) -> Stored:
    """A record from its columns, in the order of :class:`Stored`; a value of another type fits no link."""
    seq, name, kind, at_ms, subject, body, digest, link = columns
    return Stored(
        seq,
        name,
        kind,
        at_ms if type(at_ms) is int and 0 <= at_ms < END_MS else -1,
        subject,
        body if type(body) is str or body is None else "",
        digest if type(digest) is bytes else b"",
        link if type(link) is bytes else GENESIS,
    )


def _lossy(item: bytes) -> str:
    return item.decode("utf-8", "replace")
