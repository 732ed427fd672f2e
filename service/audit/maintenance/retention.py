"""Pruning by age, and erasure because a person asks. The chain that remains can still be verified.

The chain's row says where the chain begins now, and an event in it says why. Transactions are short: the
service goes on writing. Hourly counts stay: they name nobody, and reports of past periods are made of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, delete, func, select, update

from evenhand.service.audit import store
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.events import event
from evenhand.service.audit.maintenance.verify import snapshot
from evenhand.service.audit.record_batch import RecordBatch
from evenhand.service.audit.tables import attributes, chain, configurations, labels, own_ids, records

DAY_MS = 86_400_000
BATCH_ROWS = 2000
"""Records that one transaction deletes."""
ERASED_AT_ONCE = 200
"""Decisions that are erased in one transaction."""
CONFIGURATION = re.compile(r'"configuration":"([0-9a-f]{64})"')
Progress = Callable[[int, int], None]
"""Called with how many are done, and of how many."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was deleted, or would be."""

    records: int
    to_seq: int
    """The last record that was deleted; 0 if none was."""
    attributes: int
    configurations: int


@dataclass(slots=True)
class Erased:
    """What was erased."""

    records: list[int] = field(default_factory=list)
    """Numbers of the records whose bodies were erased."""
    attributes: int = 0
    labels: int = 0
    own_ids: int = 0
    already: list[str] = field(default_factory=list)
    """Decisions of which nothing was left."""
    unknown: list[str] = field(default_factory=list)
    """Decisions that are not in the database."""


def silent(done: int, total: int) -> None:
    """Show no progress."""


def due(engine: Engine, keep_decisions_days: float, keep_attributes_days: float, now_ms: int) -> Pruned:
    """What is past its age now, without configurations; changes nothing."""
    with engine.connect() as connection:
        begin = connection.execute(select(chain.c.pruned_seq)).scalar_one()
        to_seq = _last_due(connection, now_ms - int(keep_decisions_days * DAY_MS), now_ms)
        old = attributes.c.day < _first_day(keep_attributes_days, now_ms)
        rows = connection.execute(select(func.count()).select_from(attributes).where(old)).scalar_one()
    return Pruned(max(0, to_seq - begin), to_seq if to_seq > begin else 0, rows, 0)


def prune(
    engine: Engine,
    keep_decisions_days: float,
    keep_attributes_days: float,
    now_ms: int,
    progress: Progress = silent,
) -> Pruned:
    """Delete what is older than the limits; :mod:`evenhand.service.audit.maintenance.age` checks the clock.

    Decisions and events are deleted from the chain's front. One that came late, through a spool, stays until
    all before it are deleted. The event that says so is written first, so that an interrupted prune is only
    unfinished.

    Args:
        engine: The record's.
        keep_decisions_days: How long decisions and events stay.
        keep_attributes_days: How long sensitive attributes stay.
        now_ms: Milliseconds since 1970.
        progress: Called after each transaction.
    """
    past = due(engine, keep_decisions_days, keep_attributes_days, now_ms)
    total = past.records + past.attributes
    if past.records:
        _announce(engine, past.to_seq, keep_decisions_days)
    done, named = 0, set[str]()
    while done < past.records:
        done += _batch(engine, past.to_seq, named)
        progress(min(done, past.records), total)
    gone = 0
    while rows := _attributes(engine, _first_day(keep_attributes_days, now_ms)):
        gone += rows
        progress(min(past.records + gone, total), total)
    dropped = _configurations(engine, named)
    _scrub(engine)
    return Pruned(past.records, past.to_seq, gone, dropped)


