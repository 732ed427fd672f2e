"""The stages of a request, for every wire format. Read this file first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from typing import Any

from evenhand.models.bundle.manifest import Manifest, Mode
from evenhand.service.audit.client import REPLICA, AuditClient
from evenhand.service.audit.events import AnsweredRows
from evenhand.service.catalog.counterfactual import Counterfactuals
from evenhand.service.catalog.loader import LoadedModel
from evenhand.service.catalog.registry import Registry
from evenhand.service.catalog.shadow import Answered, Shadow
from evenhand.service.errors import (
    Closing,
    DeadlineExceeded,
    InvalidInput,
    ServiceError,
    TooLarge,
)
from evenhand.service.ids import ulid
from evenhand.service.inference import decision, preprocess, row_warnings
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.settings import Settings
from evenhand.service.tracing import Trace
from evenhand.service.types import Decision, Example, Row, RowWarning, Scores


@dataclass(frozen=True, slots=True)
class Question:
    """A request: a model and its rows."""

    model: LoadedModel
    items: Sequence[Any]
    """Inputs for the model's encoder, one per row."""
    trace: Trace
    mode: Mode | None = None
    """Lowers the operator's mode."""
    groups: Any = None
    """Declared groups, not validated yet; they are counted and never change an answer."""
    version: str | None = None
    """The requested version; ``None`` for the live one."""
    own_ids: Any = None
    """The client's own ids of the rows, not validated yet."""
    began_s: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one item."""

    id: str
    result: Decision | ServiceError
    truncated: bool
    own_id: str | None = None
    """The client's own id of it."""
    warnings: tuple[RowWarning, ...] = ()


@dataclass(frozen=True, slots=True)
class Decided:
    """A request whose items are decided, and not counted or recorded yet."""

    question: Question
    """With the model that decided, which is another one if a new version took over meanwhile."""
    outcomes: list[Outcome]
    """One per item."""
    declared: list[dict[str, str]]
    """Declared groups by attribute, one mapping per item."""


class Pipeline:
    """Awaits preprocess, batcher, engine, decision and record in this order."""

    def __init__(
        self,
        registry: Registry,
        settings: Settings,
        metrics: Metrics,
        beside: tuple[Shadow, Counterfactuals],
        audit: AuditClient | None,
    ) -> None:
        self._registry = registry
        self._audit = audit
        self._deadline_s = settings.deadline_s
        self._strict = settings.strict
        self._metrics = metrics
        self._shadow, self._counterfactuals = beside
        self.max_items, self.max_line_bytes = settings.max_items, settings.max_body_bytes

    async def answer(self, question: Question) -> tuple[Manifest, list[Outcome]]:
        """Answer a request. An item that fails does so alone.

        Returns:
            The manifest of the version that answered, and the result of each item.

        Raises:
            ServiceError: the request as a whole, or each of its items, cannot be answered.
        """
        decided = await self.decide(question)
        await self.settle(decided)
        _refuse_if_all_failed(decided.outcomes)
        return decided.question.model.manifest, decided.outcomes

    async def decide(self, question: Question) -> Decided:
        """Decide a request's items; nothing is counted or recorded before :meth:`settle`.

        Raises:
            ServiceError: the request as a whole cannot be answered.
        """
        self._check_count(len(question.items))
        try:
            return await self._decide(question)
        except Closing:
            # A new version may have taken over between two stages; then that one answers.
            current = self._registry.get(question.model.manifest.name, question.version)
            if current is question.model:
                raise
            return await self._decide(replace(question, model=current))

    async def _decide(self, question: Question) -> Decided:
        model, trace, manifest = question.model, question.trace, question.model.manifest
        trace.model = manifest.name
        declared = preprocess.declared_groups(question.groups, len(question.items), manifest)
        own_ids = preprocess.own_ids(question.own_ids, len(question.items))
        if self._strict:
            row_warnings.refuse_unlisted(declared, manifest)
        model.batcher.admit(len(question.items))  # refuse before tokenising
        deadline_s = time.monotonic() + self._deadline_s
        try:
            async with asyncio.timeout(self._deadline_s):
                rows = await _prepare(question, tuple(self._registry.modes(model)), deadline_s)
                scored = await _score(question, rows, deadline_s)
        except TimeoutError:
            raise DeadlineExceeded from None
        started = time.time_ns()
        warned = row_warnings.warnings_of(rows, declared, manifest, model.features)
        about = zip(own_ids, warned, strict=True)
        outcomes = [
            _decide(row, scores, manifest, of_row)
            for row, scores, of_row in zip(rows, scored, about, strict=True)
        ]
        if trace.recorded:
            trace.stage("policy", started, time.time_ns())
        return Decided(question, outcomes, declared)

    async def settle(self, decided: Decided) -> None:
        """Record a request's answers, and count them once they were sent.

        Raises:
            RecordUnavailable: the rows had to be on disk first and could not be written.
        """
        question = decided.question
        answered, warned = self._answered(decided), [outcome.warnings for outcome in decided.outcomes]
        await self._record(question, answered, partial(self._follow, question, answered, warned))

    def _follow(self, question: Question, answered: list[Answered], warned: row_warnings.Warnings) -> None:
        """After the answer: count the rows, and score them in shadow and as counterfactuals."""
        manifest = question.model.manifest
        self._count_warnings(manifest.name, warned)
        for row in answered:
            self._metrics.fairness.decision(manifest, row.row)
        self._mirror_to_shadow(question, answered)
        self._counterfactuals.sample(question.model, answered, question.mode)

    def _count_warnings(self, model: str, warned: row_warnings.Warnings) -> None:
        buffer = self._metrics.fairness.buffers[model, "decisions"]
        for warning in chain.from_iterable(warned):
            if warning.kind == row_warnings.UNKNOWN:
                for attribute in warning.names:
                    self._metrics.fairness.overflow(model, attribute)
            else:
                self._metrics.features.add(buffer, model, warning.kind, warning.names)

    def _answered(self, decided: Decided) -> list[Answered]:
        """The rows that the model answered or failed on, without those that the client got wrong."""
        question, manifest = decided.question, decided.question.model.manifest
        rows = []
        for item, outcome, groups in zip(question.items, decided.outcomes, decided.declared, strict=True):
            if isinstance(outcome.result, InvalidInput):
                continue
            result = outcome.result.type if isinstance(outcome.result, ServiceError) else outcome.result
            listed = preprocess.listed(groups, manifest)
            row = Row(outcome.id, result, listed, self._digest(item), outcome.own_id)
            rows.append(Answered(item, row))
        return rows

    def _digest(self, item: Any) -> str:  # noqa: ANN401 - what the model takes
        """Keyed digest of an input, independent of the order of its features."""
        if self._audit is None:
            return ""
        return self._audit.keys.digest(preprocess.plain(item))

    async def _record(self, question: Question, answered: list[Answered], follow: Callable[[], None]) -> None:
        """Pass rows to the record; wait for the disk only if an answer must not be sent before.

        Args:
            question: The request.
            answered: Its rows.
            follow: Called after the answer was sent, once the rows are accepted or on disk; never if they are
                refused. It is called even if the client has disconnected.

        Raises:
            RecordUnavailable: the rows had to be on disk first and could not be written.
        """
        loop = asyncio.get_running_loop()
        taken = self._take(question, answered)
        if taken is None:
            loop.call_soon(follow)
            return
        written = asyncio.wrap_future(taken)
        waiting = asyncio.shield(written)

        def follow_if_written(done: asyncio.Future[None]) -> None:
            if not done.cancelled() and done.exception() is None:
                loop.call_soon(follow)

        written.add_done_callback(follow_if_written)
        await waiting

    def _take(self, question: Question, answered: list[Answered]) -> Future[None] | None:
        """Pass rows to the record; returns a future if the answer must wait for it."""
        if self._audit is None or not answered:
            return None
        model, latency_s = question.model, time.monotonic() - question.began_s
        rows, at_ms = [row.row for row in answered], time.time_ns() // 1_000_000
        batch = AnsweredRows(model.manifest, model.configuration, rows, at_ms, latency_s, REPLICA)
        return self._audit.take(batch)

    def _mirror_to_shadow(self, question: Question, answered: list[Answered]) -> None:
        """Pass the live version's rows to the version in shadow."""
        name = question.model.manifest.name
        if self._registry.roles[name].shadow is None or question.model is not self._registry.get(name):
            return
        decided = [row for row in answered if isinstance(row.row.result, Decision)]
        self._shadow.mirror(name, decided, question.mode)

    def _check_count(self, items: int) -> None:
        if not items:
            raise InvalidInput("inputs is empty; send at least one item")
        if items > self.max_items:
            raise TooLarge(
                f"{items} items in one request, at most {self.max_items} are taken; send several requests"
            )


