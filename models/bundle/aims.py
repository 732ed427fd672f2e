"""What is watched in service: per attribute a measure with its limit, and what correcting may cost. No torch.

A bundle states them in its target. Where it states no limit, the operator's largest tolerated gap stands in
for it; a bundle of an earlier version aimed at the worst cell of every attribute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from evenhand.models.bundle.manifest import Attribute
from evenhand.models.bundle.reference import Normal
from evenhand.models.bundle.target import FIGURES, AttributeTarget, Measure, Target, aims

LimitFrom = Literal["bundle", "operator", "validation"]


@dataclass(frozen=True, slots=True)
class Aim:
    """The measure of one attribute that gets a verdict."""

    measure: Measure
    limit: float | None
    """The largest gap, or the least accuracy, that is no breach; ``None`` if nothing says one."""
    limit_from: LimitFrom | None
    """``operator``: the largest gap that the operator tolerates. ``validation``: the worst cell's accuracy
    there, less that gap."""

    @property
    def figure(self) -> str:
        """Name of its figure."""
        return FIGURES[self.measure]

    @property
    def is_gap(self) -> bool:
        """Whether less is better."""
        return self.measure != "worst-cell"


@dataclass(frozen=True, slots=True)
class Price:
    """What a correction may cost, in shares of right answers."""

    max_loss: float
    """Over all rows."""
    max_cell_loss: float | None
    """In any cell; no limit if ``None``."""


def aims_of(
    target: Target | None, attributes: Sequence[str], normal: Mapping[str, Normal], tolerance: float
) -> dict[str, Aim]:
    """What is watched for each of the attributes; one that the target leaves out is not in the result.

    Args:
        target: The bundle's.
        attributes: Names of the attributes that are counted.
        normal: Figures of validation by attribute.
        tolerance: The largest gap that the operator tolerates.
    """
    watched = {}
    for name in attributes:
        aim = AttributeTarget(attribute=name, measure="worst-cell") if target is None else target.of(name)
        if aim is not None:
            watched[name] = _aim(aim, normal.get(name), tolerance)
    return watched


def _aim(aim: AttributeTarget, normal: Normal | None, tolerance: float) -> Aim:
    if aim.limit is not None:
        return Aim(aim.measure, aim.limit, "bundle")
    if aim.is_gap:
        return Aim(aim.measure, tolerance, "operator")
    if normal is None or normal.worst_cell_accuracy is None:
        return Aim(aim.measure, None, None)
    return Aim(aim.measure, max(0.0, normal.worst_cell_accuracy - tolerance), "validation")


def price_of(target: Target | None, tolerance: float) -> Price:
    """What the correction may cost.

    A bundle without a target may cost nothing over all rows, and in a cell what the operator tolerates.
    """
    return Price(0.0, tolerance) if target is None else Price(target.max_loss, target.max_cell_loss)


def in_words(target: Target | None, attributes: Sequence[Attribute]) -> str:
    """The target in one line, with what it may cost where something is corrected."""
    if target is None:
        return aims([AttributeTarget(attribute=each.name, measure="worst-cell") for each in attributes])
    return target.in_words() if any(each.corrects for each in attributes) else aims(target.attributes)
