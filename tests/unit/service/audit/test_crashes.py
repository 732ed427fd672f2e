"""Processes that are killed and databases that go away lose nothing that was acknowledged."""

import os
import pkgutil
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import record_writer
from databases import Postgres
from record_faults import away, locked
from recording import RecordCounts, batch, bodies, counted, recorder, table
from waiting import until

from evenhand.service.audit.client import AuditClient
from evenhand.service.audit.store import Store


def start(folder: Path, url: str, said: Path) -> subprocess.Popen[bytes]:
    with open(said, "wb") as file:
        return subprocess.Popen(
            [sys.executable, record_writer.__file__, str(folder), url],
            stdout=file,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )


def acknowledged(said: list[Path]) -> set[str]:
    """What processes said; a last line that a kill cut off is none."""
    return {line for file in said for line in file.read_text().split("\n")[:-1]}


@pytest.mark.slow
def test_twenty_kills_lose_nothing_that_was_acknowledged(tmp_path: Path, database: str) -> None:
    recorder(tmp_path, database).close()  # the tables are there
    chance = random.Random(5)
    said: list[Path] = []
    for turn in range(10):
        files = [tmp_path / f"said-{turn}-{number}" for number in range(2)]
        running = [start(tmp_path, database, file) for file in files]
        with locked(database) if turn % 3 == 2 else nullcontext():  # then the spool is what they write to
            until(partial(acknowledged, files))
            time.sleep(chance.random())
            kill(running)
        said += files
    record = recorder(tmp_path, database)
    until(lambda: record.state == "on" and not list((tmp_path / "spool").glob("*")))
    record.close()
    stored = bodies(database)
    assert acknowledged(said) <= {body["id"] for body in stored}
    assert (
        counted(database, "hourly_decisions", "gender") == len(stored) == len(table(database, "attributes"))
    )


def kill(running: list[subprocess.Popen[bytes]]) -> None:
    for process in running:
        process.kill()
        process.wait()


def test_processes_that_write_at_once_make_one_chain(tmp_path: Path, database: str) -> None:
    said = [tmp_path / f"said-{number}" for number in range(4)]
    running = [start(tmp_path, database, file) for file in said]
    until(lambda: all(file.exists() and file.read_text().count("\n") > 500 for file in said))
    kill(running)
    record = recorder(tmp_path, database)  # takes over what they spooled, if they did
    until(lambda: record.state == "on" and not list((tmp_path / "spool").glob("*")))
    record.close()
    assert acknowledged(said) <= {body["id"] for body in bodies(database)}


class Load:
    """Requests that wait for their record, one after the other, in four threads."""

    def __init__(self, record: AuditClient) -> None:
        self._record, self._stop = record, threading.Event()
        self.acknowledged: list[str] = []
        self._pool = ThreadPoolExecutor(4)
        self._running = [self._pool.submit(self._ask, seed) for seed in range(4)]

    def _ask(self, seed: int) -> None:
        while not self._stop.is_set():
            taken = batch(2, seed, gender="Women")
            done = self._record.take(taken)
            assert done is not None
            done.result(600)
            self.acknowledged += [row.id for row in taken.rows]
            time.sleep(0.005)

    def stop(self) -> None:
        self._stop.set()
        for running in self._running:
            running.result(600)
        self._pool.shutdown()


@pytest.fixture
def server(request: pytest.FixtureRequest, database: str) -> Postgres | None:
    return request.getfixturevalue("postgres") if database.startswith("postgresql") else None


def test_a_database_that_goes_away_under_load_loses_nothing(
    tmp_path: Path, database: str, server: Postgres | None, caplog: pytest.LogCaptureFixture
) -> None:
    counts = RecordCounts()
    record = recorder(tmp_path, database, counts, durability="request")
    load = Load(record)
    until(lambda: counts.rows["written"] > 20)
    with away(database, server):
        until(lambda: counts.rows["spooled"] > 50)
        assert record.state == "spooling"
        assert record.spooled > 0
    until(lambda: record.state == "on")
    now = counts.rows["written"]
    until(lambda: counts.rows["written"] > now + 20)
    load.stop()
    record.close()
    ids = [body["id"] for body in bodies(database)]
    assert sorted(ids) == sorted(load.acknowledged)
    assert counts.rows["lost"] == counts.depth == 0
    assert counted(database, "hourly_risk", "gender") == len(ids)
    said = [line.getMessage() for line in caplog.records if line.name == "evenhand.service.audit.writer"]
    assert [("goes to the spool" in line, "is back" in line) for line in said] == [
        (True, False),
        (False, True),
    ]
    assert list((tmp_path / "spool").iterdir()) == []


def test_a_database_that_is_away_at_the_start_is_waited_for(
    tmp_path: Path, database: str, server: Postgres | None
) -> None:
    Store(database, "unused").engine.dispose()
    url = database if server else f"sqlite:///{tmp_path / 'later' / 'record.db'}"
    if server:
        server.stop("fast")
    record = recorder(tmp_path, url)
    try:
        record.take(batch(3))
        until(lambda: record.spooled == 3)
    finally:
        (tmp_path / "later").mkdir()
        if server:
            server.start()
    until(lambda: record.state == "on")
    record.close()
    assert len(bodies(url)) == 3


