"""Real Prometheus and Alertmanager on this machine, with the repository's configuration made quick.

Both listen on free ports of 127.0.0.1 and end with the ``with`` block that started them. What is made quick:
intervals, ``for``, and Alertmanager's waits. What the rules compute is not touched.
"""

import json
import math
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
import yaml
from places import DEPLOY

START_S = 600.0


def program(*names: str) -> str:
    """The first of these programs that is installed; the test is skipped where there is none."""
    executable = next((path for path in map(shutil.which, names) if path), None)
    if executable is None:
        pytest.skip(
            f"{names[0]} is not installed; Debian has it in the packages prometheus, prometheus-alertmanager"
        )
    return executable


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class _Program:
    """A server process that is asked until it is ready, and ends with its ``with`` block."""

    def __init__(self, folder: Path, command: Sequence[str], port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._log = folder / "log.txt"
        self._command = command
        self._start()

    def _start(self) -> None:
        with self._log.open("a") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline_s = time.monotonic() + START_S
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                self.stop()
                pytest.fail(f"did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=600) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def get(self, path: str, **query: str) -> Any:
        """The JSON of a path; what the program says is wrong fails the test."""
        address = f"{self.url}{path}?{urllib.parse.urlencode(query)}" if query else f"{self.url}{path}"
        try:
            with urllib.request.urlopen(address, timeout=600) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            pytest.fail(f"{address}: {error.read().decode()[:500]}")

    def stop(self) -> None:
        """End it as its operator would."""
        self._process.terminate()
        try:
            self._process.wait(600)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Stop it if it runs, and start it again with what it has stored."""
        self.stop()
        self._start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def quick_rules(folder: Path, interval_s: float, for_s: float | None) -> None:
    """Copy the rules to a folder with another interval, and another ``for`` unless it is ``None``."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted((DEPLOY / "prometheus/rules").glob("*.yml")):
        text = re.sub(r"(?m)^(\s+interval:) \S+", rf"\1 {round(interval_s * 1000)}ms", file.read_text())
        if for_s is not None:
            text = re.sub(r"(?m)^(\s+for:) \S+", rf"\1 {round(for_s * 1000)}ms", text)
        (folder / file.name).write_text(text)


class Prometheus(_Program):
    """Prometheus with the repository's configuration and rules over other targets.

    Args:
        folder: Where its configuration and data go.
        targets: ``host:port`` of each replica.
        alertmanager: ``host:port`` of an Alertmanager, if alerts are to be sent.
        interval_s: Between two scrapes and between two evaluations.
        for_s: How long an alert waits before it fires.
        key: What it shows to the targets, if they ask for a key.
    """

    def __init__(
        self,
        folder: Path,
        targets: Sequence[str],
        alertmanager: str | None = None,
        interval_s: float = 1.0,
        for_s: float = 0.0,
        key: Path | None = None,
    ) -> None:
        path = program("prometheus")
        folder.mkdir(parents=True, exist_ok=True)
        quick_rules(folder / "rules", interval_s, for_s)
        config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
        every = f"{round(interval_s * 1000)}ms"
        config["global"] |= {"scrape_interval": every, "evaluation_interval": every, "scrape_timeout": every}
        config["alerting"]["alertmanagers"][0]["static_configs"] = [
            {"targets": [alertmanager] if alertmanager else []}
        ]
        scrape = config["scrape_configs"][0]
        scrape["static_configs"] = [{"targets": list(targets)}]
        if key is None:
            del scrape["authorization"]
        else:
            scrape["authorization"]["credentials_file"] = str(key)
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        port = free_port()
        command = (
            path,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        )
        super().__init__(folder, command, port)

    def query(self, expression: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
        """Every series of an instant query: its labels and its value."""
        when = {} if at is None else {"time": repr(at)}
        result = self.get("/api/v1/query", query=expression, **when)["data"]["result"]
        return [(series["metric"], float(series["value"][1])) for series in result]

    def value(self, expression: str) -> float:
        """The one value of a query; NaN where there is none."""
        series = self.query(expression)
        assert len(series) <= 1, f"{expression} has {len(series)} series"
        return series[0][1] if series else math.nan

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        alerts = self.get("/api/v1/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def broken_rules(self) -> list[str]:
        """What each rule says that could not be evaluated."""
        groups = self.get("/api/v1/rules")["data"]["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return [f"{rule['name']}: {rule['lastError']}" for rule in rules if rule.get("lastError")]

    def wait_for(self, expression: str, expected: float, within_s: float = 600.0) -> None:
        """Ask until a query has a value; says what it had if it never does."""
        deadline_s = time.monotonic() + within_s
        while (value := self.value(expression)) != expected:
            assert time.monotonic() < deadline_s, (
                f"{expression} is {value}, expected {expected}; {self.broken_rules()}"
            )
            time.sleep(0.1)


class Webhook:
    """An HTTP server that keeps what Alertmanager posts to it."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        kept = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                kept.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Nothing on the test's output."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def alerts(self, status: str = "firing") -> list[Mapping[str, Any]]:
        """Every alert that was posted with this status."""
        return [
            alert for body in list(self.received) for alert in body["alerts"] if alert["status"] == status
        ]

    def names(self, status: str = "firing") -> set[str]:
        """Names of the alerts that were posted with this status."""
        return {alert["labels"]["alertname"] for alert in self.alerts(status)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Alertmanager(_Program):
    """Alertmanager with the repository's configuration, sending to another receiver without its waits.

    Args:
        folder: Where its configuration and data go.
        webhook: Address that gets every notification.
    """

    def __init__(self, folder: Path, webhook: str) -> None:
        path = program("prometheus-alertmanager", "alertmanager")
        folder.mkdir(parents=True, exist_ok=True)
        config = yaml.safe_load((DEPLOY / "alertmanager/alertmanager.yml").read_text())
        for receiver in config["receivers"]:
            receiver["webhook_configs"] = [{"url": webhook}]
        for route in (config["route"], *config["route"].get("routes", ())):
            route |= {"group_wait": "1s", "group_interval": "1s", "repeat_interval": "1h"}
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        command = (
            path,
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
        )
        super().__init__(folder, command, port)

    def alerts(self, inhibited: bool = False) -> set[str]:
        """Names of the alerts it has that are (not) muted by another one."""
        alerts = self.get("/api/v2/alerts", active="true", silenced="false", inhibited="true")
        return {
            alert["labels"]["alertname"]
            for alert in alerts
            if bool(alert["status"]["inhibitedBy"]) == inhibited
        }
