"""A machine's clock is set back and forward by hours while the service answers: waits and counts hold."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from clocks import Clock
from record_load import assert_chain_holds, on_record
from recording import counted
from serving import EVENHAND, Server
from waiting import until

from evenhand.service.auth.key_file import new_key

TURNS_H = (5.0, -7.5, 30.0, 0.0)
"""Ahead of the real clock, one after the other; the days that records are kept are two."""
RATE_PER_S = 1.0
RULES = {
    "EVENHAND_DURABILITY": "request",
    "EVENHAND_DEADLINE_S": "20",
    "EVENHAND_CHECKPOINT_S": "0.5",
    "EVENHAND_KEEP_DECISIONS_DAYS": "2",
    "EVENHAND_KEEP_ATTRIBUTES_DAYS": "2",
    "EVENHAND_FEEDBACK_DAYS": "2",
}


class Client:
    """Asks again and again in threads of its own, and remembers what it was told."""

    def __init__(self, server: Server, key: str) -> None:
        self.acknowledged: list[str] = []
        self.failed: list[tuple[int, Any]] = []
        self._server, self._key, self._stop = server, key, threading.Event()
        self._threads = [threading.Thread(target=self._work) for _ in range(3)]

    def __enter__(self) -> "Client":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def ask(self, path: str, body: Any = None, key: str = "") -> tuple[int, Any]:
        headers = {"content-type": "application/json", "x-api-key": key or self._key}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self._server.port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=600) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def _work(self) -> None:
        while not self._stop.is_set():
            groups = [{"gender": "mentioned"}, {"gender": "not mentioned"}]
            status, reply = self.ask("/predict", {"inputs": ["nice day", "go home"], "groups": groups})
            if status == 200:
                self.acknowledged += [prediction["id"] for prediction in reply["predictions"]]
            else:
                self.failed.append((status, reply))


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'record.db'}"


@pytest.fixture
def served(
    demo: Path,
    tmp_path: Path,
    clock: Clock,
    database: str,
) -> Iterator[tuple[Server, Client, str]]:
    keys = tmp_path / "keys"
    key = new_key(keys, "load", ["predict", "feedback", "audit"], None)
    slow = new_key(keys, "slow", ["predict"], RATE_PER_S)
    variables = {**RULES, "EVENHAND_STATE": str(tmp_path / "state"), "EVENHAND_RECORD": database}
    command = (str(EVENHAND), "serve", str(demo), "--port", "PORT", "--log-level", "warning")
    server = Server(*command, **variables, EVENHAND_KEYS_FILE=str(keys), **clock.environment)
    yield server, Client(server, key), slow
    server.process.kill()
    server.process.wait()


@pytest.mark.slow
def test_a_clock_that_jumps_costs_no_answer_no_record_and_no_evidence(
    served: tuple[Server, Client, str],
    clock: Clock,
    database: str,
) -> None:
    server, client, slow = served
    with client:
        until(lambda: len(client.acknowledged) > 20)
        for hours in TURNS_H:
            before = len(client.acknowledged)
            clock.turn(hours)
            assert_rate_holds(client, slow)
            until(lambda before=before: len(client.acknowledged) > before + 40)
            assert client.ask("/readyz")[0] == 200
            assert_feedback_is_joined(
                client,
                [client.acknowledged[0], client.acknowledged[before - 1], client.acknowledged[before + 10]],
            )
    assert client.failed == []
    path = "/fairness?hours=1"
    assert client.ask(path)[1]["record"] == {"state": "on", "spooled": 0}
    until(lambda: facts(database)["read"] == facts(database)["head"])
    assert server.stop() == 0
    assert_chain_holds(database)
    assert set(client.acknowledged) <= on_record(database)
    assert facts(database)["pruned"] == 0
    assert counted(database, "hourly_decisions", "gender") == len(on_record(database))


def assert_rate_holds(client: Client, slow: str) -> None:
    """A limited key is let through as often as its rate says, by a clock that is never set."""
    started_s, good = time.monotonic(), 0
    for _ in range(4):
        good += client.ask("/predict", {"inputs": "a"}, slow)[0] == 200
    assert good <= 1 + RATE_PER_S * (time.monotonic() - started_s)
    until(lambda: client.ask("/predict", {"inputs": "a"}, slow)[0] == 200)


def assert_feedback_is_joined(client: Client, names: list[str]) -> None:
    body = {"feedback": [{"id": name, "label": "hate"} for name in names]}
    status, reply = client.ask("/feedback", body)
    assert status == 200
    assert {item["result"] for item in reply["results"]} <= {"joined", "duplicate"}, reply


def facts(url: str) -> dict[str, int]:
    """Where the chain begins and ends, and how far the evidence has read."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        pruned, head = connection.execute(sa.text("SELECT pruned_seq, seq FROM chain")).one()
        read = (
            connection.execute(sa.text("SELECT value FROM about WHERE name = 'evidence_cursor'")).scalar()
            or 0
        )
    engine.dispose()
    return {"pruned": pruned, "head": head, "read": int(read)}
