"""The page and the short answer of ``evenhand evaluate``."""

from __future__ import annotations

from typing import Any

import numpy as np

from evenhand.reports.html import plots
from evenhand.reports.html.page import render
from evenhand.reports.html.wording import SIDES, percent, points, size, verdict
from evenhand.stats import Rate
from evenhand.training.evaluation.calibration import BINS, DRAWS
from evenhand.training.evaluation.metrics import MIN_CELL, Bin

Plain = dict[str, Any]
NUMBERS_SHOWN = 200
SCORES = (
    {"key": "confidence", "predicted": "score of the answer", "observed": "share of answers that are right"},
    {
        "key": "favourable",
        "predicted": "probability of a favourable label",
        "observed": "share whose true label is favourable",
    },
)
COMPARED = {
    "selection_rate": "share answered favourably",
    "true_positive_rate": "share answered favourably among rows whose true label is favourable",
    "false_positive_rate": "share answered favourably among rows whose true label is not",
}


def html(result: Plain) -> str:
    """Write the page.

    Args:
        result: What :func:`evenhand.training.evaluation.table_evaluation.evaluate_table` returns.
    """
    attributes = result["figures"]["attributes"]
    refused: dict[str, list[int]] = {}
    for row in result["refused"]:
        refused.setdefault(row["reason"], []).append(row["row_number"])
    return render(
        "evaluation.html.j2",
        result=result,
        in_short=in_short(result),
        for_whom=for_whom(result),
        against_reference={name: against_reference(name, of) for name, of in attributes.items()},
        charts=_charts(result["figures"]),
        scores=SCORES,
        refused=sorted(refused.items(), key=lambda entry: -len(entry[1])),
        numbers_shown=NUMBERS_SHOWN,
        min_rows=MIN_CELL,
        bins=BINS,
        draws=DRAWS,
    )


def _charts(figures: Plain) -> Plain:
    coverage = figures["risk_coverage"]
    curves = {
        title: plots.Curve(np.array(coverage[side]["coverage"]), np.array(coverage[side]["accuracy"]))
        for side, title in SIDES.items()
    }
    return {
        "attributes": {name: _charts_of(name, of) for name, of in figures["attributes"].items()},
        "coverage": plots.risk_coverage(curves) if coverage["base"]["coverage"] else None,
        **{
            score["key"]: plots.reliability(
                {title: _bins(figures[score["key"]][side]) for side, title in SIDES.items()},
                score["predicted"],
                score["observed"],
            )
            for score in SCORES
        },
    }


def _charts_of(name: str, of: Plain) -> Plain:
    """The figures of one attribute; no ``risk`` where it has no detector of its own, or no row."""
    accuracy = {group: own["accuracy"] for group, own in of["groups"].items() if own["rows"]}
    pairs = [
        plots.BeforeAfter(group, Rate(**own["base"]), Rate(**own["final"])) for group, own in accuracy.items()
    ]
    moved = {
        group: (own["difference"]["mended"], own["difference"]["broken"]) for group, own in accuracy.items()
    }
    risk = None
    if of["risk"] is not None and of["risk"]["bins"]:
        observed = "share outside the reference group"
        risk = plots.reliability({"risk": _bins(of["risk"])}, f"risk for {name}", observed)
    return {"accuracy": plots.dumbbells(pairs, "accuracy"), "flips": plots.flips(moved), "risk": risk}


def _bins(calibration: Plain) -> list[Bin]:
    return [
        Bin(each["low"], each["high"], each["predicted"], Rate(**each["observed"]))
        for each in calibration["bins"]
    ]


def against_reference(name: str, of: Plain) -> list[str]:
    """How far all groups but the reference are from it, before and after: two groups, so with an interval."""
    before, after = (of["disparities_pooled"][side] for side in SIDES)
    reference, others = before["groups"]
    sentences = []
    for metric, words in COMPARED.items():
        first, second = (compared["against_reference"][others][metric] for compared in (before, after))
        small = min(first["n"], first["n_reference"]) < MIN_CELL
        if small or first["value"] is None or second["value"] is None:
            rows = f"{first['n']} and {first['n_reference']}"
            sentences.append(f"For the {words} there are too few rows to compare ({rows}).")
        else:
            sentences.append(
                f"Where {name} is {others}, the {words} is {_gap(second)} where it is {reference}; without "
                f"correction it was {_gap(first).removesuffix(' from that').removesuffix(' that')}."
            )
    return sentences


def _gap(difference: Plain) -> str:
    if difference["low"] <= 0 <= difference["high"]:
        return f"not clearly apart ({points(difference)}) from that"
    return f"{size(difference)} {'above' if difference['value'] > 0 else 'below'} that"


