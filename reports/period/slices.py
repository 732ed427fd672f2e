r"""The worst slices of rows, searched for on one half of them and tested on the other. Pure functions.

A slice is a conjunction of at most three values of different features. It is scored as in SliceLine
(Sagadeeva and Boehm, SIGMOD 2021):

.. math:: \alpha \left(\frac{\bar e_S}{\bar e} - 1\right) - (1 - \alpha) \left(\frac{n}{n_S} - 1\right)

The search counts every slice with enough rows, so its list is exact. The list comes from one random half of
the rows and is tested on the other half. So only the few tested slices need a correction (Bonferroni),
however many were searched, and the search does not bias their rates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from evenhand.console import track
from evenhand.service.monitoring.disparity import BREACH, INSUFFICIENT, NO_EVIDENCE
from evenhand.stats import Rate, newcombe

Codes = NDArray[np.int16]
Bools = NDArray[np.bool_]

ALPHA = 0.98
"""SliceLine's weight of a high rate against size: a slice of 5 % must be 1.4 times as bad as all rows."""
DEPTH = 3
LISTED = 20
"""Slices that the search returns, before near repeats are dropped."""
TESTED = 6
LEVEL = 0.05
"""Probability that a report calls any slice a breach where none is."""
CLEARLY = 2.5
"""Standard errors by which a condition must separate bad rows from less bad ones, to be kept."""
OVERLAP = 0.5
"""Two slices that share more of their rows (Jaccard) are the same finding; the better one stands for both."""
SEARCHED_ROWS = 200_000


@dataclass(frozen=True)
class Feature:
    """What rows can be sliced by."""

    name: str
    values: Sequence[str]
    codes: Codes
    """``(rows,)`` index into ``values``."""


@dataclass(frozen=True)
class Slice:
    """Rows with all of some values, and their rate of bad outcomes in the half that was not searched."""

    where: tuple[tuple[str, str], ...]
    """Feature and value."""
    rows: int
    """In both halves."""
    rate: Rate
    rest: Rate
    """Of all other rows."""
    difference: tuple[float, float, float] | None
    """Rate minus the rest's, with limits that hold for all tested slices together."""
    verdict: str


@dataclass(frozen=True)
class SliceSearch:
    """The outcome of one search."""

    rows: int
    overall: Rate
    counted: int
    """Slices that had enough rows to be looked at."""
    slices: Sequence[Slice]
    least_rows: int
    searched_rows: int
    tested_rows: int
    verdict: str


@dataclass(frozen=True)
class SliceRules:
    """What counts as enough, and as bad."""

    tolerance: float
    """A slice is a breach if its rate is above the rest's by more than this, for sure."""
    min_rows: int
    seed: int


