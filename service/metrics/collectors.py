"""Every Prometheus series of a process. Series are named only in this package, which never sees an input.

Several processes share files in the folder that ``PROMETHEUS_MULTIPROC_DIR`` names, and each of them exposes
the sums.
"""

from __future__ import annotations

import itertools
import math
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from evenhand.models.bundle.intersections import groups_of_row
from evenhand.models.bundle.manifest import Attribute, Manifest
from evenhand.models.bundle.reference import Normal
from evenhand.service.background import NAMES
from evenhand.service.metrics.audit_series import RecordSeries
from evenhand.service.metrics.features import FeatureCounters
from evenhand.service.metrics.grouped import BITS, FairnessCounters, Watched, bit, groups_of
from evenhand.service.metrics.proxy_series import ProxySeries
from evenhand.service.metrics.series import Counter, Gauge, Histogram
from evenhand.service.types import Decision, Row, counted_under

CANDIDATE_RESULTS = ("same", "other", "error", "dropped")
RELOADS = ("ok", "refused")
REPORTED = ("recorded", "duplicate", "conflict")
AUTH_RESULTS = ("ok", "missing", "invalid", "forbidden", "limited", "admin_off", "not_local")
SHARED = "PROMETHEUS_MULTIPROC_DIR"
GONE = math.nan
"""The value of a series that has ended. The shared files cannot drop a series, so the exposition does."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class Observed(Watched, Protocol):
    """A model whose decisions are made elsewhere."""

    @property
    def version(self) -> str:
        """As declared."""

    @property
    def sha256(self) -> str:
        """Names its declaration."""

    @property
    def attributes(self) -> list[Attribute]:
        """Its sensitive attributes."""


class Metrics:
    """All series of one process.

    Args:
        registry: Where they are registered; one per application, so that tests do not share counts.
        buffer_rows: Smallest number of rows whose grouped increments are released together.
        gap_limit: The largest gap that the operator tolerates, where a bundle states no limit.
    """

    def __init__(self, registry: CollectorRegistry, buffer_rows: int = 1, gap_limit: float = 0.05) -> None:
        self._registry = registry
        self.fairness = FairnessCounters(registry, buffer_rows, gap_limit)
        self.features = FeatureCounters(registry)
        self.record = RecordSeries(registry)
        self.proxy = ProxySeries(registry)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._make_version_series(registry)
        self._make_observed_series(registry)
        self._make_candidate_series(registry)
        self._make_service_series(registry)
        self._make_access_series(registry)

    def _make_version_series(self, registry: CollectorRegistry) -> None:
        self._threshold = Gauge(
            "evenhand_threshold",
            "Risk from which on the live version flags a row.",
            ("model", "attribute"),
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        started = Gauge(
            "evenhand_start_time_seconds",
            "When the service started, in seconds since 1970.",
            registry=registry,
            multiprocess_mode="min",
        )
        started.set(time.time())
        self._info = Gauge(
            "evenhand_model_info",
            "1 for the version of a model that answers, 0 for one that is loaded beside it; bundle is the "
            "SHA-256 of its manifest.",
            ("model", "version", "bundle", "certified"),
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._reloads = Counter(
            "evenhand_reloads",
            "New bundles that took over (ok) or were refused.",
            ("model", "result"),
            registry=registry,
        )

    def _make_observed_series(self, registry: CollectorRegistry) -> None:
        self._source = Gauge(
            "evenhand_model_source",
            "1 for a model whose decisions are made elsewhere and sent to POST /decisions; none if served.",
            ("model", "source"),
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._reported = Counter(
            "evenhand_reported",
            "Decisions made elsewhere by result: recorded, duplicate (its own id is on record), conflict "
            "(the same own id, another decision; what is on record stays), error (no use; model is empty).",
            ("model", "result"),
            registry=registry,
        )
        self._reported.labels("", "error")

    def _make_candidate_series(self, registry: CollectorRegistry) -> None:
        self._candidate_decisions = Counter(
            "evenhand_candidate_decisions",
            "Rows that a version in shadow was tried on, per attribute and group as in evenhand_decisions. "
            "live, candidate: 1 if the answer of the live version, of this one is favourable.",
            ("model", "version", "attribute", "group", "source", "live", "candidate"),
            registry=registry,
        )
        self._candidate_rows = Counter(
            "evenhand_candidate_rows",
            "Rows for a version in shadow: its label is the same as the live one's, other, it failed "
            "(error), or the engine had no time for it (dropped).",
            ("model", "version", "result"),
            registry=registry,
        )
        self._candidate_seconds = Counter(
            "evenhand_candidate_inference_seconds",
            "Seconds that the engine spent on a version in shadow.",
            ("model", "version"),
            registry=registry,
        )

    def _make_service_series(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "evenhand_http_requests",
            "Requests by route template, method and status.",
            ("route", "method", "status"),
            registry=registry,
        )
        self._request_seconds = Histogram(
            "evenhand_http_request_seconds",
            "Seconds from a request's first byte to its last answer byte.",
            ("route",),
            buckets=SECONDS,
            registry=registry,
        )
        self._queue_seconds = Histogram(
            "evenhand_queue_seconds", "Seconds a row waited.", ("model",), buckets=SECONDS, registry=registry
        )
        self._inference_seconds = Histogram(
            "evenhand_inference_seconds",
            "Seconds of one graph run.",
            ("model",),
            buckets=SECONDS,
            registry=registry,
        )
        self._batch_rows = Histogram(
            "evenhand_batch_rows", "Rows in one graph run.", ("model",), buckets=ROWS, registry=registry
        )
        self._tokens = Counter(
            "evenhand_batch_tokens",
            "Tokens run, by kind: text, or padding that batching added.",
            ("model", "kind"),
            registry=registry,
        )
        self._queue_rows = Gauge(
            "evenhand_queue_rows",
            "Rows that wait now.",
            ("model",),
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._rejected = Counter(
            "evenhand_rejected", "Requests refused or failed, by error type.", ("type",), registry=registry
        )
        self._background_failures = Counter(
            "evenhand_background_failures",
            "Failures of the work that no request waits for, by task; it is tried again.",
            ("task",),
            registry=registry,
        )
        for name in NAMES:
            self._background_failures.labels(name)

    def _make_access_series(self, registry: CollectorRegistry) -> None:
        self._auth = Counter(
            "evenhand_auth",
            "Requests of routes that need a scope: accepted (ok), without a key (missing), with one that is "
            "not valid (invalid), without the scope (forbidden), too often (limited); where no keys are set "
            "up, changing something (admin_off), or not to this machine by its own name (not_local).",
            ("result",),
            registry=registry,
        )
        for result in AUTH_RESULTS:
            self._auth.labels(result)
        self._access_file = Gauge(
            "evenhand_access_file_problems",
            "Places of the key file (keys) or the issuer's key set (jwks) that cannot be read, and so count "
            "as revoked.",
            ("file",),
            registry=registry,
            multiprocess_mode="livemax",
        )

    def add_model(self, manifest: Manifest, bundle: str, live: bool, normal: Mapping[str, Normal]) -> None:
        """Begin a model's series, every declared label set at zero: a group that is never selected must show.

        Args:
            manifest: The model's manifest.
            bundle: Hash that names its bundle.
            live: Whether it is the version that answers.
            normal: Figures of its validation, by attribute.
        """
        name = manifest.name
        self.role(manifest, bundle, live, normal)
        self.fairness.begin(manifest)
        for counted in () if live else manifest.counted:
            for group, bits in itertools.product(groups_of(counted), itertools.product(BITS, BITS)):
                self._candidate_decisions.labels(name, manifest.version, counted.name, *group, *bits)
        for result in () if live else CANDIDATE_RESULTS:
            self._candidate_rows.labels(name, manifest.version, result)
        for result in RELOADS:
            self._reloads.labels(name, result)

    def role(self, manifest: Manifest, bundle: str, live: bool, normal: Mapping[str, Normal]) -> None:
        """Set whether a loaded version answers."""
        self._info.labels(manifest.name, manifest.version, bundle, str(manifest.certified).lower()).set(
            int(live)
        )
        for attribute in manifest.attributes if live else ():
            self._threshold.labels(manifest.name, attribute.name).set(attribute.threshold)
        if live:
            self.fairness.expect(manifest, normal)

    def observe(self, model: Observed) -> None:
        """Begin the series of a model whose decisions are made elsewhere, or those of its new declaration."""
        self._info.labels(model.name, model.version, model.sha256, "false").set(1)
        self._source.labels(model.name, "elsewhere").set(1)
        for outcome in REPORTED:
            self._reported.labels(model.name, outcome)
        self.fairness.begin_observed(model.name, model.attributes)
        self.fairness.expect(model, {})

    def reported(self, model: str, result: str, rows: int) -> None:
        """Count decisions made elsewhere by result; those without a model that is known have an empty one."""
        self._reported.labels(model, result).inc(rows)

    def retire(self, manifest: Manifest, bundle: str) -> None:
        """End the series of a version that is no longer loaded, in the exposition of every process."""
        series = manifest.name, manifest.version, bundle, str(manifest.certified).lower()
        self._info.labels(*series).set(GONE)
        if not os.environ.get(SHARED):
            self._info.remove(*series)

    def reloaded(self, model: str, result: str) -> None:
        """Count a new bundle that took over or was refused."""
        self._reloads.labels(model, result).inc()

    def background_failed(self, task: str) -> None:
        """Count one failure of background work."""
        self._background_failures.labels(task).inc()

    def waiting(self, model: str, rows: int) -> None:
        """Set the number of rows that wait in this process."""
        self._queue_rows.labels(model).set(rows)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one HTTP request."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def rejected(self, error_type: str) -> None:
        """Count one request that got an error."""
        self._rejected.labels(error_type).inc()

    def auth(self, result: str) -> None:
        """Count the result of one request that needs a scope."""
        self._auth.labels(result).inc()

    def access_file(self, file: str, problems: int) -> None:
        """Show how many places of a file of keys cannot be read."""
        self._access_file.labels(file).set(problems)

    def batch(self, model: str, rows: int, tokens: int, padded_tokens: int, seconds: float) -> None:
        """Count one run of the graph."""
        self._batch_rows.labels(model).observe(rows)
        self._inference_seconds.labels(model).observe(seconds)
        self._tokens.labels(model, "text").inc(tokens)
        self._tokens.labels(model, "padding").inc(padded_tokens - tokens)

    def queued(self, model: str, seconds: Sequence[float]) -> None:
        """Count the seconds that each row of a batch waited."""
        series = self._queue_seconds.labels(model)
        for waited_s in seconds:
            series.observe(waited_s)

    def candidate(self, manifest: Manifest, live: Row, decision: Decision) -> None:
        """Count the decision of a version in shadow on a row that the live version has answered.

        Args:
            manifest: Manifest of the version in shadow.
            live: The row with the live version's decision.
            decision: The decision of the version in shadow.
        """
        assert isinstance(live.result, Decision)
        buffer = self.fairness.buffers[manifest.name, "candidate"]
        bits = bit(live.result.final.favourable), bit(decision.final.favourable)
        for attribute, verdict in zip(manifest.attributes, decision.verdicts, strict=True):
            cell = counted_under(live.declared.get(attribute.name), verdict.flagged)
            series = (manifest.name, manifest.version, attribute.name, *cell, *bits)
            buffer.add(self._candidate_decisions, series)
        for crossed, group in groups_of_row(manifest.intersections, live.declared).items():
            series = (manifest.name, manifest.version, crossed, group, "declared", *bits)
            buffer.add(self._candidate_decisions, series)
        buffer.count_rows()
        self.candidate_rows(
            manifest, "same" if live.result.final.label == decision.final.label else "other", 1
        )

    def candidate_batch(self, manifest: Manifest, seconds: float) -> None:
        """Count one run of the graph of a version in shadow."""
        self._candidate_seconds.labels(manifest.name, manifest.version).inc(seconds)

    def candidate_rows(self, manifest: Manifest, result: str, rows: int) -> None:
        """Count rows of a version in shadow by result."""
        self._candidate_rows.labels(manifest.name, manifest.version, result).inc(rows)

    def flush(self) -> None:
        """Release full buffers. Called regularly, because Prometheus may scrape another process."""
        for buffer in self.fairness.buffers.values():
            buffer.flush()

    def exposition(self) -> tuple[bytes, str]:
        """The text that Prometheus scrapes, summed over all processes, and its content type."""
        if not os.environ.get(SHARED):
            return generate_latest(self._registry), CONTENT_TYPE_LATEST
        merged = CollectorRegistry()
        merged.register(_Merged({metric.name: metric.documentation for metric in self._registry.collect()}))
        return generate_latest(merged), CONTENT_TYPE_LATEST


class _Merged:
    """The series of all processes. The library loses their help texts, so this class adds them again."""

    def __init__(self, documentation: Mapping[str, str]) -> None:
        self._documentation = documentation
        self._files = MultiProcessCollector(None)  # type: ignore[no-untyped-call]

    def collect(self) -> Iterator[Metric]:
        metrics: Iterable[Metric] = self._files.collect()  # type: ignore[no-untyped-call]
        for metric in metrics:
            metric.documentation = self._documentation.get(metric.name, metric.documentation)
            metric.samples = [sample for sample in metric.samples if not math.isnan(sample.value)]
            yield metric
