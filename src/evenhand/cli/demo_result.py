"""What ``evenhand demo`` says of its traffic, from the replies of the service."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def in_words(trend: Mapping[str, Any], fairness: Mapping[str, Any]) -> list[str]:
    """The result: the target over time, what the correction cost, and the cells that lose.

    Args:
        trend: The reply of ``GET /fairness/trend``.
        fairness: The reply of ``GET /fairness`` for the same window.
    """
    of = {each["attribute"]: each for each in fairness["attributes"]}
    lines = []
    for aim in trend["attributes"]:
        lines.append(f"{aim['attribute']}: {aim['figure'].replace('_', ' ')}")
        if aim["why"]:
            lines.append(f"  {aim['why']}")
            continue
        for stretch in aim["stretches"][-2:]:
            lines.append(f"  {stretch['after'] or 'before the first switch'}: {_stretch(stretch, aim)}")
        if aim["attribute"] in of:
            lines += [f"  {line}" for line in _losing(of[aim["attribute"]])]
    return [
        *lines,
        *_overall(fairness["correction"]),
        f"All of it over the last {trend['window']['hours']} hours, from {trend['source']} of the record.",
    ]


def _stretch(stretch: Mapping[str, Any], aim: Mapping[str, Any]) -> str:
    base, final = stretch["base"], stretch["final"]
    if final["value"] is None:
        return f"too few rows ({stretch['rows']:,})"
    gap = " points" if aim["measure"] != "worst-cell" else " %"
    return (
        f"{_points(base['value'])}{gap} before correction, {_points(final['value'])}{gap} after it "
        f"(95 % limits {_points(final['low'])} to {_points(final['high'])}; {' and '.join(final['groups'])}; "
        f"{stretch['n']:,} rows)"
    )


def _overall(done: Mapping[str, Any]) -> list[str]:
    """What the correction did to all rows: for every attribute the same, so it is said once."""
    if not done["labels"]:
        return []
    change = done["accuracy_change"]
    return [
        f"mended {done['mended']:,} and broke {done['broken']:,} of {done['labels']:,} labelled answers: "
        f"accuracy {_signed(change['value'])} points "
        f"({_signed(change['low'])} to {_signed(change['high'])})"
    ]


def _losing(attribute: Mapping[str, Any]) -> list[str]:
    """The cells of an attribute that lose."""
    return [
        f"{'surely loses' if cell['surely'] else 'loses'}: {cell['group']}, {cell['label']}: "
        f"{_signed(cell['value'])} points ({_signed(cell['low'])} to {_signed(cell['high'])}; "
        f"{cell['n']:,} rows)"
        for cell in attribute["sources"]["declared"]["correction"]["losing"]
    ]


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def _signed(share: float) -> str:
    return f"{100 * share:+.1f}"
