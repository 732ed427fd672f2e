"""The sentences of a period's report, on the page, in the model card and on the screen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evenhand.reports.html.wording import count, percent, points, size
from evenhand.service.monitoring.disparity import BREACH, INSUFFICIENT, NO_EVIDENCE

Plain = dict[str, Any]
ORDER = (BREACH, INSUFFICIENT, NO_EVIDENCE)
"""Of verdicts, the worst first."""
OUTCOMES = {"errors": "wrong answers", "unfavourable": "unfavourable answers"}
SOURCES = {"declared": "declared groups", "inferred": "groups inferred by the detector"}


LIMITS = {
    "bundle": "as the bundle states it",
    "operator": "the operator's largest tolerated gap; the bundle states none",
    "validation": "the worst cell in validation less the operator's tolerated gap; the bundle states none",
    None: "nothing says what to expect",
}
"""Where a target's limit comes from."""


def targets(result: Plain) -> list[tuple[str, Plain]]:
    """The target of every attribute that has one, the worst verdict first."""
    of = [(of["attribute"], of["target"]) for of in result["fairness"]["attributes"] if of["target"]]
    return sorted(of, key=lambda target: ORDER.index(target[1]["verdict"]))


def losing(result: Plain) -> list[tuple[str, Plain]]:
    """Every cell of declared groups that the correction made less accurate, by attribute."""
    return [
        (of["attribute"], cell)
        for of in result["fairness"]["attributes"]
        for cell in of["sources"]["declared"]["correction"]["losing"]
    ]


def information(result: Plain) -> Iterator[tuple[str, str, Plain]]:
    """Every other figure: attribute, source, metric."""
    for of in result["fairness"]["attributes"]:
        for source, figures in of["sources"].items():
            if figures["rows"]:
                for metric in figures["metrics"]:
                    if metric["role"] == "information":
                        yield of["attribute"], source, metric


def in_short(result: Plain) -> list[str]:
    """The first thing to read: the target, what the correction did to it, and who paid."""
    aim = result["fairness"]["target"]
    said = "" if aim["stated"] else " (an earlier bundle, which states none)"
    sentences = [f"Target: {aim['words']}{said}."]
    for name, target in targets(result):
        sentences.append(f"{name}: {target['verdict']}. {target['why']}")
        if target["change"]["value"] is not None:
            sentences.append(f"{name}: {moved(target)}{_paid(result, name)}")
    sentences += [
        f"{each['attribute']}, {each['measure'].replace('-', ' ')}: {each['why']}"
        for each in aim["not_watched"]
    ]
    sentences += [*_abstained(result), *_corrections(result), *_slices(result)]
    return [*sentences, result["record"]["sentence"]]


def moved(target: Plain) -> str:
    """The target before and after correction, with its change."""
    show = size if target["measure"] != "worst-cell" else percent
    return (
        f"with the correction the {target['words']} went from {show(target['base'])} to "
        f"{show(target['final'])}, a change of {points(target['change'])}."
    )


def loss(cell: Plain) -> str:
    """A cell that lost, with its interval."""
    return (
        f"“{cell['group']}” with true label “{cell['label']}” {points(cell)}, n {count(cell['n'])}, "
        f"{'surely' if cell['surely'] else 'not sure'}"
    )


def _paid(result: Plain, attribute: str) -> str:
    lost = [loss(cell) for name, cell in losing(result) if name == attribute]
    return f" Cells that lost accuracy: {'; '.join(lost)}." if lost else ""


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
    """What the correction did to all rows, once; and harm by attribute."""
    overall = result["fairness"]["correction"]
    words = {BREACH: "harm", NO_EVIDENCE: "no more cost than allowed", INSUFFICIENT: "insufficient data"}
    yield f"The correction, over {overall['over']}: {words[overall['state']]}. {overall['why']}"
    for of in result["fairness"]["attributes"]:
        correction = of["sources"]["declared"]["correction"]
        if correction["state"] == BREACH:
            yield f"The correction does harm by {of['attribute']}: {correction['why']}"


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


def _left_out(of: Plain) -> Iterator[str]:
    """Which decisions are in no figure of an intersection."""
    crossed, figures = of["intersection"], of["sources"]["declared"]
    if crossed["left_out"]:
        yield (
            f"{count(crossed['left_out'])} of {count(crossed['left_out'] + figures['rows'])} decisions are "
            f"in no figure of {of['attribute']}. {crossed['why']}"
        )
    if figures["unknown_rows"]:
        yield (
            f"{count(figures['unknown_rows'])} decisions have a group of {' or '.join(crossed['of'])} that "
            f"the model does not list, and are in no gap of {of['attribute']}."
        )


def not_known(result: Plain) -> Iterator[str]:
    """What the record of this period cannot say."""
    rows = result["rows"]
    for of in result["fairness"]["attributes"]:
        figures = of["sources"]["declared"]
        declared = figures["rows"] - figures["unknown_rows"]
        if of["intersection"]:
            yield from _left_out(of)
        elif declared < rows["counted"]:
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
