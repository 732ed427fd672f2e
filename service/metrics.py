"""Every Prometheus series, in one class. No series name appears anywhere else; none of them sees an input.

``base`` and ``final`` are 1 for a favourable label and 0 otherwise, so cardinality does not grow with classes. Several
workers share files in the folder that ``PROMETHEUS_MULTIPROC_DIR`` names, and each of them exposes the sums.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry, Gauge, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from models.manifest import UNKNOWN_GROUP, Attribute, Manifest
from service.types import Decision, Verdict

INFERRED = ("flagged", "unflagged")
RESULTS = ("applied", "shadow", "off", "error")
CANDIDATE_RESULTS = ("same", "other", "error", "dropped")
RELOADS = ("ok", "refused")
SHARED = "PROMETHEUS_MULTIPROC_DIR"
BITS = ("0", "1")
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


class _Quick(MetricWrapperBase):
    """A metric that finds a series it already has without the library's checks: every request needs a dozen."""

    def labels(self, *values: Any, **named: Any) -> Self:  # noqa: ANN401 - the library's signature
        """One series."""
        known: dict[tuple[str, ...], Self] = self._metrics  # type: ignore[assignment]
        return known[values] if values in known else super().labels(*values, **named)


class Counter(_Quick, prometheus.Counter):
    """The library's, quick."""


class Histogram(_Quick, prometheus.Histogram):
    """The library's, quick."""


