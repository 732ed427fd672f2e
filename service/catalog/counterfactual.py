"""Scores counterfactuals of a sampled share of answered rows, and counts how often the label flips.

A counterfactual is the row with another group's terms or value. It runs when no other row waits, is dropped
when it would queue for long, and never changes an answer. Other rows wait for at most one counterfactual.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenhand.models.bundle.manifest import Manifest, Mode
from evenhand.models.bundle.terms import Swap
from evenhand.service.background import Background
from evenhand.service.catalog.loader import Check, LoadedModel
from evenhand.service.catalog.registry import Registry
from evenhand.service.catalog.shadow import MOST_ROWS, Answered
from evenhand.service.errors import InvalidInput, ServiceError
from evenhand.service.inference import decision, preprocess
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.types import Decision, Example, Ints, Scores

Floats = NDArray[np.float64]

UNKNOWN = "unknown"
"""The attribute of a row that was dropped before its attribute was chosen."""


@dataclass(frozen=True, slots=True)
class CounterfactualRow:
    """A row with another group in it, and the answer to the row itself."""

    swap: Swap
    example: Example | InvalidInput
    label: str
    """The served label."""


class Counterfactuals:
    """Samples answered rows and scores their counterfactuals.

    Args:
        registry: Holds the modes of the corrections.
        metrics: Where flips are counted.
        share: Share of the answered rows that is sampled.
        deadline_s: Seconds after which a counterfactual is dropped.
        background: Supervises the tasks.
    """

    def __init__(
        self, registry: Registry, metrics: Metrics, share: float, deadline_s: float, background: Background
    ) -> None:
        self._registry = registry
        self._counters = metrics.fairness
        self._share = share
        self._deadline_s = deadline_s
        self._tasks = background.detached("flips")
        self._random = np.random.default_rng()

    def sample(self, model: LoadedModel, answered: Sequence[Answered], mode: Mode | None) -> None:
        """Sample rows that a model has answered; returns at once.

        Args:
            model: The model that answered them.
            answered: The rows.
            mode: The mode of the request.
        """
        if not self._share or model.check is None:
            return
        drawn = self._random.random(len(answered)) < self._share
        rows = [row for row, is_drawn in zip(answered, drawn, strict=True) if is_drawn]
        rows = [row for row in rows if isinstance(row.row.result, Decision)]
        if not rows:
            return
        if len(self._tasks) >= MOST_ROWS:
            self._count(model, UNKNOWN, "dropped", len(rows))
            return
        modes = preprocess.request_modes(tuple(self._registry.modes(model)), mode)
        self._tasks.start(self._score(model, model.check, rows, modes))

    async def close(self) -> None:
        """Drop the rows that are not counted yet."""
        await self._tasks.close()

    async def _score(self, model: LoadedModel, check: Check, rows: Sequence[Answered], modes: Ints) -> None:
        deadline_s, chances = time.monotonic() + self._deadline_s, self._random.random(len(rows))
        try:
            made = await asyncio.to_thread(_make_rows, model, check, (rows, chances), modes, deadline_s)
        except TimeoutError:
            self._count(model, UNKNOWN, "dropped", len(rows))
            return
        good = [row.example for row in made if isinstance(row.example, Example)]
        try:
            async with asyncio.timeout(self._deadline_s):
                scored = iter(await check.batcher.submit(good, deadline_s) if good else ())
        except (ServiceError, TimeoutError):
            for row in made:
                self._count(model, row.swap.attribute, "dropped")
            return
        for row in made:
            scores = next(scored) if isinstance(row.example, Example) else row.example
            self._count(model, row.swap.attribute, _result(row.label, scores, modes, model.manifest))

    def _count(self, model: LoadedModel, attribute: str, result: str, rows: int = 1) -> None:
        self._counters.flip(model.manifest.name, attribute, result, rows)


def _make_rows(
    model: LoadedModel, check: Check, rows: tuple[Sequence[Answered], Floats], modes: Ints, deadline_s: float
) -> list[CounterfactualRow]:
    """One counterfactual, drawn uniformly, of each row that names a group; called in a thread.

    Raises:
        TimeoutError: the deadline passed.
    """
    counterfactuals = []
    for row, chance in zip(*rows, strict=True):
        assert isinstance(row.row.result, Decision)
        swaps = check.swapper.swaps(row.item)
        if not swaps:
            continue
        swap = swaps[int(chance * len(swaps))]
        (example,) = preprocess.examples(model.encoder, [swap.item], modes, False, deadline_s)
        counterfactuals.append(CounterfactualRow(swap, example, row.row.result.final.label))
    return counterfactuals


def _result(label: str, scores: Scores | ServiceError, modes: Ints, manifest: Manifest) -> str:
    try:
        if isinstance(scores, ServiceError):
            raise scores
        return "same" if decision.decide(scores, modes, manifest).final.label == label else "other"
    except ServiceError:
        return "error"
