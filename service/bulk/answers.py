"""Rows of a file to decisions, with the service's own encoder, engine and decision; a bad row fails alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evenhand.models.bundle.inputs import InputError
from evenhand.models.bundle.manifest import Manifest, Mode
from evenhand.models.bundle.row_items import row_item
from evenhand.models.bundle.runtime_onnx import Session
from evenhand.service.bulk.columns import RowColumns
from evenhand.service.catalog.loader import PROVIDERS
from evenhand.service.catalog.trial import TriedBundle, try_bundle
from evenhand.service.errors import EngineFailed, InvalidInput, ServiceError
from evenhand.service.inference import decision, preprocess
from evenhand.service.inference.engine import Engine
from evenhand.service.resources import cores
from evenhand.service.types import Decision, Example, Scores
from evenhand.tables.table import Row, Values

log = logging.getLogger(__name__)
NOT_READ: Values = {}
"""The cells of a row that cannot be read."""
INVALID = InvalidInput.type
"""Type of the error of a row that cannot be read."""
RUNS = {"cpu": (64, 1024), "cuda": (256, 16_384), "tensorrt": (256, 16_384)}
"""Rows and tokens of one run of the graph, by provider: more gain nothing on a processor."""


@dataclass(frozen=True, slots=True)
class AnsweredRow:
    """One row of the file, and what came of it."""

    number: int
    """Counted from 1, a header and blank lines left out."""
    values: Values
    item: Any
    """What the encoder took; ``None`` if the row cannot be read."""
    result: Decision | str
    """The decision, or why there is none."""
    error: str
    """Type of the error, as the record names it; empty where there is a decision."""
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class _ReadRow:
    """A row before the engine."""

    example: Example | None
    """``None`` if there is none."""
    answered: AnsweredRow
    """As far as the row is answered."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How the graph runs."""

    threads: int = 0
    """Threads inside one operator; 0 takes every core."""
    provider: str = "cpu"
    """``cpu``, ``cuda`` or ``tensorrt``."""

    @property
    def session(self) -> Session:
        """For ONNX Runtime."""
        return Session(self.threads or cores(), PROVIDERS[self.provider])

    @property
    def limits(self) -> tuple[int, int]:
        """Rows and tokens of one run at most."""
        return RUNS[self.provider]


def loaded(bundle: Path, options: RunOptions) -> TriedBundle:
    """A bundle that is verified and has answered.

    Raises:
        BundleError: it cannot be served, and so answers nothing here.
    """
    return try_bundle(bundle, options.session, batch=options.limits)


class Answerer:
    """Answers rows of one file.

    Args:
        model: The bundle.
        columns: Of the file.
        mode: Lowers the bundle's own modes, as a request's does.
        limits: Rows and tokens of one run of the graph.
    """

    def __init__(
        self, model: TriedBundle, columns: RowColumns, mode: Mode | None, limits: tuple[int, int]
    ) -> None:
        self.manifest: Manifest = model.bundle.manifest
        self._encoder, self._engine = model.encoder, model.engine
        self._columns, self._limits = columns, limits
        own = tuple(attribute.mode for attribute in self.manifest.attributes)
        self._modes = preprocess.request_modes(own, mode)
        self.modes: tuple[Mode, ...] = tuple(decision.MODES[code] for code in self._modes.tolist())
        """Of each attribute."""

    def answer(self, rows: Sequence[tuple[int, Row]]) -> list[AnsweredRow]:
        """The answer to each row, in order."""
        read = [self._read(number, row) for number, row in rows]
        examples = {place: row.example for place, row in enumerate(read) if row.example is not None}
        scores = score(self._engine, examples, self._limits)
        return [
            row.answered if row.example is None else self._decided(row.answered, row.example, scores[place])
            for place, row in enumerate(read)
        ]

    def _read(self, number: int, row: Row) -> _ReadRow:
        if isinstance(row, str):
            return _ReadRow(None, AnsweredRow(number, NOT_READ, None, f"cannot be read: {row}", INVALID))
        try:
            item = row_item(row, self._columns.inputs, self._encoder)
            example = Example(self._encoder.encode(item), self._modes)
        except InputError as error:
            return _ReadRow(None, AnsweredRow(number, row, None, str(error), INVALID))
        return _ReadRow(example, AnsweredRow(number, row, item, "", "", example.encoded.truncated))

    def _decided(self, row: AnsweredRow, example: Example, scores: Scores | ServiceError) -> AnsweredRow:
        result: Decision | str
        error = ""
        try:
            if isinstance(scores, ServiceError):
                raise scores
            result = decision.decide(scores, example.modes, self.manifest)
        except ServiceError as failure:
            result, error = str(failure), failure.type
        return AnsweredRow(row.number, row.values, row.item, result, error, row.truncated)


def score(
    engine: Engine, examples: dict[int, Example], limits: tuple[int, int]
) -> dict[int, Scores | ServiceError]:
    """The scores of each example, or that it could not be scored."""
    scores: dict[int, Scores | ServiceError] = {}
    for places in runs({place: example.encoded.tokens for place, example in examples.items()}, limits):
        results = _run(engine, [examples[place] for place in places])
        scores.update(zip(places, results, strict=True))
    return scores


def runs(tokens: dict[int, int], limits: tuple[int, int]) -> Iterator[list[int]]:
    """Rows that run together: neighbours in length, so that little is padded.

    Args:
        tokens: Of each row, by its place.
        limits: Rows and tokens, padding included, of one run; a longer row runs alone.
    """
    most_rows, most_tokens = limits
    run: list[int] = []
    # The longest of a run is its last one, as they come by length.
    for place in sorted(tokens, key=tokens.__getitem__):
        if run and (len(run) == most_rows or tokens[place] * (len(run) + 1) > most_tokens):
            yield run
            run = []
        run.append(place)
    if run:
        yield run


def _run(engine: Engine, examples: list[Example]) -> list[Scores | ServiceError]:
    """Score in one run; if that fails, in halves, so that a row fails alone."""
    try:
        return list(engine.run(examples))
    except Exception as error:  # ONNX Runtime's and torch's errors share no base class
        if len(examples) == 1:
            log.warning("a row cannot be scored (%s)", type(error).__name__)
            return [EngineFailed()]
    middle = len(examples) // 2
    return _run(engine, examples[:middle]) + _run(engine, examples[middle:])
