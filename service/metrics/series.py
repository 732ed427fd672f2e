"""The library's kinds of series with a fast lookup of labels."""

from __future__ import annotations

from typing import Any, Self

import prometheus_client as prometheus
from prometheus_client import Gauge, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

disable_created_metrics()  # type: ignore[no-untyped-call]  # it would double the scraped series

__all__ = ["Counter", "Gauge", "Histogram"]


class _FastLookup(MetricWrapperBase):
    """Finds an existing series without the library's checks: every request needs a dozen series."""

    def labels(self, *values: Any, **named: Any) -> Self:  # noqa: ANN401 - the library's signature
        """One series."""
        series: dict[tuple[str, ...], Self] = self._metrics  # type: ignore[assignment]
        return series[values] if values in series else super().labels(*values, **named)


class Counter(_FastLookup, prometheus.Counter):
    """The library's, with the fast lookup."""


class Histogram(_FastLookup, prometheus.Histogram):
    """The library's, with the fast lookup."""
