"""Write what was compared: the table as text and as a page with plots, every figure as CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from training import pages
from training.compare import table
from training.compare.ours import Ours
from training.compare.runner import SPLITS, Result, Task
from training.compare.scatter import Point, accuracy_against_worst_cell
from training.compare.summary import Line, summarise

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
    parts = [table.text(lines, split, len(task.seeds)) for split in SPLITS]
    found = "\n".join([*parts, table.LEGEND]) + "\n"
    (task.out / "table.txt").write_text(found)
    table.write_csv(task.out / "figures.csv", lines, results, task.schema)
    table.write_json(task.out / "comparison.json", results)
    (task.out / "index.html").write_text(_page(task, lines, results))
    return found


def _page(task: Task, lines: Sequence[Line], results: Sequence[Result]) -> str:
    counts = ", ".join(f"{split} {len(task.rows.of(split))}" for split in ("train", *SPLITS))
    intro = (
        f"{len(lines)} methods on the same base checkpoint and the same rows ({counts}), "
        f"over {len(task.seeds)} seeds: {', '.join(map(str, task.seeds))}."
    )
    sections = [_split(task, lines, split) for split in ("test", "val")]
    sections += [_attributes(task, lines), _seeds(task, results), _choices(task, results), _reading()]
    return pages.page("Comparison of methods", intro, sections)


def _split(task: Task, lines: Sequence[Line], split: str) -> pages.Section:
    """Plot and table of one split."""
    points = [point for line in lines if (point := _point(line, split))]
    caption = "Up and to the right is better. Bars: 95 % intervals. Ours is highlighted."
    parts = [pages.figure(accuracy_against_worst_cell(points), caption)] if points else []
    header = [table.HEADINGS[0], "from", *table.HEADINGS[1:]]
    rows = [_with_source(line, table.cells_of(line, split, len(task.seeds))) for line in lines]
    return pages.Section(TITLES[split], [*parts, pages.table(header, rows, table.LEGEND)])


def _with_source(line: Line, cells: Sequence[str]) -> list[str]:
    return [cells[0], line.method.source, *cells[1:]]


def _point(line: Line, split: str) -> Point | None:
    """A method's place in the plot; none where a figure is missing."""
    if not line.seeds:
        return None
    accuracy, cell = line.figures[split]["accuracy"], line.figures[split]["worst_cell"]
    found = (accuracy.mean, accuracy.low, accuracy.high, cell.mean, cell.low, cell.high)
    if None in found:
        return None
    return Point(line.method.title, *found, highlighted=isinstance(line.method, Ours))  # type: ignore[arg-type]


def _attributes(task: Task, lines: Sequence[Line]) -> pages.Section:
    """Equalized odds difference of every attribute, on test rows."""
    names = task.schema.attributes
    rows = [
        [line.method.title, *(table.share(line.figures["test"][f"equalized_odds_{name}"]) for name in names)]
        for line in lines
        if line.seeds
    ]
    caption = "Equalized odds difference on test rows, the reference group against the others; empty: too few rows."
    return pages.Section("By attribute", [pages.table(["method", *names], rows, caption)])


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
    return pages.Section("How to read this", [pages.paragraph(table.LEGEND), pages.definitions(terms)])


def _rate(rate: dict[str, float]) -> str:
    return f"{100 * rate['value']:.1f} ({100 * rate['low']:.1f} to {100 * rate['high']:.1f}), n {rate['n']:.0f}"
