"""Traces of requests (W3C ``traceparent``), and OpenTelemetry spans if a collector is configured.

Export is off by default: then OpenTelemetry is not imported and a trace is two ids. A span never holds an
input or a group.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from evenhand.service.settings import SettingsError
from evenhand.service.types import Example, GraphRun, Scores

TRACEPARENT = re.compile(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)
TRACE = "evenhand.trace"
"""Key of the trace in an ASGI scope."""
TRACES = "/v1/traces"
SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a request."""

    name: str
    started_ns: int
    ended_ns: int
    attributes: dict[str, int]


@dataclass(slots=True)
class Trace:
    """One request: its ids, and its steps if they are recorded."""

    request_id: str
    trace_id: str
    """From the caller's ``traceparent`` if that is valid."""
    span_id: str
    """Ours: the caller may name it as a child of its own span."""
    recorded: bool = False
    model: str | None = None
    stages: list[Stage] = field(default_factory=list)
    span: Any = None
    """OpenTelemetry's span of the request, if it is recorded."""

    @property
    def header(self) -> bytes:
        """The value of ``traceresponse``: ``traceparent``'s form, with our span's id."""
        return f"00-{self.trace_id}-{self.span_id}-{SAMPLED if self.recorded else 0:02x}".encode()

    def stage(self, name: str, started_ns: int, ended_ns: int, **attributes: int) -> None:
        """Add a step."""
        self.stages.append(Stage(name, started_ns, ended_ns, attributes))

    def waited(self, submitted_ns: int, runs: Sequence[GraphRun]) -> None:
        """Add the wait of submitted rows, and every run of the graph that took some of them."""
        if runs:
            self.stage("queue", submitted_ns, max(submitted_ns, min(run.started_ns for run in runs)))
        for run in {id(run): run for run in runs}.values():
            self.stage(
                "inference", run.started_ns, run.ended_ns, batch_rows=run.rows, batch_tokens=run.tokens
            )


CURRENT: ContextVar[Trace | None] = ContextVar("evenhand.trace", default=None)
"""The current request, for log lines; an engine thread works on several and has none."""


class Tracer:
    """Makes trace ids and exports nothing."""

    def begin(self, request_id: str, traceparent: bytes) -> Trace:
        """Begin a request.

        Args:
            request_id: Its own id.
            traceparent: The caller's header; empty if there was none.
        """
        match = TRACEPARENT.fullmatch(traceparent)
        random = os.urandom(24).hex()
        return Trace(request_id, match[1].decode() if match else random[16:], random[:16])

    def end(self, trace: Trace, route: str, method: str, status: int) -> None:
        """End a request."""

    def close(self) -> None:
        """Export what was recorded, and stop."""


class ExportingTracer(Tracer):
    """Exports one span per request, with a child per step, to an OTLP collector over HTTP.

    Args:
        endpoint: Address of the collector; ``/v1/traces`` is added if it is missing.

    Raises:
        SettingsError: the extra ``otel`` is not installed.
    """

    def __init__(self, endpoint: str) -> None:
        try:
            from opentelemetry import trace
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise SettingsError(
                "EVENHAND_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: pip install "
                "'evenhand[otel]'"
            ) from error
        url = endpoint.rstrip("/")
        exporter = OTLPSpanExporter(endpoint=url if url.endswith(TRACES) else url + TRACES)
        self._api = trace
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "evenhand"}), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("evenhand")

    def begin(self, request_id: str, traceparent: bytes) -> Trace:
        """Begin a request; the caller's decision whether to sample is followed."""
        api = self._api
        context = api.set_span_in_context(api.INVALID_SPAN)
        match = TRACEPARENT.fullmatch(traceparent)
        if match:
            ids = (int(match[1], 16), int(match[2], 16))
            parent = api.SpanContext(*ids, is_remote=True, trace_flags=api.TraceFlags(int(match[3], 16)))
            context = api.set_span_in_context(api.NonRecordingSpan(parent))
        span = self._tracer.start_span("request", context, kind=api.SpanKind.SERVER)
        own = span.get_span_context()
        return Trace(
            request_id, f"{own.trace_id:032x}", f"{own.span_id:016x}", recorded=span.is_recording(), span=span
        )

    def end(self, trace: Trace, route: str, method: str, status: int) -> None:
        """End a request and its steps."""
        if not trace.recorded:
            return
        span = trace.span
        span.update_name(f"{method} {route}")
        span.set_attributes(
            {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": status,
                "evenhand.request_id": trace.request_id,
            }
        )
        if trace.model is not None:
            span.set_attribute("evenhand.model", trace.model)
        if status >= 500:
            span.set_status(self._api.StatusCode.ERROR)
        context = self._api.set_span_in_context(span)
        for stage in trace.stages:
            attributes = {f"evenhand.{name}": value for name, value in stage.attributes.items()}
            child = self._tracer.start_span(
                stage.name, context, attributes=attributes, start_time=stage.started_ns
            )
            child.end(stage.ended_ns)
        span.end()

    def close(self) -> None:
        """Export what was recorded, and stop."""
        self._provider.shutdown()


def make_tracer(endpoint: str | None) -> Tracer:
    """The tracer for an endpoint; without one, a tracer that exports nothing.

    Raises:
        SettingsError: the extra ``otel`` is not installed.
    """
    return ExportingTracer(endpoint) if endpoint else Tracer()


def traced(
    run_batch: Callable[[Sequence[Example]], list[Scores]],
) -> Callable[[Sequence[Example]], list[Scores]]:
    """Make ``run_batch`` note in each traced row the run that it was in."""

    def run(examples: Sequence[Example]) -> list[Scores]:
        started = time.time_ns()
        scores = run_batch(examples)
        graph_run = GraphRun(
            started, time.time_ns(), len(examples), sum(example.encoded.tokens for example in examples)
        )
        for example in examples:
            if example.observer is not None:
                example.observer.run = graph_run
        return scores

    return run
