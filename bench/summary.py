"""From single requests to figures. Pure."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LOST = 0
"""Status of a request that got no reply: the connection ended, or none could be made."""
UNANSWERED = -1
"""Status of a request that was still waiting when the run ended."""


@dataclass(frozen=True, slots=True)
class Record:
    """What became of one request."""

    due_s: float
    """When it should be sent, from the start of the run; a late client's delay counts as latency."""
    latency_s: float
    status: int
    retry_after: bool
    right: bool | None
    """Whether the base model's answer was the expected one; ``None`` where it was not looked at."""
    kind: str = "good"
    """``good``, or what is wrong with the request on purpose."""


def percentile(values: Sequence[float], share: float) -> float | None:
    """Nearest rank: the smallest value that at least ``share`` of the values do not exceed.

    Args:
        values: In any order.
        share: Over 0, up to 1.

    Returns:
        ``None`` of no values.
    """
    if not values:
        return None
    ordered = sorted(values)
    return ordered[math.ceil(share * len(ordered)) - 1]


def poisson(rate: float, seconds: float, seed: int) -> list[float]:
    """When requests are due: independent arrivals, ``rate`` per second on average, up to ``seconds``."""
    rng = np.random.default_rng(seed)
    gaps = rng.exponential(1 / rate, math.ceil(rate * seconds + 6 * math.sqrt(rate * seconds) + 10))
    due = np.cumsum(gaps)
    return [float(at) for at in due[due < seconds]]


def latencies(records: Sequence[Record]) -> dict[str, float | None]:
    """p50, p95, p99 and the longest, in milliseconds."""
    values = [record.latency_s * 1e3 for record in records]
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99, "longest_ms": 1.0}
    return {name: rounded(percentile(values, share)) for name, share in shares.items()}


def summarise(records: Sequence[Record], seconds: float) -> dict[str, Any]:
    """The figures of one run.

    Args:
        records: Of the measured time only, without warm-up.
        seconds: How long that was; replies after it count for latency, not for throughput.
    """
    answered = [record for record in records if record.status == 200]
    in_time = sum(record.due_s + record.latency_s <= seconds for record in answered)
    refused = [record for record in records if record.status > 0 and record.status != 200]
    return {
        "seconds": rounded(seconds),
        "requests": len(records),
        "throughput_per_s": rounded(in_time / seconds),
        **latencies(answered),
        "statuses": {str(status): n for status, n in sorted(Counter(r.status for r in records).items())},
        "wrong": sum(record.right is False for record in answered),
        "refused": len(refused),
        "refusals": latencies(refused),
        "refusals_with_retry_after": sum(record.retry_after for record in refused),
    }


def median(values: Sequence[float | None]) -> float | None:
    """Median of what is there."""
    present = [value for value in values if value is not None]
    return statistics.median(present) if present else None


def rounded(value: float | None) -> float | None:
    """Four significant digits: more would claim what was not measured."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.4g}")
