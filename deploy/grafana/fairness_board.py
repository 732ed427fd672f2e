"""The fairness dashboard: what is wrong now, for which group, since when, and whether the correction helps.

Figures are Fairlearn's. They come from the rules in deploy/prometheus/rules, where each is written down once.
"""

from __future__ import annotations

from board import Board, add_fairness, alert_table
from colours import BLUE, GREY, VERMILLION
from fairness_detail import (
    METRICS,
    benefit,
    effective_rows,
    evidence,
    flips,
    gap,
    groups_now,
    ratio,
    selection,
    soft,
    worst_group,
)
from grafana_foundation_sdk.models import dashboard as models
from parts import (
    NUMBER,
    About,
    Column,
    Line,
    bars,
    count,
    joined,
    parts_of_limit,
    state,
    states,
    steps,
    value,
)
from series import ALERTS, LABELLED, MODEL, SCOPE, WINDOW, limit, recorded

STATES = (
    "breach: the lower limit of the gap between groups with enough rows is above the limit. No evidence of "
    "breach: every group has enough rows, and it is not. Insufficient data: no breach among the groups "
    "with enough rows, but there are others; it is not a pass."
)


def make_fairness() -> models.Dashboard:
    """Build it."""
    board = Board(
        "evenhand-fairness", "Gaps between groups before and after correction, with what is known of them."
    )
    add_fairness(board)
    board.alerts(ALERTS)
    board.row("Is anything wrong now, for whom, since when, does the correction help?")
    board.line(8, (4, _verdict_now()), (12, _for_whom()), (4, _gap_closed()), (4, _mended_and_broken()))
    board.line(9, (14, _since_when()), (10, _alerts()))
    board.row("Where too little is known")
    board.line(8, (4, _undecided()), (8, _enough_rows()), (8, _enough_labels()), (4, _sources()))
    board.row("$attribute", repeat="attribute")
    board.line(8, *((8, gap(name)) for name in METRICS))
    board.line(8, (8, ratio()), (8, worst_group()), (8, evidence("detector")))
    board.line(9, (24, groups_now()))
    board.line(8, (8, flips()), (8, benefit()), (8, evidence("since_start")))
    board.row("Each group")
    board.line(7, (24, selection()))
    board.row("Estimate for rows without declared groups")
    board.line(8, (16, soft()), (8, effective_rows()))
    return board.build()


def _verdicts() -> str:
    return f'{{__name__=~"evenhand:({"|".join(METRICS)})_verdict:${{window}}", {SCOPE}}}'


def _verdict_now() -> object:
    about = About(
        "Anything wrong?",
        f"The worst verdict over the chosen attributes and three metrics of the served answers. {STATES} "
        f"{WINDOW}",
        "at a breach read what stands to the right, then the runbook page; at insufficient data the row "
        "below.",
        "FairnessSelectionGap",
    )
    return state(about, Line("verdict", f"(max({_verdicts()}) == 2) or min({_verdicts()})", "worst verdict"))


def _for_whom() -> object:
    about = About(
        "For whom",
        "Per attribute the groups with the lowest and the highest share of favourable answers after "
        "correction, the gap between them (Fairlearn's demographic_parity_difference) before and after, "
        "and its lower 95 % limit.",
        "compare the lower limit, not the gap itself, with the limit; few rows make large gaps by chance.",
    )
    columns = [
        Column("lowest", _extreme("bottomk", "lowest"), "Lowest rate", label="lowest"),
        Column("highest", _extreme("topk", "highest"), "Highest rate", label="highest"),
        Column("before", _per_attribute("demographic_parity_difference_base"), "Gap before"),
        Column("after", _per_attribute("demographic_parity_difference_final"), "Gap after"),
        Column("least", _per_attribute("demographic_parity_difference_final_lower"), "At least"),
        Column(
            "limit",
            f"{_per_attribute('demographic_parity_difference_final')} * 0 + on () group_left () "
            f"{limit('gap')}",
            "Limit",
        ),
        Column("rows", _per_attribute("smallest_group_rows"), "Rows, smallest group", NUMBER, 0),
    ]
    return joined(about, "attribute", columns)


def _per_attribute(name: str) -> str:
    return f"max by (attribute) ({recorded(name)})"


