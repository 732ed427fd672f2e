"""Do the detectors still see what they saw in validation, and does what they do reach whom it should."""

from __future__ import annotations

from board import Board, add_fairness, alert_table
from colours import BLUE, GREY, ORANGE, PURPLE, SKY, VERMILLION
from detectors_detail import (
    abstained,
    calibration_at_least,
    calibration_gap,
    coverage,
    feedback,
    overflow,
    reliability,
    unknown,
)
from grafana_foundation_sdk.models import dashboard as models
from parts import NUMBER, About, Column, Line, bars, compared, histogram, lines, parts_of_limit
from series import ALERTS, ENOUGH, LABELLED, MODEL, WINDOW, farther, limit, recorded, whole

ATTRIBUTE_MAX = "max by (attribute)"


def make_detectors() -> models.Dashboard:
    """Build it."""
    board = Board("evenhand-detectors", "Drift, activation, calibration and quality of the bias detectors.")
    add_fairness(board)
    board.alerts(ALERTS)
    board.row("What is nearest to its limit, and what fires?")
    board.line(9, (12, _nearest()), (12, _alerts()))
    board.row("$attribute", repeat="attribute")
    board.line(8, (6, _drift()), (6, _flagged()), (6, _results()), (6, abstained()))
    board.line(8, (12, _risk()), (12, _distribution()))
    board.line(8, (8, _activation()), (8, _quality()), (8, _confusion()))
    board.row("Calibration within groups")
    board.line(8, (12, calibration_gap()), (12, reliability()))
    board.row("What is known of groups and labels")
    board.line(8, (8, coverage()), (8, unknown()), (4, overflow()), (4, feedback()))
    return board.build()


def _validation(name: str) -> str:
    return f'max by (model, attribute) (evenhand_reference{{{MODEL}, reference="{name}"}})'


def _nearest() -> object:
    about = About(
        "Detectors, as a share of what alerts compare with",
        "Per attribute, as the alerts count it: drift of the risk (PSI); distance of the flagged share "
        "from validation and share of unknown groups, each at its 95 % limit; difference of label "
        "coverage between groups; distance of served probabilities from what came true. Full: the limit. "
        f"Alerts look at one day, or at seven. {WINDOW}",
        "open the runbook page of the alert with the same name; a bar that is missing has too few rows.",
        "FairnessDetectorDrift",
    )
    coverage = (
        f"(clamp_max({recorded('label_coverage', LABELLED)}, 1) and {recorded('rows', LABELLED)} >= {ENOUGH})"
    )
    measured = {
        "risk_psi": ("risk drift", f"{whole('risk_psi')} and {whole('risk_rows')} >= {ENOUGH}"),
        "flagged_shift": ("flagged share", farther("flagged_share", _validation("flagged"), whole)),
        "unknown_share": ("unknown groups", whole("unknown_share_lower")),
        "label_coverage_gap": (
            "label coverage",
            f"{ATTRIBUTE_MAX} {coverage} - min by (attribute) {coverage}",
        ),
        "calibration_gap": ("calibration", calibration_at_least()),
    }
    drawn = [
        Line(name, f"{ATTRIBUTE_MAX} ({expr}) / on () group_left () {limit(name)}", "{{attribute}}: " + title)
        for name, (title, expr) in measured.items()
    ]
    return parts_of_limit(about, drawn)


def _alerts() -> object:
    about = About(
        "Alerts",
        "Alerts about attributes that fire or are pending. An empty list says only that no alert is up.",
        "open the runbook page by the alert's name.",
    )
    return alert_table(about, ALERTS)


def _drift() -> object:
    about = About(
        "Risk drift (PSI)",
        "Population stability index of the detector's risk against validation, over tenths: the sum of "
        f"(now - then) ln(now / then). Below 0.1 is little, above 0.25 is much. {WINDOW}",
        "see below where the distribution moved; then check whether the traffic or its preparation changed.",
        "FairnessDetectorDrift",
    )
    drawn = [
        Line("psi", f"max({whole('risk_psi')})", "PSI"),
        Line("limit", limit("risk_psi"), "limit", VERMILLION, thin=True),
    ]
    return lines(about, drawn, NUMBER, 3)


