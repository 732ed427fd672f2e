"""Rows that were answered are asked about again with another group in them, and how often the label flips is counted.

A sampled share of rows, each once; the second question runs when no row waits for an answer, is dropped when
it would queue for long, and never touches what was answered. A row that waits for the engine waits for one
such row at most.
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

NOBODY_KNOWS = "unknown"
"""The attribute of a row that was dropped before anybody looked at it."""


@dataclass(frozen=True, slots=True)
class CounterfactualRow:
    """A row with another group in it, beside what the row itself was answered."""

    swap: Swap
    example: Example | InvalidInput
    label: str
    """What was served."""


class Counterfactuals:
    """Asks again.

    Args:
        registry: How corrections are switched.
        metrics: Where flips are counted.
        share: Of the rows that are asked about again.
        deadline_s: A second answer that is not there by then is not waited for.
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
        """Take some of the rows that a model has answered; returns at once.

        Args:
            model: That answered them.
            answered: They.
            mode: Mode that the request asked for.
        """
        if not self._share or model.check is None:
            return
        drawn = self._random.random(len(answered)) < self._share
        rows = [row for row, is_drawn in zip(answered, drawn, strict=True) if is_drawn]
        rows = [row for row in rows if isinstance(row.row.result, Decision)]
        if not rows:
            return
        if len(self._tasks) >= MOST_ROWS:
            self._count(model, NOBODY_KNOWS, "dropped", len(rows))
            return
        modes = preprocess.request_modes(tuple(self._registry.modes(model)), mode)
        self._tasks.start(self._ask(model, model.check, rows, modes))

    async def close(self) -> None:
        """Drop what is not counted yet."""
        await self._tasks.close()

    async def _ask(self, model: LoadedModel, check: Check, rows: Sequence[Answered], modes: Ints) -> None:
        deadline_s, chances = time.monotonic() + self._deadline_s, self._random.random(len(rows))
        try:
            made = await asyncio.to_thread(_swapped, model, check, (rows, chances), modes, deadline_s)
        except TimeoutError:
            self._count(model, NOBODY_KNOWS, "dropped", len(rows))
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


def _swapped(
    model: LoadedModel, check: Check, rows: tuple[Sequence[Answered], Floats], modes: Ints, deadline_s: float
) -> list[CounterfactualRow]:
    """One swap, drawn evenly, of each row that names a group; called in a thread.

    Raises:
        TimeoutError: it took longer.
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