def _extreme(function: str, label: str) -> str:
    """The group with the lowest or highest rate; its name has its own label, so that a row fits both."""
    chosen = f"{function} by (attribute) (1, {recorded('selection_rate_final')})"
    return f'max by (attribute, {label}) (label_replace({chosen}, "{label}", "$1", "group", "(.*)"))'


def _gap_closed() -> object:
    about = About(
        "Gap closed by the correction",
        "Demographic parity difference before correction minus after it, in points. Negative: it grew. "
        f"{WINDOW}",
        "if it is negative for longer than chance explains, switch the correction to shadow and see the "
        "runbook.",
        "FairnessCorrectionHarm",
    )
    gap = "demographic_parity_difference"
    expr = f"{recorded(f'{gap}_base')} - {recorded(f'{gap}_final')}"
    return value(about, [Line("closed", expr, "{{attribute}}")]).thresholds(
        steps((None, VERMILLION), (-0.0005, GREY), (0.0005, BLUE))
    )


def _mended_and_broken() -> object:
    about = About(
        "Answers mended and broken",
        "Rows with a known true label: mended were wrong before correction and right after it, broken the "
        f"other way round. {WINDOW}",
        "more broken than mended means that the correction costs accuracy: see who pays for it below.",
        "FairnessCorrectionHarm",
    )
    mended = Line("mended", f"sum by (attribute) ({recorded('mended')})", "{{attribute}} mended")
    broken = Line("broken", f"sum by (attribute) ({recorded('broken')})", "{{attribute}} broken", VERMILLION)
    return bars(about, [mended, broken], NUMBER)


def _since_when() -> object:
    about = About(
        "Since when: verdicts over time",
        f"The three-state verdict of every attribute and metric on the served answers. {STATES} {WINDOW}",
        "look what began where a colour changes: a release, other traffic, a switched mode. Grey is not a "
        "pass.",
    )
    drawn = [
        Line(name, f"max by (attribute) ({recorded(f'{name}_verdict')})", "{{attribute}}: " + title)
        for name, title in METRICS.items()
    ]
    return states(about, drawn)


def _alerts() -> object:
    about = About(
        "Alerts",
        "Alerts about groups that fire or are pending, for all sources. An empty list says only that no "
        "alert is up: the verdicts say whether there is data.",
        "open the runbook page by the alert's name.",
    )
    return alert_table(about, ALERTS)


def _undecided() -> object:
    about = About(
        "Verdicts without enough data",
        "How many of the chosen attributes and metrics have insufficient data in this window.",
        "choose a longer window, collect labels or declared groups; never read it as a pass.",
        "FairnessInsufficientData",
    )
    return value(
        about, [Line("missing", f"count({_verdicts()} == 0) or vector(0)", "insufficient")], NUMBER, 0
    )


def _enough_rows() -> object:
    about = About(
        "Rows per group, as a share of what a verdict needs",
        f"Decisions of the group divided by the least number of rows (limit rows). Full: enough. {WINDOW}",
        "groups that stay short need a longer window, or are too rare to judge this way.",
        "FairnessInsufficientData",
    )
    expr = f"clamp_max({recorded('rows', LABELLED)} / on () group_left () {limit('rows')}, 1)"
    return parts_of_limit(about, [Line("rows", expr, "{{attribute}}: {{group}}")], reached=BLUE)


def _enough_labels() -> object:
    about = About(
        "True labels per group, as a share of what a verdict needs",
        "Favourable true labels, which equal opportunity needs, and unfavourable ones, which equalized "
        f"odds needs as well, divided by the least number of rows. {WINDOW}",
        "send the labels that are known to POST /feedback, for all groups alike.",
        "FairnessLabelCoverageGap",
    )
    drawn = [
        Line(
            name,
            f"clamp_max({recorded(name, LABELLED)} / on () group_left () {limit('rows')}, 1)",
            "{{attribute}}: {{group}}, " + title,
        )
        for name, title in {"positives": "favourable", "negatives": "unfavourable"}.items()
    ]
    return parts_of_limit(about, drawn, reached=BLUE)


def _sources() -> object:
    about = About(
        "Where groups are known from",
        "Decisions in the window whose group a client declared, or the detector inferred. The two are "
        "never mixed: this page shows the one that is chosen above.",
        "if most rows are inferred, declare groups for a part of the traffic: it makes estimates checkable.",
    )
    expr = f"max by (source) (sum by (attribute, source) (evenhand:rows:${{window}}{{{MODEL}}}))"
    return count(about, "rows", expr, "{{source}}")
