"""The table as text, and all figures of all seeds as CSV and JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table

from training.compare.runner import SPLITS, Result
from training.compare.summary import Figure, Line, figures_of, value_of
from training.data import Schema
from training.metrics import MIN_CELL

HEADINGS = (
    "method",
    "attribute seen: training/choosing/test",
    "seeds",
    "accuracy, %",
    "against base",
    "worst cell, %",
    "against base",
    "equalized odds difference, mean",
)
LEGEND = (
    "Mean over seeds ± standard deviation over seeds (mean of the seeds' 95 % intervals). Worst cell: lowest accuracy "
    f"of label x group over all attributes, cells of at least {MIN_CELL} rows, all groups but the reference together "
    "as well. Equalized odds difference: the reference against the others, mean over the attributes whose rates all "
    "have that many rows. Nothing was chosen on test rows."
)


def percent(figure: Figure, sign: bool = False) -> str:
    """A figure as percent or points: mean, spread, interval."""
    if figure.mean is None:
        return "-"
    form = "{:+.1f}" if sign else "{:.1f}"
    spread = "" if figure.spread is None else f" ± {100 * figure.spread:.1f}"
    if figure.low is None or figure.high is None:
        return form.format(100 * figure.mean) + spread
    low, high = form.format(100 * figure.low), form.format(100 * figure.high)
    return f"{form.format(100 * figure.mean)}{spread} ({low} to {high})"


def share(figure: Figure) -> str:
    """A figure between 0 and 1."""
    if figure.mean is None:
        return "-"
    spread = "" if figure.spread is None else f" ± {figure.spread:.3f}"
    limits = "" if figure.low is None or figure.high is None else f" ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.mean:.3f}{spread}{limits}"


def cells_of(line: Line, split: str, seeds: int) -> list[str]:
    """A line's entries under :data:`HEADINGS`."""
    named = [line.method.title, str(line.method.sees), f"{line.seeds}/{seeds}"]
    if not line.seeds:
        return [*named, "failed: " + "; ".join(line.failed), "", "", "", ""]
    of = line.figures[split]
    entries = [
        percent(of["accuracy"]),
        percent(of["accuracy_difference"], sign=True),
        percent(of["worst_cell"]),
        percent(of["worst_cell_difference"], sign=True),
        share(of["equalized_odds_mean"]),
    ]
    if line.failed:
        entries[0] += " [some seeds failed: " + "; ".join(line.failed) + "]"
    return named + entries


def text(lines: Sequence[Line], split: str, seeds: int) -> str:
    """The table of one split, as wide as it needs to be."""
    first = Column(HEADINGS[0], no_wrap=True)
    table = Table(first, *HEADINGS[1:], title=f"{split} rows", box=SIMPLE, title_justify="left")
    for line in lines:
        table.add_row(*(entry.replace("[", "\\[") for entry in cells_of(line, split, seeds)))
    console = Console(width=250, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(part.rstrip() for part in captured.get().splitlines()) + "\n"


def write_csv(file: Path, lines: Sequence[Line], results: Sequence[Result], schema: Schema) -> None:
    """A row per method, split and seed, then their mean and standard deviation; empty where there is no figure."""
    names = figures_of(schema)
    header = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    titles = {line.method.name: line.method for line in lines}
    with file.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["method", "split", "seed", "attribute_seen", *header, "seconds", "failed"])
        for result in results:
            sees = str(titles[result.method].sees)
            if result.failed:
                writer.writerow([result.method, "", result.seed, sees, *[""] * len(header), "", result.failed])
            for split, figures in result.figures.items():
                found = [value_of(figures, path) for path in names.values()]
                values = [_plain(of[end]) for of in found for end in ("value", "low", "high")]
                writer.writerow([result.method, split, result.seed, sees, *values, result.seconds, ""])
        for line in (line for line in lines if line.seeds):
            for split in SPLITS:
                of = line.figures[split].values()
                means = [_plain(value) for figure in of for value in (figure.mean, figure.low, figure.high)]
                spreads = [_plain(value) for figure in of for value in (figure.spread, None, None)]
                writer.writerow([line.method.name, split, "mean", str(line.method.sees), *means, "", ""])
                writer.writerow([line.method.name, split, "sd", str(line.method.sees), *spreads, "", ""])


def write_json(file: Path, results: Sequence[Result]) -> None:
    """Everything that was judged, every cell with its count and interval, and what each method chose."""
    file.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
