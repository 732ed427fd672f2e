"""Reads requests' bodies: none beyond its limit, none that takes too long, and no more at once than there is room for.

A thousand clients that each send nearly all of a large body, and then wait, would otherwise hold gigabytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from evenhand.service.errors import NoRoom, TooLarge, TooSlow
from evenhand.service.settings import Settings

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
FULL_BODIES = 32
"""Of the largest bodies a process has room for so many, unless the setting says."""
FREE_BYTES = 4096
"""Of each body so many are not counted: a request of a few texts gets in beside the large ones that fill the room."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """What bodies may be; anything beyond is refused."""

    max_bytes: int
    within_s: float
    all_bytes: int
    """Of all bodies together."""


def body_limits(settings: Settings) -> BodyLimits:
    """What an operator lets bodies be."""
    room = settings.max_bodies_bytes or FULL_BODIES * settings.max_body_bytes
    return BodyLimits(settings.max_body_bytes, settings.body_s, room)


class Bodies:
    """The bodies that one process holds.

    Args:
        limits: What they may be.
    """

    def __init__(self, limits: BodyLimits) -> None:
        self.limits = limits
        self.bytes = 0
        """Held now, but for the first of each."""

    def held(self) -> Held:
        """Of one request, nothing yet."""
        return Held(self)


class Held:
    """One request's body; whoever reads it lets go of it, whatever happens.

    Args:
        bodies: All of them.
    """

    __slots__ = ("_bodies", "_counted")

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._counted = 0

    async def read(self, headers: Mapping[bytes, bytes], receive: Receive) -> bytes:
        """Read the whole body, but never more than the limits, nor for longer.

        Raises:
            TooLarge: it is.
            TooSlow: it does not come.
            NoRoom: others' bodies fill the room.
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

    def let_go(self) -> None:
        """The request is over."""
        self._bodies.bytes -= self._counted
        self._counted = 0

    def _count(self, size: int) -> None:
        if size <= self._counted:
            return
        if self._bodies.bytes + size - self._counted > self._bodies.limits.all_bytes:
            raise NoRoom
        self._bodies.bytes += size - self._counted
        self._counted = size
