"""A commit of which nobody knows whether it happened; a file that is gone; what cannot be recorded at all."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from databases import Postgres
from record_faults import Cutter
from recording import RecordCounts, batch, bodies, counted, recorder
from waiting import until

from evenhand.service.audit.feedback import Feedback
from evenhand.service.audit.store import RecordAway


@pytest.fixture
def cutter(postgres: Postgres) -> Iterator[Cutter]:
    made = Cutter(postgres.port)
    yield made
    made.close()


def test_a_commit_whose_answer_was_lost_counts_once(
    tmp_path: Path, postgres: Postgres, cutter: Cutter
) -> None:
    url, counts = postgres.create(), RecordCounts()
    record = recorder(
        tmp_path, url.replace(str(postgres.port), str(cutter.port)), counts, durability="request"
    )
    record.take(batch(1)).result(600)
    cutter.cuts = 1
    record.take(batch(3, gender="Women")).result(600)
    assert counts.rows["spooled"] == 3
    until(lambda: record.state == "on")
    record.take(batch(1)).result(600)
    record.close()
    assert cutter.cuts == 0
    assert len(bodies(url)) == 5
    assert counted(url, "hourly_decisions", "gender") == 5


def test_feedback_whose_commit_was_in_doubt_is_sent_again_and_counts_once(
    tmp_path: Path, postgres: Postgres, cutter: Cutter
) -> None:
    url = postgres.create()
    record = recorder(tmp_path, url.replace(str(postgres.port), str(cutter.port)), durability="request")
    taken = batch(1, gender="Women")
    record.take(taken).result(600)
    items = [Feedback(taken.rows[0].id, "hate")]
    cutter.cuts = 1
    with pytest.raises(RecordAway):
        record.feedback(items)
    assert [joined.result for joined in record.feedback(items)] == ["duplicate"]
    record.close()
    assert counted(url, "hourly_outcomes", "gender") == 1


def test_a_database_file_that_is_gone_is_not_begun_anew(tmp_path: Path) -> None:
    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    there.mkdir()
    record = recorder(tmp_path / "state", f"sqlite:///{there / 'record.db'}", durability="request")
    record.take(batch(1)).result(600)
    there.rename(elsewhere)
    record.take(batch(2)).result(600)
    assert record.spooled == 2
    elsewhere.rename(there)
    until(lambda: record.state == "on")
    record.close()
    assert len(bodies(f"sqlite:///{there / 'record.db'}")) == 3


def test_a_database_file_that_was_restored_is_the_one_that_is_written(tmp_path: Path) -> None:
    file = tmp_path / "record.db"
    record = recorder(tmp_path, "", durability="request")
    record.take(batch(1)).result(600)
    with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(tmp_path / "backup")) as new:
        old.backup(new)
    for path in tmp_path.glob("record.db*"):
        path.unlink()
    (tmp_path / "backup").rename(file)
    record.take(batch(2)).result(600)
    record.close()
    assert len(bodies(f"sqlite:///{file}")) == 3


def test_what_cannot_be_put_into_words_is_counted_as_lost_and_the_writer_goes_on(
    tmp_path: Path, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    counts = RecordCounts()
    record = recorder(tmp_path, database, counts, durability="request")
    broken = batch(2, no_such_attribute="x")
    with pytest.raises(RecordAway):
        record.take(broken).result(600)
    record.take(batch(1)).result(600)
    record.close()
    assert counts.rows == {"written": 1, "spooled": 0, "lost": 2}
    assert len(bodies(database)) == 1
    assert "please report this" in caplog.text


def test_more_than_memory_holds_is_lost_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("evenhand.service.audit.writer.MEMORY_ROWS", 3)
    monkeypatch.setattr("evenhand.service.audit.client.FLUSH_S", 3600.0)
    counts = RecordCounts()
    record = recorder(tmp_path, "", counts)
    record.take(batch(1))
    until(lambda: counts.rows["written"] == 1)  # the next flush is an hour away
    for _ in range(5):
        record.take(batch(1))
    record.close()
    assert counts.rows == {"written": 4, "spooled": 0, "lost": 2}
    assert [line.levelname for line in caplog.records if "records are lost" in line.message] == ["CRITICAL"]


def test_questions_are_refused_while_the_database_is_away(tmp_path: Path, postgres: Postgres) -> None:
    record = recorder(tmp_path, postgres.create())
    taken = batch(1)
    record.take(taken)
    name = taken.rows[0].id
    assert record.decision(name) is not None
    postgres.stop("fast")
    try:
        with pytest.raises(RecordAway):
            record.feedback([Feedback(name, "hate")])
        with pytest.raises(RecordAway):
            record.decision(name)
        with pytest.raises(RecordAway):
            record.override(name, "hate", "someone", "because")
    finally:
        postgres.start()
    assert record.feedback([Feedback(name, "hate")])[0].result == "joined"
    record.close()


def test_taking_waits_for_nobody(tmp_path: Path, database: str) -> None:
    record = recorder(tmp_path, database, durability="request")
    engine = record.engine.execution_options(writes=True)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE chain SET seq = seq"))
        began_s = time.monotonic()
        waiting = [record.take(batch(1)) for _ in range(20)]
        # Nothing is durable before the spool is used, which takes longer than this unless the machine stands
        # still.
        assert not any(done.done() for done in waiting if done) or time.monotonic() > began_s + 1
    assert [done.result(600) for done in waiting if done] == [None] * 20
    record.close()
    assert len(bodies(database)) == 20


def test_whoever_waits_may_leave(tmp_path: Path, database: str) -> None:
    record = recorder(tmp_path, database, durability="request")
    done = record.take(batch(1))
    assert done is not None
    done.cancel()
    record.take(batch(1)).result(600)
    record.close()
    assert len(bodies(database)) == 2


def test_an_empty_request_is_nothing(tmp_path: Path, database: str) -> None:
    record = recorder(tmp_path, database, durability="request")
    taken = batch(1)
    record.take(replace(taken, rows=[])).result(600)
    record.close()
    assert bodies(database) == []
