"""The report of ``evenhand evaluate`` as one HTML page, for a reader who was not there."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from evenhand.models.bundle.manifest import UNKNOWN_GROUP
from evenhand.stats import Rate
from evenhand.training import plots
from evenhand.training.evaluation.metrics import MIN_CELL, Bin
from evenhand.training.pages import Section, definitions, figure, page, paragraph, points, table
from evenhand.training.report_words import (
    DEFINITIONS,
    against_reference,
    for_whom,
    in_short,
    not_known,
    number,
)
from evenhand.training.report_words import points as in_points
from evenhand.training.words import percent

Plain = dict[str, Any]
KINDS = {"base": "base", "final": "corrected"}
NUMBERS_SHOWN = 200
RATES = {
    "selection_rate": "selection rate",
    "true_positive_rate": "true positive rate",
    "false_positive_rate": "false positive rate",
    "accuracy": "accuracy",
}
DISPARITIES = {
    "demographic_parity_difference": "demographic parity difference",
    "demographic_parity_ratio": "demographic parity ratio",
    "equal_opportunity_difference": "equal opportunity difference",
    "equalized_odds_difference": "equalized odds difference (larger gap)",
    "equalized_odds_difference_mean": "equalized odds difference (mean of the gaps)",
}


def html(result: Plain) -> str:
    """Write the page.

    Args:
        result: What :func:`evenhand.training.evaluation.table_evaluation.audit` returns.
    """
    bundle, data = result["bundle"], result["data"]
    intro = (
        f"How the model {bundle['name']} {bundle['version']} treats groups of people in the rows of {data['file']}, "
        f"without and with its correction. Made on {result['made']['utc']} by Evenhand {result['made']['evenhand']}."
    )
    figures = result["figures"]
    sections = [
        Section("In short", [points(in_short(result))]),
        Section("For whom it changed something", [points(for_whom(result))]),
        Section("What was evaluated", _what(result)),
        Section("What is not known", [points([line for line in not_known(result) if line])]),
        *(Section(f"By {name}", _attribute(name, of)) for name, of in figures["attributes"].items()),
        Section("Can the scores be believed?", _scores(figures)),
        Section("Answering only when confident", _coverage(figures)),
        *([Section("Rows that could not be judged", _refused(result["refused"]))] if result["refused"] else []),
        Section("Definitions and sources", [definitions(DEFINITIONS)]),
        Section("Provenance", [_provenance(result)]),
    ]
    return page(f"Fairness evaluation of {bundle['name']} {bundle['version']}", intro, sections)


def _input(data: Plain) -> str:
    columns = [column for column in (data["columns"]["text"], data["columns"]["text_pair"]) if column]
    return " and ".join(f"the column “{column}”" for column in columns) or "the columns of the model's features"


def _what(result: Plain) -> list[str]:
    bundle, data = result["bundle"], result["data"]
    rows = data["rows"]
    only = f", those whose {data['columns']['split']} is {' or '.join(data['only'])}" if data["only"] else ""
    settings = [[a["name"], a["reference"], f"{a['threshold']:g}", a["mode"], a["why"]] for a in bundle["attributes"]]
    return [
        paragraph(
            f"A classifier with the labels {', '.join(bundle['labels'])}; favourable for the person: "
            f"{', '.join(data['favourable'])}. {rows['judged']} of {rows['in_file']} rows of {data['file']} were "
            f"judged{only}. The true label is the column “{data['columns']['label']}”, the input {_input(data)}; "
            f"groups come from {', '.join(data['columns']['attributes'])}."
        ),
        paragraph(f"The bundle says it is meant for: {bundle['intended_use']}"),
        table(
            ["attribute", "reference", "threshold", "mode", "why"],
            settings,
            "What the bundle corrects for. Mode apply: flagged rows are answered with the correction; shadow: the "
            "correction is computed and not served; off: the base answers.",
        ),
    ]


def _attribute(name: str, of: Plain) -> list[str]:
    groups = {group: found for group, found in of["groups"].items() if found["rows"]}
    pairs = [
        plots.Pair(group, Rate(**found["accuracy"]["base"]), Rate(**found["accuracy"]["final"]))
        for group, found in groups.items()
    ]
    moved = {
        group: (found["accuracy"]["difference"]["mended"], found["accuracy"]["difference"]["broken"])
        for group, found in groups.items()
    }
    parts = [
        points(against_reference(name, of)),
        figure(plots.dumbbells(pairs, "accuracy"), f"Accuracy by {name} with 95 % intervals. n: rows."),
        _changes(name, groups),
        figure(plots.flips(moved), f"Rows that the correction mended and broke, by {name}."),
        _rates(name, of),
        _differences(name, of),
        _disparities(name, of),
        _cells(name, of),
        _detector(name, of),
        _calibration(name, groups),
    ]
    if of["risk"] is not None and of["risk"]["bins"]:
        svg = plots.reliability({"risk": _bins(of["risk"])}, f"risk for {name}", "share outside the reference group")
        held = number(of["risk"]["calibration_error"])
        parts.append(
            figure(svg, f"Does the risk mean what it says? On the diagonal it does. Calibration error {held}.")
        )
    return parts


def _changes(name: str, groups: dict[str, Plain]) -> str:
    rows = [
        [
            group if group != UNKNOWN_GROUP else f"{name} not known",
            _n(found["rows"]),
            in_points(found["accuracy"]["difference"]),
            str(found["accuracy"]["difference"]["mended"]),
            str(found["accuracy"]["difference"]["broken"]),
            in_points(found["selection_rate"]["difference"]),
            ", ".join(f"{way}: {n}" for way, n in found["flips"]["directions"].items()) or "none",
        ]
        for group, found in groups.items()
    ]
    header = ["group", "n", "change in accuracy", "mended", "broken", "change in selection rate", "answers changed"]
    return table(
        header, rows, f"What the correction changed, by {name}; 95 % intervals for the same rows before and after."
    )


def _rates(name: str, of: Plain) -> str:
    rows = []
    both = [of["disparities"][kind]["groups"] for kind in KINDS]
    for group, rates in both[0].items():
        for metric, title in RATES.items():
            before, after = rates[metric], both[1][group][metric]
            if before["n"]:
                rows.append([group, title, _n(before["n"]), percent(before), percent(after)])
    header = ["group", "rate", "n", "base", "corrected"]
    return table(header, rows, f"Rates by {name}, for a favourable answer, with 95 % intervals.")


def _differences(name: str, of: Plain) -> str:
    """Two groups at a time, with Newcombe's interval."""
    rows = []
    for key in ("disparities", "disparities_pooled"):
        before, after = (of[key][kind]["against_reference"] for kind in KINDS)
        for group, metrics in before.items():
            for metric, title in RATES.items():
                first = metrics[metric]
                if first["value"] is not None:
                    counts = f"{first['n']} and {first['n_reference']}"
                    rows.append([group, title, counts, in_points(first), in_points(after[group][metric])])
    reference = next(iter(of["disparities"]["base"]["groups"]))
    header = ["group", "rate", "n: group and reference", "base", "corrected"]
    return table(header, rows, f"Each group minus the reference “{reference}” ({name}), with 95 % intervals.")


