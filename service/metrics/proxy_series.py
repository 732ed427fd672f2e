"""The series of a proxy: what the server behind it did, and what became of its answers."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from evenhand.service.metrics.series import Counter, Gauge, Histogram

REPLIES = ("ok", "error", "slow", "away", "refused")
ROWS = ("same", "corrected", "unread", "late", "failed", "watched")
AGREEMENT = ("same", "score", "label")
STATES = ("closed", "half_open", "open")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
FEW_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class ProxySeries:
    """The series; registered whether or not the process is a proxy, so that names never differ.

    Args:
        registry: Where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._replies = Counter(
            "evenhand_upstream_requests",
            "Requests to the server behind the proxy: it replied (ok), with a status of 500 or more (error), "
            "not in time (slow), not at all (away), or was not asked while the breaker is open (refused).",
            ("result",),
            registry=registry,
        )
        self._seconds = Histogram(
            "evenhand_upstream_seconds",
            "Seconds until the server behind the proxy had replied, or failed to.",
            buckets=SECONDS,
            registry=registry,
        )
        self._added = Histogram(
            "evenhand_proxy_added_seconds",
            "Seconds that a prediction waited for the proxy after that server had replied.",
            buckets=FEW_SECONDS,
            registry=registry,
        )
        self._breaker = Gauge(
            "evenhand_upstream_breaker",
            "1 for the state of the breaker: closed (requests pass), half_open (one is tried), open.",
            ("state",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._rows = Counter(
            "evenhand_proxy_rows",
            "Rows that the server behind the proxy answered: passed on (same), corrected, passed on because "
            "request or reply could not be read (unread; one per request), the correction came too late "
            "(late), or could not be computed (failed). Of a model that is only declared: recorded "
            "(watched), or not (failed).",
            ("model", "result"),
            registry=registry,
        )
        self._agreement = Counter(
            "evenhand_proxy_agreement",
            "Rows by how that server's answer compares with the bundle's own base: same, another label, or "
            "the same label with a score beyond EVENHAND_PROXY_TOLERANCE.",
            ("model", "result"),
            registry=registry,
        )
        self._state = ""

    def begin(self, model: str) -> None:
        """Begin a model's series at zero."""
        for reply in REPLIES:
            self._replies.labels(reply)
        for result in ROWS:
            self._rows.labels(model, result)
        for result in AGREEMENT:
            self._agreement.labels(model, result)

    def breaker(self, state: str) -> None:
        """Set the breaker's state."""
        if state != self._state:
            self._state = state
            for name in STATES:
                self._breaker.labels(name).set(float(name == state))

    def upstream(self, result: str, seconds: float | None = None) -> None:
        """Count one request to the server behind the proxy."""
        self._replies.labels(result).inc()
        if seconds is not None:
            self._seconds.observe(seconds)

    def added(self, seconds: float) -> None:
        """Count what a prediction waited for the proxy."""
        self._added.observe(seconds)

    def rows(self, model: str, result: str, rows: int = 1) -> None:
        """Count rows by what became of them."""
        self._rows.labels(model, result).inc(rows)

    def agreement(self, model: str, result: str) -> None:
        """Count one row by how the server's answer compares with the base's."""
        self._agreement.labels(model, result).inc()
