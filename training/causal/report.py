"""The page and the short answer of ``evenhand causal``."""

from __future__ import annotations

from typing import Any

from evenhand.stats import Rate
from evenhand.training import plots
from evenhand.training.evaluation.metrics import MIN_CELL
from evenhand.training.pages import Section, definitions, figure, page, paragraph, points, table
from evenhand.training.report_words import number
from evenhand.training.report_words import points as in_points

Plain = dict[str, Any]
KINDS = {"base": "base", "final": "corrected"}
NOT_KNOWN = (
    "Whether the graph is right. The tests below can speak against it and never for it.",
    "Causes that nobody measured: one that lies behind the attribute and another column, or behind two of the columns "
    "that the attribute changes, makes these figures wrong, and nothing in the rows need show it.",
    "What it would take to set the attribute. Sex or race is no treatment that anybody gives; the figures say what "
    "would follow along the arrows if it were another one, as the graph and the learnt mechanisms have it.",
    "Whether a path is fair. That is for people to say: the same job may be a fair reason here and a pretext there.",
    "Intervals are about the choice of rows. A wrong graph or a wrong kind of mechanism is not in them.",
)
DEFINITIONS = {
    "total": "Change of the mean decision if every row saw the group instead of the reference along every arrow "
    "(intervention: Pearl 2009).",
    "direct": "The same if the model alone saw the group, and every column stayed as under the reference (natural "
    "direct effect: Pearl 2001). It is nothing, exactly, where the model does not read the attribute.",
    "indirect": "The same if the columns saw the group and the model still read the reference (natural indirect "
    "effect).",
    "through": "The same along all paths through the mediators that are named, and along no other path "
    "(path-specific effect). Direct, and through one column after the other, need not add up to the total.",
    "not told": "A column lies on a path through the mediators and on one around them: no data of this kind can tell "
    "that effect (recanting witness: Avin, Shpitser and Pearl 2005).",
    "placebo": "The indirect effect on the served score where each row's group was drawn by lot: it should be "
    "near nothing.",
    "halves": "The same in halves of the rows: it should be near what all rows say.",
    "reproduced": "Favourable decisions as served, over the rows and over what the causal model makes of each row's "
    "own group: they should agree.",
}


def in_short(result: Plain) -> list[str]:
    """The answer in a few lines."""
    reference, lines = result["reference"], []
    for group, ways in result["effects"].items():
        for way in ("total", "direct", "indirect"):
            of = ways[way]
            lines.append(
                f"{group} instead of {reference}, {way} effect on favourable decisions: "
                f"{in_points(of['base']['decision'])} without correction, "
                f"{in_points(of['final']['decision'])} as served."
            )
    lines += [
        f"{name}: cannot be told; {column} is on such a path and on another."
        for name, column in result["not_told"].items()
    ]
    lines += [f"{group}: insufficient data ({n} rows)." for group, n in result["few"].items()]
    return lines


def html(result: Plain) -> str:
    """Write the page.

    Args:
        result: What :func:`evenhand.training.causal.effects.causal` returns.
    """
    bundle, data, name = result["bundle"], result["data"], result["attribute"]
    intro = (
        f"How the model {bundle['name']} {bundle['version']} would decide about the rows of {data['file']} if {name} "
        f"were another one, by the causal graph {result['graph']['file']}. Made on {result['made']['utc']} by Evenhand "
        f"{result['made']['evenhand']}."
    )
    sections = [
        Section("In short", [points(in_short(result))]),
        Section("What is not known", [points(NOT_KNOWN)]),
        *(
            Section(f"{group} instead of {result['reference']}", _effects(ways))
            for group, ways in result["effects"].items()
        ),
        Section("What speaks against it", _refutation(result)),
        Section("The graph", _graph(result)),
        Section("Definitions and sources", [definitions(DEFINITIONS)]),
        Section("Provenance", [_provenance(result)]),
    ]
    return page(f"Causal effects of {name} on {bundle['name']} {bundle['version']}", intro, sections)


def _effects(ways: Plain) -> list[str]:
    pairs = [plots.Pair(way, *(Rate(**of[kind]["decision"]) for kind in KINDS)) for way, of in ways.items()]
    rows = [
        [
            way,
            *(in_points(of[kind]["decision"]) for kind in KINDS),
            *(number(of[kind]["score"]) for kind in KINDS),
        ]
        for way, of in ways.items()
    ]
    header = ["effect", "favourable decisions: base", "corrected", "mean score: base", "corrected"]
    return [
        figure(plots.changes(pairs, "change of the share of favourable decisions"), "Effects with 95 % intervals."),
        table(header, rows, "Effects, with 95 % intervals by models learnt anew from drawn rows."),
    ]


def _refutation(result: Plain) -> list[str]:
    found = result["refutation"]
    rows = []
    for group, ways in result["effects"].items():
        all_rows = ways["indirect"]["final"]["score"]
        rows.append([group, number(all_rows), number(found["placebo"][group]), number(found["halves"][group])])
    shares = [[group, f"{of['observed']:.3f}", f"{of['simulated']:.3f}"] for group, of in found["reproduced"].items()]
    tests = found["independence"]
    said = (
        f"Of {tests['tests']} tests of independence that the graph asks for, on {tests['rows']} rows, "
        f"{tests['violations']} speak against it at the 5 % level; one in twenty would by chance."
        if tests["tests"]
        else "The graph asks for no independence that could be tested: no rows can speak against its arrows."
    )
    return [
        table(
            [
                "group",
                "indirect effect, all rows",
                "placebo: mean (lowest to highest)",
                "halves: mean (lowest to highest)",
            ],
            rows,
            "Indirect effect on the served score, and the same where it should be nothing, or the same.",
        ),
        table(["group", "observed", "simulated"], shares, "Share of favourable decisions as served."),
        paragraph(said),
    ]


def _graph(result: Plain) -> list[str]:
    graph = result["graph"]
    rows = [
        [column, ", ".join(a for a, b in graph["edges"] if b == column), kind]
        for column, kind in graph["mechanisms"].items()
    ]
    parts = [table(["column", "its causes", "mechanism that was chosen"], rows, "Columns that the attribute changes.")]
    if graph["not_drawn"]:
        parts.append(
            paragraph(
                f"The model also reads {', '.join(graph['not_drawn'])}, which the graph does not name: they are taken "
                "as not changed by the attribute."
            )
        )
    return parts


def _provenance(result: Plain) -> str:
    bundle, data, graph = result["bundle"], result["data"], result["graph"]
    rows = data["rows"]
    few = ", ".join(f"{group} ({n})" for group, n in result["few"].items())
    return definitions(
        {
            "bundle": f"{bundle['name']} {bundle['version']}; SHA-256 of its manifest {bundle['sha256']}",
            "data": f"{data['file']}; SHA-256 {data['sha256']}; {rows['used']} of {rows['in_file']} rows, "
            f"{rows['incomplete']} lack a value of the graph",
            "graph": f"{graph['file']}; SHA-256 {graph['sha256']}",
            "groups": f"compared with {result['reference']}; fewer than {MIN_CELL} rows: {few or 'none'}",
            "library": f"dowhy {result['made']['dowhy']}",
        }
    )
