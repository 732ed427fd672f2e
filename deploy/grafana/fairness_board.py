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
    losing_cells,
    ratio,
    selection,
    soft,
    target_lines,
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
from series import ALERTS, LABELLED, MODEL, WINDOW, limit, of_target, recorded

STATES = (
    "breach: the target is surely beyond its limit, among declared groups with enough rows. No evidence of "
    "breach: there are enough rows, and it is not surely beyond. Insufficient data: too few rows or labels; "
    "it is not a pass."
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
    board.line(8, (8, target_lines()), (8, losing_cells()), (8, evidence("detector")))
    board.line(9, (24, groups_now()))
    board.line(8, (8, flips()), (8, benefit()), (8, evidence("since_start")))
    board.line(8, *((6, gap(name)) for name in METRICS))
    board.line(8, (12, ratio()), (12, worst_group()))
    board.row("Each group")
    board.line(7, (24, selection()))
    board.row("Estimate for rows without declared groups")
    board.line(8, (16, soft()), (8, effective_rows()))
    return board.build()


VERDICTS = of_target("target_verdict")


def _verdict_now() -> object:
    about = About(
        "Anything wrong?",
        f"The worst verdict on the targets of the chosen attributes, by the served answers. {STATES} "
        f"{WINDOW}",
        "at a breach read what stands to the right, then the runbook page; at insufficient data the row "
        "below.",
        "FairnessTargetBreach",
    )
    return state(about, Line("verdict", f"(max({VERDICTS}) == 2) or min({VERDICTS})", "worst verdict"))


def _for_whom() -> object:
    about = About(
        "For whom",
        "Per attribute the target before and after correction with its limit, how far at least it is beyond "
        "the limit (above 0: a breach), and the group with the least accurate cell (label x group).",
        "compare how far it is beyond at least, not the figure itself; few rows make large gaps by chance.",
    )
    worst = f"bottomk by (attribute) (1, {of_target('cell_accuracy_final')})"
    named = f'label_replace({worst}, "worst", "$1", "group", "(.*)")'
    limits = f"max by (attribute) (evenhand_target_limit{{{MODEL}}} >= 0)"
    columns = [
        Column("before", _per_attribute("target_base"), "Target before"),
        Column("after", _per_attribute("target_final"), "Target after"),
        Column("limit", limits, "Limit"),
        Column("excess", _per_attribute("target_excess"), "Beyond it, at least"),
        Column("worst", f"max by (attribute, worst) ({named})", "Worst cell", label="worst"),
        Column("rows", _per_attribute("smallest_group_rows"), "Rows, smallest group", NUMBER, 0),
    ]
    return joined(about, "attribute", columns)


def _per_attribute(name: str) -> str:
    return f"max by (attribute) ({of_target(name)})"


def _gap_closed() -> object:
    about = About(
        "Gain of the target by the correction",
        "By how many points the target is better after correction than before. Negative: it got worse. "
        f"{WINDOW}",
        "if it is negative for longer than chance explains, switch the correction to shadow and see the "
        "runbook.",
        "FairnessCorrectionHarm",
    )
    return value(about, [Line("closed", _per_attribute("target_gain"), "{{attribute}}")]).thresholds(
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
        f"The three-state verdict on the target of every attribute. {STATES} {WINDOW}",
        "look what began where a colour changes: a release, other traffic, a switched mode. Grey is not a "
        "pass.",
    )
    expr = f"max by (attribute, measure) ({VERDICTS})"
    return states(about, [Line("target", expr, "{{attribute}}: {{measure}}")])


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
        "For how many of the chosen attributes the target has insufficient data in this window.",
        "choose a longer window, collect labels or declared groups; never read it as a pass.",
        "FairnessInsufficientData",
    )
    return value(about, [Line("missing", f"count({VERDICTS} == 0) or vector(0)", "insufficient")], NUMBER, 0)


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
