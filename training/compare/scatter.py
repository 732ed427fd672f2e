"""Methods by what they cost and what they gain, as one figure per fairness figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from evenhand.training.plots import BLUE, GREY, INK, blank, styled, svg


@dataclass(frozen=True)
class Point:
    """One method's two figures, each with a two-sided interval."""

    label: str
    x: float
    x_low: float
    x_high: float
    y: float
    y_low: float
    y_high: float
    highlighted: bool = False
    frontier: bool = False
    """Whether no other method is at least as good in both figures and better in one."""


@styled
def accuracy_against(points: Sequence[Point], what: str, lower_is_better: bool = False) -> str:
    """Overall accuracy (x) against a fairness figure (y), one labelled point per method; up is better.

    Args:
        points: The methods; those on the frontier are filled and joined by a line of steps.
        what: Names the fairness figure, on the axis.
        lower_is_better: Whether the axis is to be turned, so that up is better all the same.
    """
    figure, axes = blank(7.6, max(4.2, 1.4 + 0.26 * len(points)))
    axes.grid(True, color=GREY, alpha=0.3)
    for point in points:
        axes.errorbar(
            [point.x],
            [point.y],
            xerr=[[max(0.0, point.x - point.x_low)], [max(0.0, point.x_high - point.x)]],
            yerr=[[max(0.0, point.y - point.y_low)], [max(0.0, point.y_high - point.y)]],
            fmt="none",
            ecolor=BLUE if point.highlighted else GREY,
            capsize=3,
            alpha=0.9 if point.highlighted else 0.45,
        )
    if lower_is_better:
        axes.invert_yaxis()
    _steps(axes, [point for point in points if point.frontier])
    _label_on_the_right(axes, points)
    axes.set_xlabel("accuracy over all rows")
    axes.set_ylabel(f"{what} ({'lower' if lower_is_better else 'higher'} is better)")
    said = (
        f"{p.label}: accuracy {p.x:.3f}, {what} {p.y:.3f} ({p.y_low:.3f} to {p.y_high:.3f})"
        + (", on the frontier" if p.frontier else "")
        for p in points
    )
    return svg(figure, f"Accuracy against {what}. " + "; ".join(said))


def _steps(axes: Axes, points: Sequence[Point]) -> None:
    """The edge of what was reached: left of it and below it, somebody does better."""
    ordered = sorted(points, key=lambda point: point.x)
    # Between two of them the next more accurate one says what is reached.
    axes.step([p.x for p in ordered], [p.y for p in ordered], where="pre", color=INK, linewidth=1, linestyle=":")


def _label_on_the_right(axes: Axes, points: Sequence[Point]) -> None:
    """Markers, and their names in a column beside the axes, ordered by height, so that none covers another."""
    low, high = axes.get_ylim()
    heights = {id(point): (point.y - low) / (high - low) for point in points}
    ordered = sorted(points, key=lambda point: heights[id(point)])
    for index, (point, place) in enumerate(
        zip(ordered, _apart([heights[id(point)] for point in ordered]), strict=True)
    ):
        look: dict[str, Any] = {
            "marker": "oDs^vPX*<>"[index % 10],
            "markersize": 8.0,
            "color": BLUE if point.highlighted else GREY,
            "fillstyle": "full" if point.frontier else "none",
        }
        axes.plot([point.x], [point.y], **look)
        axes.plot([1.03], [place], transform=axes.transAxes, clip_on=False, **look)
        axes.annotate(
            point.label,
            (point.x, point.y),
            xytext=(1.05, place),
            textcoords="axes fraction",
            va="center",
            color=BLUE if point.highlighted else INK,
            weight="bold" if point.frontier else "normal",
            arrowprops={"arrowstyle": "-", "relpos": (0.0, 0.5), "color": GREY, "linewidth": 0.6, "alpha": 0.5},
        )


def _apart(places: list[float]) -> list[float]:
    """Move sorted heights in 0 to 1 as little as it takes to be a line of text apart."""
    found, gap = list(places), min(0.07, 1.0 / max(1, len(places)))
    for index in range(1, len(found)):
        found[index] = max(found[index], found[index - 1] + gap)
    top = 1.0
    for index in reversed(range(len(found))):
        found[index] = min(found[index], top)
        top = found[index] - gap
    return found
