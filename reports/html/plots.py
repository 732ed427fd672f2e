"""Figures as inline SVG: same input, same bytes. Text stays text, to be read aloud, searched and recoloured.

Base and corrected differ by shape as well as by colour (two of Okabe and Ito's, which hold on white and on
black).
"""

from __future__ import annotations

import functools
import io
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from evenhand.stats import Rate
from evenhand.training.evaluation.metrics import Bin

Floats = NDArray[np.float64]
P = ParamSpec("P")

INK = "#123456"
"""Replaced by ``currentColor``, the page's text colour, so that a figure is legible in dark mode."""
GREY = "#808080"
BLUE, VERMILION = "#0072b2", "#d55e00"
LOOKS = ((VERMILION, "o", "--"), (BLUE, "D", "-"), (GREY, "s", ":"), (INK, "^", "-."))
"""Colour, marker and line of the first, second ... series: base first, corrected second."""
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "evenhand",
    "text.parse_math": False,
    "font.family": ["DejaVu Sans"],
    "font.size": 11.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}


@dataclass(frozen=True)
class BeforeAfter:
    """One group's rate before and after."""

    label: str
    base: Rate
    final: Rate


@dataclass(frozen=True)
class Curve:
    """Selective accuracy over coverage."""

    coverage: Floats
    """``(points,)`` share of rows answered."""
    accuracy: Floats
    """``(points,)`` accuracy over those."""


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


