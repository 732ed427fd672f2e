"""The report's sentences: what was found, how sure it is, what is not known, what the words mean."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from evenhand.service.monitoring.disparity import BREACH, INSUFFICIENT, NO_EVIDENCE
from evenhand.training.words import KEPT, MEANINGS, percent

Plain = dict[str, Any]
ORDER = (BREACH, INSUFFICIENT, NO_EVIDENCE)
METRICS = {
    "demographic_parity_difference": "demographic parity difference",
    "demographic_parity_ratio": "demographic parity ratio",
    "equal_opportunity_difference": "equal opportunity difference",
    "equalized_odds_difference": "equalized odds difference",
    "worst_group_accuracy": "worst-group accuracy",
    "abstention_rate_difference": "abstention rate difference",
}
OUTCOMES = {"errors": "wrong answers", "unfavourable": "unfavourable answers"}
SOURCES = {"declared": "declared groups", "inferred": "groups inferred by the detector"}
DEFINITIONS = {
    "base and corrected": "The base answer is the model's without correction; the corrected answer is the one that was "
    "served, under the mode that held at the time. Both were made for the same rows.",
    "group, reference": "A value of a sensitive attribute, as it was declared with the request or afterwards; the "
    "value that the correction leaves alone. Inferred groups are the detector's guess (flagged or unflagged), shown "
    "apart and never mixed with declared ones.",
    **MEANINGS,
    "breach": "The figure is beyond what is tolerated, and so is its 95 % limit: chance alone would hardly do this.",
    "no evidence of breach": "There are enough rows, and they do not show that the figure is beyond what is tolerated. "
    "This is not proof that all is well.",
    "insufficient data": "Too few rows, or too few true labels, to say either.",
    "worst-group accuracy": "The lowest share of right answers over groups.",
    "abstained, abstention rate difference": "A decision abstained where the reply said that none is given and left it "
    "to a person: a flagged row whose answer was less probable than the model's bound. The difference is the largest "
    "share of a group's decisions that abstained minus the smallest; it is none of Fairlearn's figures.",
    "intervals": "Rates: Wilson's 95 % interval. A difference over groups: the largest lower limit minus the smallest "
    "upper limit, at least 0, up to the largest upper minus the smallest lower. Changes by the correction: Newcombe "
    "1998 for pairs. Impact ratios: Katz et al. 1978. Slices: exact limits (Clopper and Pearson 1934) joined as "
    "Newcombe does, with Bonferroni's correction for the slices that were tested.",
    "selection rate and impact ratio in Local Law 144": "New York City Administrative Code 20-870 ff.; 6 RCNY 5-300 to "
    "5-304: the share of individuals in a category that the tool selects, and this rate over that of the most selected "
    "category. A category under 2 % of the data may be left out of the ratios (5-301); its number and rate are told.",
    "slice": "Rows that share up to three values. Listed by SliceLine's score (Sagadeeva and Boehm, SIGMOD 2021) on "
    "one random half of the rows, and tested on the other half, which had no say in the list.",
}


def figure_of(span: Plain) -> str:
    """``0.058 (0.041 to 0.072)``, or that no rows support it."""
    if span["value"] is None:
        return "too few rows"
    return f"{span['value']:.3f} ({span['low']:.3f}{KEPT}to{KEPT}{span['high']:.3f})"


def count(n: int) -> str:
    """A number, with its thousands apart."""
    return f"{n:,}"


def verdicts(result: Plain) -> Iterator[tuple[str, str, Plain]]:
    """Every verdict of the fairness figures: attribute, source, metric."""
    for of in result["fairness"]["attributes"]:
        for source, told in of["sources"].items():
            if told["rows"]:
                for metric in told["metrics"]:
                    yield of["attribute"], source, metric


def in_short(result: Plain) -> list[str]:
    """The first thing to read."""
    found = sorted(verdicts(result), key=lambda verdict: ORDER.index(verdict[2]["verdict"]))
    totals = {state: sum(metric["verdict"] == state for _, _, metric in found) for state in ORDER}
    sentences = [
        f"Of {len(found)} figures that were judged, {totals[BREACH]} {'is a' if totals[BREACH] == 1 else 'are'} breach"
        f"{'' if totals[BREACH] == 1 else 'es'}; {totals[NO_EVIDENCE]} show no evidence of one; for "
        f"{totals[INSUFFICIENT]} there is too little data to say."
    ]
    breaches: dict[tuple[str, str, str], list[str]] = {}
    for name, source, metric in found:
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
    """How many decisions were not given, where the model may abstain."""
    told = result["fairness"]["abstention"]
    if told is not None:
        share, accounts = told["abstained"], told["attributes"]
        why = ", ".join(f"{count(n)} for {name}" for name, n in accounts.items())
        yield (
            f"{count(sum(accounts.values()))} of {count(share['n'])} decisions abstained{f' ({why})' if why else ''}: "
            f"{percent(share)}. {told['counted']}"
        )


def _corrections(result: Plain) -> Iterator[str]:
    """What the correction did, over declared groups where there are any; what is the same for several is said once."""
    said: dict[tuple[str, str, str], list[str]] = {}
    for of in result["fairness"]["attributes"]:
        source = next((name for name, told in of["sources"].items() if told["rows"]), None)
        if source:
            correction = of["sources"][source]["correction"]
            said.setdefault((source, correction["state"], correction["why"]), []).append(of["attribute"])
    verdict = {BREACH: "harm", NO_EVIDENCE: "no evidence of harm", INSUFFICIENT: "insufficient data"}
    for (source, state, why), names in said.items():
        yield f"The correction, by {' and by '.join(names)} ({SOURCES[source]}): {verdict[state]}. {why}"


def _slices(result: Plain) -> Iterator[str]:
    for outcome, words in OUTCOMES.items():
        found = result["slices"][outcome]
        bad = [each for each in found["slices"] if each["verdict"] == BREACH]
        if found["verdict"] == INSUFFICIENT:
            yield f"Slices by {words}: too little data ({count(found['rows'])} rows) to look for any."
        elif bad:
            first = bad[0]
            yield (
                f"The slice with the worst share of {words} is “{where(first)}” ({count(first['rows'])} rows): "
                f"{percent(first['rate'])}, and {percent(first['rest'])} elsewhere."
            )
        else:
            yield (
                f"Among {count(found['counted'])} slices, none is shown to have a share of {words} more than "
                f"{100 * result['slices']['tolerance']:g} points above the rest."
            )


def where(found: Plain) -> str:
    """A slice in words."""
    return " and ".join(f"{name} is {value}" for name, value in found["where"])


def not_known(result: Plain) -> Iterator[str]:
    """What the record of this period cannot say."""
    rows = result["rows"]
    for of in result["fairness"]["attributes"]:
        told = of["sources"]["declared"]
        known = told["rows"] - told["unknown_rows"]
        if known < rows["counted"]:
            yield (
                f"For {count(rows['counted'] - known)} of {count(rows['counted'])} decisions no {of['attribute']} was "
                "declared, or none that the model lists. Who declares it may not be like who does not."
            )
    for name, n in rows["not_held"].items():
        yield (
            f"For {count(n)} decisions {name} was declared, and is not kept any more or cannot be found without the "
            "record's key: they count in the figures over groups, and not in intersections and slices."
        )
    if not result["groups_readable"]:
        yield "The record's key is not at hand (--state): no declared group can be told of single decisions."
    if rows["recorded"] < rows["counted"]:
        yield (
            f"{count(rows['counted'])} decisions were counted and {count(rows['recorded'])} are still on record: "
            "slices and intersections are about the latter."
        )
    if rows["failed"]:
        yield f"{count(rows['failed'])} rows ended with an error and got no answer; they are in no figure."
    if rows["erased"]:
        yield f"{count(rows['erased'])} records of decisions were erased; of which model they were is not known."
    unlabelled = rows["recorded"] - rows["labelled"]
    if unlabelled > 0:
        yield (
            f"The true label of {count(unlabelled)} of {count(rows['recorded'])} decisions is not known; figures that "
            "need it are about the others, which may differ."
        )
    yield "Each decision counts once; a person who was decided on twice counts twice."
    yield "Many figures are looked at, each with its own 95 % interval: about one in twenty misses by chance."


def duration(seconds: float | None) -> str:
    """A time span, in a unit that suits it."""
    if seconds is None:
        return "not known"
    for size, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"


def moment(text: str) -> str:
    """A time as people read it, in UTC."""
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
