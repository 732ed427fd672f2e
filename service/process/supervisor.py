"""Starts the service: one process, or several that share the port, the counters and the operator's orders.

uvicorn's own supervisor starts the processes and replaces one that died or no longer answers.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.supervisors import Multiprocess

from evenhand.models.bundle.bundle import BundleError, load
from evenhand.models.bundle.runner import require_engine
from evenhand.service import logs, settings
from evenhand.service.audit import client
from evenhand.service.auth.authorizer import Authorizer
from evenhand.service.http.uvicorn_protocol import Protocol
from evenhand.service.metrics import collectors
from evenhand.service.proxy.served import check as check_proxy
from evenhand.service.settings import Settings

log = logging.getLogger(__name__)


def serve(chosen: Settings) -> None:
    """Serve until a signal stops the process; accepted requests are answered first.

    Raises:
        BundleError: a bundle is not valid.
        SettingsError: settings of the proxy contradict each other.
        RecordRefused: the record's database cannot be used.
        KeyFileError: its key cannot be used.
        CheckpointError: the key that signs its end cannot be used.
        AccessError: keys or tokens cannot be set up, or other machines could reach the service without a key.
    """
    Authorizer(chosen, lambda _: None)  # raises here once, not in every process
    client.check(chosen)
    if chosen.workers == 1:
        uvicorn.Server(config_of(chosen, _application(chosen))).run()
        return
    if chosen.proxy_upstream:
        check_proxy(chosen)
    _require_one(chosen.bundles)  # raises here once, not in every process
    with tempfile.TemporaryDirectory(prefix="evenhand-") as shared:
        _share(chosen, Path(shared))
        config = config_of(chosen, "evenhand.service.process.supervisor:worker")
        Multiprocess(config, [config.bind_socket()]).run()


def _require_one(paths: Iterable[Path]) -> None:
    """Check that some bundle can be served; each process leaves out and names those that cannot.

    Raises:
        BundleError: none can.
    """
    failures = []
    for path in paths:
        try:
            require_engine(load(path))
        except BundleError as error:
            failures.append(error)
            continue
        return
    if failures:
        raise failures[0]


def worker() -> FastAPI:
    """The application of one of several processes."""
    chosen = settings.load()
    _forget_the_dead(Path(os.environ[collectors.SHARED]))
    logs.begin(chosen.log_level, chosen.log_format)
    return _application(chosen)


def _application(chosen: Settings) -> FastAPI:
    from evenhand.service.app import create_app

    application = create_app(chosen)
    registry = application.state.running.registry
    for slot in registry.slots:
        model = slot.model
        modes = zip(model.manifest.attribute_names, registry.modes(model), strict=True)
        shown = ", ".join(f"{attribute} {mode}" for attribute, mode in modes)
        log.info("serving %s %s (%s)", model.manifest.name, model.manifest.version, shown)
    return application


def _share(chosen: Settings, folder: Path) -> None:
    """Pass the settings and the shared folder to the processes, through the environment."""
    for name in Settings.model_fields:
        value = getattr(chosen, name)
        if value is None:
            continue
        separator = os.pathsep if name == "bundles" else ","
        text = separator.join(map(str, value)) if isinstance(value, tuple) else str(value)
        os.environ[settings.PREFIX + name.upper()] = text
    (folder / "metrics").mkdir()
    os.environ[collectors.SHARED] = str(folder / "metrics")
    os.environ[settings.CONTROL] = str(folder / "control.json")


def _forget_the_dead(folder: Path) -> None:
    """Remove the live gauges of processes that died: their rows no longer wait."""
    for file in folder.glob("gauge_live*.db"):
        pid = int(file.stem.rsplit("_", 1)[1])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def config_of(chosen: Settings, application: FastAPI | str) -> uvicorn.Config:
    """Configure uvicorn for an application, or for the name of a factory."""
    return uvicorn.Config(
        application,
        host=chosen.host,
        port=chosen.port,
        workers=chosen.workers,
        factory=isinstance(application, str),
        http=Protocol,
        ws="none",
        log_config=None,  # its lines go to our handlers, at our level
        access_log=False,
        server_header=False,
        date_header=not chosen.proxy_upstream,  # the server behind a proxy sends its own
        proxy_headers=not chosen.proxy_upstream,  # and is told of each address that a request came by
        timeout_graceful_shutdown=max(1, round(chosen.drain_s)),
    )