def in_short(result: Plain) -> list[str]:
    """The first thing to read: plain sentences, the most general first."""
    figures = result["figures"]
    accuracy, changed = figures["accuracy"], sum(figures["flips"].values())
    n = figures["rows"]
    moved = "; ".join(
        f"{count} from {name.replace(' -> ', ' to ')}" for name, count in figures["flips"].items()
    )
    sentences = [
        f"Of {n} evaluated rows, {changed} ({100 * changed / n:.1f} %) got another answer because of the "
        "correction"
        + (f": {moved}." if moved else ".")
        + " {mended} became right and {broken} became wrong.".format_map(accuracy["difference"]),
        f"Accuracy over all rows {verdict(accuracy['difference'])}; it was {percent(accuracy['base'])} and "
        f"is {percent(accuracy['final'])}.",
        *_worst(figures),
        *features_changed(result),
    ]
    attributes = result["bundle"]["attributes"]
    off = [a["name"] for a in attributes if a["mode"] != "apply"]
    listed = f" Not corrected as the bundle stands: {', '.join(off)}." if off else ""
    return [*sentences, _certificate(result["bundle"]["certified"], len(off) < len(attributes)) + listed]


def _certificate(certified: bool, corrects: bool) -> str:
    if certified:
        return "The thresholds carry a certificate from validation rows (Learn-then-Test, arXiv 2110.01052)."
    if corrects:
        return (
            "The thresholds carry no certificate: they were chosen because they did well on validation rows."
        )
    return "Nothing is certified, and nothing is corrected."


def features_changed(result: Plain) -> list[str]:
    """Which features the table lacks or has otherwise than the fit; nothing for texts and images."""
    features = result["data"].get("features")
    if not features or not features["changed"]:
        return []
    listed = "; ".join(f"{change['name']} ({change['said']})" for change in features["changed"])
    n, all_of_them = len(features["changed"]), features["compared"]
    return [
        f"{n} of {all_of_them} features {'is' if n == 1 else 'are'} not as the bundle was fitted on; its "
        f"answers are less sure: {listed}."
    ]


def _worst(figures: Plain) -> list[str]:
    base, final = (figures["worst_cell"][side] for side in SIDES)
    if base is None or final is None:
        return [f"No cell has {figures['min_cell_rows']} rows, so no worst cell can be named."]
    name = _cell_name(base)
    now = next(
        cell
        for cell in figures["attributes"][base["attribute"]]["cells"]
        if (cell["group"], cell["label"]) == (base["group"], base["label"])
    )
    first = (
        f"Without correction the worst-served cell is {name} ({base['accuracy']['n']} rows): "
        f"{percent(base['accuracy'])} answered right. With correction, accuracy there "
        f"{verdict(now['difference'])}."
    )
    if name == _cell_name(final):
        return [first + " It is still the worst."]
    return [
        first,
        f"With correction the worst-served cell is {_cell_name(final)} ({final['accuracy']['n']} rows): "
        f"{percent(final['accuracy'])} answered right.",
    ]


def _cell_name(cell: Plain) -> str:
    return f"“{cell['attribute']} is {cell['group']}, true label {cell['label']}”"


def for_whom(result: Plain) -> list[str]:
    """Groups and cells whose figures moved by more than chance explains, and how many groups did not."""
    figures, favourable = result["figures"], ", ".join(result["data"]["favourable"])
    words = {"accuracy": "accuracy", "selection_rate": f"the share answered “{favourable}”"}
    sentences, unclear = [], 0
    for attribute, of in figures["attributes"].items():
        for group, figure in of["groups"].items():
            changes = [
                f"{title} {verdict(figure[metric]['difference'])}"
                for metric, title in words.items()
                if _clear(figure[metric]["difference"])
            ]
            unclear += figure["rows"] >= MIN_CELL and not changes
            if changes:
                sentences.append(
                    f"Where {attribute} is {group} ({figure['rows']} rows), {', and '.join(changes)}."
                )
        sentences += [
            f"Where {attribute} is {cell['group']} and the true label {cell['label']} ({cell['base']['n']} "
            f"rows), accuracy {verdict(cell['difference'])}."
            for cell in of["cells"]
            if _clear(cell["difference"])
        ]
    sentences.append(
        f"In {unclear} {'other ' if sentences else ''}groups of at least {MIN_CELL} rows neither accuracy "
        "nor the share answered favourably changed by more than chance explains."
    )
    return sentences


def _clear(difference: Plain) -> bool:
    return bool(difference["n"] >= MIN_CELL and (difference["low"] > 0 or difference["high"] < 0))
