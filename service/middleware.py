"""What happens to a request before routing and after answering: limits, request id, counting. Plain ASGI."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import JSONResponse

from service.errors import ServiceError, TooLarge, UnsupportedMediaType
from service.ids import ulid
from service.metrics import Metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID = b"x-request-id"
PLAIN_TOKEN = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


class Doorkeeper:
    """Refuses what is too large or no JSON, names every request, and counts every answer."""

    def __init__(self, app: App, metrics: Metrics, max_body_bytes: int) -> None:
        self._app = app
        self._metrics = metrics
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        given = headers.get(REQUEST_ID, b"")
        request_id = given if PLAIN_TOKEN.fullmatch(given) else ulid().encode()
        started, status = time.monotonic(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (REQUEST_ID, request_id)]
            await send(message)

        try:
            if scope["method"] in ("POST", "PUT", "PATCH"):
                _check_media_type(headers)
                receive = _replay(await self._body(headers, receive), receive)
            await self._app(scope, receive, answer)
        except ServiceError as error:
            self._metrics.rejected(error.type)
            await JSONResponse(error.body(), error.status, error.headers())(scope, receive, answer)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            self._metrics.request(route, _method(scope), status, time.monotonic() - started)

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """Read the whole body, but never more than the limit."""
        too_large = TooLarge(f"the body is larger than {self._max_body_bytes} bytes; send several requests")
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) > self._max_body_bytes:
            raise too_large
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return b""
            size += len(message.get("body", b""))
            if size > self._max_body_bytes:
                raise too_large
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                return b"".join(parts)


def _check_media_type(headers: dict[bytes, bytes]) -> None:
    kind = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
    if kind != b"application/json" and not (kind.startswith(b"application/") and kind.endswith(b"+json")):
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
    known = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    return scope["method"] if scope["method"] in known else "other"
