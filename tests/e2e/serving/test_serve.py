"""The real process on a real socket: starts, answers, stops without losing what it accepted."""

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import EVENHAND, Server, counted
from waiting import until


@pytest.fixture
def server(demo: Path) -> Iterator[Server]:
    running = Server(str(EVENHAND), "serve", str(demo), "--port", "PORT")
    yield running
    running.process.kill()
    running.process.wait()


def test_the_command_serves_and_stops_with_zero(server: Server) -> None:
    status, body = server.get("/predict", {"inputs": ["what a lovely day", ""]})
    assert status == 200
    assert body["predictions"][0]["label"] in ("hate", "not hate")
    assert server.stop() == 0


def test_the_factory_is_configured_by_the_environment(demo: Path) -> None:
    command = (
        sys.executable,
        "-m",
        "uvicorn",
        "evenhand.service.app:create_app",
        "--factory",
        "--port",
        "PORT",
    )
    running = Server(*command, EVENHAND_BUNDLES=str(demo))
    try:
        assert running.get("/predict", {"inputs": "a"})[0] == 200
    finally:
        running.process.kill()
        running.process.wait()


def test_everything_accepted_is_answered_when_the_process_is_told_to_stop(server: Server) -> None:
    answers: list[tuple[int, Any]] = []

    def ask(number: int) -> None:
        answers.append(server.get("/predict", {"inputs": [f"text {number} " + "word " * 60] * 8}))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    # A connection that the stopping server no longer accepted is no answer at all; an accepted one is never
    # cut off.
    answered = [body for status, body in answers if status == 200]
    assert answered
    assert all(len(body["predictions"]) == 8 for body in answered)
    refused = [body for status, body in answers if status == 0]
    assert all("refused" in str(error) for error in refused), refused
    told_to_wait = [body for status, body in answers if status == 429]
    assert len(answered) + len(refused) + len(told_to_wait) == 24


def test_memory_stays_under_the_bar(server: Server) -> None:
    server.get("/predict", {"inputs": ["word " * 200] * 64})
    status = Path(f"/proc/{server.process.pid}/status")
    if not status.exists():
        pytest.skip("resident memory is read from /proc, which this system has not")
    resident = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    assert int(resident.split()[1]) < 500_000


def test_rows_whose_caller_left_are_not_computed(server: Server) -> None:
    rows = 150
    body = json.dumps({"inputs": [f"text {number} " + "word " * 60 for number in range(rows)]}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        head = (
            "POST /predict HTTP/1.1",
            "host: localhost",
            "content-type: application/json",
            f"content-length: {len(body)}",
        )
        client.sendall("\r\n".join((*head, "", "")).encode() + body)
        until(lambda: counted(server, "evenhand_batch_rows_sum"))
    until(
        lambda: counted(server, 'evenhand_http_requests_total{method="POST",route="/predict",status="499"}')
    )
    assert server.get("/predict", {"inputs": "a"})[0] == 200
    assert counted(server, "evenhand_batch_rows_sum") < rows
