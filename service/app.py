"""Joins the stages into an application; the only file that does.

``uvicorn service.app:create_app --factory``, configured by ``EVENHAND_*`` variables, or ``evenhand serve``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor

from fastapi import FastAPI
from prometheus_client import CollectorRegistry

from service import __version__, handlers, settings
from service.metrics import Metrics
from service.middleware import Doorkeeper
from service.pipeline import Pipeline
from service.registry import load_all
from service.routes import admin, health, predict, v2
from service.routes.running import Running
from service.settings import Settings
from service.tracing import make_tracer


def create_app(given: Settings | None = None) -> FastAPI:
    """Verify and load the bundles, and build the application around them.

    Args:
        given: Settings; read from the environment where not given.

    Raises:
        SettingsError: the environment cannot be used, or tracing is asked for and not installed.
        BundleError: a bundle does not hold.
    """
    chosen = given or settings.load()
    metrics, tracer = Metrics(CollectorRegistry()), make_tracer(chosen.otlp_endpoint)
    engine_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
    registry = load_all(chosen.bundles, chosen, engine_thread, metrics)
    state = Running(registry, Pipeline(chosen, metrics), metrics)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for model in registry.models.values():
            model.batcher.start()
        yield
        state.draining = True
        await asyncio.gather(*(model.batcher.close() for model in registry.models.values()))
        engine_thread.shutdown()
        await asyncio.to_thread(tracer.close)

    app = FastAPI(
        title="Evenhand",
        version=__version__,
        description="A classifier that corrects itself, row by row, where it is likely to be unfair.",
        lifespan=lifespan,
        # FastAPI's own telemetry follows variables that are not ours, and costs every request: one setting decides.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    app.state.running = state
    for router in (predict.router, v2.router, health.router, admin.router):
        app.include_router(router)
    handlers.install(app, metrics)
    app.add_middleware(Doorkeeper, metrics=metrics, tracer=tracer, max_body_bytes=chosen.max_body_bytes)
    return app
