"""Rates, differences and bootstrap figures, each with its count and 95 % interval. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np

from evenhand.typing import Bools, Floats

Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Rate:
    """A share with its count and 95 % Wilson interval; all ``None`` where there is no row."""

    n: int
    value: float | None
    low: float | None
    high: float | None

    @classmethod
    def of(cls, hits: Bools) -> Rate:
        """Share of true entries of ``hits``, ``(rows,)``."""
        return cls.of_counts(int(hits.sum()), len(hits))

    @classmethod
    def of_counts(cls, hits: int, n: int) -> Rate:
        """Share of ``hits`` in ``n`` rows."""
        if n == 0:
            return cls(0, None, None, None)
        share = hits / n
        low, high = wilson(share, n)
        return cls(n, share, low, high)


def in_words(rate: Mapping[str, Any]) -> str:
    """``0.812 (0.79 to 0.83, n 1922)``, or that there is no row."""
    if rate["value"] is None:
        return "no rows"
    return f"{rate['value']:.3f} ({rate['low']:.3f} to {rate['high']:.3f}, n {rate['n']})"


def wilson(share: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Wilson score interval of a rate (Wilson 1927); ``n`` may be an effective count."""
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # The share lies inside; at 0 and 1, where a limit equals it, rounding may say otherwise.
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def newcombe(a: Rate, b: Rate) -> tuple[float, float] | None:
    """Interval of the difference ``a - b`` of two independent rates (Newcombe 1998, method 10)."""
    if (
        a.value is None
        or b.value is None
        or a.low is None
        or a.high is None
        or b.low is None
        or b.high is None
    ):
        return None
    difference = a.value - b.value
    down = sqrt((a.value - a.low) ** 2 + (b.high - b.value) ** 2)
    up = sqrt((a.high - a.value) ** 2 + (b.value - b.low) ** 2)
    return difference - down, difference + up


def difference(a: Rate, b: Rate) -> dict[str, Any]:
    """The difference ``a - b`` of two groups' rates with its Newcombe interval and both counts, as JSON."""
    limits = newcombe(a, b)
    counts = {"n": a.n, "n_reference": b.n}
    if limits is None or a.value is None or b.value is None:
        return {"value": None, "low": None, "high": None, **counts}
    return {"value": a.value - b.value, "low": limits[0], "high": limits[1], **counts}


def paired_difference(base: Bools, final: Bools) -> dict[str, Any]:
    """Accuracy of ``final`` minus ``base`` on the same rows, with a 95 % interval.

    Newcombe 1998 (paired data, method 10): Wilson limits of both rates, corrected by their correlation.

    Args:
        base: ``(rows,)`` whether the base answer is right.
        final: ``(rows,)`` whether the served answer is right.
    """
    n = len(base)
    if n == 0:
        return {"n": 0, "value": None, "low": None, "high": None, "mended": 0, "broken": 0}
    both, mended = int((base & final).sum()), int((~base & final).sum())
    broken = int((base & ~final).sum())
    neither = n - both - mended - broken
    p, q = final.mean(), base.mean()
    (pl, ph), (ql, qh) = wilson(float(p), n), wilson(float(q), n)
    spread = (both + mended) * (broken + neither) * (both + broken) * (mended + neither)
    phi = (both * neither - mended * broken) / sqrt(spread) if spread else 0.0
    down = sqrt(max(0.0, (p - pl) ** 2 - 2 * phi * (p - pl) * (qh - q) + (qh - q) ** 2))
    up = sqrt(max(0.0, (ph - p) ** 2 - 2 * phi * (ph - p) * (q - ql) + (q - ql) ** 2))
    value = float(p - q)
    return {
        "n": n,
        "value": value,
        "low": value - down,
        "high": value + up,
        "mended": mended,
        "broken": broken,
    }


def percentile_limits(drawn: Floats) -> tuple[float, float]:
    """The middle 95 % of a figure's values ``(draws,)``: the percentile bootstrap."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return float(low), float(high)


def basic_bootstrap(n: int, draws: int, statistic: Callable[[Floats], Floats]) -> dict[str, Any]:
    """A figure over rows with its 95 % interval: the basic bootstrap (Davison and Hinkley 1997, section 5.2).

    Rows are drawn with a fixed seed; the interval is widened, where needed, to hold the figure itself.

    Args:
        n: Number of rows.
        draws: How often they are drawn anew.
        statistic: From how often each row counts, ``(draws, n)``, to the figure of every draw, ``(draws,)``.
    """
    if n == 0:
        return {"n": 0, "value": None, "low": None, "high": None}
    value = float(statistic(np.ones((1, n)))[0])
    rng = np.random.default_rng(0)
    # As many draws at a time as fit into a few tens of megabytes.
    size = max(1, min(draws, 2_000_000 // n))
    drawn = np.concatenate(
        [
            statistic(rng.multinomial(n, np.full(n, 1 / n), size=min(size, draws - start)).astype(float))
            for start in range(0, draws, size)
        ]
    )
    low, high = percentile_limits(drawn)
    return {
        "n": n,
        "value": value,
        "low": max(0.0, min(value, 2 * value - high)),
        "high": min(1.0, max(value, 2 * value - low)),
    }
