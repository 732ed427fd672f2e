"""The application on Ray Serve: each replica is a process with its own batcher, engine threads and counters.

``serve run evenhand.service.process.ray:application``, configured by ``EVENHAND_*`` variables; nothing else
imports this, and the extra ``ray`` installs what it needs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import ray
import uvicorn
from fastapi import FastAPI
from ray import serve

from evenhand.service import logs, settings
from evenhand.service.app import create_app
from evenhand.service.process.supervisor import config_of
from evenhand.service.settings import Settings

ANYWHERE = "0.0.0.0"  # noqa: S104  # nosec B104
"""Ray does not tell the address of its proxy, so any address is assumed."""
TARGETS = "replicas"
"""Folder in the state folder with a file per replica, in the format of Prometheus's ``file_sd_configs``."""
LOOK_S = 1.0
MAX_ONGOING = 4096
"""Requests in one replica. Our own admission refuses before that, by measured speed."""


def build() -> FastAPI:
    """The application of one replica.

    Raises:
        SettingsError: a setting is not valid.
        BundleError: a bundle is not valid.
        RecordRefused: the record's database or key cannot be used.
        AccessError: there are no keys, and ``EVENHAND_OPEN`` is not set.
    """
    own = settings.load()
    logs.begin(own.log_level, own.log_format)
    share = int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)) or 1
    workers = own.lanes or (share if own.provider == "cpu" else 1)
    # Clients of the proxy reach the replica, so it needs keys as if it listened there itself.
    chosen = settings.load(host=ANYWHERE, workers=1, lanes=workers, threads=own.threads or 1)
    app = create_app(chosen)
    inner = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with inner(app), _own_address(app, own):
            yield

    app.router.lifespan_context = lifespan
    return app


@serve.deployment(
    name="Evenhand",
    max_ongoing_requests=MAX_ONGOING,
    health_check_period_s=5.0,
    graceful_shutdown_timeout_s=30.0,
)
@serve.ingress(build)
class Evenhand:
    """One replica."""

    app: FastAPI

    def check_health(self) -> None:
        """Let Ray replace a replica that cannot recover.

        Raises:
            RuntimeError: the replica must be replaced.
        """
        if (problem := self.app.state.running.beyond_repair) is not None:
            raise RuntimeError(problem)


application = Evenhand.bind()  # type: ignore[attr-defined]  # the decorators change its class


class _Listener(uvicorn.Server):
    """A server that leaves the process's signals to Ray."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do not change signal handlers."""
        yield


@contextlib.asynccontextmanager
async def _own_address(app: FastAPI, chosen: Settings) -> AsyncIterator[None]:
    """Listen without Ray's proxy too: it picks any replica, but Prometheus must scrape each one."""
    config = config_of(chosen.model_copy(update={"port": 0, "workers": 1}), app)
    config.lifespan = "off"
    server = _Listener(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            raise RuntimeError(
                f"{chosen.host} cannot be listened on; set EVENHAND_HOST to an address of this node"
            )
        await asyncio.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    host = ray.util.get_node_ip_address() if chosen.host == ANYWHERE else chosen.host
    tag = serve.get_replica_context().replica_tag
    file = chosen.state / TARGETS / f"{tag}.json"
    await asyncio.to_thread(
        _write_targets, file, [{"targets": [f"{host}:{port}"], "labels": {"replica": tag}}]
    )
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
        server.should_exit = True
        await task


def _write_targets(file: Path, targets: object) -> None:
    """Replace the file in one step, as Prometheus may read at any moment; delete files of killed replicas."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for other in file.parent.glob("*.json"):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            host, port = json.loads(other.read_text())[0]["targets"][0].rsplit(":", 1)
            try:
                socket.create_connection((host, int(port)), LOOK_S).close()
            except ConnectionRefusedError:
                other.unlink(missing_ok=True)
    draft = file.with_suffix(".new")
    draft.write_text(json.dumps(targets))
    os.replace(draft, file)
