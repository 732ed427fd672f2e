"""The report as one HTML page: self-contained, and fit for print."""

from __future__ import annotations

from typing import Any

from evenhand.reports.page_fairness import by_attribute, evidence, verdict_table
from evenhand.reports.page_law import law
from evenhand.reports.page_slices import slices
from evenhand.reports.words import DEFINITIONS, count, duration, in_short, moment, not_known
from evenhand.training.pages import Section, definitions, page, paragraph, points, table

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


def html(result: Plain) -> str:
    """Write the page.

    Args:
        result: What :func:`evenhand.reports.contents.contents` returns.
    """
    model, period = result["model"], result["period"]["words"]
    intro = (
        f"How the model {model} treated groups of people in the period {period}, without and with its correction, as "
        f"the record of its decisions has it. Made on {moment(result['made']['utc'])} by Evenhand "
        f"{result['made']['evenhand']}."
    )
    sections = [
        Section("In short", [points(in_short(result))]),
        Section("Verdicts", verdict_table(result)),
        Section("What this covers", _covers(result)),
        *(
            Section(f"By {of['attribute']}", by_attribute(of, result["modes"][of["attribute"]]))
            for of in result["fairness"]["attributes"]
        ),
        Section("Evidence since the start", evidence(result)),
        Section("Local Law 144", _law(result)),
        Section("Where it is worst", slices(result["slices"])),
        Section("True labels", _feedback(result)),
        Section("What happened in this time", _events(result["events"])),
        Section("What is not known", [points(list(not_known(result)))]),
        Section("Definitions and sources", [definitions(DEFINITIONS)]),
        Section("Provenance", _provenance(result)),
    ]
    return page(f"Fairness report: {model}, {period}", intro, sections)


def _law(result: Plain) -> list[str]:
    return law(result["local_law_144"], result["period"]["words"], result["fairness"]["abstention"])


def _covers(result: Plain) -> list[str]:
    rows, limits = result["rows"], result["fairness"]["limits"]
    lines = [
        ["decisions counted", count(rows["counted"])],
        ["of these still on record", count(rows["recorded"])],
        ["with a true label", count(rows["labelled"])],
        ["rows that ended with an error", count(rows["failed"])],
    ]
    if (abstention := result["fairness"]["abstention"]) is not None:
        lines.append(["decisions that abstained", count(sum(abstention["attributes"].values()))])
    lines += [
        [f"declared {of['attribute']}", count(told["rows"] - told["unknown_rows"])]
        for of in result["fairness"]["attributes"]
        for told in [of["sources"]["declared"]]
    ]
    settings = [
        [
            told["version"],
            count(told["rows"]),
            name,
            of["reference"],
            f"{of['threshold']:.3g}",
            ", ".join(told["favourable"]),
        ]
        for told in result["configurations"]
        for name, of in told["attributes"].items()
    ]
    header = ["version", "decisions", "attribute", "reference", "threshold", "favourable"]
    return [
        table(["rows", "number"], lines, f"In the period {result['period']['words']} (UTC)."),
        table(header, settings, "What decided. Bundles are named under Provenance."),
        paragraph(
            f"Tolerated: a gap of {limits['gap']:g}, an impact ratio of {limits['impact_ratio']:g}, a worst-group "
            f"accuracy {limits['accuracy_drop']:g} under that of validation. A verdict needs {limits['rows']:g} rows."
        ),
        paragraph(result["record"]["sentence"]),
    ]


def _feedback(result: Plain) -> list[str]:
    told = result["feedback"]
    share = f" ({100 * told['labelled'] / told['of']:.1f} %)" if told["of"] else ""
    parts = [
        paragraph(
            f"The true label of {count(told['labelled'])} of {count(told['of'])} decisions{share} is known. It came "
            f"after {duration(told['delay_s']['median'])} in the median, and within "
            f"{duration(told['delay_s']['ninetieth'])} for nine in ten of them."
            if told["labelled"]
            else "No true label is known of any decision of this time. Figures about errors cannot be given."
        )
    ]
    rows = [
        [
            f"{of['attribute']} is {group['group']}",
            count(group["rows"]),
            count(group["labels"]),
            f"{100 * coverage:.1f} %",
        ]
        for of in result["fairness"]["attributes"]
        for group in of["sources"]["declared"]["groups"]
        if (coverage := group["label_coverage"]) is not None
    ]
    caption = "Who is labelled. Where coverage differs between groups, figures about errors may mislead."
    return [*parts, *([table(["group", "decisions", "labelled", "share"], rows, caption)] if rows else [])]


def _events(told: Plain) -> list[str]:
    if not told["counts"]:
        return [paragraph("Nothing but decisions and feedback: no switch, override, access or erasure is on record.")]
    counts = [[KINDS.get(kind, kind), count(n)] for kind, n in sorted(told["counts"].items())]
    shown = told["events"][-SHOWN:]
    rows = [[moment(event["time"]), KINDS.get(event["kind"], event["kind"]), _facts(event["facts"])] for event in shown]
    hidden = sum(told["counts"].values()) - len(shown)
    caption = (
        f"The last {len(shown)}; {count(hidden)} before them are on record." if hidden else "All of them, in order."
    )
    return [
        *([table(["event", "times"], counts, "How often.")] if hidden else []),
        table(["when", "event", "facts"], rows, caption),
    ]


def _facts(facts: Plain) -> str:
    said = "; ".join(f"{name}: {value}" for name, value in facts.items() if value is not None)
    return said if len(said) <= FACT_LENGTH else said[: FACT_LENGTH - 1] + "…"


def _provenance(result: Plain) -> list[str]:
    bundles = {
        f"{told['model']} {told['version']}, {count(told['rows'])} decisions": f"bundle {told['bundle']}; "
        f"configuration {told['sha256']}"
        for told in result["configurations"]
    }
    return [
        definitions({**bundles, "Seed of the search for slices": str(result["slices"]["seed"])}),
        paragraph(
            "This page was noted in the record with its SHA-256 when it was made. `evenhand audit verify` checks the "
            "record; the JSON beside this page holds every figure in full."
        ),
    ]
