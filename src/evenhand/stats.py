"""Shares with their counts and Wilson intervals: what training reports and what the service watches. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]

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
        """Share of true entries."""
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
    if a.value is None or b.value is None or a.low is None or a.high is None or b.low is None or b.high is None:
        return None
    difference = a.value - b.value
    down = sqrt((a.value - a.low) ** 2 + (b.high - b.value) ** 2)
    up = sqrt((a.high - a.value) ** 2 + (b.value - b.low) ** 2)
    return difference - down, difference + up
