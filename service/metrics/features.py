"""The series of features that are otherwise than in the rows that a model was fitted on."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from evenhand.service.metrics.buffered import CounterBuffer
from evenhand.service.metrics.series import Counter


class FeatureCounters:
    """Counts unusual features, of one process; label values are the bundle's own features.

    Args:
        registry: Where the series is registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._unusual = Counter(
            "evenhand_unusual_features",
            "Answered rows in which a feature of a table was unusual: it had no value (missing_feature), one "
            "that no row of the fit had (unseen_category), or one more than six standard deviations from "
            "their mean (far_number). evenhand_decisions counts the rows.",
            ("model", "feature", "kind"),
            registry=registry,
        )

    def begin(self, model: str, series: Iterable[tuple[str, str]]) -> None:
        """Begin every feature and kind of a model at zero."""
        for feature, kind in series:
            self._unusual.labels(model, feature, kind)

    def add(self, buffer: CounterBuffer, model: str, kind: str, features: Iterable[str]) -> None:
        """Count the unusual features of one row."""
        for feature in features:
            buffer.add(self._unusual, (model, feature, kind))
