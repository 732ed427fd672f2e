"""Kept connections to the server behind the proxy: HTTP/1.1, one request at a time on each.

A general client of HTTP takes a tenth of the time that a proxy has for a request (docs/adr/0044): here a
request on a kept connection is one write, and its reply one callback. The parser is that of uvicorn.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

RawHeaders = list[tuple[bytes, bytes]]
HOP = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect"),
    )
)
"""Headers of one connection (RFC 9110, 7.6.1)."""
MOST_BUFFERED = 262_144
"""Bytes of a stream that wait for the client before the server's connection is read no further."""
MOST_HEAD = 262_144
"""Bytes of a reply's head; a server that sends more sends no reply."""


class Broken(ConnectionError):
    """No reply came, or it broke off, or it is no HTTP/1.1."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    prefix: str
    """Path in front of every path."""
    name: bytes
    """Value of the header Host."""


def address_of(url: str) -> Address:
    """Read an address like ``https://host:port/prefix``."""
    parts = urlsplit(url)
    tls = ssl.create_default_context() if parts.scheme == "https" else None
    port = parts.port or (443 if tls else 80)
    name = parts.netloc.rpartition("@")[2].encode()
    return Address(parts.hostname or "", port, tls, parts.path.rstrip("/"), name)


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request, as it goes on."""

    method: str
    target: str
    """Path and query, as they came."""
    headers: RawHeaders
    """Without ``host`` and ``content-length``."""
    body: bytes

    def to_bytes(self, address: Address) -> bytes:
        """The bytes of the request.

        Raises:
            ValueError: a header or the target holds a line break, which would begin another request.
        """
        lines = [f"{self.method} {address.prefix}{self.target} HTTP/1.1".encode("latin-1")]
        lines.append(b"host: " + address.name)
        lines += [b"%b: %b" % pair for pair in self.headers]
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            lines.append(b"content-length: %d" % len(self.body))
        head = b"\r\n".join(lines)
        if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1:
            raise ValueError("a header holds a line break")
        return b"%b\r\n\r\n%b" % (head, self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """A reply: all of its body, or its beginning and the rest as a stream."""

    status: int
    headers: RawHeaders
    """Without those of one connection."""
    body: bytes
    rest: Rest | None = None
    """``None`` if the body is complete."""


class Rest:
    """The rest of a body, piece by piece; whoever does not read all of it must close it.

    Args:
        connection: On which it comes.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._ended: Exception | bool = False
        self._news: asyncio.Future[None] | None = None

    def add(self, part: bytes) -> None:
        """A piece has come."""
        self._parts.append(part)
        self._size += len(part)
        if self._size > MOST_BUFFERED:
            self._connection.pause()
        self._tell()

    def end(self, error: Exception | None = None) -> None:
        """No further piece comes."""
        if not self._ended:
            self._ended = error or True
            self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def __aiter__(self) -> Rest:
        """Itself."""
        return self

    async def __anext__(self) -> bytes:
        """All pieces that have come; waits for one.

        Raises:
            Broken: the body broke off.
        """
        while not self._parts:
            if isinstance(self._ended, Exception):
                raise self._ended
            if self._ended:
                raise StopAsyncIteration
            self._news = asyncio.get_running_loop().create_future()
            await self._news
        part = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        self._connection.resume()
        return part

    def close(self) -> None:
        """Read no further; a body that is not complete costs the connection."""
        if not self._ended:
            self.end()
            self._connection.abort()


def passed_on(headers: Sequence[tuple[bytes, bytes]], without: frozenset[bytes] = frozenset()) -> RawHeaders:
    """Headers without those of one connection, names in lower case.

    Args:
        headers: As they came, names in lower case.
        without: Others to leave out, in lower case.
    """
    named = frozenset(
        word.strip().lower() for name, value in headers if name == b"connection" for word in value.split(b",")
    )
    left_out = HOP | without | named if named else HOP | without
    return [pair for pair in headers if pair[0] not in left_out]


