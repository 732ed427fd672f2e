"""Authorises, limits, names and counts requests before routing. Plain ASGI."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from evenhand.service.auth.authorizer import Authorizer
from evenhand.service.auth.policy import Rule
from evenhand.service.errors import ServiceError, UnsupportedMediaType
from evenhand.service.http.access_log import AccessLog
from evenhand.service.http.bodies import Bodies, Held
from evenhand.service.ids import ulid
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.tracing import CURRENT, TRACE, Trace, Tracer

LOG = logging.getLogger(__name__)
REQUEST_ID = b"x-request-id"
REFUSED = "evenhand.refused"
"""Set in the scope of a request that was refused before it came here: the error."""
CLIENT_CLOSED = 499
"""The status that is counted for a request whose client disconnected before the answer."""
WATCH_AFTER_S = 0.03
"""A request that takes longer is watched for its client's leaving; watching every one would cost more than
the work of the few whose client leaves sooner."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
JSON_LINES = (
    b"application/x-ndjson",
    b"application/ndjson",
    b"application/jsonl",
    b"application/x-jsonlines",
)
PARQUET = (b"application/vnd.apache.parquet", b"application/parquet", b"application/x-parquet")
PLAIN_TOKEN = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


@dataclass(frozen=True, slots=True)
class RequestWatch:
    """What keeps account of requests."""

    metrics: Metrics
    tracer: Tracer
    access_log: AccessLog


class AuthMiddleware:
    """Refuses requests without permission, and bodies that are too large or of a wrong type.

    It also gives every request an id and a trace, and counts it.

    Args:
        app: The application behind this one.
        watch: Counts, traces and logs requests.
        bodies: Reads bodies within limits.
        busy: The error if no model can take a row now; else ``None``.
        authorizer: Allows or refuses requests.
    """

    def __init__(
        self,
        app: ASGIApp,
        watch: RequestWatch,
        bodies: Bodies,
        busy: Callable[[], ServiceError | None],
        authorizer: Authorizer,
    ) -> None:
        self._app = app
        self._watch = watch
        self._bodies = bodies
        self._busy = busy
        self._authorizer = authorizer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        trace = scope[TRACE] = self._watch.tracer.begin(*ids_of(headers))
        CURRENT.set(trace)
        started, status, answered = time.monotonic(), 500, False
        held, rules = self._bodies.held(), self._authorizer.rules(scope["path"])

        async def answer(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], True
                theirs = list(message.get("headers", ()))
                message["headers"] = [*theirs, *own_headers(theirs, trace)]
            await send(message)

        try:
            rule = self._admit(scope, rules)
            request = await _read_body(rule, headers, held, receive)
            if not rule.is_inference:
                await self._app(scope, request, answer)
            elif (busy := self._busy()) is not None:
                raise busy  # under overload a refusal must cost little: before routing, JSON and schemas
            elif not await _until_disconnect(self._app(scope, request, answer), receive, lambda: answered):
                status = CLIENT_CLOSED
        except ServiceError as error:
            await self._refuse(error, scope, receive, answer)
        except Exception:
            LOG.exception("unexpected error; request %s, trace %s", trace.request_id, trace.trace_id)
            if answered:
                raise  # a part of the answer was sent: the connection must break
            await self._refuse(ServiceError(), scope, receive, answer)
        finally:
            held.let_go()
            route = next((rule.template for rule in rules.values()), "unmatched")
            seconds = time.monotonic() - started
            self._watch.metrics.request(route, _method(scope), status, seconds)
            self._watch.access_log.write(scope, route, status, seconds)
            self._watch.tracer.end(trace, route, _method(scope), status)

    def _admit(self, scope: Scope, rules: Mapping[str, Rule]) -> Rule:
        if (refused := scope.get(REFUSED)) is not None:
            raise refused
        return self._authorizer.admit(scope, rules)

    async def _refuse(self, error: ServiceError, scope: Scope, receive: Receive, send: Send) -> None:
        self._watch.metrics.rejected(error.type)
        await JSONResponse(error.body(scope["path"]), error.status, error.headers())(scope, receive, send)


