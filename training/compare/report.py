"""Write what was compared: the table as text and as a page with plots, every figure as CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from evenhand.training import pages
from evenhand.training.baselines.ours import OURS
from evenhand.training.benchmark import results_table
from evenhand.training.benchmark.aggregate import Figure, Line, summarise
from evenhand.training.benchmark.frontier import AXES, Axis, frontier
from evenhand.training.benchmark.recommend import Recommendation, recommend
from evenhand.training.benchmark.runner import SPLITS, Result, Task
from evenhand.training.benchmark.score import GAPS
from evenhand.training.compare.scatter import Point, accuracy_against

NEEDS = "†"
TITLES = {"test": "Test rows", "val": "Validation rows: what choices were made on"}
SEEN = {
    "training": "of which training rows the sensitive attribute is learnt from: all, a part, or none.",
    "choosing": "whether something is fitted or chosen on validation rows with their attribute.",
    "test": "whether the attribute of the very row to be judged is an input; such a method cannot serve without it.",
}


def write(task: Task, results: Sequence[Result]) -> str:
    """Write all files into the task's folder.

    Returns:
        The table as text.
    """
    lines = summarise(task.methods, results, task.schema)
    parts = [results_table.text(lines, split, len(task.seeds)) for split in SPLITS]
    advice = recommend(lines, len(task.seeds), task.config(task.seeds[0]).correction.cost)
    found = "\n".join([*parts, results_table.LEGEND, "", *_advice(lines, advice)]) + "\n"
    (task.out / "table.txt").write_text(found)
    results_table.write_csv(task.out / "figures.csv", lines, results, task.schema)
    results_table.write_json(task.out / "comparison.json", results)
    (task.out / "recommendation.json").write_text(json.dumps(asdict(advice), indent=1) + "\n")
    (task.out / "index.html").write_text(_page(task, lines, results, advice))
    return found


def _advice(lines: Sequence[Line], advice: Recommendation) -> list[str]:
    """The recommendation in sentences: what, how it does on both splits, why, and by which rule."""
    rest = [advice.why, f"Rule: {advice.rule}"]
    if advice.verdict != "take":
        return [f"Recommendation: {advice.verdict}.", *rest]
    chosen = next(line for line in lines if line.method.name == advice.method)
    served = f"Served as: {chosen.method.served.how}. {chosen.method.served.why}"
    gains = (_gain(chosen.figures[split], name) for split, name in (("val", "validation"), ("test", "test")))
    return [f"Recommendation: take {chosen.method.title} ({chosen.method.name}).", served, *gains, *rest]


def _gain(of: Mapping[str, Figure], split: str) -> str:
    accuracy, cell = (results_table.percent(of[f"{name}_difference"], sign=True) for name in ("accuracy", "worst_cell"))
    odds, parity = (results_table.share(of[f"{gap}_mean"]) for gap in GAPS)
    return (
        f"On {split} rows, against the base: accuracy {accuracy} points, worst cell {cell} points; equalized odds "
        f"difference {odds}, demographic parity difference {parity}."
    )


def _page(task: Task, lines: Sequence[Line], results: Sequence[Result], advice: Recommendation) -> str:
    counts = ", ".join(f"{split} {len(task.rows.of(split))}" for split in ("train", *SPLITS))
    intro = (
        f"{len(lines)} methods on the same base checkpoint and the same rows ({counts}), "
        f"over {'one seed' if len(task.seeds) == 1 else f'{len(task.seeds)} seeds'}: {', '.join(map(str, task.seeds))}."
    )
    sections = [pages.Section("Recommendation", [pages.paragraph(said) for said in _advice(lines, advice)])]
    sections += [_split(task, lines, split) for split in ("test", "val")]
    sections += [_attributes(task, lines), _served(lines), _seeds(task, results), _choices(task, results), _reading()]
    return pages.page("Comparison of methods", intro, sections)


def _split(task: Task, lines: Sequence[Line], split: str) -> pages.Section:
    """Plots and table of one split."""
    parts = [plot for axis in AXES if (plot := _frontier(lines, split, axis))]
    header = [results_table.HEADINGS[0], "from", *results_table.HEADINGS[1:]]
    cells = results_table.rows_of(lines, split, len(task.seeds))
    rows = [[row[0], line.method.source, *row[1:]] for line, row in zip(lines, cells, strict=True)]
    return pages.Section(TITLES[split], [*parts, pages.table(header, rows, results_table.LEGEND)])


def _frontier(lines: Sequence[Line], split: str, axis: Axis) -> str | None:
    """Accuracy against one fairness figure; none where no method has both."""
    on = frontier(lines, split, axis)
    points = [point for line in lines if (point := _point(line, split, axis, line.method.name in on))]
    if not points:
        return None
    caption = (
        "Up and to the right is better. Bars: 95 % intervals. Filled and bold: on the frontier, no other method is at "
        f"least as good in both and better in one. {NEEDS}: needs the row's own attribute to answer it. Ours is blue."
    )
    return pages.figure(accuracy_against(points, axis.title, lower_is_better=axis.sign < 0), caption)


def _point(line: Line, split: str, axis: Axis, on: bool) -> Point | None:
    """A method's place in the plot; none where a figure is missing."""
    if not line.seeds:
        return None
    accuracy, fairness = line.figures[split]["accuracy"], line.figures[split][axis.figure]
    found = (accuracy.mean, accuracy.low, accuracy.high, fairness.mean, fairness.low, fairness.high)
    if None in found:
        return None
    label = line.method.title + (f" {NEEDS}" if line.method.sees.test else "")
    return Point(label, *found, highlighted=line.method in OURS, frontier=on)  # type: ignore[arg-type]


