"""Transactions on the record's database, SQLite or PostgreSQL.

A writer holds the chain: as SQLite's one writer, or by PostgreSQL's lock on the chain's row. So there is one
chain, however many processes and replicas append to it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json, to_json
from sqlalchemy import Connection, Engine, event, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    TimeoutError,
)

from evenhand.service.audit.aggregates import SUMS
from evenhand.service.audit.chain import extend
from evenhand.service.audit.events import event as new_event
from evenhand.service.audit.maintenance.migrate import RecordRefused, migrate
from evenhand.service.audit.record_batch import RecordBatch, merge
from evenhand.service.audit.tables import META, attributes, chain, configurations, own_ids, records
from evenhand.service.errors import RecordUnavailable

CHAIN = "records"
"""The name of the chain's row."""
BUSY_S = 2.0
"""How long a lock or a connection is waited for before the database counts as away."""
STATEMENT_S = 10.0


class RecordAway(RecordUnavailable):
    """The record can neither be read nor written now; try again later.

    Args:
        orig: The cause, for the log: the driver's error, or a sentence.
    """

    def __init__(self, orig: object) -> None:
        super().__init__()
        self.orig = orig


class InDoubt(RecordAway):
    """The connection broke during a commit, before the server said how it ended."""

    message = "the record's database broke off while storing this; nobody knows whether it is on record"


class Unwritable(RecordAway):
    """This content cannot be recorded, while the database takes other records."""

    message = (
        "the record of this answer cannot be written; nothing was stored, and the service's log says why"
    )


AWAY = (DBAPIError, TimeoutError, OSError, MemoryError, InDoubt)
"""What a database that is down, locked, or out of space or memory raises."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain."""

    seq: int
    link: bytes


class Store:
    """One database.

    Args:
        url: SQLAlchemy's URL.
        fingerprint: Of the key whose record this is.

    Raises:
        RecordRefused: the URL is none that can be used.
    """

    def __init__(self, url: str, fingerprint: str) -> None:
        self.engine = make_engine(url)
        self._writes = self.engine.execution_options(writes=True)
        self._fingerprint = fingerprint
        self._file = Path(self.engine.url.database or "") if self.engine.dialect.name == "sqlite" else None
        self._inode: int | None = None
        self._open = False
        self._configurations: dict[str, dict[str, Any]] = {}

    def open(self) -> None:
        """Make sure that the tables are there and ours.

        Raises:
            RecordRefused: they are not ours to write.
            DBAPIError: the database is down.
        """
        if self._file is not None and self._inode is not None:
            self._look_at_file(self._file)
        if not self._open:
            migrate(self._writes, self._fingerprint)
            self._open = True
            self._inode = self._file.stat().st_ino if self._file is not None else None

    def _look_at_file(self, file: Path) -> None:
        """Refuse a file that was removed: it can still be written to, and all that is written is lost.

        Raises:
            OSError: it is gone.
        """
        if file.stat().st_ino != self._inode:
            self.engine.dispose()
            self._open = False

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes, and holds the chain from its beginning to its end.

        Raises:
            InDoubt: the connection broke during the commit. (SQLite always knows how a commit ended.)
        """
        self.open()
        with self._writes.connect() as connection, connection.begin() as transaction:
            yield connection
            try:
                transaction.commit()
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise InDoubt(error.orig) from error
                raise

    def probe(self) -> None:
        """Check that the database can be written: commit no change, for a full disk takes reads and locks.

        Raises:
            RecordRefused: the database is not ours to write.
            DBAPIError: it is down.
        """
        with self.writing() as connection:
            head(connection)
            connection.execute(update(chain).where(chain.c.name == CHAIN).values(seq=chain.c.seq))

    def append(self, batches: list[RecordBatch], again: bool) -> None:
        """Write batches in a transaction of its own.

        Args:
            batches: What to write.
            again: Whether they were tried before, by an attempt of which nobody knows how it ended.

        Raises:
            Unwritable: nothing of them is stored, because of what is in one of them.
        """
        try:
            with self.writing() as connection:
                if again:
                    batches = _not_on_record(connection, batches)
                if batches:
                    append(connection, merge(batches))
        except RecordRefused:
            raise
        except (ValueError, TypeError, OverflowError) as error:  # the driver cannot send it
            raise Unwritable(_kind(error)) from error
        except (DataError, IntegrityError) as error:
            if self._takes_records():
                raise Unwritable(_kind(error)) from error
            raise

    def _takes_records(self) -> bool:
        """Whether the database takes a plain record; otherwise the fault is not the content's."""
        try:
            self.open()
            with self._writes.connect() as connection, connection.begin() as transaction:
                append(connection, RecordBatch([new_event("mode", {})]))
                transaction.rollback()
        except (*AWAY, RecordRefused):
            return False
        return True

    def decision(self, name: str) -> dict[str, Any] | None:
        """A decision, its configuration, the later events about it, and its place in the chain."""
        self.open()
        with self.engine.connect() as connection:
            row = connection.execute(select(records).where(records.c.id == name)).one_or_none()
            if row is None or row.kind != "decision" or row.body is None:
                return None
            later = connection.execute(
                select(records.c.body)
                .where(records.c.subject == name, records.c.body.is_not(None))
                .order_by(records.c.seq)
            ).scalars()
            body = from_json(row.body)
            return {
                **body,
                "configuration": self.configuration(connection, body["configuration"]),
                "events": [from_json(text) for text in later],
                "seq": row.seq,
                "link": row.link.hex(),
            }

    def configuration(self, connection: Connection, sha256: str) -> dict[str, Any]:
        """What a decision refers to; it never changes, so that it is read once."""
        if sha256 not in self._configurations:
            query = select(configurations.c.body).where(configurations.c.sha256 == sha256)
            self._configurations[sha256] = from_json(connection.execute(query).scalar_one())
        return self._configurations[sha256]


