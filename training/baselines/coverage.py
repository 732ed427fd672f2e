"""Which rows get a decision, where a method may abstain: their share, and how often it is right, per group."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import softmax

from evenhand.training.baselines.context import Context
from evenhand.training.evaluation.metrics import MIN_CELL
from evenhand.typing import Bools, Ints


def abstained(context: Context, is_open: Bools, bounds: Sequence[float]) -> Bools:
    """``(judged,)`` rows that the base's answer is withheld from.

    Args:
        context: The seed.
        is_open: ``(judged, attributes)``.
        bounds: Per attribute, the probability below which a flagged row gets no decision.
    """
    probability = softmax(context.features.base_logits[context.judged].astype(np.float64), axis=1).max(axis=1)
    withheld: Bools = (is_open & (probability[:, None] < np.array(bounds))).any(axis=1)
    return withheld


def per_group(context: Context, predicted: Ints, answered: Bools) -> dict[str, Any]:
    """Coverage and accuracy of what is answered; arguments ``(judged,)``.

    Returns:
        Per split, attribute and group; no accuracy over fewer rows than a cell needs to be judged.
    """
    rows, judged = context.rows, context.judged
    right, split = predicted == rows.labels[judged], rows.split[judged]
    return {
        part: {
            name: {
                group: _told(right, answered, (split == part) & (rows.groups[name][judged] == code))
                for code, group in enumerate(groups)
            }
            for name, groups in context.schema.groups.items()
        }
        for part in ("val", "test")
    }


def _told(right: Bools, answered: Bools, inside: Bools) -> dict[str, float | int | None]:
    both = inside & answered
    return {
        "rows": int(inside.sum()),
        "coverage": round(float(answered[inside].mean()), 4) if inside.any() else None,
        "accuracy": round(float(right[both].mean()), 4) if both.sum() >= MIN_CELL else None,
    }
