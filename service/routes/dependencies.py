"""The state of a running application, for its routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import Request

from evenhand.service.audit.client import AuditClient
from evenhand.service.background import Background
from evenhand.service.catalog.counterfactual import Counterfactuals
from evenhand.service.catalog.observed import ObservedModels
from evenhand.service.catalog.operator import Control
from evenhand.service.catalog.registry import Registry
from evenhand.service.catalog.reload import Reloader
from evenhand.service.catalog.shadow import Shadow
from evenhand.service.elsewhere.recorder import Recorder
from evenhand.service.elsewhere.shadow import ShadowAnswers
from evenhand.service.errors import RecordOff
from evenhand.service.housekeeping import Housekeeping
from evenhand.service.inference.workers import Workers
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.pipeline import Pipeline
from evenhand.service.proxy.proxy import Proxy
from evenhand.service.routes.cached import CachedReplies
from evenhand.service.tracing import TRACE, Trace


@dataclass
class ApplicationState:
    """The joined stages of one application."""

    registry: Registry
    pipeline: Pipeline
    metrics: Metrics
    workers: Workers
    background: Background
    shadow: Shadow
    counterfactuals: Counterfactuals
    reloader: Reloader
    control: Control
    audit: AuditClient | None
    housekeeping: Housekeeping | None
    limits: Mapping[str, float]
    observed: ObservedModels
    recorder: Recorder | None
    """Of decisions made elsewhere; ``None`` where nothing is recorded."""
    shadow_answers: ShadowAnswers
    state_folder: Path
    """Where a body waits that must be read as a file."""
    proxy: Proxy | None = None
    cached: CachedReplies = field(default_factory=CachedReplies)
    draining: bool = False

    @property
    def problem(self) -> str | None:
        """Why the service is not ready; ``None`` if it is."""
        if self.draining:
            return "the service is stopping"
        blockage = None if self.audit is None else self.audit.blockage
        upstream = None if self.proxy is None else self.proxy.problem
        return self.workers.problem or self.background.problem or blockage or upstream

    @property
    def beyond_repair(self) -> str | None:
        """Why the process must be replaced; ``None`` if it need not be."""
        return self.workers.problem if self.workers.beyond_repair else self.background.beyond_repair


def audit_of(state: ApplicationState) -> AuditClient:
    """The audit client.

    Raises:
        RecordOff: nothing is recorded.
    """
    if state.audit is None:
        raise RecordOff
    return state.audit


def recorder_of(state: ApplicationState) -> Recorder:
    """What records decisions made elsewhere.

    Raises:
        RecordOff: nothing is recorded.
    """
    if state.recorder is None:
        raise RecordOff
    return state.recorder


def running(request: Request) -> ApplicationState:
    """The application's state."""
    state: ApplicationState = request.app.state.running
    return state


def trace_of(request: Request) -> Trace:
    """The request's trace, which the middleware began."""
    trace: Trace = request.scope[TRACE]
    return trace
