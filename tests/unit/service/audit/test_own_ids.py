"""A caller's own id leads to its decisions, and is neither on record nor left behind by erasure."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic_core import from_json, to_json
from recording import MANIFEST, RecordCounts, batch, bodies, recorder, table
from waiting import until

from evenhand.service.audit.aggregates import DAY_MS
from evenhand.service.audit.client import AuditClient
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.events import AnsweredRows
from evenhand.service.audit.feedback import Feedback, Joined
from evenhand.service.audit.maintenance.retention import erase, prune
from evenhand.service.audit.pseudonyms import decisions_of, newest
from evenhand.service.audit.record_batch import RecordBatch, make, merge
from evenhand.service.ids import ulid

KEYS = Keys(bytes(32))


@pytest.fixture
def record(tmp_path: Path, database: str) -> Iterator[AuditClient]:
    made = recorder(tmp_path, database)
    yield made
    made.close()


def own(*names: str | None, model: str = MANIFEST.name) -> AnsweredRows:
    """One row per own id."""
    taken = batch(len(names), seed=3)
    rows = [replace(row, own_id=name) for row, name in zip(taken.rows, names, strict=True)]
    return replace(taken, rows=rows, manifest=taken.manifest.model_copy(update={"name": model}))


def one(record: AuditClient, name: str, label: str | None = "hate", model: str | None = None) -> Joined:
    return record.feedback([Feedback(name, label, {}, model)])[0]


def test_feedback_takes_an_own_id_and_says_which_decision_it_is(record: AuditClient, database: str) -> None:
    taken = own("case 17/ä", None, "case-18")
    record.take(taken)
    joined = one(record, "case 17/ä")
    assert (joined.result, joined.id, joined.message) == ("joined", taken.rows[0].id, None)
    assert one(record, "case 17/a\u0308").result == "duplicate"  # the same name in another spelling
    assert one(record, taken.rows[0].id).result == "duplicate"
    assert one(record, "case-18", "not hate").id == taken.rows[2].id
    assert one(record, "case-19").result == "orphan"
    assert one(record, "no\nown id").result == "orphan"
    assert [row[0] for row in table(database, "labels")] == sorted([taken.rows[0].id, taken.rows[2].id])


def test_the_record_holds_a_pseudonym_and_never_the_own_id(record: AuditClient, database: str) -> None:
    taken = own("jane.doe@example.org", None)
    record.take(taken)
    with_own, without = (record.decision(row.id) for row in taken.rows)
    assert with_own["own_id"] == record.keys.own_id("jane.doe@example.org")
    assert "own_id" not in without
    assert table(database, "own_ids") == [(with_own["own_id"], taken.rows[0].id, MANIFEST.name)]
    for name in ("records", "own_ids", "attributes", "configurations", "about"):
        assert "jane.doe" not in str(table(database, name))
    assert len(bodies(database)) == 2


def test_an_own_id_that_was_sent_again_means_the_newest_decision(record: AuditClient) -> None:
    first, second = own("a", "b"), own("a")
    record.take(first)
    assert one(record, "a").id == first.rows[0].id
    time.sleep(0.002)  # ids sort by time
    second = own("a")
    record.take(second)
    record.decision(second.rows[0].id)
    again = one(record, "a")
    assert (again.result, again.id) == ("joined", second.rows[0].id)
    assert again.message == "2 decisions have this own id; the newest is meant"
    assert one(record, "b").message is None


def test_an_own_id_that_two_models_decided_needs_the_model(record: AuditClient) -> None:
    ours, others = own("a", "b"), own("a", model="other")
    record.take(ours)
    record.take(others)
    record.decision(others.rows[0].id)
    unclear = one(record, "a")
    assert unclear.result == "error"
    assert unclear.message == (
        f"decisions of several models have this own id; name the model, one of {MANIFEST.name}, other"
    )
    assert one(record, "a", model="other").id == others.rows[0].id
    assert one(record, "a", model=MANIFEST.name).id == ours.rows[0].id
    assert one(record, "a", model="third").result == "orphan"
    assert one(record, "b").result == "joined"
    assert one(record, ours.rows[1].id, model="other").message == "the decision was made by another model"


def test_own_ids_may_look_like_ours(record: AuditClient) -> None:
    """An id of a decision comes first; a ULID of the caller's own is looked up like any own id."""
    mine, old = ulid(), "0" * 26
    taken = own(mine, old)
    record.take(taken)
    record.decision(taken.rows[1].id)
    assert one(record, mine).id == taken.rows[0].id
    assert one(record, old).id == taken.rows[1].id  # though as an id of ours it would have expired
    assert one(record, "0" * 25 + "1").result == "expired"
    record.take(own(taken.rows[0].id))  # another decision's id as an own id
    assert one(record, taken.rows[0].id).id == taken.rows[0].id


