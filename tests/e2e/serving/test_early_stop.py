"""Told to stop before it is ready, the service leaves at once, and the next start finds all in order."""

import os
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from record_load import assert_chain_holds, on_record
from serving import EVENHAND, Server

STARTING_S = {"1": (0.4, 1.0, 1.8), "2": (0.7, 2.1)}
"""By workers, how long after its start a process gets the signal; on a busy machine even the last comes
before it is ready."""
LEAVES_WITHIN_S = 600.0


def stop_early(command: tuple[str, ...], environment: dict[str, str], after_s: float) -> tuple[int, str]:
    """How a process ended that was told to stop so long after it was started, and what it said."""
    started = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True)
    try:
        until_s = time.monotonic() + after_s
        while time.monotonic() < until_s or not listens_to_signals(started.pid):
            assert started.poll() is None, started.stderr.read() if started.stderr else ""
            time.sleep(0.01)
        children = psutil.Process(started.pid).children(recursive=True)
        started.send_signal(signal.SIGTERM)
        _, said = started.communicate(timeout=LEAVES_WITHIN_S)
        _, alive = psutil.wait_procs(children, timeout=LEAVES_WITHIN_S)
        assert alive == []
        return started.returncode, said
    finally:
        started.kill()
        started.wait()


def listens_to_signals(pid: int) -> bool:
    """Whether a process has its own answer to SIGTERM: before, Python itself is still being loaded."""
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        pytest.skip("which signals a process catches is read from /proc, which this system has not")
    caught = next(line for line in status.read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.parametrize("workers", STARTING_S)
def test_a_start_that_is_broken_off_leaves_at_once_and_the_next_one_works(
    demo: Path, tmp_path: Path, workers: str
) -> None:
    state = tmp_path / "state"
    command = (str(EVENHAND), "serve", str(demo), "--workers", workers, "--port")
    environment = {"EVENHAND_STATE": str(state), "EVENHAND_DURABILITY": "request"}
    for after_s in STARTING_S[workers]:
        code, said = stop_early((*command, "0"), environment, after_s)
        assert (code, "Traceback" in said) == (0, False), (after_s, said)
        drafts = [path.name for path in state.glob("*.key.*")]
        assert drafts == [], "a key that was half written"
    server = Server(*command, "PORT", **environment)
    try:
        status, reply = server.get("/predict", {"inputs": "a"})
        assert status == 200
        assert server.stop() == 0
    finally:
        for child in (
            psutil.Process(server.process.pid).children(recursive=True)
            if server.process.poll() is None
            else ()
        ):
            child.kill()
        server.process.kill()
        server.process.wait()
    url = f"sqlite:///{state / 'record.db'}"
    assert on_record(url) == {reply["predictions"][0]["id"]}
    assert_chain_holds(url)
