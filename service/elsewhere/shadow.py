"""What a served bundle would have answered to the inputs of decisions made elsewhere. It changes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from evenhand.models.bundle.manifest import Manifest
from evenhand.service.catalog.loader import LoadedModel
from evenhand.service.catalog.registry import Registry
from evenhand.service.elsewhere.columns import CheckedRows
from evenhand.service.errors import ServiceError
from evenhand.service.inference import decision, preprocess
from evenhand.service.types import Example, Scores

ROWS = 64
"""Rows that are scored at a time, so that requests to the bundle itself need not wait long."""
Answer = dict[str, Any]


class ShadowAnswers:
    """Answers of the live bundles, under the operator's modes.

    Args:
        registry: The served bundles.
        deadline_s: Seconds for some rows; later ones have no answer.
    """

    def __init__(self, registry: Registry, deadline_s: float) -> None:
        self._registry, self._deadline_s = registry, deadline_s

    async def add(self, rows: Sequence[CheckedRows]) -> None:
        """Add the answer, or why there is none, to each decision that came with an input."""
        for of_model in rows:
            name = of_model.model.declaration.name
            if name in self._registry.roles:
                await self._add(self._registry.get(name), of_model)

    async def _add(self, model: LoadedModel, rows: CheckedRows) -> None:
        inputs = [row for row, item in enumerate(rows.items) if item is not None]
        for start in range(0, len(inputs), ROWS):
            some = inputs[start : start + ROWS]
            for row, answer in zip(
                some, await self._answers(model, [rows.items[row] for row in some]), strict=True
            ):
                rows.columns.shadows[row] = {"version": model.manifest.version, **answer}

    async def _answers(self, model: LoadedModel, items: list[Any]) -> list[Answer]:
        modes = preprocess.request_modes(tuple(self._registry.modes(model)), None)
        deadline_s = time.monotonic() + self._deadline_s
        try:
            examples = await asyncio.to_thread(
                preprocess.examples, model.encoder, items, modes, False, deadline_s
            )
            good = [row for row in examples if isinstance(row, Example)]
            async with asyncio.timeout(self._deadline_s):
                scored = iter(await model.batcher.submit(good, deadline_s) if good else ())
        except ServiceError as error:
            return [{"error": str(error)} for _ in items]
        except TimeoutError:
            return [{"error": "no answer within the deadline"} for _ in items]
        return [
            _answer(row, next(scored), model.manifest) if isinstance(row, Example) else {"error": str(row)}
            for row in examples
        ]


def _answer(row: Example, scores: Scores | ServiceError, manifest: Manifest) -> Answer:
    try:
        if isinstance(scores, ServiceError):
            raise scores
        decided = decision.decide(scores, row.modes, manifest)
    except ServiceError as error:
        return {"error": str(error)}
    return {
        "label": decided.final.label,
        "score": decided.final.score,
        "base": decided.base.label,
        "flagged": [verdict.attribute for verdict in decided.verdicts if verdict.flagged],
        "corrected": decided.corrected,
    }
