"""The state of fairness of one model over one window, as ``GET /fairness`` tells it and the report prints it."""

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
"""What a verdict needs, where an operator has not set it."""
COUNTED = "A decision that abstained counts in every other figure under the model's own answer, as if it had been given."


class Described(Protocol):
    """What is needed of a manifest; reports find it in the record, where no bundle is at hand."""

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def version(self) -> str:
        """Of the model."""

    @property
    def attributes(self) -> Sequence[Attribute]:
        """What it is judged by."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known apart from the counted rows."""

    manifest: Described
    modes: Mapping[str, Mode]
    """How each attribute's correction is switched now."""
    window: Window
    limits: Mapping[str, float]
    """Those of :data:`LIMITS` and any others, which are only told."""
    record: Mapping[str, Any]
    """``state`` and ``spooled``."""
    evidence: Sequence[Mapping[str, Any]] = ()
    """What the sequential tests say, each with its ``attribute``."""
    usual_accuracy: Mapping[str, float] = field(default_factory=dict)
    """Worst-group accuracy in validation by attribute, where the bundle says it."""


def summary(cells: Cells, facts: Facts) -> dict[str, Any]:
    """Everything that the page and the report say, with a verdict in three states and its reason.

    Args:
        cells: What was counted in the window.
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
    """Whether any decision did, or the model has a bound under which one would."""
    return bool(cells.on_account) or any(each.abstain_below is not None for each in facts.manifest.attributes)


def _abstention(cells: Cells) -> dict[str, Any]:
    """Of all decisions, whatever their groups."""
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
    # Not for inferred groups: validation measures no accuracy of what is flagged, and only what is flagged
    # abstains.
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
