"""Several workers when the machine has no file left for one of them, and when their supervisor is killed."""

import os
import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from places import DEMO
from rebundle import reversion
from served_workers import NAME, metrics, total, workers
from serving import EVENHAND, Server, put
from waiting import until
from waiting import until as until_within

FAILURES = 'evenhand_background_failures_total{task="%s"}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    demo = DEMO
    return Path(shutil.copytree(demo, tmp_path_factory.mktemp("bundles") / NAME))


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    own = {"EVENHAND_STATE": str(tmp_path_factory.mktemp("state")), "EVENHAND_WATCH_S": "0.2"}
    running = Server(str(EVENHAND), "serve", str(folder), "--port", "PORT", "--workers", "2", **own)
    until(lambda: len(workers(running)) == 2)
    left = psutil.Process(running.process.pid).children(recursive=True)
    yield running
    for process in left:
        if process.is_running():
            process.kill()
    running.process.kill()
    running.process.wait()


def modes(server: Server) -> set[str]:
    """Of as many answers that both workers are among them."""
    listed = [server.get("/models")[1]["models"][0]["attributes"] for _ in range(12)]
    return {attribute["mode"] for attributes in listed for attribute in attributes}


def test_a_worker_that_had_no_file_left_does_what_was_ordered_meanwhile(server: Server) -> None:
    assert put(server, f"/models/{NAME}/mode", {"mode": "apply"}) == 200
    until(lambda: modes(server) == {"apply"})
    victim = workers(server)[0]
    limits = resource.prlimit(victim.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(victim.pid, resource.RLIMIT_NOFILE, (3, limits[1]))  # what is open stays so
    try:
        until(lambda: total(server, FAILURES % "control") >= 2)
        assert put(server, f"/models/{NAME}/mode", {"mode": "off"}) == 200
    finally:
        resource.prlimit(victim.pid, resource.RLIMIT_NOFILE, limits)
    until(lambda: modes(server) == {"off"})
    assert victim.is_running()
    until(lambda: {server.get("/readyz")[0] for _ in range(12)} == {200})
    for _ in range(10):
        assert not server.get("/predict", {"inputs": "muslims are welcome here"})[1]["predictions"][0][
            "corrected"
        ]


def test_the_version_before_is_gone_from_the_metrics_once_every_worker_has_the_new_one(
    server: Server, folder: Path
) -> None:
    def shown() -> set[str]:
        lines = [line for line in metrics(server).splitlines() if line.startswith("evenhand_model_info{")]
        return {line.split('version="')[1].split('"')[0] for line in lines}

    (before,) = shown()
    reversion(folder, "9.0.0")
    until(lambda: {server.get("/models")[1]["models"][0]["version"] for _ in range(12)} == {"9.0.0"})
    until(lambda: shown() == {"9.0.0"})
    assert before != "9.0.0"
    reversion(folder, before)  # the way back shows it again
    until(lambda: shown() == {before})


def test_workers_whose_supervisor_was_killed_leave_the_port(server: Server) -> None:
    left = workers(server)
    os.kill(server.process.pid, 9)
    server.process.wait()
    until_within(lambda: not any(process.is_running() for process in left))
    assert server.get("/readyz")[0] == 0
