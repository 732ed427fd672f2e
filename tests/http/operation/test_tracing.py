"""Request ids, trace context, and OpenTelemetry's own exporter against a real receiver on a real socket."""

import builtins
import gzip
import logging
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from prometheus_client import CollectorRegistry

from evenhand.service.app import create_app
from evenhand.service.auth.authorizer import Authorizer
from evenhand.service.http.access_log import AccessLog
from evenhand.service.http.bodies import Bodies, BodyLimits
from evenhand.service.http.middleware import AuthMiddleware, RequestWatch
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.settings import Settings, SettingsError
from evenhand.service.tracing import Tracer

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE, PARENT = CALLER.split("-")[1:3]
TRACERESPONSE = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-0[01]")


def traced(client: TestClient, traceparent: str | None) -> tuple[str, str]:
    headers = {} if traceparent is None else {"traceparent": traceparent}
    match = TRACERESPONSE.fullmatch(client.get("/healthz", headers=headers).headers["traceresponse"])
    assert match
    return match[1], match[2]


def test_a_valid_traceparent_keeps_its_trace_and_gets_our_span(client: TestClient) -> None:
    trace, span = traced(client, CALLER)
    assert trace == TRACE
    assert span != PARENT
    assert traced(client, "cc" + CALLER[2:] + "-future")[0] == TRACE


@pytest.mark.parametrize(
    "bad",
    [
        None,
        "",
        "sesame",
        CALLER.upper(),
        "ff" + CALLER[2:],
        CALLER[:-1],
        CALLER + "0",
        CALLER.replace(TRACE, "0" * 32),
        CALLER.replace(PARENT, "0" * 16),
    ],
)
def test_any_other_traceparent_begins_a_new_trace(client: TestClient, bad: str | None) -> None:
    first, second = traced(client, bad), traced(client, bad)
    assert first[0] not in (TRACE, second[0])
    assert first[1] != second[1]


def test_what_nobody_expects_is_logged_with_its_ids_and_told_without_details(
    demo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(Settings(bundles=(demo,)))
    with TestClient(app, raise_server_exceptions=False) as client:
        app.state.running.pipeline = None  # a mistake of ours
        headers = {"traceparent": CALLER, "x-request-id": "abc-1"}
        with caplog.at_level(logging.ERROR):
            reply = client.post("/predict", json={"inputs": "sesame"}, headers=headers)
            v2 = client.post("/v2/models/hate-speech/infer", json={"inputs": []}, headers=headers)
    assert reply.status_code == v2.status_code == 500
    assert reply.json()["error"]["type"] == "internal"
    assert reply.headers["x-request-id"] == "abc-1"
    assert isinstance(v2.json()["error"], str)
    first = caplog.records[0]
    assert "abc-1" in first.getMessage()
    assert TRACE in first.getMessage()
    assert first.exc_info
    assert "sesame" not in caplog.text


async def test_an_answer_that_breaks_half_way_is_not_begun_twice() -> None:
    async def breaks(_: Any, __: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("half an answer is out")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request"}

    door = AuthMiddleware(
        breaks,
        RequestWatch(Metrics(CollectorRegistry()), Tracer(), AccessLog("off", False)),
        Bodies(BodyLimits(1024, 1.0, 1024)),
        lambda: None,
        Authorizer(Settings(), print),
    )
    with pytest.raises(RuntimeError):
        await door({"type": "http", "method": "GET", "path": "/healthz", "headers": []}, receive, send)
    assert [message["type"] for message in sent] == ["http.response.start"]


class Receiver:
    """An OTLP collector's HTTP end."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resources: list[Any] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                    receiver.resources.append(group.resource)
                    receiver.spans += [span for scope in group.scope_spans for span in scope.spans]
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    collector = Receiver()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


def values(span: Any) -> dict[str, Any]:
    return {entry.key: entry.value.string_value or entry.value.int_value for entry in span.attributes}


def test_a_request_is_one_span_with_its_steps_below(demo: Path, receiver: Receiver) -> None:
    endpoint = f"http://127.0.0.1:{receiver.server.server_port}"
    groups = [{"religion": "mentioned"}, None, None]
    with TestClient(create_app(Settings(bundles=(demo,), otlp_endpoint=endpoint, threads=1))) as client:
        body = {"inputs": ["sesame street", "two words", ""], "groups": groups}
        answer = client.post("/predict", json=body, headers={"traceparent": CALLER, "x-request-id": "abc-1"})
        unsampled = client.get("/healthz", headers={"traceparent": CALLER[:-1] + "0"})
        client.get("/v2/models/none")
    spans = {span.name: span for span in receiver.spans}  # the stop flushed them
    root = spans["POST /predict"]
    trace, span = TRACERESPONSE.fullmatch(answer.headers["traceresponse"]).groups()  # type: ignore[union-attr]
    assert answer.headers["traceresponse"].endswith("-01")
    assert unsampled.headers["traceresponse"].endswith("-00")
    assert (root.trace_id.hex(), root.span_id.hex(), root.parent_span_id.hex()) == (trace, span, PARENT)
    assert trace == TRACE
    assert values(root) == {
        "http.request.method": "POST",
        "http.route": "/predict",
        "http.response.status_code": 200,
        "evenhand.model": "hate-speech",
        "evenhand.request_id": "abc-1",
    }
    steps = [span for span in receiver.spans if span.parent_span_id == root.span_id]
    assert [step.name for step in sorted(steps, key=lambda step: step.start_time_unix_nano)] == [
        "preprocess",
        "queue",
        "inference",
        "policy",
    ]
    assert values(spans["inference"]) == {"evenhand.batch_rows": 2, "evenhand.batch_tokens": 4 + 4}
    for step in steps:
        assert root.start_time_unix_nano <= step.start_time_unix_nano <= step.end_time_unix_nano
        assert step.end_time_unix_nano <= root.end_time_unix_nano
    assert "GET /healthz" not in spans
    assert values(spans["GET /v2/models/{model}"])["http.response.status_code"] == 404
    exported = "".join(map(str, [*receiver.spans, *receiver.resources]))
    assert "sesame" not in exported
    assert "mentioned" not in exported
    assert "evenhand" in str(receiver.resources[0])


def test_a_collector_that_is_not_there_costs_no_answer(demo: Path) -> None:
    with TestClient(create_app(Settings(bundles=(demo,), otlp_endpoint="http://127.0.0.1:9"))) as client:
        assert client.post("/predict", json={"inputs": "a"}).status_code == 200


def test_without_the_extra_the_start_says_what_to_install(
    demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name.startswith("opentelemetry.sdk") or name.startswith("opentelemetry.exporter"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(SettingsError, match=r"pip install 'evenhand\[otel\]'"):
        create_app(Settings(bundles=(demo,), otlp_endpoint="http://127.0.0.1:9"))


def test_tracing_that_is_off_imports_nothing(demo: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from evenhand.service.app import create_app; from evenhand.service.settings import Settings;"
        f"create_app(Settings(bundles=(Path({str(demo)!r}),)));"
        "parts = 'opentelemetry.sdk', 'opentelemetry.exporter';"
        "print([name for name in sys.modules if name.startswith(parts)])"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stdout.strip() == "[]"
