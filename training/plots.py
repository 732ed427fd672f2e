"""Figures as inline SVG: same input, same bytes. Text stays text, to be read aloud, searched and recoloured.

Base and corrected differ by shape as well as by colour (two of Okabe and Ito's, which hold on white and on black).
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
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
"""Stands for the page's text colour: written as ``currentColor``, so that a figure is legible in the dark."""
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
class Pair:
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


def styled(draw: Callable[P, str]) -> Callable[P, str]:
    """Draw under our settings; whoever calls keeps theirs."""

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> str:
        with mpl.rc_context(SETTINGS):
            return draw(*args, **kwargs)

    return drawn


@styled
def dumbbells(pairs: Sequence[Pair], what: str) -> str:
    """A rate per group with its 95 % interval, base above corrected, joined by a line.

    Args:
        pairs: Groups from top to bottom; a rate without rows is left out.
        what: Names the rate, on the axis.
    """
    figure, axes = _before_and_after(pairs)
    axes.set_yticks(range(len(pairs)), [f"{pair.label} (n {pair.base.n})" for pair in pairs])
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel(what)
    said = (f"{p.label}: base {_said(p.base)}, corrected {_said(p.final)}" for p in pairs)
    return svg(figure, f"{what} per group. " + "; ".join(said))


@styled
def gaps(pairs: Sequence[Pair], limit: float) -> str:
    """Differences over groups with their intervals, base above corrected, beside what is tolerated.

    Args:
        pairs: From top to bottom, each a difference in the place of a rate; one that is not known is left out.
        limit: The largest difference that is in order.
    """
    figure, axes = _before_and_after(pairs)
    axes.axvline(limit, color=INK, linewidth=1, linestyle=":")
    axes.annotate(
        f" tolerated: {limit:g}", (limit, 1), xycoords=("data", "axes fraction"), va="top", ha="left", fontsize=9
    )
    axes.set_yticks(range(len(pairs)), [pair.label for pair in pairs])
    highest = max([limit, *(rate.high or 0.0 for pair in pairs for rate in (pair.base, pair.final))])
    axes.set_xlim(-0.02 * highest, 1.05 * highest)
    axes.set_xlabel("largest difference between two groups")
    said = (f"{p.label}: base {_said(p.base)}, corrected {_said(p.final)}" for p in pairs)
    return svg(figure, f"Differences over groups; {limit:g} is tolerated. " + "; ".join(said))


@styled
def changes(pairs: Sequence[Pair], what: str) -> str:
    """Effects with their intervals, base above corrected, on both sides of nothing.

    Args:
        pairs: From top to bottom, each an effect in the place of a rate.
        what: Names the effect, on the axis.
    """
    figure, axes = _before_and_after(pairs)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(range(len(pairs)), [pair.label for pair in pairs])
    limits = [
        abs(limit or 0.0) for pair in pairs for rate in (pair.base, pair.final) for limit in (rate.low, rate.high)
    ]
    reach = 1.05 * max([0.02, *limits])
    axes.set_xlim(-reach, reach)
    axes.set_xlabel(what)
    said = (f"{p.label}: base {_said(p.base)}, corrected {_said(p.final)}" for p in pairs)
    return svg(figure, f"{what}. " + "; ".join(said))


def _before_and_after(pairs: Sequence[Pair]) -> tuple[Figure, Axes]:
    figure, axes = blank(7.6, 1.5 + 0.5 * max(1, len(pairs)))
    axes.grid(True, axis="x", color=GREY, alpha=0.3)
    for side, name in enumerate(("base", "corrected")):
        colour, marker, _ = LOOKS[side]
        known = [
            (row, rate)
            for row, rate in enumerate((pair.base, pair.final)[side] for pair in pairs)
            if rate.value is not None and rate.low is not None and rate.high is not None
        ]
        values = [rate.value or 0.0 for _, rate in known]
        away = [
            [value - (rate.low or 0.0) for value, (_, rate) in zip(values, known, strict=True)],
            [(rate.high or 0.0) - value for value, (_, rate) in zip(values, known, strict=True)],
        ]
        heights = [row + 0.14 * (2 * side - 1) for row, _ in known]
        axes.errorbar(values, heights, xerr=away, color=colour, marker=marker, linestyle="none", capsize=3, label=name)
    for row, pair in enumerate(pairs):
        if pair.base.value is not None and pair.final.value is not None:
            axes.plot([pair.base.value, pair.final.value], [row - 0.14, row + 0.14], color=GREY, linewidth=1, zorder=0)
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    _legend_above(axes)
    return figure, axes