async def _prepare(
    question: Question, operator: tuple[Mode, ...], deadline_s: float
) -> list[Example | InvalidInput]:
    """Check and tokenise: on the event loop if that is quick, else in a thread."""
    model, items, trace = question.model, question.items, question.trace
    started = time.time_ns()
    modes = preprocess.request_modes(operator, question.mode)
    work = partial(preprocess.examples, model.encoder, items, modes, trace.recorded, deadline_s)
    rows = work() if preprocess.quick(items, model.manifest.input.kind) else await asyncio.to_thread(work)
    if trace.recorded:
        trace.stage("preprocess", started, time.time_ns(), rows=len(rows))
    return rows


async def _score(
    question: Question, rows: list[Example | InvalidInput], deadline_s: float
) -> list[Scores | ServiceError]:
    """Scores of the valid rows; the others keep their error."""
    good = [row for row in rows if isinstance(row, Example)]
    submitted = time.time_ns()
    scored = iter(await question.model.batcher.submit(good, deadline_s) if good else ())
    if question.trace.recorded:
        question.trace.waited(
            submitted, [row.observer.run for row in good if row.observer and row.observer.run]
        )
    return [next(scored) if isinstance(row, Example) else row for row in rows]


def _decide(
    row: Example | InvalidInput,
    scores: Scores | ServiceError,
    manifest: Manifest,
    about: tuple[str | None, tuple[RowWarning, ...]],
) -> Outcome:
    """The outcome of a row, with its own id and warnings."""
    if isinstance(scores, ServiceError):
        return Outcome(ulid(), scores, False, *about)
    assert isinstance(row, Example)  # only examples are scored
    try:
        return Outcome(ulid(), decision.decide(scores, row.modes, manifest), row.encoded.truncated, *about)
    except ServiceError as error:
        return Outcome(ulid(), error, row.encoded.truncated, *about)


def _refuse_if_all_failed(outcomes: list[Outcome]) -> None:
    """Raise an error if no item could be answered, so that the status shows it."""
    errors = [outcome.result for outcome in outcomes if isinstance(outcome.result, ServiceError)]
    if len(errors) < len(outcomes):
        return
    if len(errors) == 1:
        raise errors[0]
    worst = max(errors, key=lambda error: error.status)
    detail = [{"index": index, "message": str(error)} for index, error in enumerate(errors)]
    raise type(worst)(f"no item could be answered; the first one: {errors[0]}", detail)
