r"""Offsets for a rate target by a linear program: attribute-blind, for any number of classes.

After Xian and Zhao, "Optimal group-aware and group-unaware post-processing" (arXiv 2405.04025): the answers
:math:`z_{ic}` that agree most with the base's scores :math:`s_{ic}`, such that the rate of favourable answers
among members, weighted by the risk, comes near the reference group's:

.. math:: \max_z \sum_{ic} s_{ic} z_{ic} \quad\text{so that}\quad
   \Bigl| \frac{\sum_i r_i k_i \sum_{c \in F} z_{ic}}{\sum_i r_i k_i} - R \Bigr| \le \gamma

with :math:`k_i` the base's probability of the label that the rate is about (1 for demographic parity), and
:math:`R` the reference group's rate under the base. The program's dual answers
:math:`\arg\max_c s_{ic} + \lambda r_i k_i [c \in F]`: an offset per class times the risk. It matters for rows
near the boundary, where :math:`k` is one half. So the dual is where the search for offsets starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_matrix, vstack
from scipy.special import softmax

from evenhand.models.bundle.target import RATES, Measure
from evenhand.training.choice.candidates import LARGEST_OFFSET
from evenhand.typing import Bools, Float32s, Float64s

ROWS = 1000
"""Rows of the program; more would take long and move the offsets little."""
SLACKS = (0.0, 0.5)
"""Gaps that may be left, in multiples of the base's: one start each."""


@dataclass(frozen=True)
class RateProblem:
    """The rows and scores of one attribute's rates."""

    logits: Float32s
    """``(rows, classes)`` of the base."""
    risk: Float32s
    """``(rows,)`` of the attribute."""
    favourable: Bools
    """``(classes,)``."""
    measure: Measure


def offsets(problem: RateProblem, seed: int) -> list[tuple[float, ...]]:
    """Per slack the offsets ``(classes,)`` of the program's dual; none where the measure is no gap."""
    if problem.measure not in RATES:
        return []
    chosen = np.random.default_rng(seed).permutation(len(problem.risk))[:ROWS]
    scores = problem.logits[chosen].astype(np.float64)
    probability = softmax(scores, axis=1)[:, problem.favourable].sum(axis=1)
    risk = problem.risk[chosen].astype(np.float64)
    about = {
        "true_positive_rate": probability,
        "false_positive_rate": 1.0 - probability,
        "selection_rate": np.ones(len(chosen)),
    }
    weights = [about[rate] for rate in RATES[problem.measure]]
    return [_dual(scores, risk, weights, problem.favourable, slack) for slack in SLACKS]


def _dual(
    scores: Float64s, risk: Float64s, weights: Sequence[Float64s], favourable: Bools, slack: float
) -> tuple[float, ...]:
    """The offsets of one program; zeros where it has no solution."""
    rows, classes = scores.shape
    base = favourable[scores.argmax(axis=1)]
    sides, bounds, steps = [], [], []
    for weight in weights:
        inside, outside = risk * weight, (1.0 - risk) * weight
        reference = float((outside * base).sum() / max(outside.sum(), 1e-9))
        share = inside / max(inside.sum(), 1e-9)
        gap = slack * abs(float((share * base).sum()) - reference)
        row = coo_matrix((share[:, None] * favourable[None]).reshape(1, -1))
        sides += [row, -row]
        bounds += [reference + gap, gap - reference]
        steps.append(float(weight.mean()) / max(inside.sum(), 1e-9))
    one_class = coo_matrix(
        (np.ones(rows * classes), (np.repeat(np.arange(rows), classes), np.arange(rows * classes)))
    )
    solved = linprog(
        -scores.reshape(-1),
        A_ub=vstack(sides).tocsr(),
        b_ub=bounds,
        A_eq=one_class.tocsr(),
        b_eq=np.ones(rows),
        bounds=(0.0, None),
        method="highs",
    )
    if solved.status != 0:
        return (0.0,) * int(classes)
    prices = solved.ineqlin.marginals.reshape(-1, 2)
    move = round(float((prices[:, 0] - prices[:, 1]) @ np.array(steps)), 3)
    move = min(max(move, -LARGEST_OFFSET), LARGEST_OFFSET)
    if classes == 2:  # only the difference matters, and it is the second class's offset
        return (0.0, move if favourable[1] else -move)
    return tuple(move if good else 0.0 for good in favourable)
