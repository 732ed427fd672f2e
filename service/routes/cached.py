"""Answers that are dear to make, kept for a moment: whoever asks the same within it shares one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable

KEPT_S = 1.0
KEPT_TIMES = 10
"""A slow answer is kept so many times as long as it took: whoever asks for it again and again costs a tenth of that."""


class CachedReplies:
    """Answers by question."""

    def __init__(self) -> None:
        self._answers: dict[Hashable, tuple[float, asyncio.Task[bytes]]] = {}

    async def get(self, question: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Give the answer, made anew where there is no recent one. An error is shared too, and not kept.

        Args:
            question: What is asked, all of it.
            make: Makes the answer; goes on if who asked first leaves.
        """
        now = time.monotonic()
        self._answers = {
            key: kept for key, kept in self._answers.items() if not kept[1].done() or kept[0] > now
        }
        if question not in self._answers:
            self._answers[question] = now + KEPT_S, asyncio.create_task(self._made(question, make))
        return await asyncio.shield(self._answers[question][1])

    async def _made(self, question: Hashable, make: Callable[[], Awaitable[bytes]]) -> bytes:
        begun = time.monotonic()
        try:
            answer = await make()
        except BaseException:
            self._answers.pop(question, None)
            raise
        now, task = time.monotonic(), self._answers[question][1]
        self._answers[question] = now + max(KEPT_S, KEPT_TIMES * (now - begun)), task
        return answer
