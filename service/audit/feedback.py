"""What feedback is, what is wrong with it, and what it adds to the counts. Pure functions.

A true label counts wherever its decision does: under the detector's flag unless a group was declared with the
    request,
and under the declared group once there is one. So the order in which labels and groups arrive changes no
count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from evenhand.service.audit import aggregates
from evenhand.service.audit.aggregates import HOUR_MS, INFERRED, Cells
from evenhand.service.types import Counted

Result = Literal["joined", "duplicate", "conflict", "orphan", "expired", "error"]


class UnknownLabel(ValueError):
    """The model has no such label."""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What became known about a decision."""

    id: str
    label: str | None = None
    """Its true label."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Groups by attribute."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What came of one item."""

    id: str
    result: Result
    message: str | None = None
    """What is wrong with it, where ``result`` is ``error``."""
    counted: Counted | None = None
    """Only of a joined one."""


@dataclass(frozen=True, slots=True)
class Known:
    """A decision, as it is on record."""

    at_ms: int
    body: dict[str, Any]
    configuration: dict[str, Any]


def wrong(item: Feedback, known: Known) -> str | None:
    """What is wrong with an item, whatever else is on record; never what was sent."""
    names = known.configuration["attributes"]
    if item.label is None and not item.groups:
        return "nothing to join; send a label, groups, or both"
    if known.body["error"] is not None:
        return "this item was answered with an error; there is no decision to join to"
    if item.label is not None and item.label not in known.configuration["labels"]:
        return "the model has no such label; it has " + ", ".join(known.configuration["labels"])
    if any(name not in names for name in item.groups):
        return "the model has no such attribute; it has " + ", ".join(names)
    return None


def count(
    known: Known, groups: Mapping[str, str], new: Mapping[str, str], label: str | None, is_new: bool
) -> Counted:
    """What an item adds.

    Args:
        known: The decision.
        groups: All its declared groups by attribute, the new ones among them.
        new: Those that this item brought.
        label: Its true label, if it is known by now.
        is_new: Whether this item brought it.
    """
    body, told = known.body, known.configuration
    flagged = {name: name in body["flagged"] for name in told["attributes"]}
    outcomes: list[tuple[str, str, str]] = []
    for name in told["attributes"] if label is not None else ():
        if is_new and name not in body["declared"]:
            outcomes.append((name, INFERRED[flagged[name]], "inferred"))
        if name in groups and (is_new or name in new):
            outcomes.append((name, groups[name], "declared"))
    return Counted(
        model=body["model"],
        base=body["base"]["favourable"],
        final=body["final"]["favourable"],
        label=None if label is None else label in told["favourable"],
        is_new=is_new,
        p=body["p_favourable"],
        bin=aggregates.tenth(body["p_favourable"]),
        flagged=flagged,
        references={name: facts["reference"] for name, facts in told["attributes"].items()},
        decisions=tuple(new.items()),
        outcomes=tuple(outcomes),
    )


def cells_of(cells: Cells, known: Known, counted: Counted) -> None:
    """Add to the hourly cells, under the hour of the decision."""
    hour, bits = known.at_ms // HOUR_MS, (int(counted.base), int(counted.final))
    for name, group in counted.decisions:
        for source in aggregates.sources("declared", known.body.get("abstained")):
            cell = (hour, counted.model, name, group, source, *bits, counted.bin)
            aggregates.add(cells, "hourly_decisions", cell, counted.p)
    for name, group, source in counted.outcomes:
        outcome = (hour, counted.model, name, group, source, *bits, int(bool(counted.label)), counted.bin)
        aggregates.add(cells, "hourly_outcomes", outcome, counted.p)
