"""The fairness of one model over one window, for ``GET /fairness`` and the report of a period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from evenhand.models.bundle.aims import Aim, Price, aims_of, in_words, price_of
from evenhand.models.bundle.intersections import Grouped, Intersection, not_watched, watched_intersections
from evenhand.models.bundle.manifest import Attribute, Mode
from evenhand.models.bundle.reference import Normal
from evenhand.models.bundle.target import Target
from evenhand.service.monitoring.bounds import DetectorErrors, detector_bounds
from evenhand.service.monitoring.cells import Cells, Window
from evenhand.service.monitoring.correction import correction_of, effect_of
from evenhand.service.monitoring.disparity import MERGED, abstention, metrics_of
from evenhand.service.monitoring.estimates import bounds_of, expected_of, soft_of
from evenhand.service.monitoring.groups import (
    INFERRED,
    RATES,
    SIDES,
    Group,
    LabelKinds,
    all_pairs,
    groups_of,
    unknown_rows,
    withheld_rows,
)
from evenhand.service.monitoring.targets import target_of, worsening
from evenhand.service.types import Described
from evenhand.stats import Rate

LIMITS = {"gap": 0.05, "rows": 100.0}
"""Limits of a verdict that no operator has set."""
CELL = "A cell is a group with one true label."
COUNTED = (
    "A decision that abstained counts in every other figure under the model's own answer, "
    "as if it had been given."
)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything but the counts."""

    manifest: Described
    modes: Mapping[str, Mode]
    """The current mode of each attribute's correction."""
    window: Window
    limits: Mapping[str, float]
    """Those of :data:`LIMITS`, and others that the reply only repeats."""
    record: Mapping[str, Any]
    """``state`` and ``spooled``."""
    evidence: Sequence[Mapping[str, Any]] = ()
    """Results of the sequential tests, each with its ``attribute``."""
    normal: Mapping[str, Normal] = field(default_factory=dict)
    """Figures of validation by attribute, if the bundle has them."""
    source: str = "served"
    """Where the decisions are made: here, or ``elsewhere``."""


@dataclass(frozen=True, slots=True)
class _Watched:
    """What is counted, and what verdicts rest on."""

    counted: Sequence[Grouped]
    """Attributes, then the intersections that the target names."""

    aims: Mapping[str, Aim]
    price: Price
    rows: int
    kinds: LabelKinds
    abstains: bool


def summary(cells: Cells, facts: Facts) -> dict[str, Any]:
    """All figures of the dashboard and the report, each with a verdict in three states and its reason.

    Args:
        cells: The counts of the window.
        facts: Everything else.
    """
    limits = {**LIMITS, **facts.limits}
    target, attributes = facts.manifest.target, facts.manifest.attributes
    counted: list[Grouped] = [*attributes, *watched_intersections(target, attributes)]
    of = _Watched(
        counted,
        aims_of(target, [each.name for each in counted], facts.normal, limits["gap"]),
        price_of(target, limits["gap"]),
        int(limits["rows"]),
        LabelKinds.of(facts.manifest.labels, facts.manifest.favourable),
        may_abstain(cells, facts),
    )
    return {
        "model": facts.manifest.name,
        "version": facts.manifest.version,
        "source": facts.source,
        "window": facts.window.facts(),
        "limits": limits,
        "target": _target(target, attributes, of),
        "record": dict(facts.record),
        "abstention": _abstention(cells) if of.abstains else None,
        "correction": _overall(cells, [each.name for each in attributes], of),
        "attributes": [_attribute(cells, facts, of, each) for each in counted],
    }


def _target(target: Target | None, attributes: Sequence[Attribute], watched: _Watched) -> dict[str, Any]:
    """What the correction is for, and what it may cost."""
    uncounted = not_watched(target, attributes)
    return {
        "stated": target is not None,
        "words": in_words(target, attributes),
        "max_loss": watched.price.max_loss,
        "max_cell_loss": watched.price.max_cell_loss,
        "cells": MERGED if watched.kinds.merged else CELL,
        "not_watched": [
            {"attribute": each.attribute, "measure": each.measure, "why": uncounted[each.attribute]}
            for each in (target.attributes if target is not None else ())
            if each.attribute in uncounted
        ],
    }


def _overall(cells: Cells, names: Sequence[str], watched: _Watched) -> dict[str, Any]:
    """The effect over all rows, whatever their groups; ``over`` says which rows these are."""
    answers, correct, over = all_pairs(cells, names)
    return {**effect_of(answers, correct, watched.price, watched.rows), "over": over}