def test_what_a_dead_process_left_is_taken_over(tmp_path: Path, database: str) -> None:
    record, counts = recorder(tmp_path, database, durability="request"), RecordCounts()
    with locked(database):
        record.take(batch(3)).result(600)
        left = next((tmp_path / "spool").iterdir())
        copy = left.read_bytes()
    until(lambda: record.state == "on")
    other = recorder(tmp_path, database, counts)
    # As after a crash between the commit and the end of the file: everything in it is on record already.
    (tmp_path / "spool" / "dead.spool").write_bytes(copy + copy[:40])
    until(lambda: not (tmp_path / "spool" / "dead.spool").exists())
    record.close()
    other.close()
    assert len(bodies(database)) == 3
    assert counted(database, "hourly_risk", "gender") == 3


def test_what_was_spooled_goes_before_what_is_new(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evenhand.service.audit.writer.BATCH_ROWS", 1)  # it takes many turns to catch up,
    monkeypatch.setattr("evenhand.service.audit.writer.CATCH_UP_S", 0.001)  # and something new comes at each
    counts = RecordCounts()
    record = recorder(tmp_path, database, counts, durability="request")
    taken = []

    def take() -> bool:
        taken.append(batch(1))
        record.take(taken[-1]).result(600)
        return False

    take()
    with locked(database):
        until(lambda: take() or counts.rows["spooled"] > 20)
    until(lambda: take() or record.state == "on")
    record.close()
    assert [body["id"] for body in bodies(database)] == [one.rows[0].id for one in taken]


def test_what_memory_keeps_goes_to_disk_as_soon_as_that_can_be(tmp_path: Path, database: str) -> None:
    counts, spool = RecordCounts(), tmp_path / "spool"
    record = recorder(tmp_path, database, counts)
    spool.write_text("a file is no folder")
    with locked(database):
        record.take(batch(4))
        until(lambda: record.spooled == 4)
        spool.unlink()
        until(lambda: list(spool.glob("*")))
        record.close()
    assert counts.rows == {"written": 0, "spooled": 0, "lost": 0}
    recorder(tmp_path, database).close()
    assert len(bodies(database)) == 4


def test_what_only_memory_had_at_the_end_is_counted_as_lost(tmp_path: Path, database: str) -> None:
    counts = RecordCounts()
    record = recorder(tmp_path, database, counts)
    (tmp_path / "spool").write_text("a file is no folder")
    with locked(database):
        record.take(batch(4))
        record.close()
    assert counts.rows == {"written": 0, "spooled": 0, "lost": 4}


def test_neither_database_nor_disk(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory keeps what it can, and is written once the database is back; what is more is counted as lost."""
    monkeypatch.setattr("evenhand.service.audit.spool.MEMORY_ROWS", 10)
    counts = RecordCounts()
    record = recorder(tmp_path, database, counts)
    record.take(batch(1))
    until(lambda: counts.rows["written"] == 1)
    (tmp_path / "spool").write_text("a file is no folder")
    with locked(database):
        for kept, lost in ((4, 0), (8, 0), (8, 4)):
            record.take(batch(4))
            until(lambda kept=kept, lost=lost: (record.spooled, counts.rows["lost"]) == (kept, lost))
        assert record.state == "spooling"
    until(lambda: record.state == "on")
    record.close()
    assert counts.rows == {"written": 9, "spooled": 0, "lost": 4}
    assert len(bodies(database)) == 9


WITHOUT_MEMORY = {
    "words": ["evenhand.service.audit.writer.make"],
    "database": ["evenhand.service.audit.store.Store.append"],
    "database and spool": [
        "evenhand.service.audit.store.Store.append",
        "evenhand.service.audit.spool.Spool.append",
    ],
}


@pytest.mark.parametrize("places", WITHOUT_MEMORY.values(), ids=WITHOUT_MEMORY)
def test_records_outlast_memory_that_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, places: list[str]
) -> None:
    url, counts = f"sqlite:///{tmp_path / 'record.db'}", RecordCounts()
    record = recorder(tmp_path, url, counts)
    full = True

    def failing(whole: Callable[..., object]) -> Callable[..., object]:
        def work(*arguments: Any) -> object:
            if full:
                tried.append(whole)
                raise MemoryError
            return whole(*arguments)

        return work

    tried: list[object] = []
    for place in places:
        owner, _, name = place.rpartition(".")
        target = pkgutil.resolve_name(owner)
        monkeypatch.setattr(target, name, failing(getattr(target, name)))
    taken = batch(3, gender="Women")
    record.take(taken)
    until(lambda: len(set(tried)) == len(places))
    full = False
    until(lambda: record.state == "on" and counts.rows["written"] == 3)
    record.close()
    assert counts.rows["lost"] == counts.depth == 0
    assert [body["id"] for body in bodies(url)] == [row.id for row in taken.rows]
    assert counted(url, "hourly_risk", "gender") == 3


def test_a_thread_that_cannot_be_had_does_not_keep_the_record_in_the_spool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, counts = f"sqlite:///{tmp_path / 'record.db'}", RecordCounts()
    record = recorder(tmp_path, url, counts, durability="request")
    whole = threading.Thread.start

    def start_none(thread: threading.Thread) -> None:
        if thread.name == "record-database":
            raise RuntimeError("can't start new thread")
        whole(thread)

    monkeypatch.setattr(threading.Thread, "start", start_none)
    with locked(url):
        record.take(batch(4)).result(600)
        assert counts.rows == {"written": 0, "spooled": 4, "lost": 0}
    until(lambda: record.state == "on")
    record.close()
    assert len(bodies(url)) == 4