def make_engine(url: str) -> Engine:
    """An engine with short waits; with the option ``writes`` its transactions lock the database at once.

    Raises:
        RecordRefused: the URL is none that can be used.
    """
    try:
        chosen = make_url(url)
        if chosen.drivername == "postgresql":
            chosen = chosen.set(drivername="postgresql+psycopg")
        if chosen.drivername == "postgresql+psycopg":
            engine = sa.create_engine(chosen, connect_args=_postgresql(), **_POOL)
            event.listen(
                engine, "connect", _check_encoding, insert=True
            )  # before SQLAlchemy asks anything itself
            return engine
        if chosen.drivername in ("sqlite", "sqlite+pysqlite") and chosen.database not in (
            None,
            "",
            ":memory:",
        ):
            engine = sa.create_engine(chosen, connect_args={"timeout": BUSY_S}, **_POOL)
            event.listen(engine, "connect", _connect_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
    except (ArgumentError, NoSuchModuleError, ValueError):
        pass
    except ModuleNotFoundError as error:
        raise RecordRefused(
            "setting record: PostgreSQL needs another package; install evenhand[postgres]"
        ) from error
    raise RecordRefused(
        "setting record: no usable URL; give postgresql+psycopg://user:password@host/database "
        "or sqlite:////folder/file"
    )


_POOL: dict[str, Any] = {"pool_pre_ping": True, "pool_size": 3, "max_overflow": 5, "pool_timeout": BUSY_S}


def _postgresql() -> dict[str, Any]:
    waits_ms = {
        "statement_timeout": STATEMENT_S * 1000,
        "lock_timeout": BUSY_S * 1000,
        "idle_in_transaction_session_timeout": STATEMENT_S
        * 1000,  # a process that is stopped must not hold the chain
    }
    return {
        "application_name": "evenhand",
        "connect_timeout": int(BUSY_S),
        "tcp_user_timeout": int(STATEMENT_S * 1000),
        "options": " ".join(f"-c {name}={value:.0f}" for name, value in waits_ms.items()),
    }


def _check_encoding(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own
    """Groups and labels are any text; a PostgreSQL that was set up without a locale encodes in SQL_ASCII."""
    if (encoding := connection.info.parameter_status("server_encoding")) != "UTF8":
        command = "CREATE DATABASE name ENCODING 'UTF8' TEMPLATE template0"
        raise RecordRefused(f"the record's database has the encoding {encoding}; it must be UTF8: {command}")


def _connect_sqlite(connection: Any, _: object) -> None:  # noqa: ANN401 - the driver's own
    """Let ``_begin_sqlite`` begin transactions; a commit is on disk when it returns."""
    connection.isolation_level = None
    until_s = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            break
        except (
            sqlite3.OperationalError
        ):  # several processes make the file: SQLite does not wait here by itself
            if time.monotonic() > until_s:
                raise
            time.sleep(0.02)
    connection.execute("PRAGMA synchronous = FULL").close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _kind(error: Exception) -> str:
    """What kind of error it is, without the content that a driver may quote."""
    orig = getattr(error, "orig", None)
    code = getattr(orig, "sqlstate", None) or getattr(orig, "sqlite_errorname", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__


def head(connection: Connection) -> Head:
    """The end of the chain, which nobody else moves until this transaction ends."""
    query = select(chain.c.seq, chain.c.link).where(chain.c.name == CHAIN).with_for_update()
    return Head(*connection.execute(query).one())


def _not_on_record(connection: Connection, batches: list[RecordBatch]) -> list[RecordBatch]:
    """Batches that were not written yet; one is as a whole or not at all, so that its first record tells."""
    head(connection)  # whoever may be writing one just now is waited for
    firsts = [batch.events[0].id for batch in batches]
    written = set(connection.execute(select(records.c.id).where(records.c.id.in_(firsts))).scalars())
    return [batch for batch, first in zip(batches, firsts, strict=True) if first not in written]


def append(connection: Connection, batch: RecordBatch) -> None:
    """Chain a batch's records to the end, and store what comes with them."""
    last = head(connection)
    linked = extend(last.link, last.seq, batch.events)
    rows = [
        (
            place.seq,
            event.id,
            event.kind,
            event.at_ms,
            event.subject,
            event.body,
            place.body_sha256,
            place.link,
        )
        for event, place in zip(batch.events, linked, strict=True)
    ]
    _insert(connection, records, rows)
    _insert(connection, configurations, list(batch.configurations.items()))
    _insert(connection, attributes, batch.attributes)
    _insert(connection, own_ids, batch.own_ids)
    for name, cells in batch.cells.items():
        _insert(connection, META.tables[name], [tuple(cell) for cell in cells])
    moved = update(chain).where(chain.c.name == CHAIN)
    connection.execute(moved.values(seq=linked[-1].seq, link=linked[-1].link))


def _insert(connection: Connection, table: sa.Table, rows: list[tuple[Any, ...]]) -> None:
    """Insert rows in the order of the table's columns, in the driver's own way, for speed.

    SQLite takes row by row; to PostgreSQL every execution is a message, so that it gets all rows as one JSON
    text.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_insertion(table, "sqlite"), rows)
        return
    bytes_as_hex = [[value.hex() if isinstance(value, bytes) else value for value in row] for row in rows]
    connection.exec_driver_sql(_insertion(table, "postgresql"), (to_json(bytes_as_hex).decode(),))


@cache
def _insertion(table: sa.Table, kind: str) -> str:
    """The SQL: a record is new; a cell adds to its counts; anything else that is there already stays."""
    new: Any
    kinds: Any = {"postgresql": postgresql.dialect, "sqlite": sqlite.dialect}
    if kind == "postgresql":
        dialect = kinds[kind](paramstyle="format")
        values = [sa.text(_from_json(place, column, dialect)) for place, column in enumerate(table.columns)]
        rows = sa.select(*values).select_from(sa.text("json_array_elements(CAST(:rows AS json))"))
        new = postgresql.insert(table).from_select(table.columns.keys(), rows)
    else:
        dialect = kinds[kind](paramstyle="qmark")
        new = sqlite.insert(table).values(
            {column.name: sa.bindparam(column.name) for column in table.columns}
        )
    if table.name in SUMS:
        keys = [column.name for column in table.primary_key]
        added = {
            column.name: column + new.excluded[column.name]
            for column in table.columns
            if column.name not in keys
        }
        new = new.on_conflict_do_update(index_elements=keys, set_=added)
    elif table is not records:
        new = new.on_conflict_do_nothing()
    return str(new.compile(dialect=dialect))


def _from_json(place: int, column: sa.Column[Any], dialect: sa.Dialect) -> str:
    """One value of a row; not cast to a length, for a cast would cut what an insert refuses."""
    if isinstance(column.type, sa.LargeBinary):
        return f"decode(value ->> {place}, 'hex')"
    kind = "TEXT" if isinstance(column.type, sa.String) else column.type.compile(dialect=dialect)
    return f"CAST(value ->> {place} AS {kind})"
