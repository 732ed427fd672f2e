"""Verdicts of sequential evidence: one of three states and a sentence. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from typing import Any, Literal

from evenhand.models.bundle.aims import Aim
from evenhand.models.bundle.intersections import Grouped
from evenhand.service.monitoring.sequential.evidence import (
    METRICS,
    Comparison,
    EvidenceSettings,
    planned,
    tested_gap,
)

State = Literal["breach", "no evidence of breach", "insufficient data"]
Process = Literal["detector", "since_start"]
PROCESSES: tuple[Process, ...] = ("detector", "since_start")
RATES = dict(zip(METRICS, ("selection rate", "true positive rate", "false positive rate"), strict=True))
SECONDS_A_DAY = 86_400


@dataclass(frozen=True, slots=True)
class Kept:
    """A comparison with its model, attribute, group and metric."""

    model: str
    attribute: str
    group: str
    metric: str
    comparison: Comparison

    def value_ln(self, process: Process) -> float:
        """Logarithm of a process's value; the detector's value is in days.

        During a breach it is above the limit, so that a comparison of the two gives the same verdict as ours.
        """
        value = self.comparison.detector_ln if process == "detector" else self.comparison.since_start_ln
        return (
            max(value, math.nextafter(self.limit_ln(process), math.inf)) if self.is_breach(process) else value
        )

    def limit_ln(self, process: Process) -> float:
        """Logarithm of the value from which on the verdict is a breach."""
        return math.log(self.comparison.limit) if process == "detector" else self.comparison.start_limit_ln

    def is_breach(self, process: Process) -> bool:
        """Whether the gap is too wide: now, or at any time since the start, depending on the process."""
        return (self.comparison.alarm_day if process == "detector" else self.comparison.found_day) is not None


def findings(
    kept: Iterable[Kept],
    model: str,
    attributes: Sequence[Grouped],
    rules: EvidenceSettings,
    aims: Mapping[str, Aim],
) -> list[dict[str, Any]]:
    """One entry per comparison and process, including comparisons without rows.

    The rates of the target get a state; those of other rates are information, and have none.

    Args:
        kept: All stored comparisons.
        model: Name of the model.
        attributes: Its attributes.
        rules: The operator's settings.
        aims: The target by attribute.
    """
    compared = {(one.attribute, one.group, one.metric): one for one in kept if one.model == model}
    start_limit_ln = rules.start_limit_ln(planned(len(attribute.groups) for attribute in attributes))
    entries = []
    for attribute in attributes:
        name, reference = attribute.name, attribute.reference
        for group, metric in product([group for group in attribute.groups if group != reference], METRICS):
            one, gap = compared.get((name, group, metric)), tested_gap(aims.get(name), metric)
            of = reference, rules.gap if gap is None else gap
            if one is None or (one.comparison.reference, one.comparison.gap) != of:
                nothing = Comparison(*of, rules.days_per_false_alarm, start_limit_ln, 0.0)
                one = Kept(model, name, group, metric, nothing)
            entries += [_entry(one, process, rules, is_target=gap is not None) for process in PROCESSES]
    return entries


def _entry(one: Kept, process: Process, rules: EvidenceSettings, *, is_target: bool) -> dict[str, Any]:
    state = _state(one, process, rules)
    return {
        "model": one.model,
        "attribute": one.attribute,
        "group": one.group,
        "metric": one.metric,
        "process": process,
        "role": "target" if is_target else "information",
        "ln": one.value_ln(process),
        "limit_ln": one.limit_ln(process),
        "rows": one.comparison.rows[1],
        "state": state if is_target else None,
        "sentence": _sentence(one, process, state, rules),
    }


def _state(one: Kept, process: Process, rules: EvidenceSettings) -> State:
    if one.is_breach(process):
        return "breach"
    return "insufficient data" if min(one.comparison.rows) < rules.rows else "no evidence of breach"


def _sentence(one: Kept, process: Process, state: State, rules: EvidenceSettings) -> str:
    comparison = one.comparison
    what = f"a gap above {comparison.gap * 100:g} points in {RATES[one.metric]} between {one.group} and "
    what += comparison.reference
    if state == "insufficient data":
        return f"too few rows to speak of {what}: {_rows(one)}; at least {rules.rows:,} of each are needed"
    if process == "detector":
        promise = f"on average at most one false alarm in {comparison.limit:g} days for the whole model"
        if comparison.alarm_day is None:
            return f"no alarm of {what}; {promise}"
        side = "above" if comparison.above else "below"
        return f"alarm since {_date(comparison.alarm_day)}: {what}, {one.group} {side}; {promise}"
    validity = f"level {rules.level:g}, valid at any time; {_rows(one)}"
    if comparison.found_day is None:
        return f"no evidence of {what} since {_date(comparison.began_day)}; {validity}"
    dates = f"since {_date(comparison.began_day)}, found on {_date(comparison.found_day)}"
    return f"evidence of {what} {dates}; {validity}"


def _rows(one: Kept) -> str:
    """Number and rate of the rows of both groups."""
    parts = []
    for ours, name in ((1, one.group), (0, one.comparison.reference)):
        n, good = one.comparison.rows[ours], one.comparison.favourable[ours]
        parts.append(f"{n:,} {name} ({100 * good / n:.1f} %)" if n else f"0 {name}")
    return "n = " + " and ".join(parts)


def _date(day: float) -> str:
    return datetime.fromtimestamp(day * SECONDS_A_DAY, UTC).strftime("%Y-%m-%d")
