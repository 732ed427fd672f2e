"""What a served bundle would have answered to the inputs of decisions made elsewhere. It changes nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from evenhand.models.bundle.manifest import Manifest
from evenhand.service.catalog.loader import LoadedModel
from evenhand.service.catalog.registry import Registry
from evenhand.service.elsewhere.rows import Checked
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

    async def add(self, rows: Sequence[Checked]) -> None:
        """Add the answer, or why there is none, to each decision that came with an input."""
        by_model: dict[str, list[Checked]] = {}
        for each in rows:
            name = each.model.declaration.name
            if each.item is not None and name in self._registry.roles:
                by_model.setdefault(name, []).append(each)
        for name, of_model in by_model.items():
            model = self._registry.get(name)
            for start in range(0, len(of_model), ROWS):
                some = of_model[start : start + ROWS]
                for each, answer in zip(some, await self._answers(model, some), strict=True):
                    each.row.shadow = {"version": model.manifest.version, **answer}

    async def _answers(self, model: LoadedModel, rows: Sequence[Checked]) -> list[Answer]:
        modes = preprocess.request_modes(tuple(self._registry.modes(model)), None)
        items, deadline_s = [each.item for each in rows], time.monotonic() + self._deadline_s
        try:
            examples = await asyncio.to_thread(
                preprocess.examples, model.encoder, items, modes, False, deadline_s
            )
            good = [row for row in examples if isinstance(row, Example)]
            async with asyncio.timeout(self._deadline_s):
                scored = iter(await model.batcher.submit(good, deadline_s) if good else ())
        except ServiceError as error:
            return [{"error": str(error)} for _ in rows]
        except TimeoutError:
            return [{"error": "no answer within the deadline"} for _ in rows]
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
