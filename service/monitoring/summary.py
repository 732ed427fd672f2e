"""The fairness of one model over one window, for ``GET /fairness`` and the report of a period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from evenhand.models.bundle.manifest import Attribute, Mode
from evenhand.service.monitoring.cells import Cells, Window
from evenhand.service.monitoring.correction import correction_of
from evenhand.service.monitoring.disparity import abstention, metrics_of
from evenhand.service.monitoring.estimates import bounds_of, expected_of, soft_of
from evenhand.service.monitoring.groups import (
    INFERRED,
    RATES,
    SIDES,
    Group,
    groups_of,
    unknown_rows,
    withheld_rows,
)
from evenhand.stats import Rate

LIMITS = {"gap": 0.05, "rows": 100.0, "impact_ratio": 0.8, "accuracy_drop": 0.05}
"""Limits of a verdict that no operator has set."""
COUNTED = (
    "A decision that abstained counts in every other figure under the model's own answer, "
    "as if it had been given."
)


class Described(Protocol):
    """The needed part of a manifest; reports read it from the record, without a bundle."""

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def version(self) -> str:
        """Of the model."""

    @property
    def attributes(self) -> Sequence[Attribute]:
        """Sensitive attributes of the model."""


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
    usual_accuracy: Mapping[str, float] = field(default_factory=dict)
    """Worst-group accuracy in validation by attribute, if the bundle has it."""


def summary(cells: Cells, facts: Facts) -> dict[str, Any]:
    """All figures of the dashboard and the report, each with a verdict in three states and its reason.

    Args:
        cells: The counts of the window.
        facts: Everything else.
    """
    limits = {**LIMITS, **facts.limits}
    return {
        "model": facts.manifest.name,
        "version": facts.manifest.version,
        "window": facts.window.facts(),
        "limits": limits,
        "record": dict(facts.record),
        "abstention": _abstention(cells) if may_abstain(cells, facts) else None,
        "attributes": [
            _attribute(cells, facts, limits, attribute.name) for attribute in facts.manifest.attributes
        ],
    }


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


def _attribute(cells: Cells, facts: Facts, limits: Mapping[str, float], name: str) -> dict[str, Any]:
    attribute = next(each for each in facts.manifest.attributes if each.name == name)
    listed = {
        "declared": (
            attribute.reference,
            *(group for group in attribute.groups if group != attribute.reference),
        ),
        "inferred": INFERRED,
    }
    risks = [cell for cell in cells.risks if cell.attribute == name]
    return {
        "attribute": name,
        "reference": attribute.reference,
        "mode": facts.modes[name],
        "threshold": attribute.threshold,
        "sources": {
            source: _source(cells, groups_of(cells, name, source, groups), (name, source), facts, limits)
            for source, groups in listed.items()
        },
        "soft": soft_of(risks),
        "bounds": bounds_of(risks),
        "evidence": [
            {key: value for key, value in each.items() if key not in ("model", "attribute")}
            for each in facts.evidence
            if each["attribute"] == name
        ],
    }


def _source(
    cells: Cells, groups: Sequence[Group], of: tuple[str, str], facts: Facts, limits: Mapping[str, float]
) -> dict[str, Any]:
    (attribute, source), abstains = of, may_abstain(cells, facts)
    unknown = unknown_rows(cells, attribute, source)
    rows = sum(group.answers.n for group in groups) + unknown
    # Not for inferred groups: validation measures no accuracy of flagged rows, and only flagged rows abstain.
    usual = facts.usual_accuracy.get(attribute) if source == "declared" else None
    abstentions = [abstention(groups, limits)] if abstains and source == "declared" else []
    withheld = Rate.of_counts(withheld_rows(cells, attribute, source), rows)
    return {
        "rows": rows,
        "unknown_rows": unknown,
        "abstained": asdict(withheld) if abstains else None,
        "groups": [
            {**_group(group, int(limits["rows"])), "abstained": asdict(group.abstained) if abstains else None}
            for group in groups
        ],
        "metrics": [*metrics_of(groups, limits, usual), *abstentions],
        "correction": correction_of(groups, int(limits["rows"])),
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
