"""Keys with real processes: every worker checks them, Prometheus sends one, and no keys means no access."""

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from monitoring_stack import Prometheus
from serving import EVENHAND, Server

from evenhand.service.auth.key_file import new_key


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    (tmp_path / "key").write_text(new_key(file, "prometheus", ["metrics"], None) + "\n")
    return file


@pytest.fixture
def server(demo: Path, keys_file: Path) -> Iterator[Server]:
    settings = {
        "EVENHAND_KEYS_FILE": str(keys_file),
        "EVENHAND_CORS_ORIGINS": "https://a.example:1,https://b.example",
    }
    running = Server(str(EVENHAND), "serve", str(demo), "--port", "PORT", "--workers", "2", **settings)
    yield running
    assert running.stop() == 0


def ask(server: Server, path: str, **headers: str) -> tuple[int, dict[str, str]]:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=600) as reply:
            return reply.status, dict(reply.headers)
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers)


@pytest.mark.slow
def test_prometheus_shows_its_key_to_every_worker(server: Server, keys_file: Path, tmp_path: Path) -> None:
    for _ in range(8):  # each on a connection of its own, to either worker
        status, headers = ask(server, "/metrics", origin="https://b.example")
        assert (status, headers["access-control-allow-origin"]) == (401, "https://b.example")
    target = f"127.0.0.1:{server.port}"
    with Prometheus(tmp_path / "with", [target], key=keys_file.with_name("key")) as prometheus:
        prometheus.wait_for('up{job="evenhand"}', 1)
        prometheus.wait_for('evenhand_auth_total{result="missing"}', 8)
    with Prometheus(tmp_path / "without", [target]) as prometheus:
        prometheus.wait_for('up{job="evenhand"}', 0)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_service_that_strangers_reach_does_not_start_without_keys(
    demo: Path, tmp_path: Path, workers: str
) -> None:
    command = (EVENHAND, "serve", demo, "--host", "0.0.0.0", "--port", "0", "--workers", workers)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 2
    assert done.stderr.startswith("error: 0.0.0.0 can be reached by others and there are no keys")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())