class Connection(asyncio.Protocol):
    """One connection.

    Args:
        pool: Gets it back after each complete reply.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Response] | None = None
        self._rest: Rest | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._busy = self._heads_only = False
        self._most = 0
        self._begin()

    def _begin(self) -> None:
        """Expect a head."""
        self._headers: RawHeaders = []
        self._parts: list[bytes] = []
        self._size = self._head_size = 0
        self._in_body = False

    @property
    def open(self) -> bool:
        """Whether a request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)

    def send(self, request: bytes, most: int, heads_only: bool) -> asyncio.Future[Response]:
        """Send a request.

        Args:
            request: Its bytes.
            most: Bytes of a body to wait for; a longer one is left as a stream.
            heads_only: Whether its reply has no body, whatever it says.

        Returns:
            The reply to come; cancelled, it costs the connection. It may end with :class:`Broken`.
        """
        assert self._transport is not None
        self._begin()
        self._most, self._heads_only, self._rest, self._busy = most, heads_only, None, True
        waiter = self._waiter = self._pool.loop.create_future()
        waiter.add_done_callback(self._left)
        self._transport.write(request)
        return waiter

    def _left(self, waiter: asyncio.Future[Response]) -> None:
        if waiter.cancelled():
            self.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if not self._in_body:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(Broken(f"no HTTP/1.1 reply: {error}"))
        if not self._in_body and self._waiter is not None and self._head_size > MOST_HEAD:
            self._fail(Broken("the head of the reply is too long"))

    def on_message_begin(self) -> None:
        """Called by the parser: a reply begins; one that nobody waits for costs the connection."""
        if not self._busy:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser: a header, or a trailer, which is dropped."""
        if not self._in_body:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Called by the parser: the body begins, unless this is an interim reply."""
        self._status = self._parser.get_status_code()
        self._in_body = self._status >= 200
        if self._in_body and self._heads_only:
            self._complete()
            self._parser = httptools.HttpResponseParser(self)  # this one may wait for a body

    def on_body(self, body: bytes) -> None:
        """Called by the parser: a piece of the body."""
        if self._rest is not None:
            self._rest.add(body)
            return
        self._parts.append(body)
        self._size += len(body)
        if self._size > self._most:
            self._stream()

    def on_message_complete(self) -> None:
        """Called by the parser: the reply is whole."""
        if self._busy and self._in_body:
            self._complete()
        elif self._busy:
            self._begin()  # an interim reply; the real one follows

    def _stream(self) -> None:
        """Hand over what there is, and leave the rest as a stream."""
        self._rest = Rest(self)
        self._answer(self._rest)

    def _complete(self) -> None:
        keeps = self._parser.should_keep_alive()
        rest, self._rest, self._busy = self._rest, None, False
        if rest is not None:
            rest.end()
        else:
            self._answer(None)
        if keeps and self.open:
            self._pool.give_back(self)
        else:
            self.abort()

    def _answer(self, rest: Rest | None) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(Response(self._status, passed_on(self._headers), b"".join(self._parts), rest))

    def connection_lost(self, exc: Exception | None) -> None:
        """The server has hung up: that ends a body without a length, and breaks any other reply off."""
        self._transport = None
        self._pool.lost(self)
        if self._busy and self._in_body and exc is None and self._ends_with_connection:
            rest, self._rest = self._rest, None
            if rest is not None:
                rest.end()
            else:
                self._answer(None)
        else:
            self._fail(Broken("the connection broke"))

    @property
    def _ends_with_connection(self) -> bool:
        names = {name for name, _ in self._headers}
        return b"content-length" not in names and b"transfer-encoding" not in names

    def _fail(self, error: Broken) -> None:
        waiter, self._waiter = self._waiter, None
        rest, self._rest, self._busy = self._rest, None, False
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        if rest is not None:
            rest.end(error)
        self.abort()

    def pause(self) -> None:
        """Read no further for now."""
        if self.open:
            self._transport.pause_reading()  # type: ignore[union-attr]

    def resume(self) -> None:
        """Read again."""
        if self.open:
            self._transport.resume_reading()  # type: ignore[union-attr]

    def abort(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


class Pool:
    """Connections to one server, on the running event loop.

    Args:
        address: Of the server.
        most: Connections at most; further requests wait for one.
        idle_s: How long an unused one is kept.
        connect_s: How long making one may take.
    """

    def __init__(self, address: Address, most: int, idle_s: float, connect_s: float) -> None:
        self.loop = asyncio.get_running_loop()
        self._address, self._most, self._idle_s, self._connect_s = address, most, idle_s, connect_s
        self._idle: list[tuple[float, Connection]] = []
        """With when each became idle; the last one is used first, so that the first ones expire."""
        self._all: set[Connection] = set()
        self._opening = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    def send(self, request: Request, most_bytes: int) -> asyncio.Future[Response]:
        """Send a request, at once if a kept connection is there.

        Args:
            request: What to send.
            most_bytes: Bytes of the body to wait for.

        Returns:
            The reply to come. It may end with :class:`Broken`, ``TimeoutError`` (no connection in time), or
            another ``OSError``.

        Raises:
            ValueError: the request cannot be written.
        """
        content = request.to_bytes(self._address)
        connection = self._take() if not self._waiting else None
        if connection is not None:
            return connection.send(content, most_bytes, request.method == "HEAD")
        return self.loop.create_task(self._send_later(content, most_bytes, request.method == "HEAD"))

    async def _send_later(self, content: bytes, most_bytes: int, heads_only: bool) -> Response:
        connection = await self._connection()
        return await connection.send(content, most_bytes, heads_only)

    def _take(self) -> Connection | None:
        now_s = self.loop.time()
        while self._idle:
            since_s, connection = self._idle.pop()
            if connection.open and now_s - since_s < self._idle_s:
                return connection
            connection.abort()
        return None

    async def _connection(self) -> Connection:
        """A connection that is free, or a new one.

        Raises:
            OSError: there is none, also ``TimeoutError``.
        """
        while True:
            connection = self._take()
            if connection is not None:
                return connection
            if len(self._all) + self._opening < self._most:
                return await self._open()
            waiting = self.loop.create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            except asyncio.CancelledError:
                if not waiting.cancelled():
                    self._wake()  # somebody else may have what this one was woken for
                raise

    async def _open(self) -> Connection:
        address = self._address
        self._opening += 1
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await self.loop.create_connection(
                    lambda: Connection(self), address.host, address.port, ssl=address.tls
                )
            if not connection.open:
                raise Broken("the connection broke")
            self._all.add(connection)
        except BaseException:
            self._wake()  # somebody else may try
            raise
        finally:
            self._opening -= 1
        return connection

    def give_back(self, connection: Connection) -> None:
        """A connection's reply is complete."""
        if self._closed:
            connection.abort()
            return
        self._idle.append((self.loop.time(), connection))
        self._wake()
        if self._sweep is None:
            self._sweep = self.loop.call_later(self._idle_s, self._drop_idle)

    def lost(self, connection: Connection) -> None:
        """A connection has ended."""
        self._all.discard(connection)
        self._wake()

    def _wake(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return

    def _drop_idle(self) -> None:
        now_s, self._sweep = self.loop.time(), None
        kept = [(since_s, one) for since_s, one in self._idle if now_s - since_s < self._idle_s]
        for since_s, connection in self._idle:
            if now_s - since_s >= self._idle_s:
                connection.abort()
        self._idle = kept
        if kept:
            self._sweep = self.loop.call_later(self._idle_s, self._drop_idle)

    def close(self) -> None:
        """End all connections."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in list(self._all):
            connection.abort()
