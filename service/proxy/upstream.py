"""Requests to the server behind the proxy: time limits and the breaker. Changes no byte."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable

from evenhand.service.background import Pause
from evenhand.service.errors import BreakerOpen, UpstreamAway, UpstreamSlow
from evenhand.service.metrics.proxy_series import ProxySeries
from evenhand.service.proxy.breaker import Breaker
from evenhand.service.proxy.pool import Pool, Request, Response, address_of
from evenhand.service.settings import Settings

log = logging.getLogger(__name__)
OURS = frozenset((b"host", b"content-length", b"evenhand-groups", b"evenhand-own-ids"))
"""Headers that are not passed on: made anew, or meant for the proxy."""
PROBE_S = 0.5
"""Seconds between two looks at an open breaker."""


class Flight:
    """One request that is under way.

    Args:
        upstream: Counts what becomes of it.
        reply: The reply to come.
        within_s: Seconds that it may take.
    """

    def __init__(self, upstream: Upstream, reply: asyncio.Future[Response], within_s: float) -> None:
        self._upstream, self._reply, self._within_s = upstream, reply, within_s
        self._started_s = time.monotonic()
        self._is_late = False

    async def reply(self) -> Response:
        """Wait for it.

        Raises:
            UpstreamAway: no reply came, or its body broke off.
            UpstreamSlow: it did not come in time.
        """
        left_s = self._started_s + self._within_s - time.monotonic()
        timer = asyncio.get_running_loop().call_later(max(0.0, left_s), self._expire)
        try:
            response = await self._reply
        except asyncio.CancelledError:
            if not self._is_late:
                raise  # the client has gone
            raise self._upstream.failed(TimeoutError(), self._started_s, slow=True) from None
        except OSError as error:
            raise self._upstream.failed(error, self._started_s, slow=False) from None
        finally:
            timer.cancel()
        self._upstream.replied(self._started_s, response.status)
        return response

    def tell(self, replied: Callable[[Response], None]) -> None:
        """Call back as soon as it is there, before :meth:`reply` returns it; not if it fails."""

        def done(reply: asyncio.Future[Response]) -> None:
            if not reply.cancelled() and reply.exception() is None:
                replied(reply.result())

        self._reply.add_done_callback(done)

    def _expire(self) -> None:
        if not self._reply.done():
            self._is_late = True
            self._reply.cancel()

    def cancel(self) -> None:
        """Give up, if it has not ended."""
        if not self._reply.done():
            self._reply.cancel()
        elif not self._reply.cancelled():
            self._reply.exception()  # nobody will ask again


class Upstream:
    """The server behind the proxy.

    Args:
        settings: Where it is, and how long it has.
        series: Where requests to it are counted.
    """

    def __init__(self, settings: Settings, series: ProxySeries) -> None:
        self._base = settings.proxy_upstream.rstrip("/")
        self._address = address_of(self._base)
        self._settings = settings
        self._series = series
        self._breaker = Breaker(settings.proxy_breaker_failures, settings.proxy_breaker_s)
        self._pool: Pool | None = None
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
        self._pool = Pool(
            self._address, settings.proxy_connections, settings.proxy_idle_s, settings.proxy_connect_s
        )

    def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            self._pool.close()

    def send(self, request: Request, most_bytes: int) -> Flight:
        """Send a request, at once where a kept connection is free.

        Args:
            request: What to send.
            most_bytes: Bytes of the body to wait for; a longer one is left as a stream. 0 streams all of it.

        Raises:
            BreakerOpen: it was not sent.
        """
        if not self._breaker.admits(time.monotonic()):
            self._series.upstream("refused")
            raise BreakerOpen(self._breaker.left_s(time.monotonic()))
        self._series.breaker(self._breaker.state)
        assert self._pool is not None
        return Flight(self, self._pool.send(request, most_bytes), self._settings.proxy_timeout_s)

    async def rest(self, response: Response) -> AsyncIterator[bytes]:
        """The rest of a reply, piece by piece; each piece has the time of a whole reply.

        Raises:
            UpstreamAway: it broke off.
            UpstreamSlow: a piece did not come in time.
        """
        assert response.rest is not None
        started_s = time.monotonic()
        while True:
            try:
                async with asyncio.timeout(self._settings.proxy_timeout_s):
                    part = await anext(response.rest)
            except StopAsyncIteration:
                return
            except TimeoutError as error:
                raise self.failed(error, started_s, slow=True) from None
            except OSError as error:
                raise self.failed(error, started_s, slow=False) from None
            yield part

    async def probe(self) -> Pause:
        """While the breaker is open: see whether the server takes connections, so that requests may try.

        Returns:
            Seconds until the next look.
        """
        if self._breaker.state == "open" and not self._breaker.left_s(time.monotonic()):
            try:
                async with asyncio.timeout(self._settings.proxy_connect_s):
                    _, writer = await asyncio.open_connection(self._address.host, self._address.port)
            except (OSError, TimeoutError):
                self._breaker.fail(time.monotonic())
            else:
                writer.close()
                self._breaker.state = "half_open"
                self._series.breaker("half_open")
        return PROBE_S

    def replied(self, started_s: float, status: int) -> None:
        """Note a reply."""
        self._series.upstream("error" if status >= 500 else "ok", time.monotonic() - started_s)
        if self._breaker.succeed():
            log.warning("the server behind the proxy replies again")
        self._series.breaker(self._breaker.state)

    def failed(self, error: Exception, started_s: float, slow: bool) -> UpstreamAway | UpstreamSlow:
        """Note a request without a reply; returns what the client gets."""
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
