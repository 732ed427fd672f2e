"""Fairlearn's disparities, and the worst cell, from counts with limits of uncertainty. Pure functions.

The target of an attribute gets a verdict in three states. Every other metric is information: it has figures,
and no limit and no verdict.

A figure covers every group that has rows, as in Fairlearn; without rows it is ``None``, not 0. A verdict
covers the groups that have enough rows, and names the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evenhand.models.bundle.aims import Aim
from evenhand.service.monitoring.groups import SIDES, Group, LabelCell, LabelKinds, Side, label_cells
from evenhand.stats import Rate

State = Literal["breach", "no evidence of breach", "insufficient data"]
BREACH: State = "breach"
NO_EVIDENCE: State = "no evidence of breach"
INSUFFICIENT: State = "insufficient data"
Rates = dict[str, Rate]
"""By group."""
GAPS = {
    "demographic_parity_difference": ("selection_rate",),
    "equal_opportunity_difference": ("true_positive_rate",),
    "predictive_equality_difference": ("false_positive_rate",),
    "equalized_odds_difference": ("true_positive_rate", "false_positive_rate"),
}
WORST_CELL = "worst_cell_accuracy"
METRICS = (*GAPS, WORST_CELL, "demographic_parity_ratio", "worst_group_accuracy")
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
MERGED = (
    "The record counts whether an answer is favourable, not which label it is: a cell here is a group with "
    "favourable or with unfavourable true labels."
)


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
class Figure:
    """A figure of one side; equalized odds has two."""

    overall: Span
    """Over all groups with rows."""
    among: Span
    """Over the groups with enough rows, which decide a verdict."""
    said: str
    """The figure among them in words; or why there is none."""
    out: str = ""
    """Who is left out, in a sentence."""

    def sentence(self, verdict: str = "") -> str:
        """The figure and a verdict in words."""
        return f"{self.said}{verdict}. {self.out}".strip()


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict and its reason."""

    state: State
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


def figures_of(name: str, groups: Sequence[Group], side: Side, rows: int, kinds: LabelKinds) -> list[Figure]:
    """The figures that a metric is the largest of: two gaps for equalized odds, one for all others.

    Args:
        name: One of :data:`METRICS`.
        groups: Groups of one attribute.
        side: ``base`` or ``final``.
        rows: Smallest number of rows that decide.
        kinds: What true labels are called.
    """
    if name in GAPS:
        return [_gap(_rates(groups, rate, side), rate, rows) for rate in GAPS[name]]
    if name == WORST_CELL:
        return [_worst_cell(label_cells(groups, kinds), side, rows, kinds)]
    if name == "demographic_parity_ratio":
        return [_ratio(_rates(groups, "selection_rate", side), rows)]
    return [_worst_group(_rates(groups, "accuracy", side), rows)]


def judge(figures: Sequence[Figure], aim: Aim) -> Judged:
    """Whether the target's figure is surely beyond its limit.

    One gap in breach decides; else one with too few rows leaves it open.
    """
    judged = [_judge(figure, aim) for figure in figures]
    state = next(
        state for state in (BREACH, INSUFFICIENT, NO_EVIDENCE) if state in {each.state for each in judged}
    )
    deciding = max(
        (place for place, each in enumerate(judged) if each.state == state),
        key=lambda place: figures[place].among.value or 0.0,
    )
    return judged[deciding]


def _judge(figure: Figure, aim: Aim) -> Judged:
    among = figure.among
    if among.value is None or among.low is None or among.high is None:
        return Judged(INSUFFICIENT, figure.sentence())
    if aim.limit is None:
        return Judged(INSUFFICIENT, figure.sentence("; the bundle does not say what to expect"))
    if aim.is_gap:
        surely, than = among.low > aim.limit, f"more than the {100 * aim.limit:g} allowed"
    else:
        surely, than = among.high < aim.limit, f"below the {percent(aim.limit)} asked for"
    verdict = f", {'surely' if surely else 'not surely'} {than}"
    return Judged(BREACH if surely else NO_EVIDENCE, figure.sentence(verdict))


def metrics_of(
    groups: Sequence[Group], aim: Aim | None, rows: int, kinds: LabelKinds
) -> list[dict[str, Any]]:
    """Every disparity of one attribute, base and final; the target with its verdict.

    Args:
        groups: Its groups.
        aim: The target; ``None`` if every metric is information.
        rows: Smallest number of rows for a verdict.
        kinds: What true labels are called.
    """
    return [
        _facts(
            name,
            {side: figures_of(name, groups, side, rows, kinds) for side in SIDES},
            aim if aim is not None and aim.figure == name else None,
        )
        for name in METRICS
    ]


def _facts(name: str, sides: Mapping[Side, Sequence[Figure]], aim: Aim | None) -> dict[str, Any]:
    judged = {side: None if aim is None else judge(figures, aim) for side, figures in sides.items()}
    final = judged["final"]
    among = among_of(sides["final"], final)
    return {
        "metric": name,
        "role": "information" if aim is None else "target",
        **{
            side: {
                **_larger([figure.overall for figure in figures]).facts(),
                "state": None if verdict is None else verdict.state,
                "among": among_of(figures, verdict).facts(),
            }
            for (side, figures), verdict in zip(sides.items(), judged.values(), strict=True)
        },
        "limit": None if aim is None else aim.limit,
        "verdict": None if final is None else final.state,
        "why": _information(sides["final"]) if final is None else final.why,
        "groups": list(among.groups or _larger([figure.overall for figure in sides["final"]]).groups),
    }


