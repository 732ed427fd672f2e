"""The same application on Ray Serve: a replica is one process with a batcher, engine threads and counters of its own.

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
"""What Ray's proxy listens on is not ours to know."""
TARGETS = "replicas"
"""Folder in the state folder with a file per replica, in the form of Prometheus's ``file_sd_configs``."""
LOOK_S = 1.0
MAX_ONGOING = 4096
"""Requests in one replica: our own admission refuses before that, by what was measured."""


def build() -> FastAPI:
    """The application of one replica, made in its process.

    Raises:
        SettingsError: the environment cannot be used.
        BundleError: a bundle does not hold.
        RecordRefused: the record's database or key cannot be used.
        AccessError: there are no keys, and ``EVENHAND_OPEN`` does not say that there need be none.
    """
    own = settings.load()
    logs.begin(own.log_level, own.log_format)
    share = int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1)) or 1
    workers = own.lanes or (share if own.provider == "cpu" else 1)
    # Whoever reaches the proxy reaches us, so that keys are needed as if we listened there.
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
        """Let Ray replace a replica that cannot mend itself.

        Raises:
            RuntimeError: it cannot.
        """
        if (problem := self.app.state.running.beyond_repair) is not None:
            raise RuntimeError(problem)


application = Evenhand.bind()  # type: ignore[attr-defined]  # the decorators make another class of it


class _Listener(uvicorn.Server):
    """A server inside a process whose signals are Ray's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


@contextlib.asynccontextmanager
async def _own_address(app: FastAPI, chosen: Settings) -> AsyncIterator[None]:
    """Let the replica be asked without Ray's proxy, which hands each request to any: Prometheus needs every one."""
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
    """Write as a whole, for Prometheus may read at any moment; a replica that was killed has left its file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    for other in file.parent.glob("*.json"):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            host, port = json.loads(other.read_text())[0]["targets"][0].rsplit(":", 1)
            try:
                socket.create_connection((host, int(port)), LOOK_S).close()
            except ConnectionRefusedError:
                other.unlink(missing_ok=True)
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(targets))
    os.replace(beside, file)
