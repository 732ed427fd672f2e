"""Verdicts, figures by attribute and evidence, as parts of the page."""

from __future__ import annotations

from typing import Any

from evenhand.reports.words import METRICS, ORDER, SOURCES, count, figure_of, moment, verdicts
from evenhand.service.monitoring.disparity import BREACH, INSUFFICIENT, NO_EVIDENCE
from evenhand.stats import Rate
from evenhand.training import plots
from evenhand.training.pages import Mark, figure, paragraph, table
from evenhand.training.words import percent

Plain = dict[str, Any]
MARKS: dict[str, Mark] = {BREACH: "bad", NO_EVIDENCE: "good", INSUFFICIENT: "open"}
RATES = {
    "selection_rate": "selection rate",
    "true_positive_rate": "true positive rate",
    "false_positive_rate": "false positive rate",
    "accuracy": "accuracy",
}
GAPS = (
    "demographic_parity_difference",
    "equal_opportunity_difference",
    "equalized_odds_difference",
    "abstention_rate_difference",
)


def verdict_table(result: Plain) -> list[str]:
    """Every verdict with its reason, breaches first; declared groups before inferred ones."""
    parts = []
    for source, words in SOURCES.items():
        found = [(name, metric) for name, of, metric in verdicts(result) if of == source]
        found.sort(key=lambda verdict: ORDER.index(verdict[1]["verdict"]))
        if not found:
            continue
        reasons = [[_called(name, metric), metric["verdict"], metric["why"]] for name, metric in found]
        caption = f"Over {words} with enough rows. The verdict is about the corrected answer, which was served."
        parts.append(table(["figure", "verdict", "why"], reasons, caption, MARKS))
        if source == "declared":
            numbers = [[_called(name, metric), *_both(metric), _limit(metric)] for name, metric in found]
            caption = f"The same figures in numbers, over {words} with enough rows, with 95 % limits."
            parts += _gaps(found, result["fairness"]["limits"]["gap"])
            parts.append(table(["figure", "base", "corrected", "tolerated"], numbers, caption))
    return parts


def _called(attribute: str, metric: Plain) -> str:
    return f"{METRICS[metric['metric']]}, by {attribute}"


def _both(metric: Plain) -> tuple[str, str]:
    return figure_of(metric["base"]["among"]), figure_of(metric["final"]["among"])


def _limit(metric: Plain) -> str:
    if metric["limit"] is None:
        return "not stated"
    least = metric["metric"] in ("demographic_parity_ratio", "worst_group_accuracy")
    return f"{'at least' if least else 'at most'} {metric['limit']:.3g}"


def _gaps(found: list[tuple[str, Plain]], limit: float) -> list[str]:
    """The differences over declared groups as one figure, if any can be told."""
    pairs = [
        plots.Pair(f"{METRICS[metric['metric']].removesuffix(' difference')}, by {name}", *_as_rates(metric))
        for name, metric in found
        if metric["metric"] in GAPS and metric["final"]["among"]["value"] is not None
    ]
    caption = "Differences over declared groups with their 95 % limits. A breach lies wholly to the right of the line."
    return [figure(plots.gaps(pairs, limit), caption)] if pairs else []


def _as_rates(metric: Plain) -> tuple[Rate, Rate]:
    base, final = (
        Rate(1, span["value"], span["low"], span["high"])
        for span in (metric["base"]["among"], metric["final"]["among"])
    )
    return base, final


def by_attribute(of: Plain, modes: dict[str, int]) -> list[str]:
    """Everything about one attribute, and by how many rows it was answered in which mode."""
    said = ", ".join(f"{mode} ({count(rows)} decisions)" for mode, rows in modes.items()) or "no longer on record"
    parts = [
        paragraph(f"Reference: {of['reference']}. Threshold: {of['threshold']:.3g}. Mode of the correction: {said}.")
    ]
    for source, words in SOURCES.items():
        told = of["sources"][source]
        if told["rows"] == 0:
            parts.append(paragraph(f"There are no {words} in this time."))
            continue
        parts += _source(of["attribute"], words, told)
    return parts


