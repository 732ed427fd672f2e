"""Memory that runs out in a batch costs no row its answer, no record, and not the service."""

import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from record_load import assert_chain_holds, on_record
from serving import Server

FAULTY = Path(__file__).with_name("faulty_server.py")
ROWS = 96
MORE_BYTES = 60 * 2**20
"""What the server may take beyond what it holds: a fraction of what all rows need at once."""
Started = Callable[..., Server]


@pytest.fixture
def start(demo: Path, tmp_path: Path) -> Iterator[Started]:
    running: list[Server] = []

    def started(**variables: str) -> Server:
        command = (sys.executable, str(FAULTY), "serve", str(demo), "--port", "PORT", "--log-level", "error")
        variables["FAULT_SAID"] = str(tmp_path / "said")
        state = {"EVENHAND_STATE": str(tmp_path / "state"), "EVENHAND_DURABILITY": "request"}
        running.append(Server(*command, **state, **variables))
        return running[-1]

    yield started
    for server in running:
        server.process.kill()
        server.process.wait()


def assert_all_are_answered_and_on_record(server: Server, state: Path, texts: list[str]) -> None:
    """As many rows as were asked, though not all fitted at once; and the next request is answered as ever."""
    status, reply = server.get("/predict", {"inputs": texts})
    assert status == 200, reply
    assert [row.get("error") for row in reply["predictions"]] == [None] * len(texts)
    again = server.get("/predict", {"inputs": "what a lovely day"})
    assert again[0] == 200
    assert server.get("/readyz")[0] == 200
    assert server.stop() == 0
    url = f"sqlite:///{state / 'record.db'}"
    assert {row["id"] for row in [*reply["predictions"], *again[1]["predictions"]]} <= on_record(url)
    assert_chain_holds(url)


def test_a_batch_for_which_there_is_no_memory_is_run_in_parts(start: Started, tmp_path: Path) -> None:
    server = start(FAULT_MOST_ROWS="5", EVENHAND_MAX_BATCH_ROWS="64", EVENHAND_MAX_BATCH_TOKENS="4096")
    assert_all_are_answered_and_on_record(server, tmp_path / "state", ["what a lovely day"] * 64)
    assert "MemoryError" in (tmp_path / "said").read_text()


def test_a_machine_without_memory_for_a_batch_runs_it_in_parts(start: Started, tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("the limit on a running process's memory is Linux's")
    # A start tries short rows; long ones in the same number need many times the memory.
    large = {"EVENHAND_MAX_BATCH_ROWS": str(ROWS), "EVENHAND_MAX_BATCH_TOKENS": str(ROWS * 128)}
    server = start(EVENHAND_DEADLINE_S="120", EVENHAND_STALL_S="60", EVENHAND_LANES="1", **large)
    held = psutil.Process(server.process.pid).memory_info().vms
    resource.prlimit(server.process.pid, resource.RLIMIT_AS, (held + MORE_BYTES, held + MORE_BYTES))
    assert_all_are_answered_and_on_record(server, tmp_path / "state", ["word " * 200] * ROWS)
    assert f"{ROWS} rows: " in (tmp_path / "said").read_text()
