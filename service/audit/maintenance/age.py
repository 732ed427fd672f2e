"""Whether records may be pruned by age now: a wrong clock must not delete what is not yet old.

The clock is compared with the newest entries, and with the mark that the last round with a right clock left.
Nothing is pruned unless the clock agrees with one of them to within ``AGREE_MS``:

- Several of the newest entries must be of this time. So records that are dated in the future do not stop all
  pruning, and the first few records of a wrong clock do not confirm it.
- The mark is for a service without requests: the clock was right an hour ago, and is right now, through any
  number of restarts. A machine that was off for longer than ``AGREE_MS`` waits for new records, or for a
  person.

A clock that is wrong for longer agrees with its own entries. So one round prunes at most a share of the
record, all that is due or nothing: with an even clock only a little becomes due from one round to the next.
More waits until a person has checked the clock: ``evenhand audit prune --yes-beyond-limits``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, Engine, delete, func, insert, select

from evenhand.service.audit import store
from evenhand.service.audit.checkpoints import END_MS
from evenhand.service.audit.events import time_of
from evenhand.service.audit.maintenance.retention import DAY_MS, Pruned, due, writing
from evenhand.service.audit.tables import about, attributes, chain, records

AGREE_MS = 7 * DAY_MS
"""How far the clock may be from the newest records, or from the mark."""
NEWEST = 101
"""Entries at the end of the chain whose time is compared."""
AGREEING = 5
"""So many of them must be of this time; half of them where there are fewer than twice as many."""
FEW = 10
"""So many rows are pruned whatever share they are: in a small record each is a large share."""
MARK = "clock"
"""The row of ``about`` with the time, in milliseconds since 1970, of the last round whose clock was right."""
CONFIRM = "evenhand audit prune --yes-beyond-limits"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long records stay, and how much one round prunes."""

    keep_decisions_days: float
    keep_attributes_days: float
    share: float = 0.1
    """Of the records, and of the sensitive attributes; 1 is all of them."""


@dataclass(frozen=True, slots=True)
class Held:
    """Why nothing is pruned by age now."""

    reason: Literal["clock", "share"]
    rows: int
    """Records and attributes that are past their age by this machine's clock."""
    message: str


def held(engine: Engine, limits: Limits, now_ms: int) -> Held | None:
    """Why what is due must not be pruned now, if anything is due; changes nothing.

    Args:
        engine: The record's.
        limits: How long what is on record stays.
        now_ms: This machine's clock, in milliseconds since 1970.
    """
    past = due(engine, limits.keep_decisions_days, limits.keep_attributes_days, now_ms)
    rows = past.records + past.attributes
    if not rows:
        return None
    with engine.connect() as connection:
        if not _agrees(connection, now_ms):
            return Held("clock", rows, _disagreement(connection, now_ms))
        excess = _excess(connection, past, limits.share)
    return Held("share", rows, excess) if excess is not None else None


def mark(engine: Engine, now_ms: int, is_confirmed: bool = False) -> None:
    """Note that the clock is right now, if the record agrees or a person has confirmed it."""
    with writing(engine) as connection:
        store.head(connection)  # one process after the other
        if is_confirmed or _agrees(connection, now_ms):
            connection.execute(delete(about).where(about.c.name == MARK))
            connection.execute(insert(about).values(name=MARK, value=str(now_ms)))


def _agrees(connection: Connection, now_ms: int) -> bool:
    marked = connection.execute(select(about.c.value).where(about.c.name == MARK)).scalar()
    if marked is not None and abs(now_ms - int(marked)) <= AGREE_MS:
        return True
    times_ms = _newest(connection)
    return sum(abs(now_ms - at_ms) <= AGREE_MS for at_ms in times_ms) >= _needed(times_ms)


def _newest(connection: Connection) -> list[int]:
    """Times of the newest entries."""
    newest = select(records.c.at_ms).order_by(records.c.seq.desc()).limit(NEWEST)
    return list(connection.execute(newest).scalars())


def _needed(times_ms: list[int]) -> int:
    return max(1, min(AGREEING, len(times_ms) // 2))


def _disagreement(connection: Connection, now_ms: int) -> str:
    latest_ms = sorted(_newest(connection))
    newest = "no record is left"
    if latest_ms:
        newest = f"the newest records are of {_shown(latest_ms[-_needed(latest_ms)])}"
    return (
        f"{newest} and this machine's clock says {_shown(now_ms)}: nothing is deleted by age until they "
        f"agree; set the clock, or where it is right run {CONFIRM}"
    )


def _shown(at_ms: int) -> str:
    """A moment as text, within the range that can be shown."""
    return time_of(max(0, min(at_ms, END_MS - 1)))


def _excess(connection: Connection, past: Pruned, share: float) -> str | None:
    """A sentence if more is due than one round prunes."""
    ends = connection.execute(select(chain.c.seq, chain.c.pruned_seq)).one()
    groups = connection.execute(select(func.count()).select_from(attributes)).scalar_one()
    of_records = "records", past.records, ends.seq - ends.pruned_seq
    for what, rows, total in (of_records, ("sensitive attributes", past.attributes, groups)):
        if rows > max(FEW, share * total):
            return (
                f"{rows:,} of {total:,} {what} are past their age, more than the {share:.0%} that are "
                f"deleted unconfirmed: check that the clock is right, then run {CONFIRM}"
            )
    return None
