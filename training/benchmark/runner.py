"""Run the missing parts of a comparison, keep every result, and score them all."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from evenhand.console import say, say_error
from evenhand.models.bundle.target import Target
from evenhand.training.baselines.base import Beside, Context, Method, MethodAnswer, key_of, prepare
from evenhand.training.benchmark.pace import Pace
from evenhand.training.benchmark.score import ScoredRows, differences, score_answers
from evenhand.training.choice.aim import target_of
from evenhand.training.data.dataset import DataError, Rows, Schema
from evenhand.training.learning import distributed
from evenhand.training.learning.config import FitConfig, fingerprint
from evenhand.typing import Ints

SPLITS = ("val", "test")


@dataclass(frozen=True)
class Task:
    """A comparison: methods, data, seeds and settings."""

    config: Callable[[int], FitConfig]
    """Settings of one seed."""
    rows: Rows
    """The same rows and splits for every seed."""
    schema: Schema
    digest: str
    seeds: tuple[int, ...]
    methods: Sequence[Method]
    """The base first: all others are scored against it."""
    out: Path

    @cached_property
    def target(self) -> Target:
        """What every choice aims at, and the table shows first."""
        return target_of(self.schema, self.config(self.seeds[0]).correction)


@dataclass(frozen=True)
class Result:
    """One method under one seed."""

    method: str
    seed: int
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Per split, what :func:`evenhand.training.benchmark.score.score_answers` says."""
    notes: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    failed: str | None = None
    """Why there are no figures."""
    cost: float | None = None
    """Computation of a row relative to the base, where it was measured."""


def run(task: Task) -> list[Result]:
    """Answer and score every method under every seed; results of an earlier run are read from its files.

    A method that fails is reported with its reason and stops no other; the next run tries it again.

    Raises:
        DataError: the base cannot be made, so that there is nothing to compare, or there are several
            processes.
    """
    if distributed.count() > 1:
        raise DataError(
            "compare runs in one process; to share the work, start one per seed with --seeds and one --out"
        )
    distributed.deterministic()
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    stores = {seed: _ResultStore(task, seed) for seed in task.seeds}
    progress = _RunProgress(
        [(seed, method) for seed, store in stores.items() for method in store.missing(task.methods)],
        Pace(
            (method.name, entry["seconds"])
            for store in stores.values()
            for method in task.methods
            if (entry := store.read(method)) is not None
        ),
    )
    results: list[Result] = []
    for seed, store in stores.items():
        failed = _answer_missing(task, store, seed, progress)
        base = store.read(task.methods[0])
        results += [
            _scored(task, store, method, seed, base, failed.get(method.name)) for method in task.methods
        ]
    return results


def against(task: Task, method: str, other: str) -> list[dict[str, Any]]:
    """How one method differs from another on validation rows, per seed that has a result of both.

    Returns:
        See :func:`evenhand.training.benchmark.score.differences`; ``other`` takes the base's place.
    """
    by_name = {each.name: each for each in task.methods}
    chosen = task.rows.of("val")
    scored = ScoredRows(task.rows, task.schema, chosen)
    per_seed = []
    for seed in task.seeds:
        store = _ResultStore(task, seed)
        entries = [store.read(by_name[name]) for name in (other, method)]
        if None not in entries:
            answers = [store.classes(entry, chosen) for entry in entries if entry is not None]
            per_seed.append(differences(scored, task.target, *answers))
    return per_seed


@dataclass
class _RunProgress:
    """The results that are still missing, of all seeds."""

    waiting: list[tuple[int, Method]]
    pace: Pace

    def begin(self, seed: int, method: Method) -> None:
        """Print the next method and the time left."""
        left = self.pace.left(method.name for _, method in self.waiting)
        say(f"seed {seed}: {method.title}, {len(self.waiting)} results to go{left}")
        self.waiting.remove((seed, method))


