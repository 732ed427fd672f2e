"""The sentences of a period's report, on the page, in the model card and on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evenhand.reports.html.wording import METRICS, count, percent
from evenhand.service.monitoring.disparity import BREACH, INSUFFICIENT, NO_EVIDENCE

Plain = dict[str, Any]
ORDER = (BREACH, INSUFFICIENT, NO_EVIDENCE)
"""Of verdicts, the worst first."""
OUTCOMES = {"errors": "wrong answers", "unfavourable": "unfavourable answers"}
SOURCES = {"declared": "declared groups", "inferred": "groups inferred by the detector"}


def verdicts(result: Plain) -> Iterator[tuple[str, str, Plain]]:
    """Every verdict of the fairness figures: attribute, source, metric."""
    for of in result["fairness"]["attributes"]:
        for source, figures in of["sources"].items():
            if figures["rows"]:
                for metric in figures["metrics"]:
                    yield of["attribute"], source, metric


def ranked_verdicts(result: Plain) -> list[tuple[str, str, Plain]]:
    """The same, the worst first."""
    return sorted(verdicts(result), key=lambda verdict: ORDER.index(verdict[2]["verdict"]))


def in_short(result: Plain) -> list[str]:
    """The first thing to read."""
    ranked = ranked_verdicts(result)
    totals = {state: sum(metric["verdict"] == state for _, _, metric in ranked) for state in ORDER}
    sentences = [
        f"Of {len(ranked)} figures that were evaluated, {totals[BREACH]} "
        f"{'is a' if totals[BREACH] == 1 else 'are'} breach{'' if totals[BREACH] == 1 else 'es'}; "
        f"{totals[NO_EVIDENCE]} show no evidence of one; for {totals[INSUFFICIENT]} there is too little "
        "data to say."
    ]
    breaches: dict[tuple[str, str, str], list[str]] = {}
    for name, source, metric in ranked:
        if metric["verdict"] == BREACH:
            breaches.setdefault((name, source, metric["why"]), []).append(METRICS[metric["metric"]])
    sentences += [
        f"Breach by {name} ({SOURCES[source]}), {' and '.join(metrics)}: {why}"
        for (name, source, why), metrics in breaches.items()
    ]
    sentences += [*_abstained(result), *_corrections(result)]
    sentences += _slices(result)
    return [*sentences, result["record"]["sentence"]]


def _abstained(result: Plain) -> Iterator[str]:
    """How many decisions abstained, where the model may abstain."""
    abstention = result["fairness"]["abstention"]
    if abstention is not None:
        share, accounts = abstention["abstained"], abstention["attributes"]
        why = ", ".join(f"{count(n)} for {name}" for name, n in accounts.items())
        yield (
            f"{count(sum(accounts.values()))} of {count(share['n'])} decisions "
            f"abstained{f' ({why})' if why else ''}: {percent(share)}. {abstention['counted']}"
        )


def _corrections(result: Plain) -> Iterator[str]:
    """What the correction did, over declared groups if there are any; equal sentences are merged."""
    corrections: dict[tuple[str, str, str], list[str]] = {}
    for of in result["fairness"]["attributes"]:
        source = next((name for name, figures in of["sources"].items() if figures["rows"]), None)
        if source:
            correction = of["sources"][source]["correction"]
            corrections.setdefault((source, correction["state"], correction["why"]), []).append(
                of["attribute"]
            )
    verdict = {BREACH: "harm", NO_EVIDENCE: "no evidence of harm", INSUFFICIENT: "insufficient data"}
    for (source, state, why), names in corrections.items():
        yield f"The correction, by {' and by '.join(names)} ({SOURCES[source]}): {verdict[state]}. {why}"


def _slices(result: Plain) -> Iterator[str]:
    for outcome, words in OUTCOMES.items():
        search = result["slices"][outcome]
        bad = [each for each in search["slices"] if each["verdict"] == BREACH]
        if search["verdict"] == INSUFFICIENT:
            yield f"Slices by {words}: too little data ({count(search['rows'])} rows) to look for any."
        elif bad:
            first = bad[0]
            yield (
                f"The slice with the worst share of {words} is “{slice_name(first)}” "
                f"({count(first['rows'])} rows): {percent(first['rate'])}, and {percent(first['rest'])} "
                "elsewhere."
            )
        else:
            yield (
                f"Among {count(search['counted'])} slices, none is shown to have a share of {words} more "
                f"than {100 * result['slices']['tolerance']:g} points above the rest."
            )


def slice_name(of: Plain) -> str:
    """A slice in words."""
    return " and ".join(f"{name} is {value}" for name, value in of["where"])


def not_known(result: Plain) -> Iterator[str]:
    """What the record of this period cannot say."""
    rows = result["rows"]
    for of in result["fairness"]["attributes"]:
        figures = of["sources"]["declared"]
        declared = figures["rows"] - figures["unknown_rows"]
        if declared < rows["counted"]:
            yield (
                f"For {count(rows['counted'] - declared)} of {count(rows['counted'])} decisions no "
                f"{of['attribute']} was declared, or none that the model lists. Who declares it may not be "
                "like who does not."
            )
    for name, n in rows["not_held"].items():
        yield (
            f"For {count(n)} decisions {name} was declared, and is not kept any more or cannot be looked up "
            "without the record's key: they count in the figures over groups, and not in intersections and "
            "slices."
        )
    if not result["groups_readable"]:
        yield "The record's key is not at hand (--state): no declared group of a single decision can be read."
    if rows["recorded"] < rows["counted"]:
        yield (
            f"{count(rows['counted'])} decisions were counted and {count(rows['recorded'])} are still on "
            "record: slices and intersections are about the latter."
        )
    if rows["failed"]:
        yield f"{count(rows['failed'])} rows ended with an error and got no answer; they are in no figure."
    if rows["erased"]:
        yield f"{count(rows['erased'])} records of decisions were erased; their model is not known."
    unlabelled = rows["recorded"] - rows["labelled"]
    if unlabelled > 0:
        yield (
            f"The true label of {count(unlabelled)} of {count(rows['recorded'])} decisions is not known; "
            "figures that need it are about the others, which may differ."
        )
    yield "Each decision counts once; a person who was decided on twice counts twice."
    yield "Many figures are looked at, each with its own 95 % interval: about one in twenty misses by chance."
