"""Methods by what they cost and what they gain, as one figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from training.plots import BLUE, GREY, INK, blank, styled, svg


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


@styled
def accuracy_against_worst_cell(points: Sequence[Point]) -> str:
    """Overall accuracy (x) against worst-cell accuracy (y), one labelled point per method."""
    figure, axes = blank(7.6, max(4.2, 1.4 + 0.3 * len(points)))
    axes.grid(True, color=GREY, alpha=0.3)
    for point in points:
        axes.errorbar(
            [point.x],
            [point.y],
            xerr=[[point.x - point.x_low], [point.x_high - point.x]],
            yerr=[[point.y - point.y_low], [point.y_high - point.y]],
            fmt="none",
            ecolor=BLUE if point.highlighted else GREY,
            capsize=3,
            alpha=0.9 if point.highlighted else 0.45,
        )
    _label_on_the_right(axes, points)
    axes.set_xlabel("accuracy over all rows")
    axes.set_ylabel("worst-cell accuracy (label and group)")
    said = (f"{p.label}: accuracy {p.x:.3f}, worst cell {p.y:.3f} ({p.y_low:.3f} to {p.y_high:.3f})" for p in points)
    return svg(figure, "Accuracy against worst-cell accuracy. " + "; ".join(said))


def _label_on_the_right(axes: Axes, points: Sequence[Point]) -> None:
    """Markers, and their names in a column beside the axes, ordered by height, so that none covers another."""
    ordered = sorted(points, key=lambda point: point.y)
    low, high = axes.get_ylim()
    for index, (point, place) in enumerate(
        zip(ordered, _apart([(point.y - low) / (high - low) for point in ordered]), strict=True)
    ):
        look: dict[str, Any] = {
            "marker": "oDs^vPX*<>"[index % 10],
            "markersize": 8.0,
            "color": BLUE if point.highlighted else GREY,
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
            weight="bold" if point.highlighted else "normal",
            arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": 0.6, "alpha": 0.5},
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