def erase(
    engine: Engine, keys: Keys, decisions: Sequence[str], by: str, progress: Progress = silent
) -> Erased:
    """Erase what is known about decisions; number, id, kind and time of their records stay in the chain.

    Args:
        engine: The record's.
        keys: Make the pseudonyms of the sensitive attributes.
        decisions: Ids.
        by: Who wants it, as the operator names them.
        progress: Called after each transaction.
    """
    erased = Erased()
    names = list(dict.fromkeys(decisions))
    for start in range(0, len(names), ERASED_AT_ONCE):
        with writing(engine) as connection:
            _erase(connection, keys, names[start : start + ERASED_AT_ONCE], by, erased)
        progress(min(start + ERASED_AT_ONCE, len(names)), len(names))
    _scrub(engine)
    return erased


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that holds the chain, and on SQLite overwrites what it deletes."""
    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "sqlite":  # the setting is the connection's: set anew each time
            connection.exec_driver_sql("PRAGMA secure_delete = ON").close()
        yield connection


def _last_due(connection: Connection, limit_ms: int, now_ms: int) -> int:
    """The last record from the front that is old enough, with all that come before it; 0 if there is none.

    A record that is dated in the future has no age. It is deleted with an old one that came after it.
    """
    seq, at_ms = records.c.seq, records.c.at_ms
    young = select(seq).where(at_ms >= limit_ms, at_ms <= now_ms + DAY_MS).order_by(seq).limit(1)
    first = connection.execute(young).scalar()
    old = select(seq).where(at_ms < limit_ms).order_by(seq.desc()).limit(1)
    last = connection.execute(old if first is None else old.where(seq < first)).scalar()
    return int(last or 0)


def _first_day(keep_days: float, now_ms: int) -> int:
    return (now_ms - int(keep_days * DAY_MS)) // DAY_MS


def _announce(engine: Engine, to_seq: int, keep_days: float) -> None:
    """Record the prune before anything is deleted."""
    with writing(engine) as connection:
        store.head(connection)
        link = connection.execute(select(records.c.link).where(records.c.seq == to_seq)).scalar()
        if link is not None:  # else another process prunes the same
            facts = {"to_seq": to_seq, "link": link.hex(), "keep_decisions_days": keep_days}
            store.append(connection, RecordBatch([event("prune", facts)]))


def _batch(engine: Engine, to_seq: int, named: set[str]) -> int:
    """Delete some records from the front; returns how many, and notes which configurations they name."""
    with writing(engine) as connection:
        store.head(connection)
        query = select(records.c.seq, records.c.id, records.c.kind, records.c.body, records.c.link)
        rows = connection.execute(
            query.where(records.c.seq <= to_seq).order_by(records.c.seq).limit(BATCH_ROWS)
        ).all()
        if not rows:  # another process pruned them
            return to_seq
        for row in rows:
            if row.kind == "decision" and (match := CONFIGURATION.search(row.body or "")):
                named.add(match[1])
        gone = [row.id for row in rows if row.kind == "decision"]
        for start in range(0, len(gone), ERASED_AT_ONCE):
            some = gone[start : start + ERASED_AT_ONCE]
            for column in (labels.c.decision, own_ids.c.decision):
                connection.execute(delete(column.table).where(column.in_(some)))
        last = rows[-1]
        connection.execute(delete(records).where(records.c.seq <= last.seq))
        connection.execute(update(chain).values(pruned_seq=last.seq, pruned_link=last.link))
    return len(rows)


def _attributes(engine: Engine, first_day: int) -> int:
    """Delete some sensitive attributes of days before this one; returns how many."""
    kept = attributes.c
    with writing(engine) as connection:
        oldest = connection.execute(select(func.min(kept.day))).scalar_one()
        if oldest is None or oldest >= first_day:
            return 0
        some = select(kept.pseudonym).where(kept.day == oldest).order_by(kept.pseudonym).limit(BATCH_ROWS)
        gone = connection.execute(delete(attributes).where(kept.day == oldest, kept.pseudonym.in_(some)))
    return gone.rowcount


def _configurations(engine: Engine, named: set[str]) -> int:
    """Delete those that only pruned decisions named; returns how many."""
    gone = 0
    for name in sorted(named):
        uses = select(records.c.seq).where(records.c.body.contains(f'"configuration":"{name}"')).limit(1)
        with snapshot(engine) as connection:
            last = connection.execute(select(chain.c.seq)).scalar_one()
            if connection.execute(uses).first() is not None:
                continue
        with writing(engine) as connection:
            store.head(connection)
            if connection.execute(uses.where(records.c.seq > last)).first() is None:
                gone += connection.execute(
                    delete(configurations).where(configurations.c.sha256 == name)
                ).rowcount
    return gone


def _erase(connection: Connection, keys: Keys, names: list[str], by: str, erased: Erased) -> None:
    """One transaction's worth."""
    store.head(connection)
    query = select(records.c.id, records.c.at_ms).where(records.c.id.in_(names), records.c.kind == "decision")
    on_record = {name: at_ms // DAY_MS for name, at_ms in connection.execute(query)}
    erased.unknown += [name for name in names if name not in on_record]
    mine = [name for name in names if name in on_record]
    about = select(records.c.seq, records.c.id, records.c.subject).where(
        records.c.id.in_(mine) | records.c.subject.in_(mine), records.c.body.is_not(None)
    )
    rows = connection.execute(about.order_by(records.c.seq)).all()
    touched = {row.subject or row.id for row in rows}
    erased.already += [name for name in mine if name not in touched]
    pseudonyms = [keys.pseudonym(name) for name in mine]
    erased.attributes += connection.execute(
        delete(attributes).where(
            attributes.c.day.in_(set(on_record.values())), attributes.c.pseudonym.in_(pseudonyms)
        )
    ).rowcount
    erased.labels += connection.execute(delete(labels).where(labels.c.decision.in_(mine))).rowcount
    erased.own_ids += connection.execute(delete(own_ids).where(own_ids.c.decision.in_(mine))).rowcount
    if rows:
        numbers = [row.seq for row in rows]
        connection.execute(update(records).where(records.c.seq.in_(numbers)).values(body=None))
        store.append(connection, RecordBatch([event("erase", {"by": by, "records": numbers})]))
        erased.records += numbers


def _scrub(engine: Engine) -> None:
    """On SQLite, what was deleted is in the log of writes until that is begun anew.

    Raises:
        SQLAlchemyError: the database is away.
    """
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:  # SQLite allows it as long as the transaction has read nothing
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()
