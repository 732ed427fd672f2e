"""A request's way through the stages, whatever its wire format. Read this file first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.manifest import Manifest, Mode
from service import policy, preprocess
from service.errors import DeadlineExceeded, InvalidInput, Overloaded, ServiceError, TooLarge
from service.ids import ulid
from service.metrics import Metrics
from service.preprocess import Groups
from service.registry import LoadedModel
from service.settings import Settings
from service.tracing import Trace
from service.types import Decision, Example, Scores


@dataclass(frozen=True, slots=True)
class Question:
    """What a request asks."""

    model: LoadedModel
    items: Sequence[Any]
    """What the model's encoder takes, one per row."""
    trace: Trace
    mode: Mode | None = None
    """Lowers the operator's mode."""
    groups: Groups = None
    """Declared groups; counted, and never change an answer."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one item."""

    id: str
    result: Decision | ServiceError
    truncated: bool


class Pipeline:
    """Preprocess, batcher, engine, policy, metrics: one way, no back and forth."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self.max_items = settings.max_items

    async def answer(self, question: Question) -> list[Outcome]:
        """Answer a request; an item that fails costs no other item its answer.

        Raises:
            ServiceError: the request as a whole cannot be answered, or none of its items.
        """
        model, trace = question.model, question.trace
        trace.model = model.manifest.name
        declared = preprocess.declared_groups(question.groups, self._count(question), model.manifest)
        if not model.batcher.has_room(len(question.items)):
            raise Overloaded  # before any work is spent on it
        deadline_s = time.monotonic() + self._settings.deadline_s
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                rows = await _prepare(question)
                scored = await _score(question, rows, deadline_s)
        except TimeoutError:
            raise DeadlineExceeded from None
        started = time.time_ns()
        outcomes = [_decide(row, scores, model.manifest) for row, scores in zip(rows, scored, strict=True)]
        for outcome, groups in zip(outcomes, declared, strict=True):
            if isinstance(outcome.result, Decision):
                self._metrics.decision(model.manifest, outcome.result, groups)
        if trace.recorded:
            trace.stage("policy", started, time.time_ns())
        _refuse_if_all_failed(outcomes)
        return outcomes

    def _count(self, question: Question) -> int:
        items, limit = len(question.items), self.max_items
        if not items:
            raise InvalidInput("inputs is empty; send at least one item")
        if items > limit:
            raise TooLarge(f"{items} items in one request, at most {limit} are taken; send several requests")
        return items


async def _prepare(question: Question) -> list[Example | InvalidInput]:
    """Check and tokenise: at once where that is little work, else in a thread."""
    model, items, trace = question.model, question.items, question.trace
    started = time.time_ns()
    modes = preprocess.request_modes(model.modes, question.mode)
    if preprocess.quick(items, model.manifest.input.kind):
        rows = preprocess.examples(model.encoder, items, modes, trace.recorded)
    else:
        rows = await asyncio.to_thread(preprocess.examples, model.encoder, items, modes, trace.recorded)
    if trace.recorded:
        trace.stage("preprocess", started, time.time_ns(), rows=len(rows))
    return rows


async def _score(
    question: Question, rows: list[Example | InvalidInput], deadline_s: float
) -> list[Scores | ServiceError]:
    """Scores of the rows that are in order; the others keep their error."""
    good = [row for row in rows if isinstance(row, Example)]
    submitted = time.time_ns()
    scored = iter(await question.model.batcher.submit(good, deadline_s) if good else ())
    if question.trace.recorded:
        question.trace.waited(submitted, [row.watch.run for row in good if row.watch and row.watch.run])
    return [next(scored) if isinstance(row, Example) else row for row in rows]


def _decide(row: Example | InvalidInput, scores: Scores | ServiceError, manifest: Manifest) -> Outcome:
    if isinstance(scores, ServiceError):
        return Outcome(ulid(), scores, truncated=False)
    assert isinstance(row, Example)  # only such rows are scored
    try:
        return Outcome(ulid(), policy.decide(scores, row.modes, manifest), row.encoded.truncated)
    except ServiceError as error:
        return Outcome(ulid(), error, row.encoded.truncated)


def _refuse_if_all_failed(outcomes: list[Outcome]) -> None:
    """A request of which nothing could be answered has failed; its status must say so."""
    errors = [outcome.result for outcome in outcomes if isinstance(outcome.result, ServiceError)]
    if len(errors) < len(outcomes):
        return
    if len(errors) == 1:
        raise errors[0]
    worst = max(errors, key=lambda error: error.status)
    detail = [{"index": index, "message": str(error)} for index, error in enumerate(errors)]
    raise type(worst)(f"no item could be answered; the first one: {errors[0]}", detail)
