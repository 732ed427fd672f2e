"""Background work of the real service over faults of disk, database and threads: it shows and goes on."""

import logging
import os
import resource
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from databases import Postgres, postgres  # noqa: F401 - a fixture
from fastapi.testclient import TestClient
from rebundle import reversion
from series import total
from waiting import until

from evenhand.service import settings
from evenhand.service.background import UNHEALTHY_AFTER_S

FAILURES = "evenhand_background_failures_total"
NAME = "hate-speech"
Start = Callable[..., TestClient]


def problem(client: TestClient) -> str:
    """Why it is not ready; empty where it is."""
    reply = client.get("/readyz")
    return "" if reply.status_code == 200 else str(reply.json()["error"]["message"])


def age(client: TestClient) -> None:
    """Let every outage be as old as one that only a new process mends."""
    for work in client.app.state.running.background._work.values():  # type: ignore[attr-defined]
        if (outage := work.outage) is not None:
            work.outage = replace(outage, began_s=outage.began_s - UNHEALTHY_AFTER_S)


def said(caplog: pytest.LogCaptureFixture, task: str) -> list[str]:
    texts = [record.getMessage() for record in caplog.records if record.name == "evenhand.service.background"]
    return [text for text in texts if task in text]


def test_orders_that_cannot_be_read_for_a_moment_are_followed_afterwards(
    open_client: Start,
    demo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    orders = tmp_path / "control.json"
    monkeypatch.setenv(settings.CONTROL, str(orders))
    one, other = open_client(demo), open_client(demo)
    assert one.put(f"/models/{NAME}/mode", json={"mode": "shadow"}).status_code == 200
    orders.rename(tmp_path / "aside")
    orders.mkdir()
    until(lambda: "control: IsADirectoryError" in problem(other))
    until(lambda: total(other, FAILURES, task="control") >= 2)
    assert other.get("/healthz").status_code == 200
    assert other.get("/v2/health/ready").status_code == 503
    until(lambda: "control" in problem(one))
    age(other)
    until(lambda: other.get("/healthz").status_code == 503)
    orders.rmdir()
    assert one.put(f"/models/{NAME}/mode", json={"mode": "off"}).status_code == 200
    until(lambda: not problem(other) and other.get("/healthz").status_code == 200)
    attributes = other.get("/models").json()["models"][0]["attributes"]
    assert {attribute["mode"] for attribute in attributes} == {"off"}
    until(lambda: not problem(one))
    assert len([text for text in said(caplog, "control") if "failed" in text]) == 2  # one per application


def test_a_bundle_that_cannot_be_looked_at_for_a_moment_is_reloaded_afterwards(
    open_client: Start, demo: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(shutil.copytree(demo, tmp_path / "bundle"))
    client = open_client(folder, watch_s=0.1)
    deep = tmp_path / "deep"
    deep.mkdir()
    for depth in range(1, 1500):
        os.mkdir(f"{deep}{'/a' * depth}")
    deep.rename(folder / "deep")  # looking through it takes more than Python's stack
    until(lambda: "bundles: RecursionError" in problem(client))
    until(lambda: total(client, FAILURES, task="bundles") >= 2)
    assert client.post("/predict", json={"inputs": "a"}).status_code == 200
    subprocess.run(["rm", "-r", folder / "deep"], check=True)  # Python's own way fails as the service does
    reversion(folder, "9.0.0")
    until(lambda: client.get("/models").json()["models"][0]["version"] == "9.0.0")
    until(lambda: not problem(client))
    assert len(said(caplog, "bundles")) == 2


def test_a_new_bundle_that_comes_while_no_file_is_left_is_taken_afterwards(
    open_client: Start, altered: Callable[..., Path], tmp_path: Path
) -> None:
    first, second = altered(0.5, "off"), reversion(altered(0.5, "off"), "2.0.0")
    link, fresh = tmp_path / "current", tmp_path / "fresh"
    link.symlink_to(first)
    fresh.symlink_to(second)
    client = open_client(link, watch_s=0.1)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))  # what is open stays so
    try:
        fresh.replace(link)
        reply = client.post(f"/models/{NAME}/reload", json={})
        until(lambda: "bundles: OSError: Too many open files" in problem(client))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert reply.status_code == 503
    assert "Too many open files" in reply.json()["error"]["message"]
    until(lambda: client.get("/models").json()["models"][0]["version"] == "2.0.0")
    assert total(client, "evenhand_reloads_total", result="refused") == 0
    until(lambda: not problem(client))


