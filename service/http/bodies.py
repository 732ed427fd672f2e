"""Reads request bodies with limits on size, on time, and on the bytes that all bodies take together.

Without the last limit, a thousand clients that each send most of a large body and then wait hold gigabytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Message, Receive

from evenhand.service.errors import NoRoom, TooLarge, TooSlow
from evenhand.service.settings import Settings

FULL_BODIES = 32
"""Number of largest bodies for which a process has room, unless the setting says otherwise."""
SLOWEST_BYTES_PER_S = 1024
"""A stream that is slower on average, after the time for a whole body has passed, is refused."""
FREE_BYTES = 4096
"""Bytes of each body that are not counted, so that small requests pass while large ones fill the room."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Limits of bodies; anything beyond them is refused."""

    max_bytes: int
    """Of one body."""
    within_s: float
    all_bytes: int
    """Of all bodies together."""
    stream_bytes: int = 2**30
    """Of one body that is read while it arrives; memory holds a piece of it."""


def body_limits(settings: Settings) -> BodyLimits:
    """The limits that the settings name."""
    room = settings.max_bodies_bytes or FULL_BODIES * settings.max_body_bytes
    return BodyLimits(settings.max_body_bytes, settings.body_s, room, settings.max_decisions_bytes)


class Bodies:
    """All bodies that one process holds.

    Args:
        limits: Their limits.
    """

    def __init__(self, limits: BodyLimits) -> None:
        self.limits = limits
        self.bytes = 0
        """Bytes held now, without the first ``FREE_BYTES`` of each body."""

    def held(self) -> Held:
        """An empty body for a new request."""
        return Held(self)


class Held:
    """The body of one request. Its reader must call ``let_go`` at the end, whatever happens.

    Args:
        bodies: All bodies of the process.
    """

    __slots__ = ("_bodies", "_counted")

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._counted = 0

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Read the whole body within the limits.

        Raises:
            TooLarge: the body is larger than ``max_bytes``.
            TooSlow: it does not arrive within ``within_s``.
            NoRoom: all bodies together are larger than ``all_bytes``.
        """
        limits = self._bodies.limits
        too_large = TooLarge(f"the body is larger than {limits.max_bytes} bytes; send several requests")
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) > limits.max_bytes:
            raise too_large
        parts, size = list[bytes](), 0
        try:
            async with asyncio.timeout(limits.within_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return b""
                    parts.append(message.get("body", b""))
                    if (size := size + len(parts[-1])) > limits.max_bytes:
                        raise too_large
                    self._count(size - FREE_BYTES)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise TooSlow from None

    def hold(self, size: int) -> None:
        """Count a body that was read already.

        Raises:
            NoRoom: all bodies together are larger than ``all_bytes``.
        """
        self._count(size - FREE_BYTES)

    def stream(self, headers: Mapping[bytes, bytes], receive: Receive) -> Receive:
        """Deliver the body piece by piece, within the limits; time in which nobody asks for it is free.

        Raises:
            TooLarge: the body says that it is larger than ``stream_bytes``; or, while it is delivered, it is.
            TooSlow: while it is delivered, a piece does not arrive within ``within_s``.
        """
        limits = self._bodies.limits
        too_large = TooLarge(f"the body is larger than {limits.stream_bytes} bytes; send several requests")
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared[:20]) > limits.stream_bytes:
            raise too_large
        size, waited_s = 0, 0.0

        async def limited() -> Message:
            nonlocal size, waited_s
            started_s = time.monotonic()
            try:
                async with asyncio.timeout(limits.within_s):
                    message = await receive()
            except TimeoutError:
                raise TooSlow from None
            waited_s += time.monotonic() - started_s
            size += len(message.get("body", b""))
            if size > limits.stream_bytes:
                raise too_large
            if waited_s > limits.within_s and size < SLOWEST_BYTES_PER_S * waited_s:
                raise TooSlow
            return message

        return limited

    def let_go(self) -> None:
        """Release the bytes; the request has ended."""
        self._bodies.bytes -= self._counted
        self._counted = 0

    def _count(self, size: int) -> None:
        if size <= self._counted:
            return
        if self._bodies.bytes + size - self._counted > self._bodies.limits.all_bytes:
            raise NoRoom
        self._bodies.bytes += size - self._counted
        self._counted = size
