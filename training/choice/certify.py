r"""Learn-then-Test (Angelopoulos et al. 2021, arXiv 2110.01052): does a choice generalise to other rows?

Two nulls per setting, both to be rejected on validation rows that neither learnt nor ordered anything:

* overall accuracy falls by more than ``epsilon``: :func:`loss_p_value`;
* the base's worst cell, named beforehand, does not gain: :func:`gain_p_value`.

Both tests are exact and paired: the same rows are answered with and without the correction. A setting's
p-value is the larger of the two (intersection-union: both claims at level alpha without splitting it). The
fallback procedure (Wiens 2003; Bretz et al. 2009) tests several settings at family-wise error alpha.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evenhand.typing import Bools, Ints

NUISANCE_LEVEL = 1e-3
"""Level of the nuisance parameter's interval, added to the p-value (Berger and Boos 1994)."""
GRID = 60
TAIL = 1e-12
"""Counts outside these quantiles are not computed; their probability is added, which keeps the test valid."""
SHARES = (0.5, 0.25, 0.25)
"""How alpha is spread over the settings in their order; an earlier rejection hands its share on."""


def gain_p_value(base: Bools, final: Bools) -> float:
    """Exact one-sided sign test (McNemar) of "final is not right more often than base".

    Args:
        base: ``(rows,)`` whether the base was right.
        final: ``(rows,)`` whether the corrected answer was.
    """
    mended, broken = int((~base & final).sum()), int((base & ~final).sum())
    return float(stats.binom.sf(mended - 1, mended + broken, 0.5)) if mended + broken else 1.0


def loss_p_value(base: Bools, final: Bools, epsilon: float) -> float:
    """Exact one-sided test of "accuracy falls by ``epsilon`` or more", for paired rows.

    The statistic is broken minus mended rows; it depends on the share of rows that change sides at all. The
    p-value is the largest over a confidence interval of that share, plus the level of that interval.

    Args:
        base: ``(rows,)`` whether the base was right.
        final: ``(rows,)`` whether the corrected answer was.
        epsilon: The loss that is tolerated, as a share.
    """
    n = len(base)
    mended, broken = int((~base & final).sum()), int((base & ~final).sum())
    if n == 0:
        return 1.0
    interval = stats.binomtest(mended + broken, n).proportion_ci(1 - NUISANCE_LEVEL)
    # At the null's edge broken - mended = epsilon, so at least epsilon of the rows change sides.
    lowest, highest = max(float(interval.low), epsilon), max(float(interval.high), epsilon)
    largest = _tail(n, broken - mended, np.linspace(lowest, highest, GRID), epsilon).max()
    return min(1.0, float(largest) + NUISANCE_LEVEL)


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
    broken = np.minimum(1.0, (some + epsilon) / (2 * some))
    inside = (mass * stats.binom.cdf(np.floor((counts + observed) / 2), counts, broken)).sum(axis=1)
    return np.where(changing > 0.0, inside + np.maximum(0.0, 1.0 - mass.sum(axis=1)), float(observed >= 0))


def chance(base: Bools, final: Bools, inside: Bools, epsilon: float, rows: int) -> float:
    """How likely a setting is to pass both tests on ``rows`` other rows, estimated on ordering rows.

    A setting that is just within the tolerance here passes half of the time at best, so the settings tested
    first need a margin. Few settings can be tested: their order decides whether any is certified.

    Args:
        base: ``(n,)`` whether the base was right.
        final: ``(n,)`` whether the corrected answer was.
        inside: ``(n,)`` the named cell.
        epsilon: The loss that is tolerated, as a share.
        rows: Rows that will certify.

    Returns:
        The smaller of two z-scores: how many standard errors both claims will be away from their nulls.
    """
    change, share = final.astype(np.int64) - base, rows / max(len(base), 1)
    return min(_z(change, epsilon, share), _z(change[inside], 0.0, share))


def _z(change: Ints, margin: float, share: float) -> float:
    """Standard errors of the mean change above ``-margin``, over ``share`` times as many rows.

    One changed row is added, so that no spread is zero.
    """
    n = len(change)
    if n == 0:
        return float("-inf")
    spread = (np.abs(change).sum() + 1) / (n + 1)
    return float((change.mean() + margin) / np.sqrt(spread / (n * share)))


def fallback(p_values: Sequence[float], alpha: float) -> list[bool]:
    """Which settings are certified at family-wise level ``alpha``; other rows decided their order.

    Each setting starts with its own share of alpha; a rejected one hands what it had to the next.
    """
    certified, carried = [], 0.0
    for p, share in zip(p_values, SHARES, strict=False):
        level = share * alpha + carried
        certified.append(p <= level)
        carried = level if certified[-1] else 0.0
    return certified + [False] * (len(p_values) - len(certified))
