"""Scores live traffic with a version in shadow, whose answers are only counted.

Its rows run when no other rows wait, and are dropped when they would queue for long. A row of the live
version waits for at most one running batch of the version in shadow.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evenhand.models.bundle.manifest import Mode
from evenhand.service.background import Background
from evenhand.service.catalog.loader import LoadedModel
from evenhand.service.catalog.registry import Registry
from evenhand.service.errors import ServiceError
from evenhand.service.inference import decision, preprocess
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.types import Example, Row

MOST_ROWS = 1024
"""Rows that may wait for a version in shadow."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A row that the live version has answered."""

    item: Any
    row: Row


class Shadow:
    """Scores answered rows with the versions in shadow."""

    def __init__(
        self, registry: Registry, metrics: Metrics, deadline_s: float, background: Background
    ) -> None:
        self._registry = registry
        self._metrics = metrics
        self._deadline_s = deadline_s
        self._tasks = background.detached("shadow")

    def mirror(self, name: str, answered: Sequence[Answered], mode: Mode | None) -> None:
        """Give rows to the version in shadow, if there is one; returns at once.

        Args:
            name: The model that answered.
            answered: Its rows.
            mode: The mode of the request.
        """
        candidate = self._registry.shadow_of(name)
        if candidate is None or not answered:
            return
        if candidate.batcher.depth + len(answered) > MOST_ROWS or len(self._tasks) >= MOST_ROWS:
            self._metrics.candidate_rows(candidate.manifest, "dropped", len(answered))
            return
        self._tasks.start(self._score(candidate, answered, mode))

    async def close(self) -> None:
        """Drop the rows that are not counted yet."""
        await self._tasks.close()

    async def _score(self, candidate: LoadedModel, answered: Sequence[Answered], mode: Mode | None) -> None:
        modes = preprocess.request_modes(tuple(self._registry.modes(candidate)), mode)
        try:
            items = [row.item for row in answered]
            deadline_s = time.monotonic() + self._deadline_s
            rows = await asyncio.to_thread(
                preprocess.examples, candidate.encoder, items, modes, False, deadline_s
            )
            good = [(row, then) for row, then in zip(rows, answered, strict=True) if isinstance(row, Example)]
            async with asyncio.timeout(self._deadline_s):
                scored = await candidate.batcher.submit([row for row, _ in good]) if good else []
        except (ServiceError, TimeoutError):
            self._metrics.candidate_rows(candidate.manifest, "dropped", len(answered))
            return
        self._metrics.candidate_rows(candidate.manifest, "error", len(answered) - len(good))
        for (row, then), scores in zip(good, scored, strict=True):
            try:
                if isinstance(scores, ServiceError):
                    raise scores
                decided = decision.decide(scores, row.modes, candidate.manifest)
            except ServiceError:
                self._metrics.candidate_rows(candidate.manifest, "error", 1)
            else:
                self._metrics.candidate(candidate.manifest, then.row, decided)
