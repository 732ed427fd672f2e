"""A disk that is full: no answer leaves that is not on record, and all goes on once there is room."""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from record_load import Load, assert_chain_holds, on_record
from serving import EVENHAND, Server
from waiting import until


@pytest.fixture
def server(demo: Path, tmp_path: Path) -> Iterator[Server]:
    variables = {"EVENHAND_STATE": str(tmp_path / "state"), "EVENHAND_DURABILITY": "request"}
    running = Server(str(EVENHAND), "serve", str(demo), "--port", "PORT", "--log-level", "error", **variables)
    yield running
    running.process.kill()
    running.process.wait()


@pytest.mark.slow
def test_a_full_disk_is_said_and_what_was_acknowledged_is_on_it(server: Server, tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("the limit on a running process's files is Linux's")
    load = Load(server, threads=2)
    try:
        for _ in range(3):
            before = len(load.acknowledged)
            until(lambda before=before: len(load.acknowledged) > before + 20)
            room(server, 1)
            until(lambda: len(load.failed) > 2)
            assert {(status, said["error"]["type"]) for status, said in load.failed} == {
                (503, "record_unavailable")
            }
            assert server.get("/healthz")[0] == 200
            room(server, resource.RLIM_INFINITY)
            until(lambda: server.get("/predict", {"inputs": "a"})[0] == 200)
            load.failed.clear()
    finally:
        load.end()
    # What was acknowledged is in the spool at the latest, and goes from there to the database.
    until(lambda: server.get("/fairness?hours=1")[1]["record"] == {"state": "on", "spooled": 0})
    assert server.stop() == 0
    url = f"sqlite:///{tmp_path / 'state/record.db'}"
    assert set(load.acknowledged) <= on_record(url)
    assert_chain_holds(url)


def room(server: Server, size_bytes: int) -> None:
    """No file of the server may grow beyond."""
    _, most = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (size_bytes, most))
