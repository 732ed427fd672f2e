"""What is taken is on record, in one chain, with its counts."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from record_faults import locked
from recording import RecordCounts, batch, bodies, counted, recorder, table
from sqlalchemy import event
from waiting import until

from evenhand.service.audit.client import AuditClient, AuditOptions
from evenhand.service.audit.events import AnsweredRows
from evenhand.service.audit.feedback import Feedback
from evenhand.service.audit.maintenance.retention import erase
from evenhand.service.audit.store import RecordAway, make_engine
from evenhand.service.errors import UnknownDecision
from evenhand.service.ids import ulid
from evenhand.service.types import Decision


def test_what_is_taken_is_on_record_with_its_counts(tmp_path: Path, database: str) -> None:
    counts = RecordCounts()
    record = recorder(tmp_path, database, counts)
    taken = [batch(3, seed, gender="Women") for seed in range(5)]
    assert all(record.take(one) is None for one in taken)
    record.close()
    assert [body["id"] for body in bodies(database)] == [row.id for one in taken for row in one.rows]
    assert counts.rows == {"written": 15, "spooled": 0, "lost": 0}
    assert sum(row[-2] for row in table(database, "hourly_decisions")) == 15 * 4


def test_what_is_acknowledged_is_on_disk(tmp_path: Path, database: str) -> None:
    record = recorder(tmp_path, database, durability="request")
    done = record.take(batch(2))
    assert done is not None
    done.result(600)
    assert len(bodies(database)) == 2
    record.close()


def test_a_flush_is_answered_though_the_spools_of_others_cannot_be_read(
    tmp_path: Path, database: str
) -> None:
    record = AuditClient(AuditOptions(tmp_path, database), RecordCounts().report())
    (tmp_path / "spool" / "folder.spool").mkdir(parents=True)
    with ThreadPoolExecutor() as pool:
        flushed = pool.submit(record._writer.flush, 30.0)
        until(lambda: record._writer._flushes)
        record.start()
        flushed.result(600)
    record.close()


def test_a_decision_is_found_at_once_with_all_that_is_known_about_it(tmp_path: Path, database: str) -> None:
    record = recorder(tmp_path, database)
    taken = batch(2)
    record.take(taken)
    name = taken.rows[0].id
    decision = record.decision(name)
    assert decision is not None
    assert (decision["id"], decision["seq"], decision["events"]) == (name, 1, [])
    assert decision["configuration"]["labels"] == ["hate", "not hate"]
    assert record.feedback([Feedback(name, "hate")])[0].result == "joined"
    assert record.override(name, "not hate", "someone", "because") is not None
    decision = record.decision(name)
    assert [event["kind"] for event in decision["events"]] == ["label", "override"]
    for unknown in (ulid(), "not an id"):
        with pytest.raises(UnknownDecision):
            record.decision(unknown)
    record.close()
    assert len(bodies(database)) == 4


def test_what_is_erased_between_look_up_and_writing_gets_nothing_new(tmp_path: Path, database: str) -> None:
    record = recorder(tmp_path, database)
    taken = batch(2)
    record.take(taken)
    name = taken.rows[0].id
    assert record.decision(name) is not None
    erased = []

    def erase_once(connection: object, statement: str, *_: object) -> None:
        """As soon as the decision was read, and before anything is written about it."""
        if not erased and "body IS NOT NULL" in statement:
            erased.append(statement)
            erase(make_engine(database), record.keys, [name], "someone")

    event.listen(record.engine, "after_cursor_execute", lambda c, _, s, *rest: erase_once(c, s))
    assert [joined.result for joined in record.feedback([Feedback(name, "hate")])] == ["orphan"]
    assert erased
    with pytest.raises(UnknownDecision):
        record.override(name, "hate", "someone", "because")
    record.close()
    assert table(database, "labels") == []


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is taken within a while goes into one lot."""
    monkeypatch.setattr("evenhand.service.audit.client.FLUSH_S", 1.0)


def with_risk(taken: AnsweredRows, place: int, risk: float) -> AnsweredRows:
    """The same rows; the one at this place has this risk."""
    row = taken.rows[place]
    assert isinstance(row.result, Decision)
    verdicts = tuple(replace(verdict, risk=risk) for verdict in row.result.verdicts)
    rows = list(taken.rows)
    rows[place] = replace(row, result=replace(row.result, verdicts=verdicts))
    return replace(taken, rows=rows)


def with_id(taken: AnsweredRows, place: int, name: str) -> AnsweredRows:
    """The same rows; the one at this place has this id."""
    rows = list(taken.rows)
    rows[place] = replace(rows[place], id=name)
    return replace(taken, rows=rows)