def may_abstain(cells: Cells, facts: Facts) -> bool:
    """Whether a decision abstained, or the model has a bound below which one would."""
    return bool(cells.on_account) or any(each.abstain_below is not None for each in facts.manifest.attributes)


def _abstention(cells: Cells) -> dict[str, Any]:
    """Abstentions among all decisions, of any group."""
    return {
        "abstained": asdict(Rate.of_counts(sum(cells.on_account.values()), cells.rows)),
        "attributes": cells.on_account,
        "counted": COUNTED,
    }


def _attribute(cells: Cells, facts: Facts, watched: _Watched, counted: Grouped) -> dict[str, Any]:
    """All that is known of an attribute or an intersection, for which nothing is inferred."""
    name, attribute = counted.name, counted if isinstance(counted, Attribute) else None
    others = (group for group in counted.groups if group != counted.reference)
    groups = {"declared": groups_of(cells, name, "declared", (counted.reference, *others)), "inferred": []}
    if attribute is not None:
        groups["inferred"] = groups_of(cells, name, "inferred", INFERRED)
    risks = [cell for cell in cells.risks if cell.attribute == name]
    aim = watched.aims.get(name)
    return {
        "attribute": name,
        "intersection": _intersection(cells, counted) if isinstance(counted, Intersection) else None,
        "reference": counted.reference,
        "mode": None if attribute is None else facts.modes[name],
        "threshold": None if attribute is None else attribute.threshold,
        "target": None if aim is None else target_of(groups["declared"], aim, watched.rows, watched.kinds),
        "sources": {source: _source(cells, of, (name, source), watched) for source, of in groups.items()},
        "soft": soft_of(risks),
        "bounds": None
        if attribute is None
        else _bounds(groups["inferred"], facts, attribute, aim) or bounds_of(risks),
        "evidence": [
            {key: value for key, value in each.items() if key not in ("model", "attribute")}
            for each in facts.evidence
            if each["attribute"] == name
        ],
    }


def _intersection(cells: Cells, intersection: Intersection) -> dict[str, Any]:
    """The two attributes, and how many decisions are not counted by both."""
    first, second = intersection.of
    counted = sum(
        cell.n for cell in cells.decisions if (cell.attribute, cell.source) == (intersection.name, "declared")
    )
    return {
        "of": list(intersection.of),
        "left_out": max(0, cells.rows - counted),
        "why": f"A decision counts where both {first} and {second} are declared, with the request or later. "
        "Nothing is inferred, and a decision of an earlier version or bundle that did not count by both is "
        "left out.",
    }


def _bounds(
    inferred: Sequence[Group], facts: Facts, attribute: Attribute, aim: Aim | None
) -> dict[str, Any] | None:
    """Bounds from the detector's error rates, where they are known and rows have no declared group."""
    normal = facts.normal.get(attribute.name)
    errors = DetectorErrors.read(normal, attribute.reference, facts.manifest.favourable)
    return None if errors is None else detector_bounds(inferred, errors, aim)


def _source(cells: Cells, groups: Sequence[Group], of: tuple[str, str], watched: _Watched) -> dict[str, Any]:
    attribute, source = of
    unknown = unknown_rows(cells, attribute, source)
    all_rows = sum(group.answers.n for group in groups) + unknown
    # The target is about people's groups: what the detector infers are others, and gets no verdict.
    aim = watched.aims.get(attribute) if source == "declared" else None
    rows, kinds, abstains = watched.rows, watched.kinds, watched.abstains
    abstentions = [abstention(groups, rows)] if abstains and source == "declared" else []
    withheld = Rate.of_counts(withheld_rows(cells, attribute, source), all_rows)
    worse = None if aim is None else worsening(groups, aim, rows, kinds)
    return {
        "rows": all_rows,
        "unknown_rows": unknown,
        "abstained": asdict(withheld) if abstains else None,
        "groups": [
            {**_group(group, rows), "abstained": asdict(group.abstained) if abstains else None}
            for group in groups
        ],
        "metrics": [*metrics_of(groups, aim, rows, kinds), *abstentions],
        "correction": correction_of(groups, watched.price, rows, kinds, worse),
    }


def _group(group: Group, rows: int) -> dict[str, Any]:
    return {
        "group": group.name,
        "reference": group.reference,
        "rows": group.answers.n,
        "labels": group.correct.n,
        "label_coverage": group.correct.n / group.answers.n if group.answers.n else None,
        **{rate: {side: asdict(group.pairs(rate).rate(side)) for side in SIDES} for rate in RATES},
        "flips": {"to_favourable": group.answers.gained, "to_unfavourable": group.answers.lost},
        "expected": expected_of(group, rows) if group.answers.n > group.correct.n else None,
    }
