"""How every page and every short answer puts figures into words. What the words mean: ``meanings.html.j2``.

A *rate* is a dictionary of ``n``, ``value``, ``low``, ``high``; the last three are None where no row supports
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from evenhand.training.evaluation.metrics import MIN_CELL

Plain = dict[str, Any]
KEPT = "\N{NO-BREAK SPACE}"
"""A line does not end here."""
SIDES = {"base": "base", "final": "corrected"}
RATES = {
    "selection_rate": "selection rate",
    "true_positive_rate": "true positive rate",
    "false_positive_rate": "false positive rate",
    "accuracy": "accuracy",
}
METRICS = {
    "demographic_parity_difference": "demographic parity difference",
    "demographic_parity_ratio": "demographic parity ratio",
    "equal_opportunity_difference": "equal opportunity difference",
    "predictive_equality_difference": "predictive equality difference",
    "equalized_odds_difference": "equalized odds difference",
    "equalized_odds_difference_mean": "equalized odds difference, mean of the two gaps",
    "worst_cell_accuracy": "worst-cell accuracy",
    "worst_group_accuracy": "worst-group accuracy",
    "abstention_rate_difference": "abstention rate difference",
}


def count(n: int) -> str:
    """``12,345``."""
    return f"{n:,}"


def few(n: int) -> str:
    """A number of rows, and a warning where it is small."""
    return str(n) if n >= MIN_CELL else f"{n} (too few)"


def percent(rate: Mapping[str, Any]) -> str:
    """``47.5 % (32.9 to 62.5)``, or that there is no row."""
    if rate["value"] is None:
        return "no rows"
    return f"{100 * rate['value']:.1f}{KEPT}% ({100 * rate['low']:.1f}{KEPT}to{KEPT}{100 * rate['high']:.1f})"


def number(figure: Mapping[str, Any], none: str = "no rows") -> str:
    """``0.058 (0.041 to 0.072)``, or ``none`` where there is no figure."""
    if figure["value"] is None:
        return none
    return f"{figure['value']:.3f} ({figure['low']:.3f}{KEPT}to{KEPT}{figure['high']:.3f})"


def points(difference: Mapping[str, Any]) -> str:
    """``+2.1 points (+0.3 to +4.0)``, or that there is no row."""
    if difference["value"] is None:
        return "no rows"
    value, low, high = (100 * difference[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} points ({low:+.1f} to {high:+.1f})"


def size(difference: Mapping[str, Any]) -> str:
    """``2.1 points (0.3 to 4.0)``: a clear difference without its sign, the smaller limit first."""
    low, high = sorted(100 * abs(difference[key]) for key in ("low", "high"))
    return f"{100 * abs(difference['value']):.1f} points ({low:.1f} to {high:.1f})"


def verdict(difference: Mapping[str, Any]) -> str:
    """What a change with its interval allows to say."""
    if difference["value"] is None or difference["n"] < MIN_CELL:
        return f"too few rows to say ({difference['n']})"
    if difference["low"] > 0:
        return f"rose by {size(difference)}"
    if difference["high"] < 0:
        return f"fell by {size(difference)}"
    return f"shows no clear change: {points(difference)}"


def duration(seconds: float | None) -> str:
    """A time span, in a unit that suits it."""
    if seconds is None:
        return "not known"
    for unit_s, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def moment(text: str) -> str:
    """A time as people read it, in UTC."""
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
