"""Fairlearn's disparities from counts, with limits and a verdict in three states. Pure functions.

A figure covers every group that has rows, as in Fairlearn; without rows it is ``None``, not 0. A verdict
covers the groups that have enough rows, and names the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evenhand.service.monitoring.groups import RATES, SIDES, Group, Side
from evenhand.stats import Rate

BREACH, NO_EVIDENCE, INSUFFICIENT = "breach", "no evidence of breach", "insufficient data"
Rates = dict[str, Rate]
"""By group."""
GAPS = {
    "demographic_parity_difference": ("selection_rate",),
    "equal_opportunity_difference": ("true_positive_rate",),
    "equalized_odds_difference": ("true_positive_rate", "false_positive_rate"),
}
ABSTENTION = "abstention_rate"
SHARE_OF = {
    "selection_rate": "get a favourable answer",
    "true_positive_rate": "whose true label is favourable get a favourable answer",
    "false_positive_rate": "whose true label is not favourable get a favourable answer",
    ABSTENTION: "get no decision",
}
ROWS = {
    "selection_rate": "rows",
    "true_positive_rate": "rows with a favourable true label",
    "false_positive_rate": "rows with an unfavourable true label",
    "accuracy": "labelled rows",
    ABSTENTION: "rows",
}


@dataclass(frozen=True, slots=True)
class Span:
    """A figure with its 95 % limits, and the groups that it compares."""

    value: float | None
    low: float | None
    high: float | None
    groups: tuple[str, ...] = ()

    def facts(self) -> dict[str, Any]:
        """For a reply."""
        return {"value": self.value, "low": self.low, "high": self.high}


NOTHING = Span(None, None, None)


@dataclass(frozen=True, slots=True)
class MetricSide:
    """One side of one metric."""

    overall: Span
    """Over all groups with rows."""
    among: Span
    """Over the groups with enough rows, which decide the verdict."""
    state: str
    why: str


def gap(rates: Mapping[str, Rate]) -> Span:
    """The largest difference between two groups, with limits for any number of groups."""
    counted = {name: rate for name, rate in rates.items() if rate.n > 0}
    if len(counted) < 2:
        return NOTHING
    values, lows, highs = _columns(counted)
    top, bottom = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
    low = max(0.0, max(lows.values()) - min(highs.values()))
    return Span(values[top] - values[bottom], low, max(highs.values()) - min(lows.values()), (top, bottom))


def ratio(rates: Mapping[str, Rate]) -> Span:
    """The smallest rate divided by the largest; ``None`` values if no group was ever selected."""
    counted = {name: rate for name, rate in rates.items() if rate.n > 0}
    values, lows, highs = _columns(counted)
    if len(counted) < 2 or max(values.values()) == 0:
        return NOTHING
    top, bottom = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
    high = min(1.0, min(highs.values()) / max(lows.values())) if max(lows.values()) else 1.0
    return Span(values[bottom] / values[top], min(lows.values()) / max(highs.values()), high, (top, bottom))


def lowest(rates: Mapping[str, Rate]) -> Span:
    """The lowest rate."""
    counted = {name: rate for name, rate in rates.items() if rate.n > 0}
    if not counted:
        return NOTHING
    values, lows, highs = _columns(counted)
    worst = min(values, key=values.__getitem__)
    return Span(values[worst], min(lows.values()), min(highs.values()), (worst,))


def metrics_of(
    groups: Sequence[Group], limits: Mapping[str, float], usual: float | None
) -> list[dict[str, Any]]:
    """Every disparity of one attribute, base and final, with its verdict.

    Args:
        groups: Its groups.
        limits: ``gap``, ``rows``, ``impact_ratio`` and ``accuracy_drop``.
        usual: Worst-group accuracy in validation; ``None`` if the bundle does not have it.
    """
    rows = int(limits["rows"])
    rates = {
        side: {rate: {group.name: group.pairs(rate).rate(side) for group in groups} for rate in RATES}
        for side in SIDES
    }
    floor = None if usual is None else usual - limits["accuracy_drop"]
    scored: dict[str, tuple[float | None, dict[Side, MetricSide]]] = {
        name: (
            limits["gap"],
            {
                side: _widest([_gap(rates[side][share], share, limits["gap"], rows) for share in shares])
                for side in SIDES
            },
        )
        for name, shares in GAPS.items()
    }
    impact = limits["impact_ratio"]
    scored["demographic_parity_ratio"] = (impact, {side: _ratio(rates[side], impact, rows) for side in SIDES})
    scored["worst_group_accuracy"] = (floor, {side: _worst(rates[side], floor, rows) for side in SIDES})
    return [_facts(name, limit, sides) for name, (limit, sides) in scored.items()]


def _facts(name: str, limit: float | None, sides: Mapping[Side, MetricSide]) -> dict[str, Any]:
    final = sides["final"]
    return {
        "metric": name,
        **{
            side: {
                **side_metric.overall.facts(),
                "state": side_metric.state,
                "among": side_metric.among.facts(),
            }
            for side, side_metric in sides.items()
        },
        "limit": limit,
        "verdict": final.state,
        "why": final.why,
        "groups": list(final.among.groups or final.overall.groups),
    }


def abstention(groups: Sequence[Group], limits: Mapping[str, float]) -> dict[str, Any]:
    """The gap between groups in abstentions: no metric of Fairlearn, but scored like its gaps.

    Args:
        groups: Declared groups of one attribute. Inferred groups always differ, because only flagged rows
            abstain.
        limits: As for :func:`metrics_of`.
    """
    final = _gap(
        {group.name: group.abstained for group in groups}, ABSTENTION, limits["gap"], int(limits["rows"])
    )
    none = Span(0.0, 0.0, 0.0)
    base = MetricSide(none, none, NO_EVIDENCE, "The base model gives every decision.")
    return _facts(f"{ABSTENTION}_difference", limits["gap"], {"base": base, "final": final})


def _gap(rates: Rates, share: str, limit: float, rows: int) -> MetricSide:
    overall, enough = gap(rates), _enough(rates, rows)
    among, out = gap(enough), _left_out(rates, rows, ROWS[share])
    if among.value is None or among.low is None or among.high is None:
        return MetricSide(
            overall, among, INSUFFICIENT, f"Fewer than two groups have {rows} {ROWS[share]}. {out}".strip()
        )
    top, bottom = among.groups
    said = (
        f"{percent(enough[bottom].value)} of {quoted(bottom)} and {percent(enough[top].value)} of "
        f"{quoted(top)} {SHARE_OF[share]}: a gap of {points(among.value)} points "
        f"(95 % limits {points(among.low)} to {points(among.high)})"
    )
    if among.low > limit:
        return MetricSide(
            overall, among, BREACH, f"{said}, surely more than the {100 * limit:g} allowed. {out}".strip()
        )
    return MetricSide(
        overall,
        among,
        NO_EVIDENCE,
        f"{said}, not surely more than the {100 * limit:g} allowed. {out}".strip(),
    )


def _widest(gaps: Sequence[MetricSide]) -> MetricSide:
    """The larger of several gaps. One breach decides; else one gap with too few rows leaves it open."""
    if len(gaps) == 1:
        return gaps[0]
    state = next(
        state for state in (BREACH, INSUFFICIENT, NO_EVIDENCE) if state in {side.state for side in gaps}
    )
    deciding = max((side for side in gaps if side.state == state), key=lambda side: side.among.value or 0.0)
    overall = _larger([side.overall for side in gaps])
    # A breach stands whatever a gap with too few rows is: the larger of both is at least as wide.
    among = _larger([side.among for side in gaps if state != BREACH or side.among.value is not None])
    return MetricSide(overall, among, state, deciding.why)


def _larger(spans: Sequence[Span]) -> Span:
    """The larger figure; ``None`` values if one of the figures is ``None``."""
    if any(span.value is None for span in spans):
        return NOTHING
    largest = max(spans, key=lambda span: span.value or 0.0)
    lows, highs = [span.low or 0.0 for span in spans], [span.high or 0.0 for span in spans]
    return Span(largest.value, max(lows), max(highs), largest.groups)


def _ratio(rates: Mapping[str, Rates], limit: float, rows: int) -> MetricSide:
    shares = rates["selection_rate"]
    overall, enough, out = ratio(shares), _enough(shares, rows), _left_out(shares, rows, "rows")
    among = ratio(enough)
    if among.value is None or among.high is None:
        why = "No group was ever selected" if len(enough) > 1 else f"Fewer than two groups have {rows} rows"
        return MetricSide(overall, among, INSUFFICIENT, f"{why}. {out}".strip())
    top, bottom = among.groups
    said = (
        f"{quoted(bottom)} is selected {among.value:.2f} times as often as {quoted(top)} "
        f"(95 % limits {among.low:.2f} to {among.high:.2f})"
    )
    surely = among.high < limit
    why = f"{said}, {'surely' if surely else 'not surely'} less than the {limit:g} asked for. {out}".strip()
    return MetricSide(overall, among, BREACH if surely else NO_EVIDENCE, why)


def _worst(rates: Mapping[str, Rates], floor: float | None, rows: int) -> MetricSide:
    shares = rates["accuracy"]
    overall, enough, out = lowest(shares), _enough(shares, rows), _left_out(shares, rows, ROWS["accuracy"])
    among = lowest(enough)
    if among.value is None or among.high is None:
        return MetricSide(overall, among, INSUFFICIENT, f"No group has {rows} labelled rows. {out}".strip())
    said = f"{quoted(among.groups[0])} has the lowest accuracy, {percent(among.value)}"
    if floor is None:
        why = f"{said}; the bundle does not say what to expect, so there is nothing to compare it with. {out}"
        return MetricSide(overall, among, INSUFFICIENT, why.strip())
    surely = among.high < floor
    why = f"{said}, {'surely' if surely else 'not surely'} below {percent(floor)}. {out}".strip()
    return MetricSide(overall, among, BREACH if surely else NO_EVIDENCE, why)


def _enough(rates: Rates, rows: int) -> Rates:
    return {name: rate for name, rate in rates.items() if rate.n >= max(1, rows)}


def _left_out(rates: Rates, rows: int, what: str) -> str:
    """A sentence about the groups that the verdict does not cover, and why."""
    few = [f"{quoted(name)} ({rate.n})" for name, rate in rates.items() if rate.n < rows]
    return f"Left out, with fewer than {rows} {what}: {', '.join(few)}." if few else ""


def _columns(rates: Mapping[str, Rate]) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    values = {name: rate.value or 0.0 for name, rate in rates.items()}
    lows = {name: rate.low or 0.0 for name, rate in rates.items()}
    return values, lows, {name: rate.high or 0.0 for name, rate in rates.items()}


def percent(share: float | None) -> str:
    """A share in per cent."""
    return "none" if share is None else f"{100 * share:.1f} %"


def points(share: float) -> str:
    """A difference of shares, in percentage points."""
    return f"{100 * share:.1f}"


def quoted(group: str) -> str:
    """A group's name in quotation marks: it may be any word, such as none."""
    return f"“{group}”"