def _styled(draw: Callable[P, Markup]) -> Callable[P, Markup]:
    """Draw with our settings; the caller's stay unchanged."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Markup:
        with mpl.rc_context(SETTINGS):
            return draw(*args, **kwargs)

    return drawn


@_styled
def dumbbells(pairs: Sequence[BeforeAfter], what: str) -> Markup:
    """A rate per group with its 95 % interval: base above corrected, joined by a line.

    Args:
        pairs: Groups from top to bottom; a rate without rows is left out.
        what: Names the rate, on the axis.
    """
    figure, axes = _before_and_after(pairs)
    axes.set_yticks(range(len(pairs)), [f"{pair.label} (n {pair.base.n})" for pair in pairs])
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel(what)
    spoken = (f"{p.label}: base {_spoken(p.base)}, corrected {_spoken(p.final)}" for p in pairs)
    return _svg(figure, f"{what} per group. " + "; ".join(spoken))


@_styled
def gaps(pairs: Sequence[BeforeAfter]) -> Markup:
    """Differences over groups with their intervals, base above corrected.

    Args:
        pairs: From top to bottom, each a difference in the place of a rate; one that is not known is left
            out.
    """
    figure, axes = _before_and_after(pairs)
    axes.set_yticks(range(len(pairs)), [pair.label for pair in pairs])
    highest = max(0.01, *(rate.high or 0.0 for pair in pairs for rate in (pair.base, pair.final)))
    axes.set_xlim(-0.02 * highest, 1.05 * highest)
    axes.set_xlabel("largest difference between two groups")
    spoken = (f"{p.label}: base {_spoken(p.base)}, corrected {_spoken(p.final)}" for p in pairs)
    return _svg(figure, "Differences over groups. " + "; ".join(spoken))


@_styled
def changes(pairs: Sequence[BeforeAfter], what: str) -> Markup:
    """Effects with their intervals, base above corrected, around a line at zero.

    Args:
        pairs: From top to bottom, each an effect in the place of a rate.
        what: Names the effect, on the axis.
    """
    figure, axes = _before_and_after(pairs)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(pairs)), [pair.label for pair in pairs])
    limits = [
        abs(limit or 0.0)
        for pair in pairs
        for rate in (pair.base, pair.final)
        for limit in (rate.low, rate.high)
    ]
    reach = 1.05 * max([0.02, *limits])
    axes.set_xlim(-reach, reach)
    axes.set_xlabel(what)
    spoken = (f"{p.label}: base {_spoken(p.base)}, corrected {_spoken(p.final)}" for p in pairs)
    return _svg(figure, f"{what}. " + "; ".join(spoken))


def _before_and_after(pairs: Sequence[BeforeAfter]) -> tuple[Figure, Axes]:
    figure, axes = _blank(7.6, 1.5 + 0.5 * max(1, len(pairs)))
    axes.grid(True, axis="x", color=GREY, alpha=0.3)
    for side, name in enumerate(("base", "corrected")):
        colour, marker, _ = LOOKS[side]
        shown = [
            (row, rate)
            for row, rate in enumerate((pair.base, pair.final)[side] for pair in pairs)
            if rate.value is not None and rate.low is not None and rate.high is not None
        ]
        values = [rate.value or 0.0 for _, rate in shown]
        away = [
            [value - (rate.low or 0.0) for value, (_, rate) in zip(values, shown, strict=True)],
            [(rate.high or 0.0) - value for value, (_, rate) in zip(values, shown, strict=True)],
        ]
        heights = [row + 0.14 * (2 * side - 1) for row, _ in shown]
        axes.errorbar(
            values, heights, xerr=away, color=colour, marker=marker, linestyle="none", capsize=3, label=name
        )
    for row, pair in enumerate(pairs):
        if pair.base.value is not None and pair.final.value is not None:
            axes.plot(
                [pair.base.value, pair.final.value],
                [row - 0.14, row + 0.14],
                color=GREY,
                linewidth=1,
                zorder=0,
            )
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    _legend_above(axes)
    return figure, axes


@_styled
def reliability(series: Mapping[str, Sequence[Bin]], predicted: str, observed: str) -> Markup:
    """Reliability diagram: predicted against observed share, per bin.

    On the diagonal the two agree.

    Args:
        series: Bins by name; empty bins are left out.
        predicted: Names the probability, on the x axis.
        observed: Names the rate, on the y axis.
    """
    figure, axes = _blank(6.2, 4.6)
    axes.grid(True, color=GREY, alpha=0.3)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    for (name, bins), (colour, marker, line) in zip(series.items(), LOOKS, strict=False):
        filled = [each for each in bins if each.observed.value is not None]
        x, y = [each.predicted for each in filled], [each.observed.value or 0.0 for each in filled]
        low = [value - (each.observed.low or 0.0) for value, each in zip(y, filled, strict=True)]
        high = [(each.observed.high or 0.0) - value for value, each in zip(y, filled, strict=True)]
        axes.errorbar(
            x, y, yerr=[low, high], color=colour, marker=marker, linestyle=line, capsize=3, label=name
        )
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(predicted)
    axes.set_ylabel(observed)
    _legend_above(axes)
    counts = (f"{name} {sum(each.observed.n for each in bins)} rows" for name, bins in series.items())
    return _svg(figure, f"Reliability diagram: {observed} against {predicted}; " + ", ".join(counts))


@_styled
def risk_coverage(series: Mapping[str, Curve]) -> Markup:
    """Accuracy over the most confident share of rows, against that share."""
    figure, axes = _blank(6.2, 4.2)
    axes.grid(True, color=GREY, alpha=0.3)
    for (name, curve), (colour, _, line) in zip(series.items(), LOOKS, strict=False):
        axes.plot(curve.coverage, curve.accuracy, color=colour, linestyle=line, linewidth=1.8, label=name)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("coverage: share of rows answered, most confident first")
    axes.set_ylabel("accuracy over those rows")
    _legend_above(axes)
    spoken = (
        f"{name} {curve.accuracy[-1]:.3f} over all rows"
        for name, curve in series.items()
        if len(curve.accuracy)
    )
    return _svg(figure, "Selective accuracy over coverage: " + ", ".join(spoken))


@_styled
def flips(counts: Mapping[str, tuple[int, int]], ways: tuple[str, str] = ("mended", "broken")) -> Markup:
    """Rows changed one way (to the right) and the other (to the left), per group.

    Args:
        counts: Right and left, by group.
        ways: What right and left mean.
    """
    to_right, to_left = ways
    figure, axes = _blank(7.6, 1.5 + 0.42 * max(1, len(counts)))
    axes.grid(True, axis="x", color=GREY, alpha=0.3)
    mended, broken = [pair[0] for pair in counts.values()], [pair[1] for pair in counts.values()]
    heights = range(len(counts))
    right = axes.barh(heights, mended, color=BLUE, height=0.6, label=to_right)
    left = axes.barh(
        heights, [-count for count in broken], color=VERMILION, height=0.6, hatch="//", label=to_left
    )
    axes.bar_label(right, [str(count) for count in mended], padding=4)
    # The label of an empty bar would stand on its other side, over the other bar.
    axes.bar_label(left, [str(count) if count else "" for count in broken], padding=4)
    reach = 1.25 * max([1, *mended, *broken])
    axes.set_xlim(-reach, reach)
    axes.set_yticks(heights, list(counts))
    axes.set_ylim(len(counts) - 0.5, -0.5)
    axes.axvline(0, color=INK, linewidth=1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"rows whose answer was {to_left} (left), {to_right} (right)")
    _legend_above(axes)
    spoken = (f"{name}: {up} {to_right}, {down} {to_left}" for name, (up, down) in counts.items())
    return _svg(figure, "Answers changed by the correction. " + "; ".join(spoken))


@_styled
def accuracy_against(points: Sequence[Point], what: str, lower_is_better: bool = False) -> Markup:
    """Overall accuracy (x) against a fairness figure (y), one labelled point per method; up is better.

    Args:
        points: The methods; those on the frontier are filled and joined by a line of steps.
        what: Names the fairness figure, on the axis.
        lower_is_better: Whether the axis is to be turned, so that up is better all the same.
    """
    figure, axes = _blank(7.6, max(4.2, 1.4 + 0.26 * len(points)))
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
    axes.set_ylabel(textwrap.fill(f"{what} ({'lower' if lower_is_better else 'higher'} is better)", 40))
    spoken = (
        f"{p.label}: accuracy {p.x:.3f}, {what} {p.y:.3f} ({p.y_low:.3f} to {p.y_high:.3f})"
        + (", on the frontier" if p.frontier else "")
        for p in points
    )
    return _svg(figure, f"Accuracy against {what}. " + "; ".join(spoken))


def _steps(axes: Axes, points: Sequence[Point]) -> None:
    """Draw the frontier as steps: each point left of it and below it is dominated."""
    ordered = sorted(points, key=lambda point: point.x)
    # Between two methods the next more accurate one is the frontier.
    axes.step(
        [p.x for p in ordered], [p.y for p in ordered], where="pre", color=INK, linewidth=1, linestyle=":"
    )


def _label_on_the_right(axes: Axes, points: Sequence[Point]) -> None:
    """Markers, with their names beside the axes in the order of their heights, without overlap."""
    low, high = axes.get_ylim()
    heights = {id(point): (point.y - low) / (high - low) for point in points}
    ordered = sorted(points, key=lambda point: heights[id(point)])
    for index, (point, place) in enumerate(
        zip(ordered, _spread_apart([heights[id(point)] for point in ordered]), strict=True)
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
            arrowprops={
                "arrowstyle": "-",
                "relpos": (0.0, 0.5),
                "color": GREY,
                "linewidth": 0.6,
                "alpha": 0.5,
            },
        )


def _spread_apart(places: list[float]) -> list[float]:
    """Move sorted heights in 0 to 1 as little as possible to be a line of text apart."""
    apart, gap = list(places), min(0.07, 1.0 / max(1, len(places)))
    for index in range(1, len(apart)):
        apart[index] = max(apart[index], apart[index - 1] + gap)
    top = 1.0
    for index in reversed(range(len(apart))):
        apart[index] = min(apart[index], top)
        top = apart[index] - gap
    return apart


def _blank(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure, in inches, with a transparent background."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Axes = figure.add_subplot()
    figure.patch.set_alpha(0.0)
    axes.patch.set_alpha(0.0)
    return figure, axes


def _legend_above(axes: Axes) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4, borderaxespad=0.2)


def _spoken(rate: Rate) -> str:
    return "no rows" if rate.value is None else f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})"


def _svg(figure: Figure, spoken: str) -> Markup:
    """Bare ``<svg>`` with a title for screen readers, and ids that no other figure of a page has."""
    out = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(out, format="svg", metadata=nothing)
    text = out.getvalue()
    # A style element inside a figure would rule the whole page.
    text = re.sub(r"<style.*?</style>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = text.replace(INK, "currentColor").replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")
    used = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text))
    names = {name for pair in used for name in pair if name}
    mark = sha256(text.encode()).hexdigest()[:8]
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{mark}-{m[1]}"' if m[1] in names else "", text)
    text = re.sub(r'(href="|url\()#', rf"\1#{mark}-", text)
    head, rest = text.split(">", 1)
    box = re.search(r'viewBox="[^"]+"', head)
    assert box is not None
    opening = f'<svg {box[0]} stroke-linejoin="round" role="img" aria-label="{escape(spoken)}">'
    # matplotlib has escaped every label in it.
    return Markup(opening + rest.strip())  # noqa: S704 # nosec B704
