"""What a running application holds, for its routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import Request

from evenhand.service.audit.recorder import Recorder
from evenhand.service.catalog.counterfactual import Flips
from evenhand.service.catalog.operator import Control
from evenhand.service.catalog.registry import Registry
from evenhand.service.catalog.reload import Reloader
from evenhand.service.catalog.shadow import Shadow
from evenhand.service.desk import Desk
from evenhand.service.housekeeping import Watch
from evenhand.service.inference.workers import Lanes
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.pipeline import Pipeline
from evenhand.service.routes.cached import Recent
from evenhand.service.tracing import TRACE, Trace


@dataclass
class Running:
    """The joined stages of one application."""

    registry: Registry
    pipeline: Pipeline
    metrics: Metrics
    lanes: Lanes
    shadow: Shadow
    flips: Flips
    reloader: Reloader
    control: Control
    recorder: Recorder | None
    desk: Desk
    watch: Watch | None
    limits: Mapping[str, float]
    recent: Recent = field(default_factory=Recent)
    draining: bool = False


def running(request: Request) -> Running:
    """The application's stages."""
    found: Running = request.app.state.running
    return found


def trace_of(request: Request) -> Trace:
    """The request's trace, which the middleware began."""
    found: Trace = request.scope[TRACE]
    return found