@styled
def reliability(series: Mapping[str, Sequence[Bin]], predicted: str, observed: str) -> str:
    """Reliability diagram: what was predicted against how often it held, per bin; on the diagonal the two agree.

    Args:
        series: Bins by name; empty bins are left out.
        predicted: Names the probability, on the x axis.
        observed: Names the rate, on the y axis.
    """
    figure, axes = blank(6.2, 4.6)
    axes.grid(True, color=GREY, alpha=0.3)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    for (name, bins), (colour, marker, line) in zip(series.items(), LOOKS, strict=False):
        filled = [each for each in bins if each.observed.value is not None]
        x, y = [each.predicted for each in filled], [each.observed.value or 0.0 for each in filled]
        low = [value - (each.observed.low or 0.0) for value, each in zip(y, filled, strict=True)]
        high = [(each.observed.high or 0.0) - value for value, each in zip(y, filled, strict=True)]
        axes.errorbar(x, y, yerr=[low, high], color=colour, marker=marker, linestyle=line, capsize=3, label=name)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel(predicted)
    axes.set_ylabel(observed)
    _legend_above(axes)
    counts = (f"{name} {sum(each.observed.n for each in bins)} rows" for name, bins in series.items())
    return svg(figure, f"Reliability diagram: {observed} against {predicted}; " + ", ".join(counts))


@styled
def risk_coverage(series: Mapping[str, Curve]) -> str:
    """Accuracy over the most confident share of rows, against that share."""
    figure, axes = blank(6.2, 4.2)
    axes.grid(True, color=GREY, alpha=0.3)
    for (name, curve), (colour, _, line) in zip(series.items(), LOOKS, strict=False):
        axes.plot(curve.coverage, curve.accuracy, color=colour, linestyle=line, linewidth=1.8, label=name)
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("coverage: share of rows answered, most confident first")
    axes.set_ylabel("accuracy over those rows")
    _legend_above(axes)
    said = (f"{name} {curve.accuracy[-1]:.3f} over all rows" for name, curve in series.items() if len(curve.accuracy))
    return svg(figure, "Selective accuracy over coverage: " + ", ".join(said))


@styled
def flips(counts: Mapping[str, tuple[int, int]], ways: tuple[str, str] = ("mended", "broken")) -> str:
    """Rows changed one way (to the right) and the other (to the left), per group.

    Args:
        counts: Right and left, by group.
        ways: What right and left mean.
    """
    to_right, to_left = ways
    figure, axes = blank(7.6, 1.5 + 0.42 * max(1, len(counts)))
    axes.grid(True, axis="x", color=GREY, alpha=0.3)
    mended, broken = [pair[0] for pair in counts.values()], [pair[1] for pair in counts.values()]
    heights = range(len(counts))
    right = axes.barh(heights, mended, color=BLUE, height=0.6, label=to_right)
    left = axes.barh(heights, [-count for count in broken], color=VERMILION, height=0.6, hatch="//", label=to_left)
    axes.bar_label(right, [str(count) for count in mended], padding=4)
    axes.bar_label(left, [str(count) for count in broken], padding=4)
    reach = 1.25 * max([1, *mended, *broken])
    axes.set_xlim(-reach, reach)
    axes.set_yticks(heights, list(counts))
    axes.set_ylim(len(counts) - 0.5, -0.5)
    axes.axvline(0, color=INK, linewidth=1)
    axes.xaxis.set_major_formatter(lambda value, _: f"{abs(value):g}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(f"rows whose answer was {to_left} (left), {to_right} (right)")
    _legend_above(axes)
    said = (f"{name}: {up} {to_right}, {down} {to_left}" for name, (up, down) in counts.items())
    return svg(figure, "Answers changed by the correction. " + "; ".join(said))


def blank(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure, in inches, that lets the page show through."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Axes = figure.add_subplot()
    figure.patch.set_alpha(0.0)
    axes.patch.set_alpha(0.0)
    return figure, axes


def _legend_above(axes: Axes) -> None:
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=4, borderaxespad=0.2)


def _said(rate: Rate) -> str:
    return "no rows" if rate.value is None else f"{rate.value:.3f} ({rate.low:.3f} to {rate.high:.3f})"


def svg(figure: Figure, said: str) -> str:
    """Bare ``<svg>`` that says aloud what it shows, with ids no other figure of a page has."""
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
    return f'<svg {box[0]} stroke-linejoin="round" role="img" aria-label="{escape(said)}">{rest.strip()}'
