"""What happens to a request before routing and after answering: limits, request id, counting. Plain ASGI."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import JSONResponse

from evenhand.service.auth.authorizer import Authorizer
from evenhand.service.errors import V2_PREFIX, ServiceError, UnsupportedMediaType
from evenhand.service.http.bodies import Bodies, Message, Receive
from evenhand.service.ids import ulid
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.tracing import CURRENT, TRACE, Trace, Tracer

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOG = logging.getLogger(__name__)
REQUEST_ID = b"x-request-id"
V2_INFER = rf"{V2_PREFIX}/models/.+/infer"
INFER_PATH = re.compile(rf"/predict|{V2_INFER}")
BINARY_PATH = re.compile(V2_INFER)
CALLER_LEFT = 499
"""Counted where the caller left before its answer; nobody sees it."""
PLAIN_TOKEN = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class AuthMiddleware:
    """Refuses who may not ask and what is too large or of another type; names requests, counts and guards answers.

    Args:
        app: The application behind it.
        metrics: Where requests are counted.
        tracer: Names traces.
        bodies: Reads them.
        busy: Why no row at all can be taken now, whatever the request is; ``None`` if some can.
        authorizer: Who may ask what.
    """

    def __init__(
        self,
        app: App,
        metrics: Metrics,
        tracer: Tracer,
        bodies: Bodies,
        busy: Callable[[], ServiceError | None],
        authorizer: Authorizer,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._tracer = tracer
        self._bodies = bodies
        self._busy = busy
        self._authorizer = authorizer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        client_id = headers.get(REQUEST_ID, b"")
        request_id = client_id.decode() if PLAIN_TOKEN.fullmatch(client_id) else ulid()
        trace = scope[TRACE] = self._begin(request_id, headers)
        started, status, answered = time.monotonic(), 500, False
        body: bytes | None = None
        held, rules = self._bodies.held(), self._authorizer.rules(scope["path"])

        async def answer(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], True
                ours = ((REQUEST_ID, request_id.encode()), (b"traceresponse", trace.header))
                message["headers"] = [*message.get("headers", ()), *ours]
            await send(message)

        try:
            self._authorizer.admit(scope, rules)
            if scope["method"] in ("POST", "PUT", "PATCH"):
                _check_media_type(headers, scope["path"])
                body = await held.read(headers, receive)
                if INFER_PATH.fullmatch(scope["path"]) and (busy := self._busy()) is not None:
                    raise busy  # under overload a refusal must cost little: before routing, JSON and schemas
            if not await self._while_wanted(scope, body, receive, answer, lambda: answered):
                status = CALLER_LEFT
        except ServiceError as error:
            await self._refuse(error, scope, receive, answer)
        except Exception:
            LOG.exception("unexpected error; request %s, trace %s", request_id, trace.trace_id)
            if answered:
                raise  # half an answer is out: the connection must break
            await self._refuse(ServiceError(), scope, receive, answer)
        finally:
            held.let_go()
            route = next((rule.template for rule in rules.values()), "unmatched")
            self._metrics.request(route, _method(scope), status, time.monotonic() - started)
            self._tracer.end(trace, route, _method(scope), status)

    def _begin(self, request_id: str, headers: dict[bytes, bytes]) -> Trace:
        """Begin the request's trace, and let log lines name it."""
        trace = self._tracer.begin(request_id, headers.get(b"traceparent", b""))
        CURRENT.set(trace)
        return trace

    async def _while_wanted(
        self, scope: Scope, body: bytes | None, receive: Receive, send: Send, answered: Callable[[], bool]
    ) -> bool:
        """Run the application; rows whose caller leaves must not be computed for nobody.

        Returns:
            Whether the caller was there to the end.
        """
        replayed = receive if body is None else _replay(body, receive)
        task = asyncio.current_task()
        if task is None or body is None or not INFER_PATH.fullmatch(scope["path"]):
            await self._app(scope, replayed, send)
            return True
        watcher = asyncio.create_task(_leave_with(task, receive, answered))
        try:
            await self._app(scope, replayed, send)
        except asyncio.CancelledError:
            if not watcher.done() or task.uncancel():
                raise  # it is the service that stops
            return False
        finally:
            watcher.cancel()
        return True

    async def _refuse(self, error: ServiceError, scope: Scope, receive: Receive, send: Send) -> None:
        self._metrics.rejected(error.type)
        await JSONResponse(error.body(scope["path"]), error.status, error.headers())(scope, receive, send)


async def _leave_with(task: asyncio.Task[Any], receive: Receive, answered: Callable[[], bool]) -> None:
    """Cancel a request whose caller leaves before the answer."""
    message = await receive()
    if message["type"] == "http.disconnect" and not answered():
        task.cancel()


def _check_media_type(headers: dict[bytes, bytes], path: str) -> None:
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise UnsupportedMediaType(
            "compressed bodies are not taken; send the body without a Content-Encoding"
        )
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if kind == b"application/json" or (kind.startswith(b"application/") and kind.endswith(b"+json")):
        return
    # Triton's client names no type at all, KServe's this one when tensors are binary.
    if kind not in (b"", b"application/octet-stream") or not BINARY_PATH.fullmatch(path):
        raise UnsupportedMediaType


def _replay(body: bytes, receive: Receive) -> Receive:
    """Hand the body on once, then whatever the connection says."""
    waiting = [body]

    async def replayed() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replayed


def _method(scope: Scope) -> str:
    """The method, if it is one we know: it becomes a label, and a client may send any word."""
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in methods else "other"
