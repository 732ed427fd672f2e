"""The report of a period as one HTML page, fit for print."""

from __future__ import annotations

from typing import Any

from evenhand.reports.html import plots
from evenhand.reports.html.page import render
from evenhand.reports.html.wording import METRICS, RATES, SIDES
from evenhand.reports.period.sentences import (
    LIMITS,
    ORDER,
    OUTCOMES,
    SOURCES,
    in_short,
    information,
    losing,
    not_known,
    slice_name,
    targets,
)
from evenhand.reports.period.slices import LEVEL
from evenhand.service.monitoring.disparity import BREACH
from evenhand.stats import Rate

Plain = dict[str, Any]
KINDS = {
    "mode": "correction switched",
    "shadow": "version put in shadow",
    "promote": "version promoted",
    "reload": "new bundle loaded",
    "override": "answer overridden by a person",
    "access": "sensitive data read",
    "erase": "data of a person erased",
    "prune": "old records deleted",
    "report": "report made",
    "erased": "event whose content was erased",
}
SHOWN = 60
FACT_LENGTH = 120
DRAWN = ("selection_rate", "accuracy")
GAPS = (
    "demographic_parity_difference",
    "equal_opportunity_difference",
    "predictive_equality_difference",
    "equalized_odds_difference",
    "abstention_rate_difference",
)


def html(result: Plain) -> str:
    """Write the page.

    Args:
        result: What :func:`evenhand.reports.period.sections.sections` returns, with ``record``.
    """
    fairness, events = result["fairness"], result["events"]
    others: dict[str, list[tuple[str, Plain]]] = {source: [] for source in SOURCES}
    for name, source, metric in information(result):
        others[source].append((name, metric))
    shown = events["events"][-SHOWN:]
    return render(
        "period.html.j2",
        result=result,
        in_short=in_short(result),
        not_known=list(not_known(result)),
        sources=SOURCES,
        targets=targets(result),
        losing=losing(result),
        limits=LIMITS,
        information=others,
        charts={
            "gaps": _gaps(others["declared"]),
            "attributes": {of["attribute"]: _charts(of) for of in fairness["attributes"]},
        },
        abstained=sum((fairness["abstention"] or {"attributes": {}})["attributes"].values()),
        evidence_lines=_evidence(fairness["attributes"]),
        coverage=[
            (of["attribute"], group)
            for of in fairness["attributes"]
            for group in of["sources"]["declared"]["groups"]
            if group["label_coverage"] is not None
        ],
        kinds=KINDS,
        events=[{**event, "facts": _facts(event["facts"])} for event in shown],
        hidden_events=sum(events["counts"].values()) - len(shown),
        outcomes=OUTCOMES,
        slice_name=slice_name,
        level=LEVEL,
    )


def _gaps(declared: list[tuple[str, Plain]]) -> str | None:
    """The differences over declared groups that are information, as one figure, if there are any."""
    pairs = [
        plots.BeforeAfter(
            f"{METRICS[metric['metric']].removesuffix(' difference')}, by {name}",
            *(Rate(1, *(metric[side]["among"][key] for key in ("value", "low", "high"))) for side in SIDES),
        )
        for name, metric in declared
        if metric["metric"] in GAPS and metric["final"]["among"]["value"] is not None
    ]
    return plots.gaps(pairs) if pairs else None


def _charts(of: Plain) -> Plain:
    """The figures of one attribute, by the source of its groups."""
    return {source: _charts_of(figures) for source, figures in of["sources"].items() if figures["rows"]}


def _charts_of(figures: Plain) -> Plain:
    groups = [group for group in figures["groups"] if group["rows"]]
    rates = {}
    for metric in DRAWN:
        pairs = [
            plots.BeforeAfter(group["group"], *(Rate(**group[metric][side]) for side in SIDES))
            for group in groups
            if group[metric]["final"]["n"]
        ]
        if pairs:
            rates[metric] = plots.dumbbells(pairs, RATES[metric])
    changed = {
        group["group"]: (group["flips"]["to_favourable"], group["flips"]["to_unfavourable"])
        for group in groups
    }
    ways = ("made favourable", "made unfavourable")
    return {"rates": rates, "flips": plots.flips(changed, ways) if figures["correction"]["changed"] else None}


def _evidence(attributes: list[Plain]) -> list[tuple[str, Plain]]:
    """The sequential evidence over all decisions since the start: of the target's rates, breaches first."""
    lines = [
        (of["attribute"], line)
        for of in attributes
        for line in of["evidence"]
        if line["process"] == "since_start" or line["state"] == BREACH
    ]
    states = (*ORDER, None)
    return sorted(lines, key=lambda line: states.index(line[1]["state"]))


def _facts(facts: Plain) -> str:
    text = "; ".join(f"{name}: {value}" for name, value in facts.items() if value is not None)
    return text if len(text) <= FACT_LENGTH else text[: FACT_LENGTH - 1] + "…"
