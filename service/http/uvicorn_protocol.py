"""uvicorn's HTTP/1.1 with limits on the size and the duration of a request head, and one ``Host`` in each.

uvicorn itself waits for ever for a head that arrives byte by byte, and keeps a head of any size in memory.
It takes fields after a body in chunks for headers, and a request without ``Host``, or with two.
"""

from __future__ import annotations

import asyncio
import typing
from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

MAX_HEAD_BYTES = 65_536
"""Limit of request line and headers. One read from the socket may exceed it."""

HOLD_S = 0.02
"""How long a request that may take the short way waits for its body: many clients send it separately."""


class Exchange(typing.Protocol):
    """A request that is answered without ASGI."""

    def start(self, loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
        """Begin with what happens beside; the server waits for it when it stops."""

    def leave(self) -> None:
        """The client has gone."""


class Shortcut(typing.Protocol):
    """Answers some requests without ASGI; an application has it as ``shortcut``."""

    def takes(self, cycle: RequestResponseCycle) -> bool:
        """Whether it may answer a request whose head is complete."""

    def begin(self, cycle: RequestResponseCycle) -> Exchange | None:
        """Begin to answer a request that is complete; ``None`` if ASGI has to."""


class Protocol(HttpToolsProtocol):
    """One connection."""

    patience_s = 10.0
    """Seconds that a head may take; for the first head they count from the connection's start. Also the
    seconds for which a client may go on sending a body that is no longer read."""

    _timer: TimerHandle | None = None
    _heads = 0
    """Number of heads that have begun."""
    _in_head = True
    _head_bytes = 0
    _feeding = False
    """Whether bytes of the connection are being parsed."""
    _held_back: RequestResponseCycle | None = None
    """A request that may take the short way, once its body is complete."""
    _hold: TimerHandle | None = None
    _exchange: Exchange | None = None

    def __init__(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - uvicorn's
        super().__init__(*args, **named)
        self._shortcut: Shortcut | None = getattr(self.app, "shortcut", None)

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin; a connection that sends nothing is closed."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._waited()
        self._unhold()
        super().connection_lost(exc)
        if self._exchange is not None:
            self._exchange.leave()

    def data_received(self, data: bytes) -> None:
        """Parse; refuse a head that is too large."""
        head = self._heads if self._in_head else None
        self._feeding = True
        super().data_received(data)
        self._feeding = False
        if self._held_back is not None and self._hold is None:
            self._hold = self.loop.call_later(HOLD_S, self._take_long_way)
        if self._in_head and head == self._heads:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response("The request's head is too large.")

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._head_bytes, self._heads = True, 0, self._heads + 1
        if self._timer is None:
            self._wait()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field; those after the body are no headers (RFC 9110, 6.5.1)."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """A head is complete.

        Raises:
            ValueError: it names no host, or several (RFC 9112, 3.2); the parser makes status 400 of it.
        """
        self._in_head = False
        self._waited()
        if self.parser.get_http_version() == "1.1" and sum(name == b"host" for name, _ in self.headers) != 1:
            raise ValueError("one Host is needed")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """A body is complete."""
        self._waited()
        super().on_message_complete()
        cycle = self._unhold()
        if cycle is not None:
            self._take_short_way(cycle)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:  # noqa: ANN401 - ASGI
        """Hold a request back that may take the short way; uvicorn calls this once its head is complete."""
        may = self._shortcut is not None and self._feeding and cycle is self.cycle and app is self.app
        if may and cycle.more_body and self._shortcut is not None and self._shortcut.takes(cycle):
            self._held_back = cycle
        else:
            super()._start_asgi_task(cycle, app)

    def _unhold(self) -> RequestResponseCycle | None:
        """The request that is held back, which it is no longer."""
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None
        cycle, self._held_back = self._held_back, None
        return cycle

    def _take_long_way(self) -> None:
        """Start a request whose body takes its time."""
        cycle = self._unhold()
        if cycle is not None:
            super()._start_asgi_task(cycle, self.app)

    def _take_short_way(self, cycle: RequestResponseCycle) -> None:
        assert self._shortcut is not None
        self._exchange = self._shortcut.begin(cycle)
        if self._exchange is None:
            super()._start_asgi_task(cycle, self.app)
            return
        task = self._exchange.start(self.loop)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def on_response_complete(self) -> None:
        """An answer was sent, perhaps before the body was complete."""
        super().on_response_complete()
        if self.cycle.response_complete and self.cycle.more_body:
            self._wait()

    def _wait(self) -> None:
        self._waited()
        self._timer = self.loop.call_later(self.patience_s, self.timeout_keep_alive_handler)

    def _waited(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
