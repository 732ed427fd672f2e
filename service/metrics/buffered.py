"""Counters whose increments are buffered and released together.

With little traffic, the increments between two scrapes would reveal one person's group and decision. They are
therefore buffered until they cover enough rows. Buffering is also cheaper: a row costs a few additions to a
dictionary.
"""

from __future__ import annotations

import prometheus_client as prometheus


class CounterBuffer:
    """Increments that are not released yet.

    Args:
        rows: The smallest number of rows that are released together.
    """

    def __init__(self, rows: int) -> None:
        self._min_rows = rows
        self._rows = 0
        self._counts: dict[tuple[prometheus.Counter, tuple[str, ...]], float] = {}
        self._observations: list[tuple[prometheus.Histogram, float]] = []

    def add(self, counter: prometheus.Counter, labels: tuple[str, ...], amount: float = 1.0) -> None:
        """Buffer an increment."""
        key = (counter, labels)
        self._counts[key] = self._counts.get(key, 0.0) + amount

    def observe(self, series: prometheus.Histogram, value: float) -> None:
        """Buffer an observation of a histogram."""
        self._observations.append((series, value))

    def count_rows(self, rows: int = 1) -> None:
        """Note that the increments of more rows are complete."""
        self._rows += rows

    def flush(self) -> None:
        """Release everything, if the increments cover enough rows."""
        if self._rows < self._min_rows:
            return
        for (counter, labels), amount in self._counts.items():
            counter.labels(*labels).inc(amount)
        for series, value in self._observations:
            series.observe(value)
        self._counts, self._observations, self._rows = {}, [], 0
