"""The series by group, and their counting.

``base``, ``final`` and ``label`` are 1 for a favourable label and 0 otherwise, so cardinality does not grow
with the classes. A declared group and an inferred one are never mixed: ``source`` says which. Intersections
that the target names have the series of declared groups, under their own name as ``attribute``.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry

from evenhand.models.bundle.aims import aims_of, price_of
from evenhand.models.bundle.intersections import Grouped, Intersection, groups_of_row
from evenhand.models.bundle.manifest import UNKNOWN_GROUP, Manifest
from evenhand.models.bundle.reference import TENTHS, Normal
from evenhand.models.bundle.target import MEASURES
from evenhand.service.metrics.buffered import CounterBuffer
from evenhand.service.metrics.series import Counter, Gauge, Histogram
from evenhand.service.types import INFERRED, Counted, Decision, Row, Verdict, counted_under

SIDES = ("reference", "other")
RESULTS = ("applied", "shadow", "off", "error")
FLIPS = ("same", "other", "error", "dropped")
BITS = ("0", "1")
BINS = tuple(str(place) for place in range(10))
CELL = ("model", "attribute", "group", "source")


def groups_of(counted: Grouped) -> Iterator[tuple[str, str]]:
    """Every group and source under which a row can be counted; nothing is inferred for an intersection."""
    yield from ((group, "declared") for group in (*counted.groups, UNKNOWN_GROUP))
    if not isinstance(counted, Intersection):
        yield from ((group, "inferred") for group in INFERRED)


def series_of(manifest: Manifest) -> int:
    """Number of grouped series of a model."""
    cells = sum(len(list(groups_of(each))) for each in manifest.counted)
    of_cell, of_attribute, of_intersection = (
        4 + 8 + 3 * len(BINS),
        4 * len(RESULTS) + 16 + 4 + len(TENTHS) + 3 + 2 + len(TENTHS) + len(MEASURES),
        2 + len(TENTHS) + len(MEASURES),
    )
    abstaining = sum(attribute.abstain_below is not None for attribute in manifest.attributes)
    of_all = of_cell * cells + of_attribute * len(manifest.attributes)
    return of_all + of_intersection * len(manifest.intersections) + 2 * len(RESULTS) * abstaining


class FairnessCounters:
    """The grouped series of one process.

    Args:
        registry: Where they are registered.
        buffer_rows: Smallest number of rows whose increments are released together.
        gap_limit: The largest gap that the operator tolerates, where a bundle states no limit.
    """

    def __init__(self, registry: CollectorRegistry, buffer_rows: int, gap_limit: float) -> None:
        self.buffers = defaultdict[tuple[str, str], CounterBuffer](lambda: CounterBuffer(buffer_rows))
        """By model and kind of rows."""
        self._make_decision_series(registry)
        self._make_risk_series(registry)
        self._make_label_series(registry)
        self._gap_limit = gap_limit
        self._make_reference_series(registry)
        self._make_target_series(registry)
        self._make_flip_series(registry)

    def _make_decision_series(self, registry: CollectorRegistry) -> None:
        self._decisions = Counter(
            "evenhand_decisions",
            "Decisions per attribute and group. source=declared: the group was named with the request or "
            "later (unknown: one that the model does not list); source=inferred: the detector's flag, never "
            "mixed with declared ones. base, final: 1 if the answer without, with correction is favourable. "
            "Selection rate: final=1 over all. Demographic parity difference: largest less smallest "
            "selection rate (as Fairlearn).",
            (*CELL, "base", "final"),
            registry=registry,
        )
        self._corrections = Counter(
            "evenhand_corrections",
            "Rows whose risk reached the attribute's threshold, by what became of the correction: applied, "
            "shadow (final is what would have been served), off, error (it overflowed, the base answer was "
            "served).",
            ("model", "attribute", "result", "base", "final"),
            registry=registry,
        )
        self._abstentions = Counter(
            "evenhand_abstentions",
            "Flagged rows whose answer was less probable than the attribute's bound. result=applied: the "
            "reply said that there is no decision; shadow, off: it would have in mode apply. Such rows are "
            "in evenhand_decisions too, under the model's own answer.",
            ("model", "attribute", "result", "base"),
            registry=registry,
        )
        self._overflow = Counter(
            "evenhand_group_overflow",
            "Declared groups that the model does not list; counted as group unknown.",
            ("model", "attribute"),
            registry=registry,
        )

    def _make_risk_series(self, registry: CollectorRegistry) -> None:
        self._soft = Counter(
            "evenhand_soft_decisions",
            "Decisions weighted by the detector's probability of the group: reference (1 - risk) or other "
            "(risk). An estimate; it understates gaps.",
            ("model", "attribute", "group", "base", "final"),
            registry=registry,
        )
        self._soft_squared = Counter(
            "evenhand_soft_weight_squared",
            "Squares of these weights: the effective number of rows is the weights' sum squared over this.",
            ("model", "attribute", "group", "base", "final"),
            registry=registry,
        )
        self._risk = Histogram(
            "evenhand_risk",
            "The detector's probability that a row does not belong to the reference group.",
            ("model", "attribute"),
            buckets=TENTHS,
            registry=registry,
        )

    def _make_label_series(self, registry: CollectorRegistry) -> None:
        self._outcomes = Counter(
            "evenhand_outcomes",
            "Decisions whose true label became known, counted when it did. label: 1 if it is favourable. "
            "True positive rate: final=1 over label=1; false positive rate: final=1 over label=0. Equalized "
            "odds difference: the larger of the two rates' gaps over groups (as Fairlearn; others take the "
            "mean).",
            (*CELL, "base", "final", "label"),
            registry=registry,
        )
        self._calibration = Counter(
            "evenhand_calibration",
            "Decisions whose true label became known, by the tenth of the served probability of a favourable "
            "label.",
            (*CELL, "bin", "label"),
            registry=registry,
        )
        self._calibration_score = Counter(
            "evenhand_calibration_score",
            "Sum of these probabilities; divided by the rows it is the expected share of favourable labels.",
            (*CELL, "bin"),
            registry=registry,
        )
        self._detector = Counter(
            "evenhand_detector",
            "Rows with a declared group. flagged: the risk reached the threshold; truth: 1 if the group is "
            "not the reference.",
            ("model", "attribute", "flagged", "truth"),
            registry=registry,
        )

    def _make_reference_series(self, registry: CollectorRegistry) -> None:
        self._reference = Gauge(
            "evenhand_reference",
            "What validation measured: the share of rows flagged, the lowest accuracy over groups of some "
            "rows.",
            ("model", "attribute", "reference"),
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._reference_risk = Gauge(
            "evenhand_reference_risk",
            "Share of validation rows whose risk is at most le.",
            ("model", "attribute", "le"),
            registry=registry,
            multiprocess_mode="mostrecent",
        )

    def _make_target_series(self, registry: CollectorRegistry) -> None:
        self._target_limit = Gauge(
            "evenhand_target_limit",
            "What the attribute's target is compared with: the largest gap, or for measure worst-cell the "
            "least accuracy of label x group, that is no breach. NaN for a measure that is not its target: "
            "it raises no alert.",
            ("model", "attribute", "measure"),
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._target_loss = Gauge(
            "evenhand_target_loss",
            "Share of right answers that the correction may cost: over all rows (overall), or in any group "
            "and kind of true label (cell; NaN: no limit).",
            ("model", "loss"),
            registry=registry,
            multiprocess_mode="mostrecent",
        )

    def _make_flip_series(self, registry: CollectorRegistry) -> None:
        self._flips = Counter(
            "evenhand_flips",
            "Counterfactuals of answered rows, with another group of the attribute: the label is the same, "
            "other, the run failed (error), or the engine had no time for it (dropped; then the attribute "
            "may be unknown). A counterfactual is not what another person would have written.",
            ("model", "attribute", "result"),
            registry=registry,
        )
        said = "Seconds that the engine spent on counterfactuals of answered rows."
        self._flip_seconds = Counter("evenhand_flip_inference_seconds", said, ("model",), registry=registry)

    def begin_flips(self, model: str, attributes: Iterable[str]) -> None:
        """Begin the series of a model whose counterfactuals are scored, with every label set at zero."""
        self._flip_seconds.labels(model)
        for attribute, result in itertools.product(attributes, FLIPS):
            self._flips.labels(model, attribute, result)

    def flip(self, model: str, attribute: str, result: str, rows: int) -> None:
        """Count counterfactual rows by result."""
        buffer = self.buffers[model, "flips"]
        buffer.add(self._flips, (model, attribute, result), rows)
        buffer.count_rows(rows)

    def flip_seconds(self, model: str, seconds: float) -> None:
        """Count one run of the graph for counterfactuals."""
        self._flip_seconds.labels(model).inc(seconds)

    def begin(self, manifest: Manifest) -> None:
        """Begin every label set at zero: a group that is never selected must not be missing."""
        for attribute in manifest.attributes:
            name = (manifest.name, attribute.name)
            self._overflow.labels(*name)
            self._risk.labels(*name)
            for result, base in itertools.product(RESULTS if attribute.abstain_below else (), BITS):
                self._abstentions.labels(*name, result, base)
            for base, final in itertools.product(BITS, BITS):
                for result in RESULTS:
                    self._corrections.labels(*name, result, base, final)
                for side in SIDES:
                    self._soft.labels(*name, side, base, final)
                    self._soft_squared.labels(*name, side, base, final)
                self._detector.labels(*name, base, final)
        for counted in manifest.counted:
            self._begin_groups(manifest.name, counted)

    def _begin_groups(self, model: str, counted: Grouped) -> None:
        """Begin the series by group of an attribute or an intersection."""
        for cell in groups_of(counted):
            of = (model, counted.name, *cell)
            for base, final in itertools.product(BITS, BITS):
                self._decisions.labels(*of, base, final)
                for label in BITS:
                    self._outcomes.labels(*of, base, final, label)
            for place in BINS:
                self._calibration_score.labels(*of, place)
                for label in BITS:
                    self._calibration.labels(*of, place, label)

    def expect(self, manifest: Manifest, normal: Mapping[str, Normal]) -> None:
        """Set what validation of the live version measured, and its target; NaN where nothing is said."""
        names = [counted.name for counted in manifest.counted]
        for attribute, said in normal.items():
            if attribute not in names:
                continue
            figures = {"flagged": said.flagged, "worst_group_accuracy": said.worst_group_accuracy}
            for name, value in figures.items():
                self._reference.labels(manifest.name, attribute, name).set(_or_nan(value))
            for edge, share in zip(TENTHS, said.risk or (math.nan,) * len(TENTHS), strict=True):
                self._reference_risk.labels(manifest.name, attribute, str(edge)).set(share)
        aims = aims_of(manifest.target, names, normal, self._gap_limit)
        for attribute, measure in itertools.product(names, MEASURES):
            aim = aims.get(attribute)
            limit = aim.limit if aim is not None and aim.measure == measure else None
            self._target_limit.labels(manifest.name, attribute, measure).set(_or_nan(limit))
        price = price_of(manifest.target, self._gap_limit)
        for loss, share_lost in (("overall", price.max_loss), ("cell", price.max_cell_loss)):
            self._target_loss.labels(manifest.name, loss).set(_or_nan(share_lost))

    def overflow(self, model: str, attribute: str) -> None:
        """Count a declared group that the model does not list."""
        self._overflow.labels(model, attribute).inc()

    def decision(self, manifest: Manifest, row: Row) -> None:
        """Count one answered row, once per attribute; a row that failed is no decision."""
        decision = row.result
        if not isinstance(decision, Decision):
            return
        buffer = self.buffers[manifest.name, "decisions"]
        base, final = bit(decision.base.favourable), bit(decision.final.favourable)
        for attribute, verdict in zip(manifest.attributes, decision.verdicts, strict=True):
            name = (manifest.name, attribute.name)
            declared = row.declared.get(attribute.name)
            buffer.add(self._decisions, (*name, *counted_under(declared, verdict.flagged), base, final))
            self._count_correction(buffer, name, decision, verdict)
            if verdict.abstains and verdict.result is not None:
                buffer.add(self._abstentions, (*name, verdict.result, base))
            self._count_risk(buffer, name, verdict.risk, (base, final))
            self._count_detector(buffer, name, attribute.reference, verdict.flagged, declared)
        for crossed, group in groups_of_row(manifest.intersections, row.declared).items():
            buffer.add(self._decisions, (manifest.name, crossed, group, "declared", base, final))
        buffer.count_rows()

    def joined(self, feedback: Counted) -> None:
        """Count what feedback adds: a true label, groups that were declared later, or both."""
        buffer = self.buffers[feedback.model, "feedback"]
        bits = bit(feedback.base), bit(feedback.final)
        for attribute, group in feedback.decisions:
            name = (feedback.model, attribute)
            buffer.add(self._decisions, (*name, group, "declared", *bits))
            if attribute in feedback.flagged:  # an intersection has no detector
                self._count_detector(
                    buffer, name, feedback.references[attribute], feedback.flagged[attribute], group
                )
        for attribute, group, source in feedback.outcomes:
            cell = (feedback.model, attribute, group, source)
            label, place = bit(bool(feedback.label)), str(feedback.bin)
            buffer.add(self._outcomes, (*cell, *bits, label))
            buffer.add(self._calibration, (*cell, place, label))
            buffer.add(self._calibration_score, (*cell, place), feedback.p)
        buffer.count_rows()

    def _count_correction(
        self, buffer: CounterBuffer, name: tuple[str, str], decision: Decision, verdict: Verdict
    ) -> None:
        if verdict.result is None:
            return
        would = decision.shadow if verdict.result == "shadow" and decision.shadow else decision.final
        bits = bit(decision.base.favourable), bit(would.favourable)
        buffer.add(self._corrections, (*name, verdict.result, *bits))

    def _count_risk(
        self, buffer: CounterBuffer, name: tuple[str, str], risk: float, bits: tuple[str, str]
    ) -> None:
        """A risk that is NaN is left out: it would turn the sum into NaN for ever."""
        if not math.isfinite(risk):
            return
        buffer.observe(self._risk.labels(*name), risk)
        for side, weight in zip(SIDES, (1.0 - risk, risk), strict=True):
            buffer.add(self._soft, (*name, side, *bits), weight)
            buffer.add(self._soft_squared, (*name, side, *bits), weight * weight)

    def _count_detector(
        self, buffer: CounterBuffer, name: tuple[str, str], reference: str, flagged: bool, group: str | None
    ) -> None:
        if group is not None and group != UNKNOWN_GROUP:
            buffer.add(self._detector, (*name, bit(flagged), bit(group != reference)))


def bit(value: bool) -> str:
    """A truth value as a label."""
    return "1" if value else "0"


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