def ids_of(headers: Mapping[bytes, bytes]) -> tuple[str, bytes]:
    """The id of a request, the client's own if it can be used, and its ``traceparent``."""
    client_id = headers.get(REQUEST_ID, b"")
    request_id = client_id.decode() if PLAIN_TOKEN.fullmatch(client_id) else ulid()
    return request_id, headers.get(b"traceparent", b"")


def own_headers(theirs: Iterable[tuple[bytes, bytes]], trace: Trace) -> list[tuple[bytes, bytes]]:
    """What names a request in its reply, unless the reply has it; a server behind the proxy may set it."""
    names = {name for name, _ in theirs}
    ours = ((REQUEST_ID, trace.request_id.encode()), (b"traceresponse", trace.header))
    return [header for header in ours if header[0] not in names]


async def _until_disconnect(work: Awaitable[None], receive: Receive, answered: Callable[[], bool]) -> bool:
    """Await the application, but cancel it if the client disconnects before the answer.

    Returns:
        Whether the client stayed to the end.
    """
    task = asyncio.current_task()
    assert task is not None  # a coroutine runs in a task
    watchers: list[asyncio.Task[None]] = []

    def watch() -> None:
        watchers.append(asyncio.create_task(_cancel_on_disconnect(task, receive, answered)))

    timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, watch)
    try:
        await work
    except asyncio.CancelledError:
        if not any(watcher.done() for watcher in watchers) or task.uncancel():
            raise  # the service stops
        return False
    finally:
        timer.cancel()
        for watcher in watchers:
            watcher.cancel()
    return True


async def _cancel_on_disconnect(
    task: asyncio.Task[Any], receive: Receive, answered: Callable[[], bool]
) -> None:
    message = await receive()
    if message["type"] == "http.disconnect" and not answered():
        task.cancel()


async def _read_body(rule: Rule, headers: dict[bytes, bytes], held: Held, receive: Receive) -> Receive:
    """Read the body, if the route takes one, before the application runs."""
    if rule.forwards:
        has_body = b"content-length" in headers or b"transfer-encoding" in headers
        return _replay(await held.read(headers, receive) if has_body else b"", receive)
    if rule.method not in ("POST", "PUT", "PATCH"):
        return receive
    _check_media_type(headers, rule)
    if rule.takes_rows and media_type(headers) in (*JSON_LINES, *PARQUET):
        return held.stream(headers, receive)
    return _replay(await held.read(headers, receive), receive)


def _check_media_type(headers: dict[bytes, bytes], rule: Rule) -> None:
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise UnsupportedMediaType(
            "compressed bodies are not taken; send the body without a Content-Encoding"
        )
    kind = media_type(headers)
    if kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json")):
        return
    if rule.takes_rows:
        if kind in (*JSON_LINES, *PARQUET):
            return
        raise UnsupportedMediaType(
            "send decisions as application/json, application/x-ndjson (JSON lines), or "
            "application/vnd.apache.parquet, uncompressed"
        )
    # Triton's client sends no type at all; KServe's client sends this one if tensors are binary.
    if kind not in (b"", b"application/octet-stream") or not rule.takes_binary:
        raise UnsupportedMediaType


def media_type(headers: Mapping[bytes, bytes]) -> bytes:
    """The declared type of a body, without its parameters."""
    return headers.get(b"content-type", b"").split(b";")[0].strip().lower()


def _replay(body: bytes, receive: Receive) -> Receive:
    """Deliver the body once, then the messages of the connection."""
    waiting = [body]

    async def replayed() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replayed


def _method(scope: Scope) -> str:
    """The method as a label; a client may send any word, so unknown ones become ``other``."""
    return scope["method"] if scope["method"] in METHODS else "other"