def _source(name: str, words: str, told: Plain) -> list[str]:
    groups = [group for group in told["groups"] if group["rows"]]
    parts = []
    for rate, title in RATES.items():
        pairs = [plots.Pair(group["group"], *_rates(group[rate])) for group in groups if group[rate]["final"]["n"]]
        if rate in ("selection_rate", "accuracy") and pairs:
            caption = f"{title.capitalize()} over {words} of {name} with 95 % intervals. n: rows."
            parts.append(figure(plots.dumbbells(pairs, title), caption))
    rows = [
        [
            group["group"],
            title,
            count(group[rate]["final"]["n"]),
            percent(group[rate]["base"]),
            percent(group[rate]["final"]),
        ]
        for group in groups
        for rate, title in RATES.items()
        if group[rate]["final"]["n"]
    ]
    unknown = (
        f" {count(told['unknown_rows'])} rows of unknown group are in none of them." if told["unknown_rows"] else ""
    )
    caption = f"Rates over {words} of {name}, for a favourable answer, with 95 % intervals.{unknown}"
    parts.append(table(["group", "rate", "n", "base", "corrected"], rows, caption))
    return [*parts, _over_all(name, words, told), *_correction(name, words, told), *_withheld(name, words, told)]


def _over_all(name: str, words: str, told: Plain) -> str:
    """The figures as Fairlearn has them: over every group that has a row."""
    rows = [
        [METRICS[metric["metric"]], figure_of(metric["base"]), figure_of(metric["final"])] for metric in told["metrics"]
    ]
    caption = (
        f"Over all {words} of {name}, however few rows one has, as Fairlearn counts; verdicts leave small ones out."
    )
    return table(["figure", "base", "corrected"], rows, caption)


def _rates(sides: Plain) -> tuple[Rate, Rate]:
    return Rate(**sides["base"]), Rate(**sides["final"])


def _correction(name: str, words: str, told: Plain) -> list[str]:
    """What the correction changed."""
    correction = told["correction"]
    parts = [paragraph(f"What the correction did, over {words}: {correction['why']}")]
    changed = {
        group["group"]: (group["flips"]["to_favourable"], group["flips"]["to_unfavourable"])
        for group in told["groups"]
        if group["rows"]
    }
    if correction["changed"]:
        svg = plots.flips(changed, ("made favourable", "made unfavourable"))
        parts.append(figure(svg, f"Answers that the correction changed, over {words} of {name}."))
    return parts


def _withheld(name: str, words: str, told: Plain) -> list[str]:
    """Who got no decision, where the model may abstain."""
    if told["abstained"] is None:
        return []
    found = [*((group["group"], group) for group in told["groups"] if group["rows"]), ("all of these", told)]
    rows = [[called, count(of["rows"]), _times(of["abstained"]), percent(of["abstained"])] for called, of in found]
    caption = (
        f"Decisions that abstained, over {words} of {name}. They are in the other figures under the model's answer."
    )
    return [table(["group", "decisions", "abstained", "share"], rows, caption)]


def _times(rate: Plain) -> str:
    return count(round(rate["value"] * rate["n"]))


def evidence(result: Plain) -> list[str]:
    """What the sequential tests say; they look at every decision since the start, up to when the report was made."""
    rows = [
        [f"{of['attribute']} is {found['group']}", found["metric"].replace("_", " "), found["state"], found["sentence"]]
        for of in result["fairness"]["attributes"]
        for found in of["evidence"]
        if found["process"] == "since_start" or found["state"] == BREACH
    ]
    if not rows:
        return [paragraph("None is kept: the service's evaluator has not looked at this model's decisions.")]
    rows.sort(key=lambda row: ORDER.index(row[2]))
    return [
        paragraph(
            "These hold however often they are looked at, unlike the intervals of a period. They are about every "
            f"decision on record up to when this report was made ({moment(result['made']['utc'])})."
        ),
        table(["comparison", "rate", "verdict", "in words"], rows, "Sequential evidence.", MARKS),
    ]