def test_a_lost_engine_thread_is_replaced_once_the_machine_has_a_thread_again(
    open_client: Start, demo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = open_client(demo, lanes=1)
    workers = client.app.state.running.workers  # type: ignore[attr-defined]
    (worker,) = workers._workers
    before = threading.stack_size(2**46)  # of new threads: no machine has so much
    try:
        worker.failed = True
        workers.wake()
        worker.join()
        until(lambda: total(client, FAILURES, task="engine") >= 2)
        background = client.app.state.running.background  # type: ignore[attr-defined]
        assert "engine: RuntimeError" in background.problem
        age(client)
        until(lambda: client.get("/healthz").status_code == 503)
    finally:
        threading.stack_size(before)
    until(lambda: not problem(client))
    assert client.get("/healthz").status_code == 200
    assert client.post("/predict", json={"inputs": "a"}).status_code == 200
    assert len(said(caplog, "engine")) == 2


def test_housekeeping_goes_on_when_the_record_can_be_read_again(
    open_client: Start, demo: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    client = open_client(demo, state=tmp_path, checkpoint_s=0.3)
    assert client.post("/predict", json={"inputs": ["a", "b"]}).status_code == 200
    database = tmp_path / "record.db"

    def ask(statement: str, *values: object) -> list[tuple[object, ...]]:
        with sqlite3.connect(database, timeout=600) as connection:
            rows = connection.execute(statement, values).fetchall()
        connection.close()
        return rows

    until(lambda: ask("SELECT count(*) FROM records")[0][0] == 2)
    until(lambda: ask("SELECT value FROM about WHERE name = 'evidence_cursor' AND value >= '2'"))
    ((body,),) = ask("SELECT body FROM records WHERE seq = 1")
    ask("UPDATE records SET body = x'00', at_ms = 1 WHERE seq = 1")  # a byte that no record has
    until(lambda: "housekeeping: TypeError" in problem(client))
    until(lambda: total(client, FAILURES, task="housekeeping") >= 2)
    ask("UPDATE records SET body = ? WHERE seq = 1", body)
    until(lambda: not problem(client))
    until(lambda: ask("SELECT pruned_seq FROM chain")[0][0] == 1)
    assert len(said(caplog, "housekeeping")) == 2


def test_a_database_that_is_away_fails_no_background_work(
    open_client: Start,
    demo: Path,
    caplog: pytest.LogCaptureFixture,
    postgres: Postgres,  # noqa: F811
) -> None:
    client = open_client(demo, record=postgres.create(), checkpoint_s=0.3)
    assert client.post("/predict", json={"inputs": ["a", "b"]}).status_code == 200
    until(lambda: total(client, "evenhand_records_total", result="written") == 2)
    postgres.stop("immediate")
    try:
        assert client.post("/predict", json={"inputs": "c"}).status_code == 200
        logged = (
            "evidence: the record's database is down",
            "old records were not pruned",
            "head was not signed",
        )
        until(lambda: all(text in caplog.text for text in (*logged, "the record goes to the spool")))
        until(lambda: caplog.text.count(logged[1]) >= 3)
        assert not problem(client)
        assert client.get("/healthz").json() == {"status": "ok"}
    finally:
        postgres.start()
    until(lambda: total(client, "evenhand_record_spool_rows") == 0)
    until(lambda: "evidence goes on" in caplog.text)
    assert not problem(client)
    assert total(client, FAILURES) == 0
