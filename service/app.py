"""Joins the parts of the service into an application; the only file that does.

Run it with ``evenhand serve``, or with ``uvicorn evenhand.service.app:create_app --factory`` and
``EVENHAND_*`` variables.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from evenhand.service import settings
from evenhand.service.audit.client import make_client, note_in
from evenhand.service.audit.writer import RecordReport
from evenhand.service.auth.authorizer import Authorizer
from evenhand.service.background import Background, Task
from evenhand.service.catalog.counterfactual import Counterfactuals
from evenhand.service.catalog.declaration import declarations_in
from evenhand.service.catalog.loader import Loader, engine_workers
from evenhand.service.catalog.observed import ObservedModels
from evenhand.service.catalog.operator import Control
from evenhand.service.catalog.registry import Registry
from evenhand.service.catalog.reload import Reloader, load_all
from evenhand.service.catalog.shadow import Shadow
from evenhand.service.elsewhere.recorder import Recorder
from evenhand.service.elsewhere.shadow import ShadowAnswers
from evenhand.service.housekeeping import Housekeeping
from evenhand.service.http import error_handlers
from evenhand.service.http.access_log import AccessLog
from evenhand.service.http.bodies import Bodies, body_limits
from evenhand.service.http.middleware import AuthMiddleware, RequestWatch
from evenhand.service.http.openapi import describe
from evenhand.service.http.security_headers import SecurityHeaders
from evenhand.service.http.uvicorn_protocol import Shortcut
from evenhand.service.inference.workers import Workers
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.monitoring.limits import limits_of
from evenhand.service.pipeline import Pipeline
from evenhand.service.proxy import front
from evenhand.service.proxy.policy import ProxyPolicy
from evenhand.service.proxy.proxy import Proxy
from evenhand.service.proxy.watched import Watch
from evenhand.service.resources import TRIM_EVERY_S, trim_memory_regularly
from evenhand.service.routes import admin, decisions, docs, fairness, feedback, health, predict, trend, v2
from evenhand.service.routes.dependencies import ApplicationState
from evenhand.service.settings import Settings
from evenhand.service.tracing import Tracer, make_tracer
from evenhand.version import __version__

log = logging.getLogger(__name__)

SAMPLE_S = 0.5
"""Seconds between two samples of the queue lengths."""
SWITCH_S = 0.0005
"""Seconds for which one thread may hold the interpreter while another waits; Python's default of 5 ms is a
tenth of a batch."""

CORS: dict[str, Any] = {
    "allow_methods": ("GET", "POST", "PUT"),
    "allow_headers": (
        "authorization",
        "x-api-key",
        "x-request-id",
        "traceparent",
        "inference-header-content-length",
    ),
    "expose_headers": ("x-request-id", "traceresponse", "retry-after", "inference-header-content-length"),
}
"""Requests that pages of the operator's sites may send, and headers that they may read."""


