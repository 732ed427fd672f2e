"""Ray Serve with the example's configuration: answers, batches, counts and end equal the plain service's.

``make test-ray`` runs it: Ray is a gigabyte that neither serving nor training needs.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from places import ROOT
from recording import bodies
from serving import Server
from waiting import until

pytest.importorskip(
    "ray", reason="Ray is not installed; make test-ray runs this in an environment of its own"
)

TEXTS = [f"the {number}th day is lovely" + " and long" * (number % 5) for number in range(64)]
PLAIN = "from evenhand.cli.main import main; main()"
RAY = (
    "import sys; from ray.serve.scripts import cli; "
    "sys.argv = ['serve', 'run', {config!r}]; cli(standalone_mode=False)"
)


class Cluster:
    """Ray and two replicas."""

    def __init__(self, demo: Path, folder: Path, temporary: Path) -> None:
        self.state, self.folder = folder / "state", folder
        document: dict[str, Any] = yaml.safe_load((ROOT / "deploy/ray/serve.yaml").read_text())
        (application,) = document["applications"]
        application["runtime_env"]["env_vars"] = {
            "EVENHAND_BUNDLES": str(demo),
            "EVENHAND_STATE": str(self.state),
            "EVENHAND_OPEN": "true",
        }
        # Two replicas, and the machine may have one core.
        application["deployments"][0]["ray_actor_options"]["num_cpus"] = 0.5
        config = folder / "serve.yaml"
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "src"),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": str(temporary),  # a cluster of its own
        }

        def start(port: int) -> None:
            document["http_options"]["port"] = port
            config.write_text(yaml.safe_dump(document))

        self.server = _Started(
            start, (sys.executable, "-c", RAY.format(config=str(config))), environment, folder
        )
        until(lambda: len(self.addresses()) == 2)

    def addresses(self) -> list[str]:
        """Of each replica, as Prometheus would find them."""
        return [
            json.loads(file.read_text())[0]["targets"][0] for file in (self.state / "replicas").glob("*.json")
        ]

    def metrics(self) -> list[str]:
        return [
            urllib.request.urlopen(f"http://{address}/metrics").read().decode()
            for address in self.addresses()
        ]


class _Started(Server):
    """`serve run`, which takes longer to be there and ends by SIGINT."""

    def __init__(
        self, start: Any, command: tuple[str, ...], environment: dict[str, str], folder: Path
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        start(self.port)
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            until(lambda: self.get("/readyz")[0] == 200 or self.process.poll() is not None)
            assert self.process.poll() is None
        except AssertionError:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(600)
            pytest.fail((folder / "log").read_text()[-3000:])

    def get(self, path: str, body: Any = None) -> tuple[int, Any]:
        try:
            return super().get(path, body)
        except json.JSONDecodeError as error:  # Ray's proxy speaks in plain words
            return 0, error


@pytest.fixture(scope="module")
def demo() -> Path:
    return ROOT / "bundles/hate-speech"


@pytest.fixture(scope="module")
def cluster(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(
        prefix="ray-", ignore_cleanup_errors=True
    ) as short:  # as sockets' names must be
        made = Cluster(demo, tmp_path_factory.mktemp("ray"), Path(short))
        yield made
        if made.server.process.poll() is None:
            made.server.process.send_signal(signal.SIGINT)
            made.server.process.wait(600)


@pytest.fixture(scope="module")
def plain(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    state = str(tmp_path_factory.mktemp("plain"))
    running = Server(
        sys.executable,
        "-c",
        PLAIN,
        "serve",
        str(demo),
        "--port",
        "PORT",
        EVENHAND_STATE=state,
        EVENHAND_LANES="1",
    )
    yield running
    running.process.kill()
    running.process.wait()


def answers(server: Server, inputs: Any) -> list[dict[str, Any]]:
    status, reply = server.get("/predict", {"inputs": inputs})
    assert status == 200, reply
    return [
        {name: value for name, value in prediction.items() if name != "id"}
        for prediction in reply["predictions"]
    ]


def total(text: str, series: str) -> float:
    return sum(float(value) for value in re.findall(rf"^{series}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE))


def test_answers_are_those_of_the_plain_service_to_the_bit(cluster: Cluster, plain: Server) -> None:
    for text in TEXTS[:16]:
        assert answers(cluster.server, text) == answers(plain, text)


def test_concurrent_requests_share_batches_and_every_replica_is_counted(cluster: Cluster) -> None:
    before = [total(text, "evenhand_batch_rows_sum") for text in cluster.metrics()]
    runs = sum(total(text, "evenhand_batch_rows_count") for text in cluster.metrics())
    with ThreadPoolExecutor(64) as pool:
        statuses = list(pool.map(lambda text: cluster.server.get("/predict", {"inputs": text})[0], TEXTS * 4))
    assert statuses == [200] * len(statuses)
    after = [total(text, "evenhand_batch_rows_sum") for text in cluster.metrics()]
    rows = [now - then for now, then in zip(after, before, strict=True)]
    assert sum(rows) == len(statuses)
    assert all(rows), "Ray hands requests to both replicas"
    assert sum(total(text, "evenhand_batch_rows_count") for text in cluster.metrics()) - runs < sum(rows) / 2


def test_admin_routes_are_off_behind_rays_proxy_without_keys(cluster: Cluster) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{cluster.server.port}/models/hate-speech/reload", b"{}", method="POST"
    )
    request.add_header("content-type", "application/json")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)


def test_a_replica_that_is_killed_is_replaced(cluster: Cluster) -> None:
    before = set(cluster.addresses())
    pid = int(
        re.findall(r"ServeReplica:evenhand:Evenhand pid=(\d+)", (cluster.folder / "log").read_text())[0]
    )
    os.kill(pid, signal.SIGKILL)
    until(lambda: len(set(cluster.addresses()) - before) == 1 and len(cluster.addresses()) == 2)
    assert answers(cluster.server, TEXTS[0])


def test_what_was_accepted_is_answered_and_on_record_when_it_ends(cluster: Cluster) -> None:
    names: list[str] = []
    statuses: list[int] = []

    def ask(number: int) -> None:
        status, reply = cluster.server.get("/predict", {"inputs": [f"text {number}"] * 16})
        statuses.append(status)
        if status == 200:
            names.extend(prediction["id"] for prediction in reply["predictions"])

    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(ask, number) for number in range(64)]
        until(lambda: len(names) > 64)
        cluster.server.process.send_signal(signal.SIGINT)
        for one in futures:
            one.result()
    assert set(statuses) <= {200, 0, 503}  # 0: the proxy no longer listens
    cluster.server.process.wait(600)
    until(lambda: not cluster.addresses())
    on_record = {body["id"] for body in bodies(f"sqlite:///{cluster.state}/record.db")}
    assert set(names) <= on_record