@pytest.mark.usefixtures("together")
@pytest.mark.parametrize("kind", ["cannot be counted", "is refused by the database"])
def test_one_row_that_cannot_be_written_costs_no_other(
    tmp_path: Path, database: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    counts = RecordCounts()
    record = recorder(tmp_path, database, counts)
    record.take(batch(1))
    until(lambda: counts.rows["written"] == 1)
    taken = [batch(3, seed, gender="Women") for seed in range(40)]
    twice = taken[0].rows[0].id
    taken[17] = (
        with_risk(taken[17], 1, float("nan")) if kind == "cannot be counted" else with_id(taken[17], 1, twice)
    )
    bad = taken[17].rows[1]
    for one in taken:
        record.take(one)
    record.close()
    good = [row.id for one in taken for row in one.rows if row is not bad]
    assert [body["id"] for body in bodies(database)[1:]] == good
    assert counts.rows == {"written": 120, "spooled": 0, "lost": 1}
    assert counted(database, "hourly_decisions", "gender") == 120
    assert len(table(database, "attributes")) == 119
    (said,) = [line.getMessage() for line in caplog.records if line.getMessage().startswith("lost: ")]
    assert bad.id in said
    assert ("ValueError" in said) == (kind == "cannot be counted")
    assert ("IntegrityError" in said) == (kind != "cannot be counted")


@pytest.mark.usefixtures("together")
def test_a_row_that_no_database_would_take_does_not_stop_the_spool(tmp_path: Path, database: str) -> None:
    """What waits was not asked of the database yet: a text of this length is for PostgreSQL to refuse."""
    counts = RecordCounts()
    record = recorder(tmp_path, database, counts)
    taken = [batch(2, seed, gender="Women") for seed in range(10)]
    taken[4] = with_id(taken[4], 1, ulid() + "X")
    with locked(database):
        for one in taken:
            record.take(one)
        until(lambda: counts.rows["spooled"] == 19)
    until(lambda: record.state == "on")
    record.close()
    assert counts.rows == {"written": 19, "spooled": 19, "lost": 1}
    assert [body["id"] for body in bodies(database)] == [
        row.id for one in taken for row in one.rows if row is not taken[4].rows[1]
    ]
    assert counted(database, "hourly_decisions", "gender") == 19


def test_a_lot_in_the_spool_that_the_database_refuses_goes_beside(tmp_path: Path, database: str) -> None:
    counts = RecordCounts()
    record = recorder(tmp_path, database, counts, durability="request")
    first = batch(1)
    record.take(first).result(600)
    with locked(database):
        record.take(batch(1)).result(600)
        record.take(with_id(batch(2), 1, first.rows[0].id)).result(600)
        record.take(batch(1)).result(600)
    until(lambda: record.state == "on")
    record.take(batch(1)).result(600)
    record.close()
    assert counts.rows == {"written": 4, "spooled": 4, "lost": 2}
    assert len(bodies(database)) == 4
    assert [path.suffix for path in (tmp_path / "spool").iterdir()] == [".aside"]


def test_who_waits_for_a_record_that_cannot_be_written_is_told_so_and_alone(
    tmp_path: Path, database: str
) -> None:
    counts = RecordCounts()
    record = recorder(tmp_path, database, counts, durability="request")
    with locked(database):
        good, bad = batch(2), with_risk(batch(2), 1, float("nan"))
        waiting = [record.take(one) for one in (batch(1), good, bad, batch(1))]
    assert [waiting[place].result(600) for place in (0, 1, 3)] == [None] * 3
    with pytest.raises(RecordAway) as refused:
        waiting[2].result(600)
    assert "cannot be written" in str(refused.value)
    assert record.blockage is None
    until(lambda: record.state == "on")
    record.close()
    assert len(bodies(database)) == 4
    assert counts.rows["lost"] == 2


class Booted:
    """The clocks of a machine that was started a moment ago."""

    def __init__(self) -> None:
        self._started_s = time.monotonic()

    def monotonic(self) -> float:
        return time.monotonic() - self._started_s

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


def test_on_a_machine_just_booted_the_first_record_waits_for_none_and_dead_spools_are_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'record.db'}"
    record = recorder(tmp_path, durability="request")
    with locked(url):
        record.take(batch(3)).result(600)
        (tmp_path / "copy").write_bytes(next((tmp_path / "spool").iterdir()).read_bytes())
    until(lambda: record.state == "on")
    record.close()
    monkeypatch.setattr("evenhand.service.audit.client.FLUSH_S", 3600.0)
    for module in ("writer", "spool"):
        monkeypatch.setattr(f"evenhand.service.audit.{module}.time", Booted())
    monkeypatch.setattr("evenhand.service.audit.spool.ADOPT_S", 3600.0)
    (tmp_path / "spool" / "dead.spool").write_bytes((tmp_path / "copy").read_bytes())
    counts = RecordCounts()
    record = recorder(tmp_path, counts=counts)
    record.take(batch(1))
    until(lambda: counts.rows["written"] == 4 and not (tmp_path / "spool/dead.spool").exists())
    record.close()
