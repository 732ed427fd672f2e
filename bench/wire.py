"""Minimal HTTP/1.1 for a load generator: requests are prepared bytes, replies are searched, not parsed.

It shares the processor with the server that it measures, so every instruction here lowers the figures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

HOST = "127.0.0.1"
HEAD_END = b"\r\n\r\n"


class BadReply(ValueError):
    """The bytes are no HTTP/1.1 reply that this client understands."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer from a server."""

    status: int
    retry_after: bool
    """Whether it says when to come back."""
    body: bytes
    closes: bool
    """Whether the server ends the connection after it."""


def post(host: str, path: str, body: bytes) -> bytes:
    """The bytes of a POST of JSON that keeps the connection."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Accept: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


def parse(data: bytes) -> Reply | None:
    """Read one whole reply; one request is under way at a time, so there is never a second behind it.

    Returns:
        The reply, or ``None`` while bytes are missing.

    Raises:
        BadReply: it will never be one.
    """
    end = data.find(HEAD_END)
    if end < 0:
        return None
    head = data[:end].lower()
    if not head.startswith(b"http/1.") or not head[9:12].isdigit():
        raise BadReply("the server does not answer in HTTP/1.1")
    body = _body(head, data[end + len(HEAD_END) :])
    if body is None:
        return None
    return Reply(int(head[9:12]), b"\r\nretry-after:" in head, body, b"\r\nconnection: close" in head)


def _body(head: bytes, rest: bytes) -> bytes | None:
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        line_end = head.find(b"\r\n", at + 2)
        length = int(head[at + 17 : line_end if line_end >= 0 else len(head)])
        return rest if len(rest) >= length else None
    if b"\r\ntransfer-encoding: chunked" in head:
        return _unchunked(rest)
    raise BadReply("the reply has neither a length nor chunks")


def _unchunked(rest: bytes) -> bytes | None:
    parts: list[bytes] = []
    while True:
        line, separator, rest = rest.partition(b"\r\n")
        if not separator:
            return None
        size = int(line.split(b";")[0], 16)
        if size == 0:
            return b"".join(parts) if rest.endswith(b"\r\n") else None
        if len(rest) < size + 2:
            return None
        parts.append(rest[:size])
        rest = rest[size + 2 :]


class Connection(asyncio.Protocol):
    """One kept connection with one request under way at most.

    Args:
        replied: Told about the whole reply, or ``None`` where the connection ended before one.
    """

    def __init__(self, replied: Callable[[Connection, Reply | None], None]) -> None:
        self._replied = replied
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._waits = False
        self.replies = 0
        """How many it has brought."""

    @property
    def open(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes) -> None:
        """Send one request."""
        self._data, self._waits = b"", True
        if self._transport is None:
            self.connection_lost(None)
        else:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Collect until a reply is whole."""
        self._data = self._data + data if self._data else data
        try:
            reply = parse(self._data)
        except ValueError:  # BadReply, or a length that is no number; the request ends in connection_lost
            assert self._transport is not None
            self._transport.abort()
            return
        if reply is None or not self._waits:
            return
        self._waits = False
        self.replies += 1
        if reply.closes:
            self.close()
        self._replied(self, reply)

    def connection_lost(self, exc: Exception | None) -> None:
        """A request without a reply has failed."""
        self._transport = None
        if self._waits:
            self._waits = False
            self._replied(self, None)

    def close(self) -> None:
        """Hang up; nothing is reported any more."""
        self._waits = False
        if self._transport is not None:
            self._transport.abort()


async def once(port: int, request: bytes, timeout_s: float) -> Reply | None:
    """One request on a connection of its own; ``None`` where no reply comes in time."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Reply | None] = loop.create_future()

    def replied(_: Connection, reply: Reply | None) -> None:
        if not answer.done():
            answer.set_result(reply)

    try:
        _, connection = await loop.create_connection(lambda: Connection(replied), HOST, port)
    except OSError:
        return None
    try:
        connection.send(request)
        return await asyncio.wait_for(answer, timeout_s)
    except TimeoutError:
        return None
    finally:
        connection.close()
