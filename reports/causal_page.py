"""The page and the short answer of ``evenhand causal``."""

from __future__ import annotations

from typing import Any

from evenhand.reports.html import plots
from evenhand.reports.html.page import render
from evenhand.reports.html.wording import SIDES, points
from evenhand.stats import Rate
from evenhand.training.evaluation.metrics import MIN_CELL

Plain = dict[str, Any]


def in_short(result: Plain) -> list[str]:
    """The answer in a few lines."""
    reference, lines = result["reference"], []
    for group, ways in result["effects"].items():
        for way in ("total", "direct", "indirect"):
            base, final = (points(ways[way][side]["decision"]) for side in SIDES)
            lines.append(
                f"{group} instead of {reference}, {way} effect on favourable decisions: {base} without "
                f"correction, {final} as served."
            )
    lines += [
        f"{name}: cannot be told; {column} is on such a path and on another."
        for name, column in result["not_told"].items()
    ]
    lines += [f"{group}: insufficient data ({n} rows)." for group, n in result["few"].items()]
    return lines


def html(result: Plain) -> str:
    """Write the page.

    Args:
        result: What :func:`evenhand.training.causal.effects.causal` returns.
    """
    charts = {group: _chart(ways) for group, ways in result["effects"].items()}
    return render(
        "causal.html.j2", result=result, in_short=in_short(result), charts=charts, min_rows=MIN_CELL
    )


def _chart(ways: Plain) -> str:
    pairs = [
        plots.BeforeAfter(way, *(Rate(**of[side]["decision"]) for side in SIDES)) for way, of in ways.items()
    ]
    return plots.changes(pairs, "change of the share of favourable decisions")
