"""What a running application holds, for its routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import Request

from service.control import Control
from service.desk import Desk
from service.flips import Flips
from service.lanes import Lanes
from service.metrics import Metrics
from service.pipeline import Pipeline
from service.recent import Recent
from service.record.recorder import Recorder
from service.registry import Registry
from service.reload import Reloader
from service.shadow import Shadow
from service.tracing import TRACE, Trace
from service.watch import Watch


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