def find_worst(features: Sequence[Feature], bad: Bools, rules: SliceRules, what: str) -> SliceSearch:
    """Find the worst slices and test them.

    Args:
        features: Over the same rows as ``bad``.
        bad: ``(rows,)`` whether the row fared badly.
        rules: What counts.
        what: Names the search, for the progress bar.
    """
    n = len(bad)
    shuffled = np.random.default_rng(rules.seed).permutation(n)
    search, held = shuffled[: n // 2][:SEARCHED_ROWS], shuffled[n // 2 :]
    # A slice that just reaches the minimum in one half would miss it in the other half of the time.
    least = max(-(-3 * rules.min_rows // 2), len(search) // 100)
    counted, best = _search(features, bad, search, least, what) if len(search) >= 2 * least else (0, [])
    chosen = _distinct(features, [_shortest(features, bad, search, where) for where in best], search)[:TESTED]
    slices = [_test(features, bad, held, where, (rules, len(chosen))) for where in chosen]
    enough = len(search) >= 2 * least and bool(counted)
    verdict = INSUFFICIENT
    if enough:
        verdicts = {each.verdict for each in slices}
        verdict = (
            BREACH if BREACH in verdicts else NO_EVIDENCE if verdicts != {INSUFFICIENT} else INSUFFICIENT
        )
    return SliceSearch(n, Rate.of(bad), counted, slices, least, len(search), len(held), verdict)


def score(
    bad: NDArray[np.float64], sizes: NDArray[np.float64], rate: float, rows: int
) -> NDArray[np.float64]:
    """SliceLine's score of slices.

    Args:
        bad: Bad rows in each slice.
        sizes: Rows in each slice, more than none.
        rate: Share of bad rows among all.
        rows: All rows.
    """
    scores: NDArray[np.float64] = ALPHA * (bad / sizes / rate - 1) - (1 - ALPHA) * (rows / sizes - 1)
    return scores


Where = tuple[tuple[int, int], ...]
"""Feature and value, by their numbers."""


def _search(
    features: Sequence[Feature], bad: Bools, rows: NDArray[np.int64], least: int, what: str
) -> tuple[int, list[Where]]:
    """How many slices are large enough, and the best of those that score above all rows together."""
    codes = [feature.codes[rows].astype(np.int32) for feature in features]
    errors = bad[rows].astype(np.float64)
    rate = float(errors.mean())
    if rate == 0.0:
        return sum(_large(each, least) for each in codes), []
    counted, best = 0, list[tuple[float, Where]]()
    tuples = _tuples(len(features))
    for chosen in track(tuples, len(tuples), f"slices by {what}"):
        shape = [len(features[index].values) for index in chosen]
        joint = np.ravel_multi_index([codes[index] for index in chosen], shape)
        cells = int(np.prod(shape))
        sizes = np.bincount(joint, minlength=cells).astype(np.float64)
        large = np.flatnonzero(sizes >= least)
        counted += len(large)
        bad_rows = np.bincount(joint, errors, cells).astype(np.float64)
        scores = score(bad_rows[large], sizes[large], rate, len(rows))
        for place in np.argsort(-scores, kind="stable")[:LISTED]:
            if scores[place] > 0:
                values = np.unravel_index(large[place], shape)
                best.append((float(scores[place]), tuple(zip(chosen, map(int, values), strict=True))))
        best = sorted(best, key=lambda scored: (-scored[0], len(scored[1]), scored[1]))[:LISTED]
    return counted, [where for _, where in best]


def _tuples(features: int) -> list[tuple[int, ...]]:
    return [chosen for depth in range(1, DEPTH + 1) for chosen in combinations(range(features), depth)]


def _large(codes: NDArray[np.int32], least: int) -> int:
    return int((np.bincount(codes) >= least).sum())


def _inside(features: Sequence[Feature], where: Where, rows: NDArray[np.int64]) -> Bools:
    inside = np.ones(len(rows), dtype=bool)
    for feature, value in where:
        inside &= features[feature].codes[rows] == value
    return inside


def _shortest(features: Sequence[Feature], bad: Bools, rows: NDArray[np.int64], where: Where) -> Where:
    """Drop conditions that chance explains: without them the slice is larger, and the rest as bad."""
    if len(where) == 1:
        return where
    inside, fared = _inside(features, where, rows), bad[rows]
    candidates = []
    for shorter in combinations(where, len(where) - 1):
        cut_off = _inside(features, shorter, rows) & ~inside
        candidates.append((_apart(fared[inside], fared[cut_off]), shorter))
    least, shorter = min(candidates)
    return _shortest(features, bad, rows, shorter) if least < CLEARLY else where


def _apart(first: Bools, second: Bools) -> float:
    """How many standard errors the first rate is above the second."""
    n, m = len(first), len(second)
    if not n or not m:
        return 0.0
    pooled = (int(first.sum()) + int(second.sum())) / (n + m)
    error = sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return (float(first.mean()) - float(second.mean())) / error if error else 0.0


def _distinct(features: Sequence[Feature], best: Iterable[Where], rows: NDArray[np.int64]) -> list[Where]:
    """Drop a slice that is nearly the same rows as a better one."""
    kept: list[tuple[Where, Bools]] = []
    for where in best:
        inside = _inside(features, where, rows)
        if all((inside & other).sum() <= OVERLAP * (inside | other).sum() for _, other in kept):
            kept.append((where, inside))
    return [where for where, _ in kept]


def _test(
    features: Sequence[Feature], bad: Bools, held: NDArray[np.int64], where: Where, by: tuple[SliceRules, int]
) -> Slice:
    rules, tested = by
    inside = _inside(features, where, held)
    fared = bad[held]
    everyone = np.arange(len(bad))
    limits = newcombe(_exact(fared[inside], LEVEL / tested), _exact(fared[~inside], LEVEL / tested))
    rate, rest = Rate.of(fared[inside]), Rate.of(fared[~inside])
    difference = None
    if limits is not None and rate.value is not None and rest.value is not None:
        difference = (rate.value - rest.value, *limits)
    verdict = INSUFFICIENT
    if difference is not None and min(rate.n, rest.n) >= rules.min_rows:
        verdict = BREACH if difference[1] > rules.tolerance else NO_EVIDENCE
    names = tuple((features[feature].name, features[feature].values[value]) for feature, value in where)
    return Slice(names, int(_inside(features, where, everyone).sum()), rate, rest, difference, verdict)


def _exact(hits: Bools, level: float) -> Rate:
    """A rate with exact limits, each missed at most so often (Clopper and Pearson 1934).

    Wilson's miss more often than they say this far out, where the correction for several slices puts them.
    """
    k, n = int(hits.sum()), len(hits)
    if n == 0:
        return Rate(0, None, None, None)
    low = 0.0 if k == 0 else float(beta.ppf(level, k, n - k + 1))
    high = 1.0 if k == n else float(beta.isf(level, k + 1, n - k))
    return Rate(n, k / n, low, high)
