"""The page and the short answer of ``evenhand flip``."""

from __future__ import annotations

from typing import Any

from evenhand.stats import Rate
from evenhand.training import plots
from evenhand.training.evaluation.metrics import MIN_CELL
from evenhand.training.pages import Section, definitions, figure, page, paragraph, points, table
from evenhand.training.report_words import number
from evenhand.training.words import percent

Plain = dict[str, Any]
KINDS = {"base": "base", "final": "corrected"}
NOT_KNOWN = (
    "A swap changes words or one value, not the person: what else would differ had the author, or the person in the "
    "row, belonged to another group stays as it is. It is a test of what the model reads, not a causal counterfactual.",
    "Some swaps are not fluent, and some are no longer true (“a black friday”, “the white house”, an article that no "
    "longer fits). A flip on such a row says less. Read the worst rows in your own table, by their numbers.",
    "Some answers ought to change: where a sentence is about one group's history, or a word insults one group alone.",
    "Only terms of the list are seen. A row that names a group in other words, or not at all, enters no figure.",
    "No flips is no proof of equal treatment: groups may still be served worse on the rows that are really theirs. "
    "evenhand evaluate says how that is.",
)
DEFINITIONS = {
    "swap": "The same row with the terms of two groups exchanged, in all their places and with their case kept; for a "
    "table, with another group in the attribute's own column (counterfactual token fairness: Garg et al. 2019, "
    "arXiv 1809.10610).",
    "flipped": "Share of swapped rows whose label is another one than before, with its 95 % Wilson interval. Under "
    "“any” a row counts once, if at least one of its swaps flips; the more groups a list has, the more chances it has.",
    "change": "Mean change of the probability of a favourable label from the row to its swap, with its 95 % "
    "interval. A mean near nothing may hide large changes in both directions.",
    "not seen": "Swaps that the model reads as the same row: words that its tokenizer does not know, or that lie "
    "beyond the length it reads. They never flip.",
    "base and corrected": "The base answer is the model's without correction; the corrected one is what is served, "
    "under each attribute's mode. A swap may change whether a row is flagged, and so its correction.",
}


def in_short(result: Plain) -> list[str]:
    """The answer in a few lines."""
    rows = result["data"]["rows"]
    lines = [f"{rows['swapped']} of {rows['tried']} rows name a group that could be swapped."]
    for name, of in result["attributes"].items():
        few = f" Fewer than {MIN_CELL} rows: insufficient data." if of["rows"] < MIN_CELL else ""
        lines.append(
            f"{name}: of {of['rows']} rows some swap flips the label of {percent(of['any']['base'])} without "
            f"correction, {percent(of['any']['final'])} as served.{few}"
        )
    lines += [f"{name}: not swapped; {why}." for name, why in result["not_swapped"].items()]
    return lines


def html(result: Plain) -> str:
    """Write the page.

    Args:
        result: What :func:`evenhand.training.counterfactual.flip_rate.flip` returns.
    """
    bundle, data = result["bundle"], result["data"]
    intro = (
        f"How often the model {bundle['name']} {bundle['version']} answers otherwise when another group stands in the "
        f"same row of {data['file']}. Made on {result['made']['utc']} by Evenhand {result['made']['evenhand']}."
    )
    sections = [
        Section("In short", [points(in_short(result))]),
        Section("What is not known", [points(NOT_KNOWN)]),
        *(Section(f"By {name}", _attribute(name, of)) for name, of in result["attributes"].items()),
        Section("Definitions and sources", [definitions(DEFINITIONS)]),
        Section("Provenance", [_provenance(result)]),
    ]
    return page(f"Flip test of {bundle['name']} {bundle['version']}", intro, sections)


def _attribute(name: str, of: Plain) -> list[str]:
    directions = of["directions"]
    pairs = [
        plots.Pair(_way(one), Rate(**one["base"]["flipped"]), Rate(**one["final"]["flipped"])) for one in directions
    ]
    rows = [
        [
            _way(one),
            _n(one["base"]["flipped"]["n"]),
            *(cell for kind in KINDS for cell in _cells(one[kind])),
        ]
        for one in directions
    ]
    header = ["swap", "rows"]
    for kind in KINDS.values():
        header += [f"{kind}: flipped", "to favourable, to unfavourable", "change"]
    return [
        paragraph(
            f"{of['rows']} rows, {of['swaps']} swaps, {of['unseen']} of them not seen by the model. At least one swap "
            f"flips {percent(of['any']['base'])} of the rows without correction, "
            f"{percent(of['any']['final'])} as served."
        ),
        figure(plots.dumbbells(pairs, "share of labels that flip"), f"Labels that flip, by swap of {name}."),
        table(header, rows, f"Swaps of {name}. Under {MIN_CELL} rows a figure says little."),
        _worst(name, of["worst"]),
    ]


def _cells(found: Plain) -> tuple[str, str, str]:
    ways = f"{found['to_favourable']}, {found['to_unfavourable']}"
    change = found["change"]
    said = number(change) if change["low"] is not None else f"{change['value']:.3f} (one row)"
    return percent(found["flipped"]), ways, said


def _worst(name: str, listed: list[Plain]) -> str:
    rows = [
        [str(one["row_number"]), _way(one), *(_said(one[time][kind]) for kind in KINDS for time in ("before", "after"))]
        for one in listed
    ]
    header = ["row number", "swap", "base: before", "after", "corrected: before", "after"]
    caption = (
        f"Rows whose served score a swap of {name} changes most: label, and probability of a favourable one. Row "
        "numbers count from 1, the header and blank lines left out."
    )
    return table(header, rows, caption)


def _said(answer: Plain) -> str:
    return f"{answer['label']} ({answer['favourable']:.3f})"


def _way(one: Plain) -> str:
    return f"{one['source']} to {one['target']}"


def _n(rows: int) -> str:
    return str(rows) if rows >= MIN_CELL else f"{rows} (too few)"


def _provenance(result: Plain) -> str:
    bundle, data, terms = result["bundle"], result["data"], result["terms"]
    rows = data["rows"]
    left = ", ".join(f"{n} of {name}" for name, n in rows["left_out"].items())
    return definitions(
        {
            "bundle": f"{bundle['name']} {bundle['version']}; SHA-256 of its manifest {bundle['sha256']}; favourable: "
            f"{', '.join(bundle['favourable'])}",
            "data": f"{data['file']}; SHA-256 {data['sha256']}; {rows['in_file']} rows, {rows['refused']} not readable"
            + (f", left out: {left}" if left else ""),
            "swaps": f"terms of {terms['file']}; SHA-256 {terms['sha256']}" if terms else "the attributes' own columns",
        }
    )
