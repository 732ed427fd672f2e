r"""Exact tests for Learn-then-Test (Angelopoulos et al. 2021, arXiv 2110.01052) on paired rows.

The same rows are answered with and without the correction: a row's change is 1 (mended), -1 (broken) or 0.
:mod:`evenhand.training.choice.claims` says what is tested; a setting's p-value is the largest of its claims'
(intersection-union: all claims at level alpha without splitting it). The fallback procedure (Wiens 2003;
Bretz et al. 2009) tests several settings at family-wise error alpha.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evenhand.typing import Bools

NUISANCE_LEVEL = 1e-3
"""Level of the nuisance parameter's interval, added to the p-value (Berger and Boos 1994)."""
GRID = 60
TAIL = 1e-12
"""Counts outside these quantiles are not computed; their probability is added, which keeps the test valid."""
FIRST = 0.8
"""Share of alpha of the first of several settings; the others split the rest."""


def above_p_value(up: int, down: int, n: int, bound: float) -> float:
    """Exact one-sided test of "the mean change is ``bound`` or less", for changes of 1, 0 and -1.

    The distribution depends on the share of rows that change at all. The p-value is the largest over a
    confidence interval of that share, plus the level of that interval.

    Args:
        up: Rows that change by 1.
        down: Rows that change by -1.
        n: Rows.
        bound: From -1 to 1.

    Returns:
        The p-value; small where the mean is surely above the bound.
    """
    if n == 0 or abs(bound) >= 1.0:
        return 0.0 if n and bound <= -1.0 else 1.0
    if bound == 0.0:  # the sign test (McNemar), in which the share cancels
        return float(stats.binom.sf(up - 1, up + down, 0.5)) if up + down else 1.0
    interval = stats.binomtest(up + down, n).proportion_ci(1 - NUISANCE_LEVEL)
    # At the null's edge at least |bound| of the rows change.
    lowest, highest = max(float(interval.low), abs(bound)), max(float(interval.high), abs(bound))
    largest = _tail(n, down - up, np.linspace(lowest, highest, GRID), -bound).max()
    return min(1.0, float(largest) + NUISANCE_LEVEL)


def gain_p_value(base: Bools, final: Bools) -> float:
    """Exact one-sided sign test (McNemar) of "final is not right more often than base".

    Args:
        base: ``(rows,)`` whether the base was right.
        final: ``(rows,)`` whether the corrected answer was.
    """
    return _above(base, final, 0.0)


def loss_p_value(base: Bools, final: Bools, max_loss: float) -> float:
    """Exact one-sided test of "accuracy falls by ``max_loss`` or more", for paired rows.

    Args:
        base: ``(rows,)`` whether the base was right.
        final: ``(rows,)`` whether the corrected answer was.
        max_loss: The loss that is tolerated, as a share.
    """
    return _above(base, final, -max_loss)


def _above(base: Bools, final: Bools, bound: float) -> float:
    mended, broken = int((~base & final).sum()), int((base & ~final).sum())
    return above_p_value(mended, broken, len(base), bound)


def _tail(n: int, observed: int, changing: NDArray[np.float64], epsilon: float) -> NDArray[np.float64]:
    """Probability of at most ``observed`` more broken than mended rows, at a mean difference ``epsilon``.

    Args:
        n: Rows.
        observed: Broken minus mended.
        changing: ``(shares,)`` share of rows that are broken or mended.
        epsilon: Share of broken minus share of mended rows.

    Returns:
        ``(shares,)`` probabilities, too large by ``TAIL`` at most.
    """
    some = np.where(changing > 0.0, changing, 0.5)[:, None]
    first, last = stats.binom.ppf(TAIL, n, some.min()), stats.binom.isf(TAIL, n, some.max())
    counts = np.arange(first, last + 1)
    mass = stats.binom.pmf(counts, n, some)
    broken = np.clip((some + epsilon) / (2 * some), 0.0, 1.0)
    inside = (mass * stats.binom.cdf(np.floor((counts + observed) / 2), counts, broken)).sum(axis=1)
    return np.where(changing > 0.0, inside + np.maximum(0.0, 1.0 - mass.sum(axis=1)), float(observed >= 0))


def shares(settings: int) -> tuple[float, ...]:
    """How alpha is spread over so many settings in their order; an earlier rejection hands its share on."""
    others = max(settings - 1, 0)
    return (FIRST, *((1.0 - FIRST) / others,) * others) if others else (1.0,) * settings


def fallback(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Which settings are certified at family-wise level ``alpha``; other rows decided their order and number.

    Each setting starts with its own share of alpha; a rejected one hands what it had to the next.
    """
    certified, carried = [], 0.0
    for p, share in zip(p_values, shares(len(p_values)), strict=True):
        level = share * alpha + carried
        certified.append(p <= level)
        carried = level if certified[-1] else 0.0
    return certified
