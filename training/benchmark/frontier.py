"""Which methods no other beats: accuracy against each fairness figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evenhand.training.benchmark.aggregate import MethodRow


@dataclass(frozen=True)
class Axis:
    """A fairness figure that accuracy is set against."""

    figure: str
    """Its name in :func:`evenhand.training.benchmark.aggregate.figures_of`."""
    title: str
    sign: int
    """1 where higher is better, -1 where lower is."""


AXES = (
    Axis("worst_cell", "worst-cell accuracy", 1),
    Axis("equalized_odds_mean", "equalized odds difference, mean over attributes", -1),
    Axis("demographic_parity_mean", "demographic parity difference, mean over attributes", -1),
)


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
