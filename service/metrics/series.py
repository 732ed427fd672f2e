"""The library's kinds of series, quick."""

from __future__ import annotations

from typing import Any, Self

import prometheus_client as prometheus
from prometheus_client import Gauge, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

disable_created_metrics()  # type: ignore[no-untyped-call]  # when a series began would be half of what is scraped

__all__ = ["Counter", "Gauge", "Histogram"]


class _Quick(MetricWrapperBase):
    """A metric that finds a series it already has without the library's checks: every request needs a dozen."""

    def labels(self, *values: Any, **named: Any) -> Self:  # noqa: ANN401 - the library's signature
        """One series."""
        series: dict[tuple[str, ...], Self] = self._metrics  # type: ignore[assignment]
        return series[values] if values in series else super().labels(*values, **named)


class Counter(_Quick, prometheus.Counter):
    """The library's, quick."""


class Histogram(_Quick, prometheus.Histogram):
    """The library's, quick."""
