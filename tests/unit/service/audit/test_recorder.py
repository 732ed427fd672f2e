"""What is taken is on record, in one chain, with its counts."""

from pathlib import Path

from recording import Told, batch, bodies, recorder, table
from sqlalchemy import event

from evenhand.service.audit.maintenance.retention import erase
from evenhand.service.audit.recorder import Feedback
from evenhand.service.audit.store import make_engine
from evenhand.service.ids import ulid


def test_what_is_taken_is_on_record_with_its_counts(tmp_path: Path, database: str) -> None:
    told = Told()
    record = recorder(tmp_path, database, told)
    taken = [batch(3, seed, gender="Women") for seed in range(5)]
    assert all(record.take(one) is None for one in taken)
    record.close()
    assert [body["id"] for body in bodies(database)] == [row.id for one in taken for row in one.rows]
    assert told.rows == {"written": 15, "spooled": 0, "lost": 0}
    assert sum(row[-2] for row in table(database, "hourly_decisions")) == 15 * 4


def test_what_is_acknowledged_is_on_disk(tmp_path: Path, database: str) -> None:
    record = recorder(tmp_path, database, durability="request")
    done = record.take(batch(2))
    assert done is not None
    done.result(10)
    assert len(bodies(database)) == 2
    record.close()


def test_a_decision_is_found_at_once_with_all_that_is_known_about_it(tmp_path: Path, database: str) -> None:
    record = recorder(tmp_path, database)
    taken = batch(2)
    record.take(taken)
    name = taken.rows[0].id
    found = record.decision(name)
    assert found is not None
    assert (found["id"], found["seq"], found["events"]) == (name, 1, [])
    assert found["configuration"]["labels"] == ["not toxic", "toxic"]
    assert record.feedback([Feedback(name, "toxic")])[0].result == "joined"
    assert record.override(name, "not toxic", "someone", "because") is not None
    found = record.decision(name)
    assert [event["kind"] for event in found["events"]] == ["label", "override"]
    assert record.decision(ulid()) is None
    assert record.decision("not an id") is None
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
    assert [found.result for found in record.feedback([Feedback(name, "toxic")])] == ["orphan"]
    assert erased
    assert record.override(name, "toxic", "someone", "because") is None
    record.close()
    assert table(database, "labels") == []