def _disparities(name: str, of: Plain) -> str:
    rows = []
    for metric, title in DISPARITIES.items():
        figures = [of[key][kind][metric] for key in ("disparities", "disparities_pooled") for kind in KINDS]
        rows.append([title, *("too few rows" if value is None else f"{value:.3f}" for value in figures)])
    header = ["figure", "all groups: base", "corrected", "reference against the others: base", "corrected"]
    return table(header, rows, f"Disparities over groups of {name}; 0 is parity, for the ratio 1.")


def _cells(name: str, of: Plain) -> str:
    rows = [
        [
            f"{cell['group']} / {cell['label']}",
            _n(cell["base"]["n"]),
            percent(cell["base"]),
            percent(cell["final"]),
            in_points(cell["difference"]),
        ]
        for cell in of["cells"]
        if cell["base"]["n"]
    ]
    header = ["group / true label", "n", "base", "corrected", "change"]
    return table(header, rows, f"Accuracy in each cell of {name}; those with too few rows are never called the worst.")


def _detector(name: str, of: Plain) -> str:
    found = of["detector"]
    rows = [
        ["outside the reference group", "any", *_share(found["true_positive_rate"])],
        ["inside it", "any", *_share(found["false_positive_rate"])],
        *([cell["group"], cell["label"], *_share(cell["flagged"])] for cell in found["cells"] if cell["flagged"]["n"]),
    ]
    what = "its detector" if found["own"] else "any detector"
    caption = f"Share of rows flagged by {what}, by {name}: outside the reference group rightly, inside it wrongly."
    return table(["group", "true label", "n", "flagged"], rows, caption)


