"""Takes the decisions of one request: chunk by chunk, in order, and with bounded memory.

A chunk is checked in a thread while the chunk before it is written. A faulty decision costs itself alone. If
a chunk can be written nowhere, the request ends there, and its error says which lines are not on record.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from evenhand.service.catalog.observed import ObservedModels
from evenhand.service.elsewhere.columns import CheckedRows, ColumnReader
from evenhand.service.elsewhere.fields import Fields
from evenhand.service.elsewhere.recorder import OUTCOMES, Recorded, Recorder, Result
from evenhand.service.elsewhere.rows import Faulty, RowReader
from evenhand.service.elsewhere.shadow import ShadowAnswers
from evenhand.service.errors import RecordUnavailable, ServiceError
from evenhand.service.ids import ulids
from evenhand.service.metrics.collectors import Metrics

Read = tuple[Fields, list[Faulty]]
"""Some decisions by field, and those that are none."""
Checked = tuple[list[CheckedRows], list[Faulty]]
Settled = tuple[Recorded | None, Sequence[Faulty]]
NAMED = 1000
"""Decisions that a reply names at most, of those that were not recorded."""
AHEAD = 6
"""Chunks that are checked while earlier ones are written: those that wait go into one transaction."""
NO_NAME = "model is the name of a model"


class Chunk(Protocol):
    """Some decisions of a request, as they were sent."""

    @property
    def places(self) -> Sequence[int]:
        """Number of each one's line or row, from 1."""

    def read(self) -> Read:
        """Read them; called in any thread."""


MODELS = 64
"""Names of models in one request at most."""


@dataclass
class Summary:
    """What became of a request's decisions."""

    counts: Counter[str] = field(default_factory=Counter)
    named: list[Result] = field(default_factory=list)
    """The first decisions that were not recorded."""
    results: list[Result] | None = None
    """Every decision, where the caller wants them."""
    unlisted: dict[str, Counter[str]] = field(default_factory=dict)
    """By model and attribute: groups that the model does not list."""
    spooled: int = 0
    not_recorded: list[tuple[int, int]] = field(default_factory=list)
    """Lines, from and to, that could not be written."""
    failure: RecordUnavailable | None = None

    def add(self, recorded: Recorded | None, faulty: Sequence[Faulty]) -> None:
        """Count what became of some decisions."""
        others = [Result(each.place, "error", message=each.message) for each in faulty]
        if recorded is not None:
            others += recorded.others.values()
            self.counts["recorded"] += recorded.number - len(recorded.others)
            self.spooled += recorded.spooled
        others.sort(key=_place)
        self.counts.update(result.result for result in others)
        self.named += others[: NAMED - len(self.named)]
        if self.results is not None:
            good = [] if recorded is None else recorded.results()
            self.results += sorted([*good, *(each for each in others if each.result == "error")], key=_place)

    @property
    def received(self) -> int:
        """Decisions that were looked at."""
        return sum(self.counts.values()) + sum(last - first + 1 for first, last in self.not_recorded)

    def facts(self) -> dict[str, Any]:
        """The reply, without results by decision."""
        others = sum(number for result, number in self.counts.items() if result != "recorded")
        return {
            "received": self.received,
            "counts": {outcome: self.counts[outcome] for outcome in OUTCOMES},
            "spooled": self.spooled,
            "not_new": [named(result) for result in self.named],
            "not_new_left_out": others - len(self.named),
            "unlisted_groups": {
                model: dict(attributes) for model, attributes in self.unlisted.items() if attributes
            },
        }


def _place(result: Result) -> int:
    return result.place


def named(result: Result) -> dict[str, Any]:
    """One decision that was not recorded."""
    facts = {
        "line": result.place,
        "result": result.result,
        "id": result.id,
        "message": result.message,
        "feedback": result.feedback,
        "shadow": result.shadow,
    }
    return {name: value for name, value in facts.items() if value is not None}


class Intake:
    """Takes one request's decisions.

    Args:
        models: The observed models.
        recorder: Records them.
        metrics: Counts faulty ones.
        digest: Makes the keyed digest of an input.
        model: Of decisions that name none.
    """

    def __init__(
        self,
        models: ObservedModels,
        recorder: Recorder,
        metrics: Metrics,
        digest: Callable[[bytes], str],
        model: str | None = None,
    ) -> None:
        self._models, self._recorder, self._metrics = models, recorder, metrics
        self._digest, self.model = digest, model
        self.shadow: ShadowAnswers | None = None
        """Set if a served bundle answers, too, where decisions come with their input."""
        self._readers: dict[str | None, ColumnReader | str] = {}
        self.summary = Summary()

    async def take(self, chunks: AsyncIterator[Chunk]) -> Summary:
        """Take chunks of decisions, until one cannot be recorded."""
        pending: deque[tuple[Chunk, asyncio.Task[Settled]]] = deque()
        try:
            async for chunk in chunks:
                checked = await asyncio.to_thread(self.check, chunk)
                pending.append((chunk, asyncio.create_task(self.record(checked))))
                while len(pending) > AHEAD:
                    await self._settle(*pending.popleft())
                if self.summary.failure is not None:
                    break
        finally:
            while pending:
                await self._settle(*pending.popleft())
        for reader in self._readers.values():
            if isinstance(reader, ColumnReader):
                self.summary.unlisted[reader.model.name] = reader.unlisted
                for attribute, rows in reader.unlisted.items():
                    self._metrics.fairness.overflow(reader.model.name, attribute, rows)
        return self.summary

    def check(self, chunk: Chunk) -> Checked:
        """Check decisions; called in any thread, for one chunk at a time."""
        fields, faulty = chunk.read()
        try:
            by_model = fields.by_model()
        except TypeError:  # a list is no name
            names = fields.columns["model"]
            good = [row for row, name in enumerate(names) if isinstance(name, str | None)]
            bad = [
                place
                for place, name in zip(fields.places, names, strict=True)
                if not isinstance(name, str | None)
            ]
            faulty += [Faulty(place, NO_NAME) for place in bad]
            by_model = fields.take(good).by_model()
        checked = []
        for name, of_model in by_model.items():
            reader = self._reader(name) if isinstance(name, str | None) else NO_NAME
            if isinstance(reader, str):
                faulty += [Faulty(place, reader) for place in of_model.places]
                continue
            rows, wrong = reader.read(of_model, ulids(len(of_model)))
            faulty += wrong
            if rows:
                checked.append(rows)
        return checked, faulty

    async def record(self, checked: Checked) -> Settled:
        """Record the good ones of some decisions; returns what became of them, and the faulty ones."""
        good, faulty = checked
        if faulty:
            self._metrics.reported("", "error", len(faulty))
        if self.shadow is not None:
            await self.shadow.add(good)
        return await self._recorder.record(good) if good else None, faulty

    def _reader(self, name: str | None) -> ColumnReader | str:
        """What checks a model's decisions, or why there is none."""
        name = name or self.model
        reader = self._readers.get(name)
        if reader is None:
            if len(self._readers) >= MODELS:
                return f"the request names more than {MODELS} models; send several requests"
            try:
                reader = ColumnReader(RowReader(self._models.get(name), self._digest))
            except ServiceError as error:
                reader = str(error)
            self._readers[name] = reader
        return reader

    async def _settle(self, chunk: Chunk, task: asyncio.Task[Settled]) -> None:
        try:
            self.summary.add(*await task)
        except RecordUnavailable as error:
            self.summary.failure = error
            self.summary.not_recorded.append((chunk.places[0], chunk.places[-1]))
