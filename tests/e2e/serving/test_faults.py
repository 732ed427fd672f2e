"""A real process whose engine breaks: it says so at once, costs no good row anything, and mends itself."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from serving import Server
from waiting import slowness, until

FAULTY = Path(__file__).with_name("faulty_server.py")
NOTICE_S = 2.0
"""On a machine that nobody else uses."""


@pytest.fixture
def server(demo: Path, tmp_path: Path) -> Iterator[Server]:
    hang = tmp_path / "hang"
    hang.touch()
    command = (sys.executable, str(FAULTY), "serve", str(demo), "--port", "PORT")
    running = Server(*command, FAULT_HANG=str(hang), EVENHAND_LANES="1", EVENHAND_STALL_S="1.5")
    yield running
    running.process.kill()
    running.process.wait()


def ready(server: Server) -> bool:
    return server.get("/readyz")[0] == 200


@pytest.mark.parametrize("fault", ["die", "hang"])
def test_an_engine_that_is_lost_shows_within_two_seconds_and_recovers(server: Server, fault: str) -> None:
    notice_s = NOTICE_S * slowness()
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(server.get, "/predict", {"inputs": fault})
        until(lambda: not ready(server), notice_s)
        assert server.get("/healthz")[0] == 200
        status, body = future.result()
    assert (status, body["error"]["type"]) == (503, "engine_failed")
    until(lambda: ready(server), 20)
    assert server.get("/predict", {"inputs": "what a lovely day"})[0] == 200
    assert server.stop() == 0


def test_of_620_good_rows_none_fails_with_a_poisoned_one_in_every_32(server: Server) -> None:
    poisons = ["raise", "", 7, {"txt": "a"}, {"text": None}]
    jobs = [poisons[i // 32 % 5] if i % 32 == 31 else f"a good row, number {i}" for i in range(640)]
    with ThreadPoolExecutor(32) as pool:
        statuses = list(pool.map(lambda item: server.get("/predict", {"inputs": item})[0], jobs))
    for i, status in enumerate(statuses):
        assert status == 200 if i % 32 != 31 else status in (422, 503), (i, status)
    assert server.get("/readyz")[0] == 200


def test_poisoned_rows_in_one_request_fail_alone(server: Server) -> None:
    items = ["raise" if i % 8 == 7 else f"good {i}" for i in range(64)]
    status, body = server.get("/predict", {"inputs": items})
    assert status == 200
    for i, row in enumerate(body["predictions"]):
        assert (row["error"]["type"] == "engine_failed") if i % 8 == 7 else "label" in row
