"""Counters whose increments come out in lots.

Where few rows come, the increments between two scrapes would tell one person's group together with the
decision. So they are held back until a lot of rows is full, and then all cells come out at once. It is also
cheaper: a row costs a few additions to a dictionary, whatever the series cost.
"""

from __future__ import annotations

import prometheus_client as prometheus


class CounterBuffer:
    """Increments that are held back.

    Args:
        rows: How many rows a lot has at least.
    """

    def __init__(self, rows: int) -> None:
        self._least = rows
        self._rows = 0
        self._counts: dict[tuple[prometheus.Counter, tuple[str, ...]], float] = {}
        self._seen: list[tuple[prometheus.Histogram, float]] = []

    def add(self, counter: prometheus.Counter, labels: tuple[str, ...], amount: float = 1.0) -> None:
        """Hold back an increment."""
        key = (counter, labels)
        self._counts[key] = self._counts.get(key, 0.0) + amount

    def observe(self, series: prometheus.Histogram, value: float) -> None:
        """Hold back an observation of a histogram."""
        self._seen.append((series, value))

    def row(self) -> None:
        """One more row is in."""
        self._rows += 1

    def flush(self) -> None:
        """Let everything out, if the lot is full."""
        if self._rows < self._least:
            return
        for (counter, labels), amount in self._counts.items():
            counter.labels(*labels).inc(amount)
        for series, value in self._seen:
            series.observe(value)
        self._counts, self._seen, self._rows = {}, [], 0
