"""Transactions on the record's database, SQLite or PostgreSQL.

A writer holds the chain: as SQLite's one writer, or by PostgreSQL's lock on the chain's row. So there is one
chain, however many processes and replicas append to it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from itertools import chain as chain_of
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
from evenhand.service.audit.elsewhere.doubles import Pseudonym, drop_doubles
from evenhand.service.audit.events import event as new_event
from evenhand.service.audit.maintenance.migrate import RecordRefused, migrate
from evenhand.service.audit.record_batch import RecordBatch, merge
from evenhand.service.audit.tables import (
    META,
    attributes,
    chain,
    configurations,
    labels,
    own_ids,
    records,
)
from evenhand.service.errors import RecordUnavailable

CHAIN = "records"
"""The name of the chain's row."""
BUSY_S = 2.0
"""How long a lock or a connection is waited for before the database counts as away."""
STATEMENT_S = 10.0
LOOKED_UP = 500
"""Decisions in one query."""
TURN = "evenhand turn"
"""Marks a connection to SQLite that has its turn to write."""
CACHE_KIB = 16_384
"""Memory of one connection to SQLite for pages, if it needs so much: pseudonyms lie all over their table."""
LOG_PAGES = 8000
"""Pages of 4 KiB that SQLite's log of writes may have before they move to the file: in bulk the same page is
written again and again, and moves once."""
COPY_ROWS = 100
"""Rows from which on PostgreSQL gets them as a copy."""
SQLITE_ROWS = 250
"""Rows in one statement, where there are as many; a statement may have 32,766 values."""


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


def _no_key(decision: str) -> str:
    raise RuntimeError("this store was opened without the key that decisions with own ids need")


class Store:
    """One database.

    Args:
        url: SQLAlchemy's URL.
        fingerprint: Of the key whose record this is.
        pseudonym: The key's name for a decision; needed to write decisions with own ids.

    Raises:
        RecordRefused: the URL is none that can be used.
    """

    def __init__(self, url: str, fingerprint: str, pseudonym: Pseudonym = _no_key) -> None:
        self._pseudonym = pseudonym
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
                if any(batch.once for batch in batches):
                    head(connection)  # whoever may be writing the same decisions just now is waited for
                    drop_doubles(connection, batches, self._pseudonym)
                    batches = [batch for batch in batches if batch.events]
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

    def has_own_id(self, pseudonym: str, model: str) -> bool:
        """Whether a decision of a model has an own id of this pseudonym."""
        self.open()
        query = select(own_ids.c.decision).where(own_ids.c.pseudonym == pseudonym, own_ids.c.model == model)
        with self.engine.connect() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def answers(self, names: list[str]) -> dict[str, str]:
        """The served labels of decisions, by id; without those that were erased."""
        self.open()
        answers: dict[str, str] = {}
        with self.engine.connect() as connection:
            for start in range(0, len(names), LOOKED_UP):
                some = records.c.id.in_(names[start : start + LOOKED_UP])
                query = select(records.c.id, records.c.body).where(some, records.c.body.is_not(None))
                for name, text in connection.execute(query):
                    answers[name] = from_json(text)["final"]["label"]
        return answers

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
            turns = _Turns()
            event.listen(engine, "begin", turns.begin)
            event.listen(engine, "commit", turns.end)
            event.listen(engine, "rollback", turns.end)
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
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}").close()
    connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}").close()


class _Turns:
    """Lets the writers of one process write to SQLite in the order in which they came.

    SQLite knows no order: who waits looks again from time to time, and one that writes in bulk is always
    there before. Another process still waits in that way.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Event] = deque()

    def begin(self, connection: Connection) -> None:
        """Begin a transaction."""
        if not connection.get_execution_options().get("writes", False):
            connection.exec_driver_sql("BEGIN")
            return
        connection.info[TURN] = self._wait()
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except BaseException:
            self.end(connection)
            raise

    def end(self, connection: Connection) -> None:
        """Let the next one begin; it waits for this one's commit."""
        if connection.info.pop(TURN, False):
            with self._lock:
                if self._waiting:
                    self._waiting.popleft().set()
                else:
                    self._is_taken = False

    def _wait(self) -> bool:
        """Wait for a turn, or go without one after a while: then the database decides."""
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return True
            mine = threading.Event()
            self._waiting.append(mine)
        if mine.wait(BUSY_S):
            return True
        with self._lock:
            if mine.is_set():
                return True
            self._waiting.remove(mine)
            return False


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
    """Batches that were not written yet; one is as a whole or not at all, so that one record of it tells.

    A decision with an own id tells nothing: it may have been left out. It is compared by that id.
    """
    head(connection)  # whoever may be writing one just now is waited for
    telling = [_telling(batch) for batch in batches]
    query = select(records.c.id).where(records.c.id.in_([name for name in telling if name is not None]))
    written = set(connection.execute(query).scalars())
    return [batch for batch, name in zip(batches, telling, strict=True) if name not in written]


