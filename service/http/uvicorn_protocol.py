"""uvicorn's HTTP/1.1 with limits on the size and the duration of a request head, and one ``Host`` in each.

uvicorn itself waits for ever for a head that arrives byte by byte, and keeps a head of any size in memory.
It takes fields after a body in chunks for headers, and a request without ``Host``, or with two.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 65_536
"""Limit of request line and headers. One read from the socket may exceed it."""


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

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin; a connection that sends nothing is closed."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._waited()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse; refuse a head that is too large."""
        head = self._heads if self._in_head else None
        super().data_received(data)
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
