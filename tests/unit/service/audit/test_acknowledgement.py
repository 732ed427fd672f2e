"""At ``durability: request``: what was acknowledged is on record once, what was refused never is."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from databases import Postgres
from record_faults import Cutter, away, locked
from recording import RecordCounts, batch, bodies, counted, recorder
from waiting import until

from evenhand.service.audit.client import AuditClient
from evenhand.service.audit.events import event
from evenhand.service.audit.store import InDoubt, RecordAway


@pytest.fixture
def server(request: pytest.FixtureRequest, database: str) -> Postgres | None:
    return request.getfixturevalue("postgres") if database.startswith("postgresql") else None


@pytest.fixture
def cutter(postgres: Postgres) -> Iterator[Cutter]:
    made = Cutter(postgres.port)
    yield made
    made.close()


def test_what_is_refused_is_neither_stored_nor_counted_later(
    tmp_path: Path, database: str, server: Postgres | None, caplog: pytest.LogCaptureFixture
) -> None:
    counts = RecordCounts()
    record = recorder(tmp_path, database, counts, durability="request")
    record.take(batch(1)).result(600)
    assert record.blockage is None
    (tmp_path / "spool").write_text("a file is no folder")
    with away(database, server):
        for _ in range(3):
            with pytest.raises(RecordAway) as refused:
                record.take(batch(4)).result(600)
            assert "neither to database nor to disk" in str(refused.value.orig)
        record.note(
            event("mode", {"attribute": "gender", "mode": "off"})
        )  # nobody was told anything about this one
        until(lambda: record.spooled == 1)
        assert "no answer can leave" in str(record.blockage)
    until(lambda: record.blockage is None and record.state == "on")  # though nobody asks any more
    record.take(batch(2)).result(600)
    record.close()
    assert [body["kind"] for body in bodies(database)] == ["decision", "mode", "decision", "decision"]
    assert counted(database, "hourly_decisions", "gender") == 3
    assert (counts.rows, counts.refused) == ({"written": 4, "spooled": 0, "lost": 0}, 12)
    said = [line.getMessage() for line in caplog.records if "answers" in line.getMessage()]
    assert [("are refused" in line, "answers leave" in line) for line in said] == [
        (True, False),
        (False, True),
    ]


def test_answers_leave_again_as_soon_as_the_disk_takes_records(tmp_path: Path, database: str) -> None:
    record = recorder(tmp_path, database, durability="request")
    (tmp_path / "spool").write_text("a file is no folder")
    with locked(database):
        with pytest.raises(RecordAway):
            record.take(batch(4)).result(600)
        assert record.blockage is not None
        (tmp_path / "spool").unlink()
        until(lambda: record.blockage is None)
        taken = batch(2)
        record.take(taken).result(600)
    record.close()
    recorder(tmp_path, database).close()
    assert [body["id"] for body in bodies(database)] == [row.id for row in taken.rows]


def test_a_write_that_does_not_end_is_known(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evenhand.service.audit.writer.STALLED_S", 0.05)
    record = recorder(tmp_path, database, durability="request")
    with locked(database):
        waiting = record.take(batch(1))
        until(lambda: "at one write for over" in str(record.blockage))
        waiting.result(600)
    until(lambda: record.blockage is None)
    record.close()


class Fates:
    """What became of requests that many threads make, while database and disk come and go."""

    def __init__(self, record: AuditClient) -> None:
        self._record, self._stop = record, threading.Event()
        self.acknowledged: list[str] = []
        self.refused: list[str] = []
        self._pool = ThreadPoolExecutor(6)
        self._running = [self._pool.submit(self._ask, seed) for seed in range(6)]

    def _ask(self, seed: int) -> None:
        while not self._stop.is_set():
            taken = batch(3, seed, gender="Women")
            try:
                self._record.take(taken).result(600)
            except RecordAway:
                self.refused += [row.id for row in taken.rows]
            else:
                self.acknowledged += [row.id for row in taken.rows]
            time.sleep(0.002)

    def stop(self) -> None:
        self._stop.set()
        for running in self._running:
            running.result(600)
        self._pool.shutdown()


def test_each_request_is_acknowledged_and_stored_or_refused_and_dropped(
    tmp_path: Path, database: str
) -> None:
    """The database goes, and no disk is there; then the disk comes back, and then the database."""
    counts, spool = RecordCounts(), tmp_path / "spool"
    record = recorder(tmp_path, database, counts, durability="request")
    spool.write_text("a file is no folder")
    fates = Fates(record)
    until(lambda: counts.rows["written"] > 20)
    with locked(database):
        until(lambda: counts.refused > 20)
        spool.unlink()
        until(lambda: counts.rows["spooled"] > 20)
    until(lambda: record.state == "on" and record.blockage is None)
    fates.stop()
    record.close()
    stored = [body["id"] for body in bodies(database)]
    assert sorted(stored) == sorted(fates.acknowledged)
    assert counted(database, "hourly_decisions", "gender") == len(stored)
    assert counts.refused == len(fates.refused) > 0
    assert counts.rows["lost"] == 0


def test_a_commit_in_doubt_that_no_disk_can_repeat_is_said_to_be_in_doubt(
    tmp_path: Path, postgres: Postgres, cutter: Cutter
) -> None:
    url, counts = postgres.create(), RecordCounts()
    record = recorder(
        tmp_path, url.replace(str(postgres.port), str(cutter.port)), counts, durability="request"
    )
    record.take(batch(1)).result(600)
    (tmp_path / "spool").write_text("a file is no folder")
    cutter.cuts = 1
    with pytest.raises(InDoubt, match="nobody knows whether it is on record"):
        record.take(batch(3, gender="Women")).result(600)
    until(lambda: record.state == "on" and record.blockage is None)
    record.take(batch(1)).result(600)
    record.close()
    assert len(bodies(url)) == 5  # it was on record; it is not written a second time
    assert counted(url, "hourly_decisions", "gender") == 5
