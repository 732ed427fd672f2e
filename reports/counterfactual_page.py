"""The page and the short answer of ``evenhand flip``."""

from __future__ import annotations

from typing import Any

from evenhand.reports.html import plots
from evenhand.reports.html.page import render
from evenhand.reports.html.wording import percent
from evenhand.stats import Rate
from evenhand.training.evaluation.metrics import MIN_CELL

Plain = dict[str, Any]


def in_short(result: Plain) -> list[str]:
    """The answer in a few lines."""
    rows = result["data"]["rows"]
    lines = [f"{rows['swapped']} of {rows['tried']} rows name a group that could be swapped."]
    for name, of in result["attributes"].items():
        few = f" Fewer than {MIN_CELL} rows: insufficient data." if of["rows"] < MIN_CELL else ""
        lines.append(
            f"{name}: of {of['rows']} rows some swap flips the label of {percent(of['any']['base'])} without "
            f"correction, {percent(of['any']['final'])} as served.{few}"
        )
    lines += [f"{name}: not swapped; {why}." for name, why in result["not_swapped"].items()]
    return lines


def html(result: Plain) -> str:
    """Write the page.

    Args:
        result: What :func:`evenhand.training.counterfactual.flip_rate.flip` returns.
    """
    charts = {name: _chart(of["directions"]) for name, of in result["attributes"].items()}
    return render(
        "counterfactual.html.j2", result=result, in_short=in_short(result), charts=charts, min_rows=MIN_CELL
    )


def _chart(directions: list[Plain]) -> str:
    pairs = [
        plots.BeforeAfter(
            f"{way['source']} to {way['target']}",
            Rate(**way["base"]["flipped"]),
            Rate(**way["final"]["flipped"]),
        )
        for way in directions
    ]
    return plots.dumbbells(pairs, "share of labels that flip")
