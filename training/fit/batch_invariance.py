"""Whether a bundle's answer to a row depends on the rows that share its batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evenhand.models.bundle.inputs import Encoded
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.runner import Runner
from evenhand.training.evaluation.bundle_score import answer

TOLERANCE = 1e-5
"""Float32 sums in another order differ by about 1e-7; a scale shared between rows, by 1e-3 and more."""
ROWS = 512
BATCH_ROWS = 32


@dataclass(frozen=True)
class BatchInvariance:
    """How the answers to rows differ between batches of one row and batches of mixed lengths."""

    rows: int
    difference: float
    """The largest absolute difference of any score, base score or risk."""

    @property
    def holds(self) -> bool:
        """Whether no answer depends on the other rows of its batch; only ties can change labels or flags."""
        return self.difference <= TOLERANCE


def check_batch_invariance(
    runner: Runner, manifest: Manifest, encoded: Sequence[Encoded], seed: int = 0
) -> BatchInvariance:
    """Compare the answers to up to :data:`ROWS` rows, drawn by the seed, alone and in batches."""
    chosen = np.random.default_rng(seed).permutation(len(encoded))[:ROWS]
    places = np.arange(len(chosen))
    alone, mixed = (
        answer(
            runner,
            manifest,
            encoded,
            chosen,
            [places[start : start + size] for start in range(0, len(chosen), size)],
        )
        for size in (1, BATCH_ROWS)
    )
    differences = [
        np.abs(getattr(alone, name) - getattr(mixed, name)).max()
        for name in ("scores", "base_scores", "risk")
    ]
    # Not the built-in max, which may drop a NaN.
    return BatchInvariance(len(chosen), float(np.max(differences)))
