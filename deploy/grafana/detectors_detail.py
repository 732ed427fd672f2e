"""Calibration within groups, coverage of groups and labels: panels of the detectors dashboard."""

from __future__ import annotations

from colours import BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION
from parts import NUMBER, About, Column, Line, bars, by_label, compared, count, lines, per_result
from series import ENOUGH, MODEL, WINDOW, farther, increase_by, limit, recorded, whole

PER_GROUP = "attribute, group"
CHOSEN = ', group=~"$group"'


def calibration_at_least() -> str:
    """Per tenth with enough rows: how far served probabilities are from what came true at least."""
    enough = f"{recorded('calibration_rows')} >= {ENOUGH}"
    far = farther("calibration_observed", recorded("calibration_predicted"))
    return f"{far} and on (model, attribute, group, source, bin) {enough}"


def calibration_gap() -> object:
    """How far served probabilities are from what came true."""
    about = About(
        "Calibration gap per group",
        "Mean distance between the served probability of a favourable label and how often it came true, "
        "over tenths of that probability, weighted by rows. Dashed, what the alert looks at: the largest "
        f"distance of a tenth with enough rows from the 95 % interval of what came true. {WINDOW}",
        "a group far above the others is promised more, or less, than it gets: recalibrate.",
        "FairnessCalibrationGap",
    )
    rows = recorded("calibration_rows")
    apart = f"abs({recorded('calibration_predicted')} - {recorded('calibration_observed')})"
    mean = f"sum by ({PER_GROUP}) ({apart} * {rows}) / (sum by ({PER_GROUP}) ({rows}) > 0)"
    least = f"max by ({PER_GROUP}) ({calibration_at_least()})"
    drawn = [
        Line("mean", mean, "{{attribute}}: {{group}}", BLUE, many=True),
        Line(
            "least", least, "{{attribute}}: {{group}}, at least, worst tenth", ORANGE, many=True, dashed=True
        ),
        Line("limit", limit("calibration_gap"), "limit", VERMILLION, thin=True),
    ]
    return lines(about, drawn)


def reliability() -> object:
    """Served and observed, bin by bin."""
    about = About(
        "Served and came true, by tenth of the served probability",
        "Per bin, for the groups chosen above: mean served probability of a favourable label, and share "
        "of true labels that were favourable. Equal bars: calibrated.",
        "choose one group above and compare it with the others.",
        "FairnessCalibrationGap",
    )
    rows = recorded("calibration_rows", CHOSEN)
    weighted = "sum by (bin) ({} * {}) / (sum by (bin) ({}) > 0)"
    columns = [
        Column(name, weighted.format(recorded(f"calibration_{name}", CHOSEN), rows, rows), title)
        for name, title in (("predicted", "Served"), ("observed", "Came true"))
    ]
    return compared(about, "bin", columns, (ORANGE, BLUE))


def coverage() -> object:
    """Share of decisions with a true label, by group."""
    about = About(
        "Label coverage",
        f"Decisions whose true label arrived, as a share of the group's decisions. {WINDOW}",
        "where groups differ, error rates compare different kinds of rows: collect labels for all groups "
        "alike.",
        "FairnessLabelCoverageGap",
    )
    return by_label(about, Line("coverage", recorded("label_coverage"), "{{attribute}}: {{group}}", BLUE))


def unknown() -> object:
    """Declared groups that the model does not list, as a share."""
    about = About(
        "Unknown groups",
        "Rows whose declared group the model does not list, as a share of declared rows; left out of "
        f"gaps. {WINDOW}",
        "map the client's names to the bundle's, or fit a bundle that lists them.",
        "FairnessUnknownGroupShare",
    )
    drawn = [
        Line("unknown", whole("unknown_share"), "{{attribute}}", BLUE, many=True),
        Line("limit", limit("unknown_share"), "limit", VERMILLION, thin=True),
    ]
    return lines(about, drawn)


def abstained() -> object:
    """Flagged rows that got no decision, as a share of all."""
    about = About(
        "Decisions not given",
        "Rows for which the reply said that there is no decision, because they are flagged for this "
        "attribute and the answer is less probable than its bound; as a share of all rows, with the 95 % "
        "interval. They are in all other panels under the model's own answer. 0 where the bundle has no "
        f"bound. {WINDOW}",
        "each of them waits for a person; GET /fairness and /dashboard say whether one group waits more "
        "than others.",
    )
    low, high = "lower limit", "upper limit"
    drawn = [
        Line("share", f"max({whole('abstained_share')})", "not given", BLUE),
        Line("lower", f"max({whole('abstained_share_lower')})", low, SKY, thin=True),
        Line("upper", f"max({whole('abstained_share_upper')})", high, SKY, thin=True, band_to=low),
    ]
    return lines(about, drawn)


def overflow() -> object:
    """Count of declared groups that the model does not list."""
    about = About(
        "Groups not listed",
        "Declared groups in the window that the model does not list, counted as unknown.",
        "see which client sends them.",
        "FairnessGroupOverflow",
    )
    overflows = f"evenhand_group_overflow_total{{{MODEL}}}"
    return count(about, "overflow", increase_by("attribute", overflows, "${window}"), "{{attribute}}")


def feedback() -> object:
    """Labels that were sent, by result."""
    about = About(
        "Feedback",
        "True labels of all models, about as many as came in the window. joined: counted. duplicate, "
        "conflict: known already, the same or another. orphan: no such decision. expired: too late.",
        "many orphans point to another database or to wrong ids; no joined ones to a feedback job that "
        "stopped.",
        "FairnessFeedbackStalled",
    )
    colours = {
        "joined": GREEN,
        "duplicate": GREY,
        "conflict": VERMILLION,
        "orphan": ORANGE,
        "expired": PURPLE,
    }
    expr = 'sum(increase(evenhand_feedback_total{result="RESULT"}[${window}]))'
    return bars(about, per_result(expr, colours), NUMBER)