def _served(lines: Sequence[Line]) -> pages.Section:
    """How each method is served, or why it is not."""
    rows = [
        [
            line.method.title,
            results_table.served(line),
            "-" if line.cost is None else f"{line.cost:.2f}",
            line.method.served.why,
        ]
        for line in lines
    ]
    caption = "Cost: multiplications and additions of a row relative to the base's, counted; - where it is not known."
    return pages.Section("Serving", [pages.table(["method", "served as", "cost", "how, or why not"], rows, caption)])


def _attributes(task: Task, lines: Sequence[Line]) -> pages.Section:
    """Every difference of every attribute, on test rows."""
    names = [(gap, name) for gap in GAPS for name in task.schema.attributes]
    rows = [
        [line.method.title, *(results_table.share(line.figures["test"][f"{gap}_{name}"]) for gap, name in names)]
        for line in lines
        if line.seeds
    ]
    caption = "Differences on test rows, the reference group against the others; -: too few rows."
    header = ["method", *(f"{gap.replace('_', ' ')} difference, {name}" for gap, name in names)]
    return pages.Section("By attribute", [pages.table(header, rows, caption)])


def _seeds(task: Task, results: Sequence[Result]) -> pages.Section:
    """Test figures of every seed, with the cell that was the worst."""
    titles = {method.name: method.title for method in task.methods}
    rows = []
    for result in results:
        named = [titles[result.method], str(result.seed)]
        if result.failed:
            rows.append([*named, f"failed: {result.failed}", "", "", ""])
            continue
        found = result.figures["test"]
        cell = found["worst_cell"]
        rows.append(
            [
                *named,
                _rate(found["accuracy"]),
                "-" if cell is None else _rate(cell["accuracy"]),
                "-" if cell is None else f"{cell['attribute']} = {cell['group']}, {cell['label']}",
                f"{result.seconds:.0f}",
            ]
        )
    header = ["method", "seed", "accuracy, %", "worst cell, %", "which cell", "seconds"]
    return pages.Section("Every seed", [pages.table(header, rows, "Test rows; 95 % intervals.")])


def _choices(task: Task, results: Sequence[Result]) -> pages.Section:
    """What each method chose on validation rows, and says of itself."""
    titles = {method.name: method.title for method in task.methods}
    rows = [
        [titles[result.method], str(result.seed), name, json.dumps(value)]
        for result in results
        for name, value in result.notes.items()
    ]
    caption = "Settings that methods chose on validation rows, and what they report of themselves."
    return pages.Section("What was chosen", [pages.table(["method", "seed", "what", "value"], rows, caption)])


def _reading() -> pages.Section:
    terms = {f"attribute seen, {when}": meaning for when, meaning in SEEN.items()}
    return pages.Section("How to read this", [pages.paragraph(results_table.LEGEND), pages.definitions(terms)])


def _rate(rate: dict[str, float]) -> str:
    return f"{100 * rate['value']:.1f} ({100 * rate['low']:.1f} to {100 * rate['high']:.1f}), n {rate['n']:.0f}"