def _answer_missing(task: Task, store: _ResultStore, seed: int, progress: _RunProgress) -> dict[str, str]:
    """Run the methods without a result; returns why some failed."""
    # What is held to another method's answer comes after it.
    missing = sorted(
        (method for at, method in progress.waiting if at == seed), key=lambda method: bool(method.beside)
    )
    failed: dict[str, str] = {}
    if not missing:
        say(f"seed {seed}: all {len(task.methods)} methods have their results")
        return failed
    context = prepare(task.config(seed), task.rows, task.schema, task.digest, task.out / "work")
    for method in missing:
        progress.begin(seed, method)
        start = time.monotonic()
        try:
            torch.manual_seed(seed)
            answer = store.bound(method).answer(context)
        except Exception as error:  # one method's failure must not stop the others, which take hours
            failed[method.name] = _reason(error)
            say_error(failed[method.name], f"{method.title} failed")
            continue
        seconds = time.monotonic() - start
        store.write(method, answer, context, seconds)
        progress.pace.took(method.name, seconds)
        say(f"seed {seed}: {method.title} done in {seconds:.0f} s")
    for file in context.folder.glob("hidden-*"):
        file.unlink()
    return failed


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200]}"


def _scored(
    task: Task,
    store: _ResultStore,
    method: Method,
    seed: int,
    base: dict[str, Any] | None,
    failed: str | None,
) -> Result:
    """A result with its figures."""
    stored = store.read(method)
    if stored is None or base is None:
        return Result(method.name, seed, failed=failed or "the base has no answers to compare with")
    figures = {}
    for split in SPLITS:
        chosen = task.rows.of(split)
        of_base, of_method = (store.classes(entry, chosen) for entry in (base, stored))
        scored = ScoredRows(task.rows, task.schema, chosen)
        figures[split] = score_answers(scored, task.target, of_base, of_method)
    return Result(method.name, seed, figures, stored["notes"], stored["seconds"], cost=stored.get("cost"))


class _ResultStore:
    """One JSON per method and seed, its predictions by row number of the source file."""

    def __init__(self, task: Task, seed: int) -> None:
        self._folder = task.out / "results"
        self._folder.mkdir(parents=True, exist_ok=True)
        self._seed = seed
        self._keys = {
            corrects: key_of(task.config(seed), task.rows, task.digest, task.target, corrects)
            for corrects in (False, True)
        }
        self._rows, self._labels = task.rows, task.schema.labels
        self._methods = {method.name: method for method in task.methods}

    def missing(self, methods: Sequence[Method]) -> list[Method]:
        """Methods without a result, or held to one that has none: it may then be held to another cost."""
        without = {method.name for method in methods if self.read(method) is None}
        return [method for method in methods if without.intersection((method.name, *method.beside))]

    def read(self, method: Method) -> dict[str, Any] | None:
        """A result with the same settings, or none."""
        try:
            stored: dict[str, Any] = json.loads(self._file(method).read_text())
        except (OSError, ValueError):
            return None
        return stored if stored.get("key") == self._key_of(method) else None

    def bound(self, method: Method) -> Method:
        """The method, held to the first with an answer of those that it runs beside."""
        return method.held_to(self._beside(method))

    def _beside(self, method: Method) -> Beside | None:
        chosen = self._rows.of("val")
        for name in method.beside:
            stored = self.read(self._methods[name]) if name in self._methods else None
            if stored is not None:
                right = self.classes(stored, chosen) == self._rows.labels[chosen]
                return Beside(name, float(right.mean()))
        return None

    def write(self, method: Method, answer: MethodAnswer, context: Context, seconds: float) -> None:
        """Write an answer's file atomically."""
        score = None if answer.score is None else [round(float(value), 4) for value in answer.score]
        content = {
            "key": self._key_of(method),
            "method": method.name,
            "seed": self._seed,
            "seconds": round(seconds, 1),
            "cost": answer.cost,
            "notes": answer.notes,
            "labels": list(context.schema.labels),
            "row": context.rows.row[context.scored].tolist(),
            "predicted": answer.predicted.tolist(),
            "score": score,
        }
        part = self._file(method).with_suffix(".part")
        part.write_text(json.dumps(content, separators=(",", ":")) + "\n")
        part.replace(self._file(method))

    def classes(self, stored: dict[str, Any], chosen: Ints) -> Ints:
        """Predicted classes of some rows; a kept base has an order of labels of its own."""
        order = np.array([self._labels.index(label) for label in stored["labels"]], dtype=np.int64)
        by_row = dict(zip(stored["row"], order[stored["predicted"]].tolist(), strict=True))
        return np.array([by_row[row] for row in self._rows.row[chosen].tolist()], dtype=np.int64)

    def _file(self, method: Method) -> Path:
        return self._folder / f"{method.name}-seed{self._seed}.json"

    def _key_of(self, method: Method) -> str:
        return fingerprint(self._keys[method.corrects], self.bound(method).key)