def _share(rate: Plain) -> tuple[str, str]:
    return _n(rate["n"]), percent(rate)


def _n(rows: int) -> str:
    return str(rows) if rows >= MIN_CELL else f"{rows} (too few)"


def _calibration(name: str, groups: dict[str, Plain]) -> str:
    rows = []
    for group, found in groups.items():
        before, after = (found["calibration"][kind] for kind in KINDS)
        errors = [number(of["calibration_error"]) for of in (before, after)]
        rows.append([group, _n(found["rows"]), *errors, *(number(of["brier"]) for of in (before, after))])
    header = ["group", "n", "calibration error: base", "corrected", "Brier score: base", "corrected"]
    return table(header, rows, f"How far the probability of a favourable label can be believed, by {name}.")


def _scores(figures: Plain) -> list[str]:
    rows, parts = [], []
    for key, predicted, observed in (
        ("confidence", "score of the answer", "share of answers that are right"),
        ("favourable", "probability of a favourable label", "share whose true label is favourable"),
    ):
        found = figures[key]
        svg = plots.reliability({KINDS[kind]: _bins(found[kind]) for kind in KINDS}, predicted, observed)
        parts.append(figure(svg, f"{predicted.capitalize()} against the {observed}; on the diagonal the two agree."))
        for metric, title in (("calibration_error", "calibration error"), ("brier", "Brier score")):
            rows.append([predicted, title, *(number(found[kind][metric]) for kind in KINDS)])
    parts.append(table(["probability", "figure", "base", "corrected"], rows, f"Over all {figures['rows']} rows."))
    return parts


def _coverage(figures: Plain) -> list[str]:
    found = figures["risk_coverage"]
    rows = [["AURC", *(number(found[kind]["aurc"]) for kind in KINDS)]]
    parts = [table(["figure", "base", "corrected"], rows, "Area under the risk-coverage curve; lower is better.")]
    if found["base"]["coverage"]:
        curves = {
            KINDS[kind]: plots.Curve(np.array(found[kind]["coverage"]), np.array(found[kind]["accuracy"]))
            for kind in KINDS
        }
        caption = "Accuracy if only the most confident share of rows is answered and the rest goes to a person."
        parts.insert(0, figure(plots.risk_coverage(curves), caption))
    return parts


def _bins(found: Plain) -> list[Bin]:
    return [Bin(each["low"], each["high"], each["predicted"], Rate(**each["observed"])) for each in found["bins"]]


def _refused(refused: list[Plain]) -> list[str]:
    rows = []
    for reason, n in Counter(row["reason"] for row in refused).most_common():
        numbers = [str(row["row_number"]) for row in refused if row["reason"] == reason]
        more = f" and {n - NUMBERS_SHOWN} more (all are in the JSON report)" if n > NUMBERS_SHOWN else ""
        rows.append([reason, str(n), ", ".join(numbers[:NUMBERS_SHOWN]) + more])
    caption = "Row numbers count from 1, the header and blank lines left out. These rows enter no figure."
    return [table(["reason", "rows", "row numbers"], rows, caption)]


def _provenance(result: Plain) -> str:
    bundle, data, made = result["bundle"], result["data"], result["made"]
    return definitions(
        {
            "bundle": f"{bundle['name']} {bundle['version']}, made {bundle['created_utc']}; SHA-256 of its manifest "
            f"{bundle['sha256']}",
            "base model": f"{bundle['base']}; SHA-256 of its weights {bundle['base_sha256']}",
            "data": f"{data['file']}; SHA-256 {data['sha256']}",
            "evaluated": f"{made['utc']}, Evenhand {made['evenhand']}, "
            + ", ".join(f"{name} {version}" for name, version in made["libraries"].items()),
        }
    )
