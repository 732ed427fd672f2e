"""Nothing goes by age when the newest records disagree with the clock, nor much of them at once."""

import json
import random

import pytest
import recorded
from recorded import BEGIN_MS, DAY_MS, Recorded, fill
from sqlalchemy import func, select, update

from evenhand.service.audit.events import event
from evenhand.service.audit.maintenance.age import NEWEST, Limits, held, mark
from evenhand.service.audit.maintenance.retention import due, prune
from evenhand.service.audit.record_batch import RecordBatch
from evenhand.service.audit.tables import records

END_MS = BEGIN_MS + 90 * DAY_MS
"""The day of the last decision; :func:`fill` adds one event of today."""
LIMITS = Limits(183, 183)


def append(record: Recorded, *times_ms: int) -> None:
    """One more decision at each of these times."""
    made = [recorded.decision(at_ms, random.Random(at_ms)) for at_ms in times_ms]
    record.store.append([RecordBatch(made, {recorded.NAME: recorded.CONFIGURATION})], again=False)


def rounds(record: Recorded, now_ms: int, limits: Limits = LIMITS) -> str | None:
    """One round as the service does it; returns why nothing went."""
    why = held(record.engine, limits, now_ms)
    if why is None:
        prune(record.engine, limits.keep_decisions_days, limits.keep_attributes_days, now_ms)
        mark(record.engine, now_ms)
    return why.reason if why is not None else None


def times(record: Recorded) -> list[int]:
    with record.engine.connect() as connection:
        query = select(records.c.at_ms).where(records.c.kind == "decision").order_by(records.c.seq)
        return list(connection.execute(query).scalars())


@pytest.fixture
def record(database: str) -> Recorded:
    """A record with a decision a day, of the last hundred days."""
    made = fill(database, decisions=0)
    append(made, *(END_MS + day * DAY_MS for day in range(-99, 1)))
    return made


def test_a_machine_that_boots_far_ahead_lets_nothing_go(record: Recorded) -> None:
    assert rounds(record, END_MS) is None
    assert rounds(record, END_MS + 200 * DAY_MS) == "clock"
    append(record, *[END_MS + 200 * DAY_MS] * 4)  # a few requests came in the meantime
    assert rounds(record, END_MS + 200 * DAY_MS) == "clock"
    assert len(times(record)) == 104
    assert rounds(record, END_MS + DAY_MS) is None  # and then the clock is set right


def test_a_clock_that_the_newest_records_agree_with_takes_a_bounded_share_all_the_same(
    record: Recorded,
) -> None:
    append(record, *[END_MS + 200 * DAY_MS] * NEWEST)  # it was wrong for long enough
    for _ in range(3):
        assert rounds(record, END_MS + 200 * DAY_MS) == "share"
    assert len(times(record)) == 100 + NEWEST
    assert rounds(record, END_MS + 200 * DAY_MS, Limits(183, 183, share=0.6)) is None
    assert len(times(record)) == NEWEST


def test_what_is_past_its_age_goes_round_by_round_by_an_even_clock(record: Recorded) -> None:
    limits = Limits(90, 90)
    assert rounds(record, END_MS, limits) is None
    for day in range(1, 60):  # nobody asks any more, and the service is started anew each day
        assert rounds(record, END_MS + day * DAY_MS, limits) is None
    assert min(times(record)) == END_MS + 59 * DAY_MS - 90 * DAY_MS


def test_a_machine_that_was_off_waits_for_new_records_or_for_a_person(record: Recorded) -> None:
    limits, now_ms = Limits(95, 95), END_MS + 8 * DAY_MS
    assert rounds(record, now_ms, limits) == "clock"
    mark(record.engine, now_ms)
    assert rounds(record, now_ms, limits) == "clock"  # a mark takes nobody's word but the record's
    append(record, *[now_ms] * 5)
    assert rounds(record, now_ms, limits) == "share"  # twelve of 106 are due, and a tenth may go
    assert rounds(record, now_ms, Limits(95, 95, share=0.13)) is None
    later_ms = now_ms + 30 * DAY_MS
    assert rounds(record, later_ms, limits) == "clock"
    prune(record.engine, 95, 95, later_ms)
    mark(record.engine, later_ms, is_confirmed=True)
    assert rounds(record, later_ms + DAY_MS, limits) is None


def test_records_that_are_dated_in_the_future_stop_nothing_and_leave_with_their_neighbours(
    database: str,
) -> None:
    record = fill(database, decisions=0)
    far_ms = END_MS + 4000 * DAY_MS
    append(record, far_ms, *(END_MS + day * DAY_MS for day in range(-99, -49)))
    append(record, far_ms, *(END_MS + day * DAY_MS for day in range(-49, 1)), far_ms)
    assert rounds(record, END_MS, Limits(95, 95)) is None
    assert times(record)[0] == END_MS - 95 * DAY_MS
    assert rounds(record, END_MS, Limits(40, 40, share=1)) is None
    left = times(record)
    assert (left[0], left[-1], left.count(far_ms)) == (END_MS - 40 * DAY_MS, far_ms, 1)
    prune(record.engine, 1, 1, END_MS + 30 * DAY_MS)
    assert times(record) == [far_ms]  # none that is old came after it


def test_attributes_are_bounded_too(database: str) -> None:
    record = fill(database, decisions=50, days=100)
    with record.engine.begin() as connection:
        connection.execute(update(records).where(records.c.kind == "mode").values(at_ms=END_MS))
    assert rounds(record, END_MS, Limits(183, 85)) is None  # the five of the first day
    why = held(record.engine, Limits(183, 50), END_MS)
    assert why is not None
    assert (why.reason, why.rows) == ("share", 15)
    assert why.message.startswith("15 of 45 sensitive attributes are past their age, more than the 10%")


def test_nothing_is_held_where_nothing_is_due(record: Recorded) -> None:
    assert held(record.engine, LIMITS, END_MS + 60 * DAY_MS) is None
    assert due(record.engine, 183, 183, END_MS + 60 * DAY_MS).records == 0


def test_a_confirmed_prune_leaves_a_chain_that_says_so(record: Recorded) -> None:
    prune(record.engine, 50, 50, END_MS)
    record.store.append([RecordBatch([event("mode", {})])], again=False)
    with record.engine.connect() as connection:
        body = connection.execute(select(records.c.body).where(records.c.kind == "prune")).scalar_one()
        assert (
            connection.execute(select(func.min(records.c.seq))).scalar_one() == json.loads(body)["to_seq"] + 1
        )
