"""Requests to the server behind the proxy: kept connections, time limits, the breaker. Changes no byte."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from evenhand.service.background import Pause
from evenhand.service.errors import BreakerOpen, UpstreamAway, UpstreamSlow
from evenhand.service.metrics.proxy_series import ProxySeries
from evenhand.service.proxy.breaker import Breaker
from evenhand.service.settings import Settings

log = logging.getLogger(__name__)
RawHeaders = list[tuple[bytes, bytes]]
HOP = frozenset(
    (
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect"),
    )
)
"""Headers of one connection (RFC 9110, 7.6.1)."""
OURS = frozenset((b"host", b"content-length", b"evenhand-groups", b"evenhand-own-ids"))
"""Headers that are not passed on: made anew, or meant for the proxy."""
AUTO = frozenset(("accept", "accept-encoding", "user-agent", "content-type"))
"""Headers that the library would add."""
PROBE_S = 0.5
"""Seconds between two looks at an open breaker."""


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request, as it goes on."""

    method: str
    target: str
    """Path and query, as they came."""
    headers: RawHeaders
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """A reply: all of its body, or its beginning and the rest as a stream."""

    status: int
    headers: RawHeaders
    body: bytes
    rest: AsyncIterator[bytes] | None
    """``None`` if the body is complete."""


class Upstream:
    """The server behind the proxy.

    Args:
        settings: Its address, time limits and breaker.
        series: Where requests to it are counted.
    """

    def __init__(self, settings: Settings, series: ProxySeries) -> None:
        self._base = settings.proxy_upstream.rstrip("/")
        self._settings = settings
        self._series = series
        self._breaker = Breaker(settings.proxy_breaker_failures, settings.proxy_breaker_s)
        self._session: aiohttp.ClientSession | None = None
        connect_s, all_s = settings.proxy_connect_s, settings.proxy_timeout_s
        self._timeout = aiohttp.ClientTimeout(total=all_s, sock_connect=connect_s)
        self._stream_timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_s, sock_read=all_s)
        series.breaker("closed")

    @property
    def problem(self) -> str | None:
        """Why requests are refused; ``None`` if they are not."""
        if self._breaker.state != "open":
            return None
        return "the server behind the proxy does not reply, and the breaker is open; the log says more"

    def open(self) -> None:
        """Make the pool of connections, on the running event loop."""
        settings = self._settings
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.proxy_connections, keepalive_timeout=settings.proxy_idle_s
            ),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=AUTO,
        )

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()

    @asynccontextmanager
    async def call(self, request: Request, most_bytes: int) -> AsyncIterator[Response]:
        """Send a request and read its reply.

        Args:
            request: What to send.
            most_bytes: Bytes of the body to wait for; a longer one is left as a stream. 0 streams all of it.

        Raises:
            BreakerOpen: it was not sent.
            UpstreamAway: no reply came, or its body broke off.
            UpstreamSlow: it did not come in time.
        """
        if not self._breaker.admits(time.monotonic()):
            self._series.upstream("refused")
            raise BreakerOpen(self._breaker.left_s(time.monotonic()))
        self._series.breaker(self._breaker.state)
        assert self._session is not None
        started_s = time.monotonic()
        try:
            async with self._session.request(
                request.method,
                URL(self._base + request.target, encoded=True),
                data=request.body or None,
                headers=_text_headers(request.headers),
                allow_redirects=False,
                timeout=self._timeout if most_bytes else self._stream_timeout,
            ) as reply:
                response = await _read(reply, most_bytes)
                self._replied(started_s, reply.status)
                yield response
        except (TimeoutError, aiohttp.ServerTimeoutError) as error:
            raise self._failed(error, started_s) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._failed(error, started_s) from None

    async def probe(self) -> Pause:
        """While the breaker is open: see whether the server takes connections, so that requests may try.

        Returns:
            Seconds until the next look.
        """
        if self._breaker.state == "open" and not self._breaker.left_s(time.monotonic()):
            parts = urlsplit(self._base)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            try:
                async with asyncio.timeout(self._settings.proxy_connect_s):
                    _, writer = await asyncio.open_connection(parts.hostname, port)
            except (OSError, TimeoutError):
                self._breaker.fail(time.monotonic())
            else:
                writer.close()
                self._breaker.state = "half_open"
                self._series.breaker("half_open")
        return PROBE_S

    def _replied(self, started_s: float, status: int) -> None:
        self._series.upstream("error" if status >= 500 else "ok", time.monotonic() - started_s)
        if self._breaker.succeed():
            log.warning("the server behind the proxy replies again")
        self._series.breaker(self._breaker.state)

    def _failed(self, error: Exception, started_s: float) -> UpstreamAway | UpstreamSlow:
        slow = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError)
        self._series.upstream("slow" if slow else "away", time.monotonic() - started_s)
        if self._breaker.fail(time.monotonic()):
            log.error(
                "%s sent no reply several times in a row (%s); requests are refused for %.1f s, then it is "
                "tried again",
                self._base,
                type(error).__name__,
                self._settings.proxy_breaker_s,
            )
        self._series.breaker(self._breaker.state)
        return UpstreamSlow() if slow else UpstreamAway()


async def _read(reply: aiohttp.ClientResponse, most_bytes: int) -> Response:
    headers = passed_on(reply.raw_headers)
    parts, size = list[bytes](), 0
    while size <= most_bytes:
        part = await reply.content.readany()
        if not part:
            return Response(reply.status, headers, b"".join(parts), None)
        parts.append(part)
        size += len(part)
        if not most_bytes:
            break
    return Response(reply.status, headers, b"".join(parts), reply.content.iter_any())


def passed_on(headers: Iterable[tuple[bytes, bytes]], without: frozenset[bytes] = frozenset()) -> RawHeaders:
    """Headers without those of one connection, names in lower case.

    Args:
        headers: As they came.
        without: Others to leave out, in lower case.
    """
    pairs = [(name.lower(), value) for name, value in headers]
    named = {
        word.strip().lower() for name, value in pairs if name == b"connection" for word in value.split(b",")
    }
    return [
        (name, value)
        for name, value in pairs
        if name not in HOP and name not in named and name not in without
    ]


def _text_headers(headers: RawHeaders) -> list[tuple[str, str]]:
    """The library takes texts, and writes them as UTF-8; bytes beyond ASCII survive as surrogates."""
    return [(name.decode("latin-1"), value.decode("utf-8", "surrogateescape")) for name, value in headers]
