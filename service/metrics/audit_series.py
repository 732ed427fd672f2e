"""Series about the record, feedback, and sequential evidence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry

from evenhand.service.metrics.series import Counter, Gauge

FEEDBACK = ("joined", "duplicate", "conflict", "orphan", "expired")
HELD = ("clock", "share")
RECORDS = ("written", "spooled", "lost", "refused")


class RecordSeries:
    """The series of one process.

    Args:
        registry: Where they are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._feedback = Counter(
            "evenhand_feedback",
            "Items of feedback: joined (brought something new), duplicate, conflict (contradicts what is on "
            "record, which stays), orphan (no such decision), expired (the decision is too old).",
            ("result",),
            registry=registry,
        )
        for result in FEEDBACK:
            self._feedback.labels(result)
        self._records = Counter(
            "evenhand_records",
            "Records by what became of them: written to the database, spooled to disk for it, lost, refused "
            "together with the answer (durability: request, and neither database nor disk takes records).",
            ("result",),
            registry=registry,
        )
        for result in RECORDS:
            self._records.labels(result)
        self._spool_rows = Gauge(
            "evenhand_record_spool_rows",
            "Records on disk that wait for the database.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._held_rows = Gauge(
            "evenhand_record_prune_held_rows",
            "Records and sensitive attributes that are past their age and stay until a person has looked: "
            "the clock disagrees with the newest records, or they are a larger share than one round takes.",
            ("reason",),
            registry=registry,
            multiprocess_mode="livemax",
        )
        for reason in HELD:
            self._held_rows.labels(reason).set(0)
        self._limit = Gauge(
            "evenhand_limit",
            "What alerts and verdicts compare with.",
            ("limit",),
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._make_evidence_series(registry)

    def _make_evidence_series(self, registry: CollectorRegistry) -> None:
        sequential = ("model", "attribute", "group", "metric", "process")
        self._evidence = Gauge(
            "evenhand_evidence_ln",
            "Logarithm of the evidence that a gap to the reference group is above the limit (detector: that "
            "it came up at some time; since_start: e-process since deployment). Valid however often it is "
            "looked at.",
            sequential,
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._evidence_limit = Gauge(
            "evenhand_evidence_limit_ln",
            "Value from which on evenhand_evidence_ln is an alarm; NaN for a rate that is not the target's, "
            "whose evidence is information.",
            sequential,
            registry=registry,
            multiprocess_mode="mostrecent",
        )

    def limits(self, limits: Mapping[str, float]) -> None:
        """Set the limits that alerts compare with."""
        for name, value in limits.items():
            self._limit.labels(name).set(value)

    def feedback(self, result: str) -> None:
        """Count one item of feedback."""
        self._feedback.labels(result).inc()

    def recorded(self, result: str, rows: int) -> None:
        """Count records by result."""
        self._records.labels(result).inc(rows)

    def spooled(self, rows: int) -> None:
        """Set the number of records that wait on disk."""
        self._spool_rows.set(rows)

    def prune_held(self, reason: str, rows: int) -> None:
        """Set the number of rows that are older than their limit and stay for this reason."""
        self._held_rows.labels(reason).set(rows)

    def evidence(self, series: Sequence[str], ln: float, limit_ln: float | None) -> None:
        """Set the evidence of one comparison.

        Args:
            series: Model, attribute, group, metric and process.
            ln: Logarithm of the evidence.
            limit_ln: The value from which ``ln`` is an alarm; ``None`` if it is none ever.
        """
        self._evidence.labels(*series).set(ln)
        self._evidence_limit.labels(*series).set(math.nan if limit_ln is None else limit_ln)