def among_of(figures: Sequence[Figure], judged: Judged | None = None) -> Span:
    """The largest figure over groups with enough rows; none if one of several has too few.

    A breach stands whatever a gap with too few rows is: the larger of both is at least as wide.
    """
    is_breach = judged is not None and judged.state == BREACH
    spans = [figure.among for figure in figures]
    return _larger([span for span in spans if span.value is not None] if is_breach else spans)


def _information(figures: Sequence[Figure]) -> str:
    open_ones = [figure for figure in figures if figure.among.value is None]
    return max(open_ones or figures, key=lambda figure: figure.among.value or 0.0).sentence()


def abstention(groups: Sequence[Group], rows: int) -> dict[str, Any]:
    """The gap between groups in abstentions: no metric of Fairlearn, and information.

    Args:
        groups: Declared groups of one attribute. Inferred groups always differ, because only flagged rows
            abstain.
        rows: Smallest number of rows of a group.
    """
    final = _gap({group.name: group.abstained for group in groups}, ABSTENTION, rows)
    none = Span(0.0, 0.0, 0.0)
    base = Figure(none, none, "The base model gives every decision")
    return _facts(f"{ABSTENTION}_difference", {"base": [base], "final": [final]}, None)


def _rates(groups: Sequence[Group], rate: str, side: Side) -> Rates:
    return {group.name: group.pairs(rate).rate(side) for group in groups}


def _gap(rates: Rates, share: str, rows: int) -> Figure:
    overall, enough = gap(rates), _enough(rates, rows)
    among, out = gap(enough), _left_out(rates, rows, ROWS[share])
    if among.value is None or among.low is None or among.high is None:
        return Figure(overall, among, f"Fewer than two groups have {rows} {ROWS[share]}", out)
    top, bottom = among.groups
    said = (
        f"{percent(enough[bottom].value)} of {quoted(bottom)} and {percent(enough[top].value)} of "
        f"{quoted(top)} {SHARE_OF[share]}: a gap of {points(among.value)} points "
        f"(95 % limits {points(among.low)} to {points(among.high)})"
    )
    return Figure(overall, among, said, out)


def _larger(spans: Sequence[Span]) -> Span:
    """The larger figure; ``None`` values if one of the figures is ``None``."""
    if len(spans) == 1:
        return spans[0]
    if any(span.value is None for span in spans):
        return NOTHING
    largest = max(spans, key=lambda span: span.value or 0.0)
    lows, highs = [span.low or 0.0 for span in spans], [span.high or 0.0 for span in spans]
    return Span(largest.value, max(lows), max(highs), largest.groups)


def _ratio(shares: Rates, rows: int) -> Figure:
    overall, enough, out = ratio(shares), _enough(shares, rows), _left_out(shares, rows, "rows")
    among = ratio(enough)
    if among.value is None or among.low is None or among.high is None:
        why = "No group was ever selected" if len(enough) > 1 else f"Fewer than two groups have {rows} rows"
        return Figure(overall, among, why, out)
    top, bottom = among.groups
    said = (
        f"{quoted(bottom)} is selected {among.value:.2f} times as often as {quoted(top)} "
        f"(95 % limits {among.low:.2f} to {among.high:.2f})"
    )
    return Figure(overall, among, said, out)


def _worst_group(shares: Rates, rows: int) -> Figure:
    overall, enough, out = lowest(shares), _enough(shares, rows), _left_out(shares, rows, ROWS["accuracy"])
    among = lowest(enough)
    if among.value is None:
        return Figure(overall, among, f"No group has {rows} labelled rows", out)
    said = f"{quoted(among.groups[0])} has the lowest accuracy, {percent(among.value)}"
    return Figure(overall, among, said, out)


def _worst_cell(cells: Sequence[LabelCell], side: Side, rows: int, kinds: LabelKinds) -> Figure:
    """Groups of the span are those of the worst cell."""
    named = {in_words(cell): cell for cell in cells}
    rates = {name: cell.correct.rate(side) for name, cell in named.items()}
    overall, among = lowest(rates), lowest(_enough(rates, rows))
    silent = [group for group in dict.fromkeys(cell.group for cell in cells) if _is_silent(cells, group)]
    few = [
        *(
            f"{name} ({rate.n})"
            for name, rate in rates.items()
            if rate.n < rows and named[name].group not in silent
        ),
        *(f"{quoted(group)} (0)" for group in silent),
    ]
    out = [f"Left out, with fewer than {rows} labelled rows: {', '.join(few)}."] if few else []
    if among.value is None or among.low is None or among.high is None:
        said = f"No group has {rows} rows with the same true label"
    else:
        said = (
            f"Of {among.groups[0]} {percent(among.value)} are answered right, the fewest "
            f"(95 % limits {points(among.low)} to {points(among.high)})"
        )
    spans = [
        Span(span.value, span.low, span.high, tuple(named[name].group for name in span.groups))
        for span in (overall, among)
    ]
    return Figure(spans[0], spans[1], said, " ".join([*([MERGED] if kinds.merged else []), *out]))


def _is_silent(cells: Sequence[LabelCell], group: str) -> bool:
    """Whether a group has no labelled row at all."""
    return not any(cell.correct.n for cell in cells if cell.group == group)


def in_words(cell: LabelCell) -> str:
    """A cell: ``“women” with true label “high”``."""
    return f"{quoted(cell.group)} with true label {quoted(cell.label)}"


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