def _telling(batch: RecordBatch) -> str | None:
    """The first record that is written whenever its batch is; ``None`` if there is none."""
    once = set(batch.once)
    return next((event.id for event in batch.events if event.id not in once), None)


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
    _insert(connection, labels, batch.labels)
    _insert(connection, own_ids, sorted(batch.own_ids))  # in the order of their index
    for name, cells in batch.cells.items():
        _insert(connection, META.tables[name], [tuple(cell) for cell in cells])
    moved = update(chain).where(chain.c.name == CHAIN)
    connection.execute(moved.values(seq=linked[-1].seq, link=linked[-1].link))


def _insert(connection: Connection, table: sa.Table, rows: list[tuple[Any, ...]]) -> None:
    """Insert rows in the order of the table's columns, in the driver's own way, for speed.

    SQLite takes many rows in one statement: between two its driver waits for the interpreter, which another
    thread may hold. To PostgreSQL every execution is a message, so that it gets all rows at once: a few as
    one JSON text, many as a copy, for a third of the work.
    """
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        whole = len(rows) - len(rows) % SQLITE_ROWS
        for start in range(0, whole, SQLITE_ROWS):
            values = tuple(chain_of.from_iterable(rows[start : start + SQLITE_ROWS]))
            connection.exec_driver_sql(_insertion(table, "sqlite", SQLITE_ROWS), values)
        if whole < len(rows):
            connection.exec_driver_sql(_insertion(table, "sqlite"), rows[whole:])
        return
    if len(rows) < COPY_ROWS or table.name in SUMS or not _copy(connection, table, rows):
        bytes_as_hex = [[value.hex() if isinstance(value, bytes) else value for value in row] for row in rows]
        connection.exec_driver_sql(_insertion(table, "postgresql"), (to_json(bytes_as_hex).decode(),))


def _copy(connection: Connection, table: sa.Table, rows: list[tuple[Any, ...]]) -> bool:
    """Copy new rows into a table of PostgreSQL, in a transaction that has begun.

    Returns:
        Whether they are there now. If one of them was there before, none is, and the transaction goes on.

    Raises:
        IntegrityError: a record is there already.
        DBAPIError: the database does not take them.
    """
    import psycopg  # an extra

    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    statement, kinds = _copying(table)
    try:
        with (
            nullcontext() if table is records else driver.transaction(),
            driver.cursor() as cursor,
            cursor.copy(statement) as copy,
        ):
            copy.set_types(kinds)
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        if isinstance(error, psycopg.errors.UniqueViolation) and table is not records:
            return False
        broken = driver.closed
        if broken:
            connection.invalidate(error)
        raise DBAPIError.instance(
            statement.decode(), None, error, psycopg.Error,
            hide_parameters=True, connection_invalidated=broken, dialect=connection.dialect,
        ) from error  # fmt: skip
    return True


@cache
def _copying(table: sa.Table) -> tuple[bytes, list[str]]:
    """The SQL that copies rows into a table, and the types of its columns."""
    dialect: Any = postgresql.dialect
    quoted = dialect().identifier_preparer.quote
    names = ", ".join(quoted(column.name) for column in table.columns)
    kinds = {sa.BigInteger: "int8", sa.Integer: "int4", sa.LargeBinary: "bytea", sa.String: "text"}
    types = [
        next(of for kind, of in kinds.items() if isinstance(column.type, kind)) for column in table.columns
    ]
    return f"COPY {quoted(table.name)} ({names}) FROM STDIN (FORMAT BINARY)".encode(), types


@cache
def _insertion(table: sa.Table, kind: str, block: int = 1) -> str:
    """The SQL: a record is new; a cell adds to its counts; anything else that is there already stays.

    Args:
        table: Where to.
        kind: Of the database.
        block: For how many rows SQLite's statement is.
    """
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
    text = str(new.compile(dialect=dialect))
    if block == 1:
        return text
    one = f"({', '.join('?' * len(table.columns))})"
    before, after = text.split(one)
    return f"{before}{', '.join([one] * block)}{after}"


def _from_json(place: int, column: sa.Column[Any], dialect: sa.Dialect) -> str:
    """One value of a row; not cast to a length, for a cast would cut what an insert refuses."""
    if isinstance(column.type, sa.LargeBinary):
        return f"decode(value ->> {place}, 'hex')"
    kind = "TEXT" if isinstance(column.type, sa.String) else column.type.compile(dialect=dialect)
    return f"CAST(value ->> {place} AS {kind})"
