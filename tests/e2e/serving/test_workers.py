"""Several worker processes on one port: shared counters, shared orders, and a crashed one is replaced."""

import os
import signal
from collections.abc import Iterator

import psutil
import pytest
from places import DEMO
from served_workers import NAME, metrics, total, workers
from serving import EVENHAND, Server, put
from waiting import until


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server(str(EVENHAND), "serve", str(DEMO), "--port", "PORT", "--workers", "2")
    yield running
    if running.process.poll() is None:
        for child in psutil.Process(running.process.pid).children(recursive=True):
            child.kill()
        running.process.kill()
        running.process.wait()


def test_counters_are_the_sum_of_all_workers_whoever_is_asked(server: Server) -> None:
    until(lambda: len(workers(server)) == 2)
    series = 'evenhand_decisions_total{attribute="any_group"'
    before = total(server, series)
    for _ in range(20):
        assert server.get("/predict", {"inputs": ["what a lovely day"] * 3})[0] == 200
    # The others let theirs out twice a second.
    until(lambda: {total(server, series) for _ in range(10)} == {before + 60})
    text = metrics(server)
    assert "# HELP evenhand_decisions_total Decisions per attribute and group." in text
    assert f'evenhand_threshold{{attribute="any_group",model="{NAME}"}}' in text


def test_an_order_to_one_worker_is_followed_by_all_and_by_a_replacement(server: Server) -> None:
    def modes() -> set[str]:
        listed = [server.get("/models")[1]["models"][0]["attributes"] for _ in range(12)]
        return {attribute["mode"] for attributes in listed for attribute in attributes}

    until(lambda: len(workers(server)) == 2)
    assert put(server, f"/models/{NAME}/mode", {"mode": "off"}) == 200
    until(lambda: modes() == {"off"})
    victim = workers(server)[0]
    os.kill(victim.pid, signal.SIGKILL)
    until(lambda: victim.pid not in [worker.pid for worker in workers(server)] and len(workers(server)) == 2)
    until(lambda: server.get("/readyz")[0] == 200)
    assert modes() == {"off"}
    for _ in range(10):
        assert not server.get("/predict", {"inputs": "muslims are welcome here"})[1]["predictions"][0][
            "corrected"
        ]


def test_told_to_stop_all_workers_leave_and_none_is_orphaned(server: Server) -> None:
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert server.stop() == 0
    until(
        lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    )