def _flagged() -> object:
    about = About(
        "Flagged share",
        f"Rows whose risk reached the threshold, and the same share in validation. {WINDOW}",
        "a share far from validation means that the correction acts on other rows than those it was "
        "judged on.",
        "FairnessCorrectionRateShift",
    )
    drawn = [
        Line("now", f"max({whole('flagged_share')})", "now"),
        Line("then", f"max({_validation('flagged')})", "in validation", GREY, dashed=True),
    ]
    return lines(about, drawn)


def _results() -> object:
    about = About(
        "What became of flagged rows",
        "applied: the correction was served. shadow: computed and counted only. off: the mode forbids it. "
        "error: it overflowed and the base answer was served.",
        "any error is worth its log line; shadow or off where you expect applied: see the modes with GET "
        "/models.",
        "FairnessCorrectionRateShift",
    )
    drawn = []
    for result, colour in {"applied": BLUE, "shadow": SKY, "off": GREY, "error": VERMILLION}.items():
        rows = whole("corrections", f', result="{result}"')
        drawn.append(Line(result, f"sum({rows})", result, colour))
    return lines(about, drawn, NUMBER, 0)


def _risk() -> object:
    about = About(
        "Risk over time",
        "Rows by the detector's calibrated probability that they are not of the reference group.",
        "a band that moves or splits is drift; a detector that says one value for all is broken.",
        "FairnessDetectorDrift",
    )
    return histogram(about, f"sum by (le) (increase(evenhand_risk_bucket{{{MODEL}}}[$__rate_interval]))")


def _distribution() -> object:
    about = About(
        "Risk now and in validation",
        "Share of rows whose risk lies in the tenth that ends here, over the chosen window and in "
        "validation.",
        "bars of one place that differ say where the drift is.",
        "FairnessDetectorDrift",
    )
    columns = [
        Column("now", f"max by (le) ({whole('risk_share')})", "Now"),
        Column("then", f"max by (le) (evenhand:reference_risk_share{{{MODEL}}})", "In validation"),
    ]
    return compared(about, "le", columns, (BLUE, GREY))


def _detector(flagged: str | None = None, truth: str | None = None) -> str:
    """Rows with a declared group, by whether they were flagged and whether the group is not the reference."""
    rates = {"flagged": flagged, "truth": truth}
    chosen = "".join(f', {name}="{bit}"' for name, bit in rates.items() if bit is not None)
    return f"sum({whole('detector', chosen)})"


def _part(part: str, whole: str) -> str:
    return f"{part} / ({whole} > 0)"


def _activation() -> object:
    about = About(
        "Activation by declared group",
        "Share of rows flagged, among rows declared to be of the reference group and among all others. "
        f"{WINDOW}",
        "the two lines should be far apart: where they meet, the correction hits at random.",
        "FairnessDetectorDrift",
    )
    drawn = [
        Line("others", _part(_detector("1", "1"), _detector(truth="1")), "other groups", BLUE),
        Line(
            "reference",
            _part(_detector("1", "0"), _detector(truth="0")),
            "reference group",
            GREY,
            dashed=True,
        ),
    ]
    return lines(about, drawn)


def _quality() -> object:
    about = About(
        "Detector quality on declared rows",
        "Precision: of the flagged rows, the share that is not of the reference group. Recall: of the "
        "rows that are not of the reference group, the share that was flagged. Rows with a declared group "
        f"alone. {WINDOW}",
        "falling recall leaves rows uncorrected, falling precision corrects rows that need none: refit "
        "the detector.",
        "FairnessDetectorDrift",
    )
    drawn = [
        Line("precision", _part(_detector("1", "1"), _detector(flagged="1")), "precision", BLUE),
        Line("recall", _part(_detector("1", "1"), _detector(truth="1")), "recall", ORANGE, dashed=True),
    ]
    return lines(about, drawn)


def _confusion() -> object:
    about = About(
        "Declared rows behind it",
        f"How many rows the quality beside this rests on. {WINDOW}",
        "with few rows declare groups for a small part of the traffic.",
    )
    drawn = [
        Line("hit", _detector("1", "1"), "flagged, other group", BLUE),
        Line("missed", _detector("0", "1"), "not flagged, other group", ORANGE),
        Line("false", _detector("1", "0"), "flagged, reference group", PURPLE),
        Line("right", _detector("0", "0"), "not flagged, reference group", GREY),
    ]
    return bars(about, drawn, NUMBER)
