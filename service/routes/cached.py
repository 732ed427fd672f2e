"""A short cache for replies that take long to compute: equal requests share one computation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable

KEPT_S = 1.0
KEPT_TIMES = 10
"""A slow reply is kept this many times as long as it took, so that repeated requests use a tenth of a
core."""


class CachedReplies:
    """Replies by key."""

    def __init__(self) -> None:
        self._replies: dict[Hashable, tuple[float, asyncio.Task[bytes]]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The cached reply, or a new one. Concurrent requests share an error too, but it is not kept.

        Args:
            key: Everything that the reply depends on.
            make: Computes the reply; it goes on if the first client disconnects.
        """
        now = time.monotonic()
        self._replies = {
            other: kept for other, kept in self._replies.items() if not kept[1].done() or kept[0] > now
        }
        if key not in self._replies:
            self._replies[key] = now + KEPT_S, asyncio.create_task(self._compute(key, make))
        return await asyncio.shield(self._replies[key][1])

    async def _compute(self, key: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        started_s = time.monotonic()
        try:
            reply = await make()
        except BaseException:
            self._replies.pop(key, None)
            raise
        now, task = time.monotonic(), self._replies[key][1]
        self._replies[key] = now + max(KEPT_S, KEPT_TIMES * (now - started_s)), task
        return reply
