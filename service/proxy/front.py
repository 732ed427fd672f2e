"""How requests come to the proxy: by ASGI, or on the short way.

Of the time that a proxy adds, most is the way of a request through the layers of a web framework. A
prediction that arrives at once goes around them: it is written to the server at once, and the server's
reply to the client, both in callbacks of their connections. Everything else happens in a task, meanwhile.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import cast

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from evenhand.service.auth.authorizer import Authorizer
from evenhand.service.errors import ServiceError
from evenhand.service.http.bodies import Bodies, Held
from evenhand.service.http.middleware import CLIENT_CLOSED, REFUSED, RequestWatch, ids_of, own_headers
from evenhand.service.http.security_headers import FORWARDED
from evenhand.service.proxy.policy import PREDICTS
from evenhand.service.proxy.pool import Response
from evenhand.service.proxy.proxy import Parts, Proxy, Run
from evenhand.service.tracing import CURRENT, TRACE, Trace

log = logging.getLogger(__name__)
MOST_BYTES = 32_768
"""Longer bodies take the long way."""
NO_LENGTH = (204, 304)
"""Statuses of replies without a body."""


class Forward:
    """Plain ASGI; the middleware around it has admitted the request and read its body.

    Args:
        app: The application behind this one, with the proxy's own routes.
        proxy: Answers all other paths.
    """

    def __init__(self, app: ASGIApp, proxy: Proxy) -> None:
        self._app = app
        self._proxy = proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http" or self._proxy.policy.is_own(scope["path"]):
            await self._app(scope, receive, send)
        else:
            await self._proxy.forward(scope, receive, send)


class Shortcut:
    """The short way. It admits, names, traces and counts requests as ``AuthMiddleware`` does.

    Args:
        proxy: Answers.
        authorizer: Allows or refuses requests.
        watch: Counts, traces and logs requests.
        bodies: All bodies that the process holds.
    """

    def __init__(self, proxy: Proxy, authorizer: Authorizer, watch: RequestWatch, bodies: Bodies) -> None:
        self.proxy, self.watch = proxy, watch
        self._authorizer, self._bodies = authorizer, bodies

    def takes(self, cycle: RequestResponseCycle) -> bool:
        """Whether a request whose head is complete may go this way."""
        proxy = self.proxy
        return (
            not cycle.waiting_for_100_continue
            and not proxy.reads_first
            and proxy.model(cast(Scope, cycle.scope)) is not None
        )

    def begin(self, cycle: RequestResponseCycle) -> Exchange | None:
        """Send a request on that is complete; ``None`` if it has to go the long way.

        Args:
            cycle: uvicorn's, of this request.
        """
        scope, body = cast(Scope, cycle.scope), bytes(cycle.body)
        model = self.proxy.model(scope) if len(body) <= MOST_BYTES else None
        if model is None:
            return None
        headers, held = dict(scope["headers"]), self._bodies.held()
        request_id, parent = ids_of(headers)
        try:
            self._authorizer.admit(scope, self._authorizer.rules(scope["path"]))
            held.hold(len(body))
            scope[FORWARDED] = True
            scope[TRACE] = trace = self.watch.tracer.begin(request_id, parent)
            run = self.proxy.begin(Parts(scope, headers, body), model)
        except ServiceError as error:
            scope[REFUSED] = error
            run = None
        if run is None:
            held.let_go()
            return None
        return Exchange(self, cycle, run, trace, held)


class Exchange:
    """One request on the short way.

    Args:
        shortcut: Whose it is.
        cycle: uvicorn's, of this request.
        run: The prediction that was sent.
        trace: Of the request.
        held: Its body.
    """

    def __init__(
        self, shortcut: Shortcut, cycle: RequestResponseCycle, run: Run, trace: Trace, held: Held
    ) -> None:
        self._shortcut, self._cycle, self._run, self._trace, self._held = shortcut, cycle, run, trace, held
        self._status, self._seconds = CLIENT_CLOSED, 0.0
        self._task: asyncio.Task[None] | None = None
        run.flight.tell(self._replied)

    def start(self, loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
        """Begin with everything that the client does not wait for."""
        self._task = loop.create_task(self._finish())
        return self._task

    def leave(self) -> None:
        """The client has gone: what it has no reply to is given up."""
        if not self._run.relayed and self._task is not None:
            self._task.cancel()

    def _replied(self, response: Response) -> None:
        """The server's reply is there: it leaves at once where nothing has to be known of it before."""
        proxy, run = self._shortcut.proxy, self._run
        started_s = time.monotonic()
        if not run.relayed and (plain := proxy.plain(run, response)) is not None:
            self._write(plain)
            run.relayed = True
            proxy.added(time.monotonic() - started_s)

    async def _finish(self) -> None:
        CURRENT.set(self._trace)
        run, cycle, shortcut = self._run, self._cycle, self._shortcut
        try:
            await shortcut.proxy.finish(run, self._relay)
        except ServiceError as error:
            self._refuse(error)
        except asyncio.CancelledError:
            if not cycle.disconnected:
                raise  # the service stops
        except Exception:
            trace = self._trace
            log.exception("unexpected error; request %s, trace %s", trace.request_id, trace.trace_id)
            self._refuse(ServiceError())
        finally:
            run.flight.cancel()
            self._held.let_go()
            seconds = self._seconds or time.monotonic() - run.parts.began_s
            watch = shortcut.watch
            watch.metrics.request(PREDICTS, "POST", self._status, seconds)
            watch.access_log.write(run.parts.scope, PREDICTS, self._status, seconds)
            watch.tracer.end(self._trace, PREDICTS, "POST", self._status)

    async def _relay(self, response: Response) -> None:
        """Send a reply that had to be read, or is too long for that."""
        if response.rest is None:
            self._write(response)
            return
        await self._shortcut.proxy.relay(self._send, response)
        if not self._cycle.response_complete:
            self._cycle.transport.close()

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message["headers"] = [*message["headers"], *own_headers(message["headers"], self._trace)]
        await self._cycle.send(message)  # type: ignore[arg-type]

    def _refuse(self, error: ServiceError) -> None:
        self._shortcut.watch.metrics.rejected(error.type)
        if self._cycle.response_started:
            self._cycle.transport.close()
            return
        body = json.dumps(error.body(self._cycle.scope["path"]), separators=(",", ":"), ensure_ascii=False)
        headers = [(name.encode(), value.encode()) for name, value in error.headers().items()]
        self._write(Response(error.status, [(b"content-type", b"application/json"), *headers], body.encode()))

    def _write(self, response: Response) -> None:
        """Write a whole reply to the client's connection, in one piece."""
        cycle, status, headers = self._cycle, response.status, response.headers
        self._status, self._seconds = status, time.monotonic() - self._run.parts.began_s
        if cycle.disconnected:
            return
        content = [STATUS_LINE.get(status) or b"HTTP/1.1 %d \r\n" % status]
        for name, value in (*headers, *own_headers(headers, self._trace)):
            content += (name, b": ", value, b"\r\n")
        if status not in NO_LENGTH and not any(name == b"content-length" for name, _ in headers):
            content.append(b"content-length: %d\r\n" % len(response.body))
        if not cycle.keep_alive:
            content.append(b"connection: close\r\n")
        cycle.transport.write(b"".join((*content, b"\r\n", response.body)))
        cycle.response_started = cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()