def test_a_label_for_an_old_decision_expires_by_own_id_too(tmp_path: Path, database: str) -> None:
    record = recorder(tmp_path, database, feedback_days=1)
    old_ms = time.time_ns() // 1_000_000 - 2 * DAY_MS
    taken = own("a")
    name = _ulid_of(old_ms)
    record.take(replace(taken, rows=[replace(taken.rows[0], id=name)], at_ms=old_ms))
    record.decision(name)
    assert one(record, "a").result == "expired"
    record.close()


def _ulid_of(at_ms: int) -> str:
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    return "".join(alphabet[at_ms >> shift & 31] for shift in range(45, -1, -5)) + "0" * 16


def test_erasing_a_decision_takes_its_own_id_with_it(record: AuditClient, database: str) -> None:
    taken = own("a", "b", "a")
    record.take(taken)
    record.decision(taken.rows[2].id)
    done = erase(record.engine, record.keys, [taken.rows[0].id], "an operator")
    assert (len(done.records), done.own_ids) == (1, 1)
    with record.engine.connect() as connection:
        assert decisions_of(connection, record.keys, ["a", "c"]) == {"a": [taken.rows[2].id]}
    erase(record.engine, record.keys, [taken.rows[2].id], "an operator")
    assert one(record, "a").result == "orphan"
    assert [row[1] for row in table(database, "own_ids")] == [taken.rows[1].id]
    assert record.keys.own_id("a") not in str(table(database, "records"))


def test_pruning_takes_the_own_ids_of_what_it_deletes(record: AuditClient, database: str) -> None:
    now_ms = time.time_ns() // 1_000_000
    old, young = own("a", "b"), own("a")
    record.take(replace(old, at_ms=now_ms - 30 * DAY_MS))
    record.take(young)
    record.decision(young.rows[0].id)
    assert prune(record.engine, 10, 10, now_ms).records == 2
    assert [row[1] for row in table(database, "own_ids")] == [young.rows[0].id]


def test_own_ids_wait_in_the_spool_as_pseudonyms(tmp_path: Path, database: str) -> None:
    made = merge([make([own("a", None)], KEYS), make([own("b")], KEYS)])
    line = made.to_json()
    assert RecordBatch.from_json(line).own_ids == [tuple(row) for row in made.own_ids]
    assert len(made.own_ids) == 2
    assert RecordBatch.from_json(make([own(None)], KEYS).to_json()).own_ids == []


@pytest.mark.parametrize(
    ("row", "is_right"),
    [
        (["p", "0" * 26, "m"], True),
        (["p" * 33, "0" * 26, "m"], False),
        (["p", "none of ours", "m"], False),
        (["p", "0" * 26], False),
    ],
)
def test_a_spooled_own_id_is_checked(row: list[str], is_right: bool) -> None:
    parts = from_json(make([own(None)], KEYS).to_json())
    line = to_json([*parts, [row]])
    if is_right:
        assert RecordBatch.from_json(line).own_ids == [tuple(row)]
    else:
        with pytest.raises(ValueError, match="validation error"):
            RecordBatch.from_json(line)


def test_a_lookup_reads_an_index(record: AuditClient) -> None:
    if record.engine.dialect.name != "sqlite":
        pytest.skip("SQLite says in words what it reads")
    with record.engine.connect() as connection:
        for where in ("pseudonym = 'p'", "decision = 'd'"):
            query = f"EXPLAIN QUERY PLAN SELECT decision FROM own_ids WHERE {where}"
            (plan,) = connection.exec_driver_sql(query).all()
            assert plan[3].startswith("SEARCH")


def test_own_ids_of_a_database_that_was_away_are_found_later(tmp_path: Path) -> None:
    counts = RecordCounts()
    path = tmp_path / "away"
    record = recorder(tmp_path / "state", f"sqlite:///{path / 'record.db'}", counts)
    taken = own("a")
    record.take(taken)
    until(lambda: counts.rows["spooled"] == 1)
    path.mkdir()
    until(lambda: counts.rows["written"] == 1)
    with record.engine.connect() as connection:
        (named,) = newest(connection, record.keys, ["a"])["a"]
    assert (named.decision, named.decisions) == (taken.rows[0].id, 1)
    record.close()
