"""Which methods no other beats: accuracy against the target and each fairness figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evenhand.models.bundle.target import Target, aims
from evenhand.training.benchmark.aggregate import MethodRow
from evenhand.training.benchmark.score import is_gap
from evenhand.training.data.dataset import Schema


@dataclass(frozen=True)
class Axis:
    """A fairness figure that accuracy is set against."""

    letter: str
    """What stands in the table for a place on this frontier."""
    figure: str
    """Its name in :func:`evenhand.training.benchmark.aggregate.figures_of`."""
    title: str
    sign: int
    """1 where higher is better, -1 where lower is."""


WORST_CELL = Axis("W", "worst_cell", "worst-cell accuracy", 1)
GAP_AXES = (
    Axis("E", "equalized_odds_mean", "equalized odds difference, mean over attributes", -1),
    Axis("D", "demographic_parity_mean", "demographic parity difference, mean over attributes", -1),
)


def target_axis(target: Target) -> Axis:
    """The target's own axis."""
    return Axis("T", "target", f"target: {target_title(target)}", -1 if is_gap(target) else 1)


def target_title(target: Target) -> str:
    """The target's one figure in words: ``equalized odds of race, largest difference``."""
    said = aims(target.attributes)
    if is_gap(target):
        return f"{said}, largest difference"
    mixed = any(aim.is_gap for aim in target.attributes)
    return f"{said}, lowest of accuracy and 1 less the difference" if mixed else f"{said}, accuracy"


def is_every_worst_cell(target: Target, schema: Schema) -> bool:
    """Whether the target's figure is the worst cell over all attributes, which then is not shown twice."""
    aimed = {aim.attribute for aim in target.attributes if not aim.is_gap}
    return aimed == set(schema.groups) and len(target.attributes) == len(aimed)


def axes_of(target: Target, schema: Schema) -> tuple[Axis, ...]:
    """All axes, the target's first."""
    cell = () if is_every_worst_cell(target, schema) else (WORST_CELL,)
    return (target_axis(target), *cell, *GAP_AXES)


def non_dominated(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether each point stands on the frontier: none is at least as good in both and better in one.

    Args:
        points: Two figures each; higher is better in both.
    """
    return [not any(dominates(other, point) for other in points) for point in points]


def dominates(a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Whether ``a`` is at least as good as ``b`` in both and better in one."""
    return a[0] >= b[0] and a[1] >= b[1] and a != b


def place(line: MethodRow, split: str, axis: Axis) -> tuple[float, float] | None:
    """Accuracy and the axis' figure, higher being better in both; none where a figure is missing."""
    if not line.seeds:
        return None
    accuracy, fairness = line.value(split, "accuracy"), line.value(split, axis.figure)
    return None if accuracy is None or fairness is None else (accuracy, axis.sign * fairness)


def frontier(lines: Sequence[MethodRow], split: str, axis: Axis) -> set[str]:
    """Names of the methods on the frontier; a seed that is missing does not keep a method from it."""
    places = [(line.method.name, at) for line in lines if (at := place(line, split, axis)) is not None]
    on = non_dominated([at for _, at in places])
    return {name for (name, _), kept in zip(places, on, strict=True) if kept}