def create_app(configured: Settings | None = None) -> FastAPI:
    """Verify and load the bundles, and build the application around them.

    Args:
        configured: Settings; ``None`` reads them from the environment.

    Raises:
        SettingsError: a setting is not valid, or tracing is configured and not installed.
        BundleError: a bundle is not valid.
        RecordRefused: the record's database or key cannot be used.
        AccessError: keys or tokens cannot be set up, or other machines could reach the service without a key.
    """
    chosen = configured or settings.load()
    sys.setswitchinterval(SWITCH_S)
    metrics = Metrics(CollectorRegistry(), chosen.lot_rows, chosen.gap_limit)
    tracer = make_tracer(chosen.otlp_endpoint)
    metrics.record.limits(limits_of(chosen))
    policy = ProxyPolicy(chosen) if chosen.proxy_upstream else None
    authorizer = Authorizer(chosen, metrics.auth, policy, metrics.access_file)
    if authorizer.is_open_to_all:
        log.warning(
            "EVENHAND_OPEN: everyone who reaches %s may predict and read; admin routes are off", chosen.host
        )
    state = _join(chosen, metrics)
    app = Application(
        title="Evenhand",
        version=__version__,
        description="A classifier that corrects itself, row by row, where it is likely to be unfair.",
        lifespan=lambda _: _lifespan(state, chosen, tracer),
        docs_url=None,  # FastAPI's own pages load scripts from other hosts
        redoc_url=None,
        # FastAPI's own telemetry follows other variables and slows every request.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.running = state
    for routes in (predict, v2, feedback, decisions, fairness, trend, health, admin, docs):
        app.include_router(routes.router)
    error_handlers.install(app, metrics)
    describe(app)
    routed: ASGIApp = app.routed
    bodies = Bodies(body_limits(chosen))
    watch = RequestWatch(metrics, tracer, AccessLog(chosen.access_log, chosen.access_log_address))
    if state.proxy is not None:
        routed = front.Forward(routed, state.proxy)
        if not chosen.cors_origins:
            app.shortcut = front.Shortcut(state.proxy, authorizer, watch, bodies)
    admitted: ASGIApp = AuthMiddleware(
        routed,
        watch=watch,
        bodies=bodies,
        busy=state.registry.busy if state.proxy is None else lambda: None,  # its server may have room
        authorizer=authorizer,
    )
    if chosen.cors_origins:
        admitted = CORSMiddleware(admitted, allow_origins=chosen.cors_origins, **CORS)
    app.outermost = SecurityHeaders(admitted)
    return app


class Application(FastAPI):
    """FastAPI behind our own layers: what they refuse or send on never enters the framework."""

    outermost: ASGIApp
    shortcut: Shortcut | None = None
    """Takes requests around all layers, where uvicorn runs our protocol."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        await (self.outermost if scope["type"] == "http" else self.routed)(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """The framework without its outermost layer, which would answer unexpected errors before ours."""
        outermost: Any = super().build_middleware_stack()
        within: ASGIApp = outermost.app
        return within

    async def routed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one that was admitted."""
        await super().__call__(scope, receive, send)


def _join(chosen: Settings, metrics: Metrics) -> ApplicationState:
    background = Background(metrics.background_failed)
    report = RecordReport(metrics.record.recorded, metrics.record.spooled)
    audit = make_client(chosen, report, background)
    registries: list[Registry] = []

    def probe() -> None:
        for model in registries[0].live():
            model.engine.probe()

    workers = Workers(engine_workers(chosen), probe, chosen.stall_s, background)
    loader = Loader(chosen, workers, metrics)
    folder = settings.observed_folder(chosen)
    registry = load_all(chosen.bundles, loader, may_be_empty=bool(declarations_in(folder)))
    observed = ObservedModels(folder, registry, metrics.observe)
    registries.append(registry)
    shadow, note = Shadow(registry, metrics, chosen.deadline_s, background), note_in(audit)
    counterfactuals = Counterfactuals(registry, metrics, chosen.flip_share, chosen.deadline_s, background)
    pipeline = Pipeline(registry, chosen, metrics, (shadow, counterfactuals), audit)
    recorder = None if audit is None else Recorder(audit, metrics)
    observed.look()
    return ApplicationState(
        registry=registry,
        pipeline=pipeline,
        proxy=_proxy(chosen, pipeline, (registry, observed, recorder), metrics),
        metrics=metrics,
        workers=workers,
        background=background,
        shadow=shadow,
        counterfactuals=counterfactuals,
        reloader=Reloader(registry, loader, note),
        control=Control(registry, workers, metrics, note, settings.control_file()),
        audit=audit,
        housekeeping=None
        if audit is None
        else Housekeeping(audit, (registry, observed), chosen, metrics, background),
        limits=limits_of(chosen),
        observed=observed,
        recorder=recorder,
        shadow_answers=ShadowAnswers(registry, chosen.deadline_s),
        state_folder=chosen.state,
    )


def _proxy(
    chosen: Settings,
    pipeline: Pipeline,
    models: tuple[Registry, ObservedModels, Recorder | None],
    metrics: Metrics,
) -> Proxy | None:
    if not chosen.proxy_upstream:
        return None
    registry, observed, recorder = models
    watch = None if recorder is None else Watch(observed, recorder, chosen, metrics)
    return Proxy(chosen, registry, pipeline, metrics, watch)


@contextlib.asynccontextmanager
async def _lifespan(state: ApplicationState, chosen: Settings, tracer: Tracer) -> AsyncIterator[None]:
    for slot in state.registry.slots:
        slot.model.open(state.workers)
    await state.workers.start()
    if state.proxy is not None:
        state.proxy.upstream.open()
    await asyncio.to_thread(_start_record, state)
    gc.collect()
    gc.freeze()  # objects of the start live on; searching them again would pause the process each time
    tasks = _start_tasks(state, chosen.watch_s)
    yield
    state.draining = True
    for task in tasks:
        task.stop()
    if state.proxy is not None:
        state.proxy.upstream.close()
        if state.proxy.watch is not None:
            await state.proxy.watch.close()
    await asyncio.gather(state.shadow.close(), state.counterfactuals.close())
    await asyncio.gather(*(slot.model.close() for slot in state.registry.slots))
    await state.workers.stop()
    await asyncio.to_thread(_close_record, state)
    await asyncio.to_thread(tracer.close)
    gc.unfreeze()  # free this application if its process lives on, as in tests


def _start_record(state: ApplicationState) -> None:
    if state.audit is not None and state.housekeeping is not None:
        state.audit.start()
        state.housekeeping.start()


def _close_record(state: ApplicationState) -> None:
    """Write the accepted records, then sign the end of the chain."""
    if state.audit is not None and state.housekeeping is not None:
        state.housekeeping.stop()
        state.audit.close()
        state.housekeeping.sign()
        state.audit.engine.dispose()


def _start_tasks(state: ApplicationState, watch_s: float) -> list[Task]:
    async def sample() -> float | None:
        return _sample(state)

    async def look() -> float:
        await state.reloader.look()
        state.observed.look()
        return watch_s

    background = state.background
    tasks = [
        background.task("queues", sample).start(),
        background.task("control", state.control.follow).start(),
        background.task("memory", trim_memory_regularly).start(TRIM_EVERY_S),
    ]
    if state.proxy is not None:
        tasks.append(background.task("upstream", state.proxy.upstream.probe).start())
    return [*tasks, background.task("bundles", look).start(watch_s)] if watch_s else tasks


def _sample(state: ApplicationState) -> float | None:
    """Sample the queues and release buffered counters; end the process if only a new one helps.

    Returns:
        Seconds until the next sample; ``None`` once the process ends.
    """
    if (reason := _reason_to_end(state)) is not None:
        log.critical("this process ends: %s", reason)
        os.kill(os.getpid(), signal.SIGTERM)
        return None
    for name in state.registry.roles:
        state.metrics.waiting(name, sum(model.batcher.depth for model in state.registry.versions(name)))
    state.metrics.flush()
    return SAMPLE_S


def _reason_to_end(state: ApplicationState) -> str | None:
    if state.workers.beyond_repair:
        return state.workers.problem
    supervisor = multiprocessing.parent_process()
    if supervisor is not None and not supervisor.is_alive():
        return "its supervisor has ended, so no new process would replace it"
    return None