class Metrics:
    """All series of one process.

    Args:
        registry: Where they are registered; one per application, so that tests do not share counts.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._make_fairness_series(registry)
        self._make_version_series(registry)
        self._make_service_series(registry)

    def _make_fairness_series(self, registry: CollectorRegistry) -> None:
        self._decisions = Counter(
            "evenhand_decisions",
            "Decisions per attribute and group. source=declared: the client named the group (unknown: one that the "
            "model does not list); source=inferred: the detector's flag, never mixed with declared ones. base, final: "
            "1 if the answer without, with correction is favourable.",
            ("model", "attribute", "group", "source", "base", "final"),
            registry=registry,
        )
        self._corrections = Counter(
            "evenhand_corrections",
            "Rows whose risk reached the attribute's threshold, by what became of the correction: applied, shadow "
            "(final is what would have been served), off, error (it overflowed, the base answer was served).",
            ("model", "attribute", "result", "base", "final"),
            registry=registry,
        )
        self._overflow = Counter(
            "evenhand_group_overflow",
            "Declared groups that the model does not list; counted as group unknown.",
            ("model", "attribute"),
            registry=registry,
        )
        self._threshold = Gauge(
            "evenhand_threshold",
            "Risk from which on the live version flags a row.",
            ("model", "attribute"),
            registry=registry,
            multiprocess_mode="mostrecent",
        )

    def _make_version_series(self, registry: CollectorRegistry) -> None:
        self._info = Gauge(
            "evenhand_model_info",
            "1 for the version of a model that answers, 0 for one that is loaded beside it or was served before; "
            "bundle is the SHA-256 of its manifest.",
            ("model", "version", "bundle", "certified"),
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._candidate_decisions = Counter(
            "evenhand_candidate_decisions",
            "Rows that a version in shadow was tried on, per attribute and group as in evenhand_decisions. live, "
            "candidate: 1 if the answer of the live version, of this one is favourable.",
            ("model", "version", "attribute", "group", "source", "live", "candidate"),
            registry=registry,
        )
        self._candidate_rows = Counter(
            "evenhand_candidate_rows",
            "Rows for a version in shadow: its label is the same as the live one's, other, it failed (error), or the "
            "engine had no time for it (dropped).",
            ("model", "version", "result"),
            registry=registry,
        )
        self._reloads = Counter(
            "evenhand_reloads",
            "New bundles that took over (ok) or were refused.",
            ("model", "result"),
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
            "evenhand_inference_seconds", "Seconds of one graph run.", ("model",), buckets=SECONDS, registry=registry
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
            "evenhand_queue_rows", "Rows that wait now.", ("model",), registry=registry, multiprocess_mode="livesum"
        )
        self._rejected = Counter(
            "evenhand_rejected", "Requests refused or failed, by error type.", ("type",), registry=registry
        )

    def add_model(self, manifest: Manifest, bundle: str, live: bool) -> None:
        """Begin a model's series, every declared label set at zero: a group never selected must not be missing.

        Args:
            manifest: The model's manifest.
            bundle: Hash that names its bundle.
            live: Whether it is the version that answers.
        """
        name = manifest.name
        self.role(manifest, bundle, live)
        for attribute in manifest.attributes:
            self._overflow.labels(name, attribute.name)
            sources = {"declared": (*attribute.groups, UNKNOWN_GROUP), "inferred": INFERRED}
            groups = [(group, source) for source, listed in sources.items() for group in listed]
            for bits in itertools.product(BITS, BITS):
                for group in groups:
                    self._decisions.labels(name, attribute.name, *group, *bits)
                    if not live:
                        self._candidate_decisions.labels(name, manifest.version, attribute.name, *group, *bits)
                for result in RESULTS:
                    self._corrections.labels(name, attribute.name, result, *bits)
        for result in () if live else CANDIDATE_RESULTS:
            self._candidate_rows.labels(name, manifest.version, result)
        for result in RELOADS:
            self._reloads.labels(name, result)

    def role(self, manifest: Manifest, bundle: str, live: bool) -> None:
        """Say whether a loaded version answers."""
        self._info.labels(manifest.name, manifest.version, bundle, str(manifest.certified).lower()).set(int(live))
        for attribute in manifest.attributes if live else ():
            self._threshold.labels(manifest.name, attribute.name).set(attribute.threshold)

    def retire(self, manifest: Manifest, bundle: str) -> None:
        """A version is no longer loaded."""
        self.role(manifest, bundle, live=False)

    def reloaded(self, model: str, result: str) -> None:
        """Count a new bundle that took over or was refused."""
        self._reloads.labels(model, result).inc()

    def waiting(self, model: str, rows: int) -> None:
        """How many rows wait in this process."""
        self._queue_rows.labels(model).set(rows)

    def decision(self, manifest: Manifest, decision: Decision, declared: Mapping[str, str]) -> None:
        """Count one decision, once per attribute.

        Args:
            manifest: The model's manifest.
            decision: What was decided.
            declared: Groups that the client declared for this row, by attribute.
        """
        base, final = _bit(decision.base.favourable), _bit(decision.final.favourable)
        for attribute, verdict in zip(manifest.attributes, decision.verdicts, strict=True):
            group, source = _group(attribute, verdict, declared)
            if source == "declared" and declared[attribute.name] not in attribute.groups:
                self._overflow.labels(manifest.name, attribute.name).inc()
            self._decisions.labels(manifest.name, attribute.name, group, source, base, final).inc()
            if verdict.result is not None:
                would = decision.shadow if verdict.result == "shadow" and decision.shadow else decision.final
                labels = (manifest.name, attribute.name, verdict.result, base, _bit(would.favourable))
                self._corrections.labels(*labels).inc()

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one HTTP request."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def rejected(self, error_type: str) -> None:
        """Count one request that got an error."""
        self._rejected.labels(error_type).inc()

    def batch(self, model: str, rows: int, tokens: int, padded_tokens: int, seconds: float) -> None:
        """Count one run of the graph."""
        self._batch_rows.labels(model).observe(rows)
        self._inference_seconds.labels(model).observe(seconds)
        self._tokens.labels(model, "text").inc(tokens)
        self._tokens.labels(model, "padding").inc(padded_tokens - tokens)

    def queued(self, model: str, seconds: Sequence[float]) -> None:
        """Count the waits of a batch's rows."""
        series = self._queue_seconds.labels(model)
        for waited_s in seconds:
            series.observe(waited_s)

    def candidate(self, manifest: Manifest, live: Decision, found: Decision, declared: Mapping[str, str]) -> None:
        """Count what a version in shadow says where the live one has answered.

        Args:
            manifest: The manifest of the version in shadow.
            live: The answer that was served.
            found: What the version in shadow says.
            declared: Groups that the client declared for this row, by attribute.
        """
        bits = _bit(live.final.favourable), _bit(found.final.favourable)
        for attribute, verdict in zip(manifest.attributes, found.verdicts, strict=True):
            group, source = _group(attribute, verdict, declared)
            labels = (manifest.name, manifest.version, attribute.name, group, source, *bits)
            self._candidate_decisions.labels(*labels).inc()
        self.candidate_rows(manifest, "same" if live.final.label == found.final.label else "other", 1)

    def candidate_rows(self, manifest: Manifest, result: str, rows: int) -> None:
        """Count rows of a version in shadow by what became of them."""
        self._candidate_rows.labels(manifest.name, manifest.version, result).inc(rows)

    def exposition(self) -> tuple[bytes, str]:
        """The text that Prometheus scrapes, and its content type: of all workers where there are several."""
        if not os.environ.get(SHARED):
            return generate_latest(self._registry), CONTENT_TYPE_LATEST
        merged = CollectorRegistry()
        merged.register(_Merged({metric.name: metric.documentation for metric in self._registry.collect()}))
        return generate_latest(merged), CONTENT_TYPE_LATEST


class _Merged:
    """The series of all workers; the library loses what each of them means, so it is put back."""

    def __init__(self, documentation: Mapping[str, str]) -> None:
        self._documentation = documentation
        self._files = MultiProcessCollector(None)  # type: ignore[no-untyped-call]

    def collect(self) -> Iterator[Metric]:
        metrics: Iterable[Metric] = self._files.collect()  # type: ignore[no-untyped-call]
        for metric in metrics:
            metric.documentation = self._documentation.get(metric.name, metric.documentation)
            yield metric


def _group(attribute: Attribute, verdict: Verdict, declared: Mapping[str, str]) -> tuple[str, str]:
    """Under which group, from which source, a row is counted."""
    if attribute.name not in declared:
        return INFERRED[0 if verdict.flagged else 1], "inferred"
    group = declared[attribute.name]
    return group if group in attribute.groups else UNKNOWN_GROUP, "declared"


def _bit(value: bool) -> str:
    return "1" if value else "0"
