"""The worst slices, as parts of the page."""

from __future__ import annotations

from typing import Any

from evenhand.reports.page_fairness import MARKS
from evenhand.reports.slices import LEVEL
from evenhand.reports.words import OUTCOMES, count, where
from evenhand.service.monitoring.disparity import INSUFFICIENT
from evenhand.training.pages import paragraph, table
from evenhand.training.words import percent

Plain = dict[str, Any]


def slices(told: Plain) -> list[str]:
    """How they were looked for, and what was found by each outcome."""
    own = (
        ""
        if told["in_own_table"] is None
        else f" {count(told['in_own_table'])} decisions are in the table of own features."
    )
    parts = [
        paragraph(
            f"Rows were sliced by up to three of: {', '.join(told['features']) or 'nothing that varies'}.{own} "
            "The list was made on one random half of the rows and tested on the other, so that no rate is flattered "
            f"by the search. A slice is a breach if its share is above the rest's by surely more than "
            f"{100 * told['tolerance']:g} points; over all slices of a list this happens by chance in at most "
            f"{100 * LEVEL:g} of 100 reports."
        )
    ]
    for outcome, words in OUTCOMES.items():
        parts += _found(told[outcome], words)
    return parts


def _found(found: Plain, words: str) -> list[str]:
    if found["verdict"] == INSUFFICIENT and not found["slices"]:
        needed = 4 * found["least_rows"]
        return [
            paragraph(f"By {words}: insufficient data. {count(found['rows'])} rows, and {count(needed)} are needed.")
        ]
    scope = (
        f"{count(found['counted'])} slices of at least {count(found['least_rows'])} rows were looked at on "
        f"{count(found['searched_rows'])} rows"
    )
    overall = f"the share over all rows is {percent(found['overall'])}"
    if not found["slices"]:
        return [paragraph(f"By {words}: {scope}; none is worse than the others. {overall.capitalize()}.")]
    rows = [
        [where(each), each["verdict"], count(each["rows"]), percent(each["rate"]), percent(each["rest"]), _apart(each)]
        for each in found["slices"]
    ]
    header = ["slice", "verdict", "rows", f"share of {words}", "elsewhere", "difference in points"]
    tested = count(found["tested_rows"])
    return [table(header, rows, f"By {words}: {scope}, the worst tested on {tested} others; {overall}.", MARKS)]


def _apart(each: Plain) -> str:
    if each["difference"] is None:
        return "not known"
    value, low, high = (100 * part for part in each["difference"])
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
