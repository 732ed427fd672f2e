"""A request's way through the stages. Read this file first."""

from __future__ import annotations

import asyncio
from typing import Any

from models.manifest import Manifest
from service import policy, preprocess
from service.errors import Closing, DeadlineExceeded, InvalidInput, ServiceError, TooLarge
from service.ids import ulid
from service.loader import LoadedModel
from service.metrics import Metrics
from service.registry import Registry
from service.schemas import AnswerOut, ErrorOut, ItemError, PredictionOut, PredictReply, PredictRequest
from service.settings import Settings
from service.shadow import Answered, Shadow
from service.types import Answer, Decision, Example, Scores


class Pipeline:
    """Preprocess, batcher, engine, policy, metrics: one way, no back and forth."""

    def __init__(self, registry: Registry, settings: Settings, metrics: Metrics, shadow: Shadow) -> None:
        self._registry = registry
        self._settings = settings
        self._metrics = metrics
        self._shadow = shadow

    async def predict(self, request: PredictRequest) -> PredictReply:
        """Answer a request; an item that fails costs no other item its answer.

        Raises:
            ServiceError: the request as a whole cannot be answered.
        """
        try:
            return await self._answer(request, self._registry.get(request.model))
        except Closing:  # a new version took over between two stages: it answers
            return await self._answer(request, self._registry.get(request.model))

    async def _answer(self, request: PredictRequest, model: LoadedModel) -> PredictReply:
        items = self._items(request)
        declared = preprocess.declared_groups(request.groups, len(items), model.manifest)
        modes = preprocess.request_modes(self._registry.modes(model), request.mode)
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                rows = await asyncio.to_thread(preprocess.examples, model.encoder, items, modes)
                scored = await self._score(model, rows)
        except TimeoutError:
            raise DeadlineExceeded from None
        results = [_decide(row, scores, model.manifest) for row, scores in zip(rows, scored, strict=True)]
        for result, groups in zip(results, declared, strict=True):
            if isinstance(result, Decision):
                self._metrics.decision(model.manifest, result, groups)
        self._mirror(request, items, results, declared, model)
        _refuse_if_all_failed(results, single=not isinstance(request.inputs, list))
        return _reply(model.manifest, rows, results)

    def _mirror(
        self,
        request: PredictRequest,
        items: list[Any],
        results: list[Decision | ServiceError],
        declared: list[dict[str, str]],
        model: LoadedModel,
    ) -> None:
        rows = zip(items, results, declared, strict=True)
        answered = [Answered(item, found, groups) for item, found, groups in rows if isinstance(found, Decision)]
        self._shadow.mirror(model.manifest.name, answered, request.mode)

    def _items(self, request: PredictRequest) -> list[Any]:
        items = request.inputs if isinstance(request.inputs, list) else [request.inputs]
        if not items:
            raise InvalidInput("inputs is an empty list; send at least one item")
        if len(items) > self._settings.max_items:
            limit = self._settings.max_items
            raise TooLarge(f"{len(items)} items in one request, at most {limit} are taken; send several requests")
        return items

    async def _score(self, model: LoadedModel, rows: list[Example | InvalidInput]) -> list[Scores | ServiceError]:
        """Scores of the rows that are in order; the others keep their error."""
        good = [row for row in rows if isinstance(row, Example)]
        scored = iter(await model.batcher.submit(good) if good else ())
        return [next(scored) if isinstance(row, Example) else row for row in rows]


def _decide(row: Example | InvalidInput, scores: Scores | ServiceError, manifest: Manifest) -> Decision | ServiceError:
    if isinstance(scores, ServiceError) or not isinstance(row, Example):
        return scores if isinstance(scores, ServiceError) else InvalidInput()
    try:
        return policy.decide(scores, row.modes, manifest)
    except ServiceError as error:
        return error


def _refuse_if_all_failed(results: list[Decision | ServiceError], single: bool) -> None:
    """A request of which nothing could be answered has failed; its status must say so."""
    errors = [result for result in results if isinstance(result, ServiceError)]
    if len(errors) < len(results):
        return
    if single:
        raise errors[0]
    worst = max(errors, key=lambda error: error.status)
    detail = [{"index": index, "message": str(error)} for index, error in enumerate(errors)]
    raise type(worst)("no item could be answered", detail)


def _reply(
    manifest: Manifest, rows: list[Example | InvalidInput], results: list[Decision | ServiceError]
) -> PredictReply:
    predictions = [
        _prediction(result, isinstance(row, Example) and row.encoded.truncated)
        for row, result in zip(rows, results, strict=True)
    ]
    return PredictReply(model=manifest.name, version=manifest.version, predictions=predictions)


def _prediction(result: Decision | ServiceError, truncated: bool) -> PredictionOut | ItemError:
    if isinstance(result, ServiceError):
        return ItemError(id=ulid(), error=ErrorOut(type=result.type, message=str(result)))
    return PredictionOut(
        id=ulid(),
        label=result.final.label,
        score=result.final.score,
        scores=result.final.scores,
        flagged={verdict.attribute: verdict.flagged for verdict in result.verdicts},
        corrected=result.corrected,
        risk={verdict.attribute: verdict.risk for verdict in result.verdicts},
        base=_answer(result.base),
        shadow=_answer(result.shadow) if result.shadow else None,
        truncated=truncated,
    )


def _answer(answer: Answer) -> AnswerOut:
    return AnswerOut(label=answer.label, score=answer.score)
