"""Runs the graph: examples to scores. Knows nothing of HTTP or queues."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evenhand.models.bundle.bundle import Bundle
from evenhand.models.bundle.inputs import Encoder, collate, pad_of
from evenhand.models.bundle.runner import Runner, make_runner
from evenhand.models.bundle.runtime_onnx import Session
from evenhand.service.types import Example, Scores

CANARY_TOLERANCE = 1e-4
"""Tolerance of batch invariance, for a logit or a risk: other shapes sum in another order."""

TRIED_RUNS = 20
"""Runs of one row from which its time is taken; other work on the machine makes some of them slow."""


@dataclass(frozen=True, slots=True)
class Alone:
    """How to use all cores for a run while nothing else runs."""

    session: Session
    is_alone: Callable[[], bool]
    """Called before each run."""


class Engine:
    """One bundle's graph, ready to run; any number of threads may run it at once.

    Args:
        bundle: A verified bundle.
        encoder: Its encoder, whose examples are the canary rows.
        session: How to run the graph.
        alone: How to run it while nothing else runs; this loads the graph a second time.

    Raises:
        BundleError: the graph does not load, or its engine is not installed.
        RuntimeError: the canary failed: an answer is not finite, or depends on the other rows of its batch.
    """

    def __init__(
        self, bundle: Bundle, encoder: Encoder, session: Session, alone: Alone | None = None
    ) -> None:
        self._runner = make_runner(bundle, session)
        # Only a graph can be loaded twice: torch's threads are the process's.
        alone = alone if bundle.manifest.graph.engine == "onnx" else None
        self._wide = self._runner if alone is None else make_runner(bundle, alone.session)
        self._is_alone = alone.is_alone if alone else lambda: False
        self._pad_id = pad_of(bundle.manifest.input)
        self._attributes = len(bundle.manifest.attributes)
        self._rows = [encoder.encode(item) for item in encoder.examples()]
        self.row_tokens = max(row.tokens for row in self._rows)
        """Of the longest canary row."""
        self._canary = self._make_canary(bundle.manifest.name)
        self._try_longest(encoder)
        self.providers = self._runner.providers

    def run(self, examples: Sequence[Example]) -> list[Scores]:
        """Score examples in one run of the graph."""
        return self._score(self._wide if self._is_alone() else self._runner, examples)

    def _score(self, runner: Runner, examples: Sequence[Example]) -> list[Scores]:
        arrays = collate([example.encoded for example in examples], self._pad_id)
        out = runner.run(arrays, np.stack([example.modes for example in examples]))
        return [
            Scores(*row)
            for row in zip(out.logits, out.base_logits, out.shadow_logits, out.risk, out.flagged, strict=True)
        ]

    def probe(self) -> None:
        """Run the canary row.

        Raises:
            RuntimeError: its answer differs from the answer when the graph was loaded.
        """
        (scores,) = self.run([self._canary[0]])
        if not np.allclose(scores.base, self._canary[1].base, atol=CANARY_TOLERANCE):
            raise RuntimeError("the canary row got another answer than when the graph was loaded")

    def row_s(self) -> float:
        """Seconds that a run of one row takes, every attribute corrected: the least of some."""
        row = max(self._rows, key=lambda row: row.tokens)
        examples, took_s = [Example(row, self._modes(2)[0])], []
        for _ in range(TRIED_RUNS):
            started_s = time.perf_counter()
            self._score(self._runner, examples)
            took_s.append(time.perf_counter() - started_s)
        return min(took_s)

    def run_here(self, examples: Sequence[Example]) -> list[Scores]:
        """Score examples in one run of the graph that wakes no other thread."""
        return self._score(self._runner, examples)

    def warm(self, batch_rows: int, batch_tokens: int) -> tuple[float, int]:
        """Run the largest batch twice, every row corrected: once to allocate memory, once to measure.

        Returns:
            Seconds and tokens of the second run.
        """
        row = max(self._rows, key=lambda row: row.tokens)
        count = min(batch_rows, max(1, batch_tokens // row.tokens))
        arrays = collate([row] * count, self._pad_id)
        modes, thresholds = self._modes(2, count), np.zeros(self._attributes, dtype=np.float32)
        self._runner.run(arrays, modes, thresholds)
        started_s = time.perf_counter()
        self._runner.run(arrays, modes, thresholds)
        return time.perf_counter() - started_s, count * row.tokens

    def _make_canary(self, name: str) -> tuple[Example, Scores]:
        """Check batch invariance: run the canary rows through every branch, alone and together.

        Raises:
            RuntimeError: an answer is not finite, or depends on the other rows of its batch.
        """
        for code in range(3):
            examples = [Example(row, self._modes(code)[0]) for row in self._rows]
            together = self._score(self._runner, examples)
            for example, scores in zip(examples, together, strict=True):
                (alone,) = self._score(self._wide, [example])
                if not np.isfinite(scores.base).all():
                    raise RuntimeError(f"{name}: the canary's base answer is not finite")
                pairs = ((alone.base, scores.base), (alone.risk, scores.risk))
                if not all(np.allclose(*pair, atol=CANARY_TOLERANCE) for pair in pairs):
                    raise RuntimeError(f"{name}: the canary's answer depends on the other rows of its batch")
        return examples[0], together[0]

    def _try_longest(self, encoder: Encoder) -> None:
        """Answer a row of as many tokens as the bundle reads: its base may have fewer positions.

        Raises:
            RuntimeError: it cannot.
        """
        longest = encoder.encode(encoder.longest())
        modes, thresholds = self._modes(2, 1), np.zeros(self._attributes, dtype=np.float32)
        try:
            self._runner.run(collate([longest], self._pad_id), modes, thresholds)
        except Exception as error:  # ONNX Runtime's and torch's errors share no base class
            raise RuntimeError(
                f"it reads rows of {longest.tokens} tokens and fails on one; does its base have so many?"
            ) from error

    def _modes(self, code: int, rows: int = 1) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        return np.full((rows, self._attributes), code, dtype=np.int64)
