"""What routes ask of the record: feedback joined and counted, decisions looked up, overrides written.

The database is asked in threads of its own, so that a slow one holds up no tokenising; one that is away is an
error with a time to come back, and nothing that was not acknowledged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from evenhand.service.audit.recorder import Feedback, Joined, RecordAway, Recorder, UnknownLabel
from evenhand.service.errors import InvalidInput, RecordOff, RecordUnavailable, UnknownDecision
from evenhand.service.metrics.collectors import Metrics

THREADS = 4
Found = TypeVar("Found")


class Desk:
    """Asks the record on behalf of clients.

    Args:
        recorder: The record; ``None`` where nothing is recorded.
        metrics: Where feedback is counted.
    """

    def __init__(self, recorder: Recorder | None, metrics: Metrics) -> None:
        self._recorder = recorder
        self._metrics = metrics
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="desk")

    @property
    def recorder(self) -> Recorder:
        """The record.

        Raises:
            RecordOff: nothing is recorded.
        """
        if self._recorder is None:
            raise RecordOff
        return self._recorder

    async def ask(self, question: Callable[[Recorder], Found]) -> Found:
        """Ask the record something, in a thread.

        Raises:
            RecordOff: nothing is recorded.
            RecordUnavailable: the database is away.
        """
        recorder = self.recorder
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, question, recorder)
        except RecordAway as error:
            raise RecordUnavailable(error.reply) from error

    async def feedback(self, items: list[Feedback]) -> list[Joined]:
        """Join feedback to decisions, and count what it brought.

        Returns:
            One result per item; what is ``joined`` is on disk.
        """
        found = await self.ask(lambda recorder: recorder.feedback(items))
        for one in found:
            if one.result != "error":
                self._metrics.record.feedback(one.result)
            if one.counted is not None:
                self._metrics.fairness.joined(one.counted)
        return found

    async def decision(self, name: str) -> dict[str, Any]:
        """All that is on record about a decision.

        Raises:
            UnknownDecision: there is none of this id.
        """
        found = await self.ask(lambda recorder: recorder.decision(name))
        if found is None:
            raise UnknownDecision
        return found

    async def override(self, name: str, label: str, by: str, reason: str) -> dict[str, Any]:
        """Record that a person decided otherwise.

        Raises:
            UnknownDecision: there is none of this id.
            InvalidInput: the model has no such label.
        """
        try:
            found = await self.ask(lambda recorder: recorder.override(name, label, by, reason))
        except UnknownLabel as error:
            raise InvalidInput(str(error)) from error
        if found is None:
            raise UnknownDecision
        return found

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)
