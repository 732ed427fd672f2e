"""Calibration of a probability: calibration error, Brier score, and accuracy over the most confident rows.

Intervals come from resampling rows with a fixed seed: the basic bootstrap (Davison and Hinkley 1997, section
5.2), which also corrects the upward bias of a calibration error over few rows. An interval is widened, where
needed, to contain the figure itself.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from evenhand.stats import Rate, basic_bootstrap
from evenhand.training.evaluation.metrics import MIN_CELL, Bin
from evenhand.typing import Bools, Floats, Ints

BINS = 10
"""Intervals of equal width."""
DRAWS = 500
CURVE_POINTS = 100


def reliability_bins(predicted: Floats, observed: Bools) -> list[Bin]:
    """Mean prediction and observed rate in :data:`BINS` intervals of equal width.

    Args:
        predicted: ``(rows,)`` probabilities; 1 belongs to the last interval.
        observed: ``(rows,)`` whether the predicted event occurred.
    """
    code = _bin_of(predicted)
    bins = []
    for index in range(BINS):
        inside, low, high = code == index, index / BINS, (index + 1) / BINS
        mean = float(predicted[inside].mean()) if inside.any() else (low + high) / 2
        bins.append(Bin(low, high, mean, Rate.of(observed[inside])))
    return bins


def calibration(predicted: Floats, observed: Bools) -> dict[str, Any]:
    r"""Expected calibration error and Brier score of a probability, with counts and 95 % intervals.

    .. math:: ECE = \sum_b \frac{n_b}{n} |\bar p_b - \bar y_b|, \quad Brier = \frac{1}{n} \sum_i (p_i - y_i)^2

    ECE: Naeini, Cooper and Hauskrecht 2015; Guo et al. 2017. Brier 1950.

    Args:
        predicted: ``(rows,)`` probability.
        observed: ``(rows,)`` whether the predicted event occurred.

    Returns:
        ``calibration_error`` and ``brier``, each ``n``, ``value``, ``low``, ``high`` (``None`` without rows),
        and the ``bins`` with rows.
    """
    n, p, y = len(predicted), predicted.astype(float), observed.astype(float)
    off = np.zeros((n, BINS))
    off[np.arange(n), _bin_of(p)] = p - y
    squared = (p - y) ** 2
    return {
        "calibration_error": basic_bootstrap(n, DRAWS, lambda w: np.abs(w @ off).sum(axis=1) / n),
        "brier": basic_bootstrap(n, DRAWS, lambda w: w @ squared / n),
        "bins": [asdict(each) for each in reliability_bins(p, observed) if each.observed.n],
    }


def selective(confidence: Floats, correct: Bools) -> tuple[Floats, Floats]:
    """Accuracy over the most confident rows, for every confidence that some row has.

    Rows of equal confidence are answered together, so the order of the rows does not matter.

    Args:
        confidence: ``(rows,)``.
        correct: ``(rows,)``.

    Returns:
        Coverage and accuracy over it, ``(levels,)`` each, from the most confident on.
    """
    order, last = _levels(confidence)
    kept = np.arange(1, len(order) + 1)[last]
    right = correct[order].cumsum()[last]
    return kept / max(len(order), 1), right / kept


def risk_coverage(confidence: Floats, correct: Bools) -> dict[str, Any]:
    r"""Selective accuracy over coverage, and the area under its risk.

    Sources: El-Yaniv and Wiener 2010; Geifman et al. 2019.

    .. math:: AURC = \frac{1}{n} \sum_{k=1}^{n} \frac{errors among the k most confident}{k}

    Args:
        confidence: ``(rows,)`` probability of the answered class.
        correct: ``(rows,)``.

    Returns:
        ``aurc`` with ``n``, ``value``, ``low``, ``high``, and the curve as ``coverage`` and ``accuracy``,
        from the first :data:`~evenhand.training.evaluation.metrics.MIN_CELL` rows on and at most
        :data:`CURVE_POINTS` points.
    """
    n = len(confidence)
    order, last = _levels(confidence)
    wrong = (~correct[order]).astype(float)

    def area(weights: Floats) -> Floats:
        sorted_ = weights[:, order]
        rows = sorted_.cumsum(axis=1)[:, last]
        errors = (sorted_ * wrong).cumsum(axis=1)[:, last]
        areas: Floats = (np.diff(rows, prepend=0.0) * errors / np.maximum(rows, 1.0)).sum(axis=1) / n
        return areas

    coverage, accuracy = selective(confidence, correct)
    enough = np.flatnonzero(coverage * n >= MIN_CELL)
    shown = (
        enough[np.unique(np.linspace(0, len(enough) - 1, CURVE_POINTS).round().astype(int))]
        if len(enough)
        else []
    )
    return {
        "aurc": basic_bootstrap(n, DRAWS, area),
        "coverage": coverage[shown].tolist() if len(enough) else [],
        "accuracy": accuracy[shown].tolist() if len(enough) else [],
    }


def _bin_of(predicted: Floats) -> Ints:
    return np.minimum((np.asarray(predicted, dtype=float) * BINS).astype(np.int64), BINS - 1)


def _levels(confidence: Floats) -> tuple[Ints, Ints]:
    """Rows from the most confident on, and where in that order each run of equal confidence ends."""
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    return order, np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(order) else order
