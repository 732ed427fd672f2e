r"""Reject option: no decision for flagged rows whose answer is less probable than a bound; a person decides.

Chow 1970; with a group's own bound, Jones et al. 2021 (arXiv 2010.14134) show why a bound shared by all can
widen gaps. The answer itself is not changed. The bound is the lowest under which answered flagged rows are
right as often as unflagged rows are, on held-out rows; no bound where that would leave fewer than half of
them answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from scipy.special import softmax

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.decision import Unchanged
from evenhand.training.correctors.interface import CorrectorInput, CorrectorMethod
from evenhand.training.learning.config import CorrectionConfig
from evenhand.typing import Bools, Floats

LEAST_ANSWERED = 0.5


class Abstain(Unchanged):
    """The base's answer; it is withheld from rows below the manifest's bounds."""

    method: ClassVar = "abstain"


def make(split: SplitModel, attributes: Sequence[str], *, config: CorrectionConfig) -> Abstain:
    """No bounds."""
    return Abstain(split)


def learn(corrector: Abstain, inputs: CorrectorInput) -> dict[str, Any]:
    """Find every attribute's bound."""
    held, features = inputs.held, inputs.material.features
    logits = features.base_logits[held].astype(np.float64)
    score = softmax(logits, axis=1).max(axis=1)
    right = logits.argmax(axis=1) == inputs.material.rows.labels[held]
    bounds = tuple(
        bound(score, right, inputs.gates[held, attribute]) for attribute in range(inputs.gates.shape[1])
    )
    corrector.abstain_below = bounds
    return {"no decision below a probability of": [round(probability, 4) or None for probability in bounds]}


def bound(score: Floats, right: Bools, flagged: Bools) -> float:
    """The lowest probability from which on flagged rows are answered as well as the others are.

    Args:
        score: ``(rows,)`` probability of the answer.
        right: ``(rows,)`` whether it is right.
        flagged: ``(rows,)``.

    Returns:
        0.0 where no row needs to be left out, or too many would be.
    """
    if not flagged.any() or flagged.all():
        return 0.0
    target = right[~flagged].mean()
    order = np.argsort(score[flagged], kind="stable")
    scores, hits = score[flagged][order], right[flagged][order]
    answered = np.arange(len(hits), 0, -1)
    accuracy = hits[::-1].cumsum()[::-1] / answered
    # A bound answers all rows of equal probability or none: it can only lie at the first of them.
    first = np.append(True, scores[1:] > scores[:-1])
    enough = np.flatnonzero(first & (accuracy >= target) & (answered >= LEAST_ANSWERED * len(hits)))
    return float(scores[enough[0]]) if len(enough) and enough[0] else 0.0


METHODS = (
    CorrectorMethod(
        "abstain", "Abstaining on close answers", "Chow 1970", make, learn, chosen=False, compares=True
    ),
)
