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

from evenhand.training.benchmark.aggregate import Figure, MethodRow, figures_of, value_of
from evenhand.training.benchmark.frontier import AXES, frontier
from evenhand.training.benchmark.runner import SPLITS, Result
from evenhand.training.data.dataset import Schema
from evenhand.training.evaluation.metrics import MIN_CELL

HEADINGS = (
    "method",
    "attribute seen: training/choosing/test",
    "seeds",
    "accuracy, %",
    "against base",
    "worst cell, %",
    "against base",
    "equalized odds difference, mean",
    "demographic parity difference, mean",
    "frontier",
    "served as",
    "serving cost",
)
LEGEND = (
    "Mean over seeds ± standard deviation over seeds (mean of the seeds' 95 % intervals). Worst cell: "
    f"lowest accuracy of label x group over all attributes, cells of at least {MIN_CELL} rows, all groups "
    "but the reference together as well. Equalized odds and demographic parity difference: the reference "
    "against the others, mean over the attributes whose rates all have that many rows. Frontier: W, E, D "
    "where no other method is at least as good in accuracy and in the worst cell (W), the equalized odds "
    "(E) or the demographic parity difference (D), and better in one. Served as: bundle, corrector in the "
    "base's graph, or no; (attribute) where the row's own group has to be given with every request. "
    "Serving cost: computation of a row relative to the base, - where it is not known. Nothing was chosen "
    "on test rows."
)
LETTERS = dict(zip((axis.figure for axis in AXES), "WED", strict=True))


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


def served(line: MethodRow) -> str:
    """How a method's line can be served, and whether every request then has to say the row's group."""
    how = line.method.served.how
    return f"{how} (attribute)" if line.method.sees.test else how


def letters(lines: Sequence[MethodRow], split: str) -> dict[str, str]:
    """Which frontiers each method stands on, by its name."""
    on = {axis.figure: frontier(lines, split, axis) for axis in AXES}
    return {
        line.method.name: "".join(
            letter for figure, letter in LETTERS.items() if line.method.name in on[figure]
        )
        for line in lines
    }


def rows_of(lines: Sequence[MethodRow], split: str, seeds: int) -> list[list[str]]:
    """Every line's entries under :data:`HEADINGS`."""
    on = letters(lines, split)
    return [_cells(line, split, seeds, on[line.method.name]) for line in lines]


def _cells(line: MethodRow, split: str, seeds: int, on: str) -> list[str]:
    named = [line.method.title, str(line.method.sees), f"{line.seeds}/{seeds}"]
    if not line.seeds:
        return [*named, "failed: " + "; ".join(line.failed), *[""] * 6, served(line), ""]
    of = line.figures[split]
    entries = [
        percent(of["accuracy"]),
        percent(of["accuracy_difference"], sign=True),
        percent(of["worst_cell"]),
        percent(of["worst_cell_difference"], sign=True),
        share(of["equalized_odds_mean"]),
        share(of["demographic_parity_mean"]),
        on or "-",
        served(line),
        "-" if line.cost is None else f"{line.cost:.2f}",
    ]
    if line.failed:
        entries[0] += " [some seeds failed: " + "; ".join(line.failed) + "]"
    return named + entries


def text(lines: Sequence[MethodRow], split: str, seeds: int) -> str:
    """The table of one split, as wide as it needs to be."""
    first = Column(HEADINGS[0], no_wrap=True)
    table = Table(first, *HEADINGS[1:], title=f"{split} rows", box=SIMPLE, title_justify="left")
    for row in rows_of(lines, split, seeds):
        table.add_row(*(entry.replace("[", "\\[") for entry in row))
    console = Console(width=300, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(table)
    return "\n".join(part.rstrip() for part in captured.get().splitlines()) + "\n"


def write_csv(file: Path, lines: Sequence[MethodRow], results: Sequence[Result], schema: Schema) -> None:
    """Write a row per method, split and seed, then mean and standard deviation; missing figures are empty."""
    names = figures_of(schema)
    header = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    said = {
        line.method.name: (str(line.method.sees), line.method.served.how, _plain(line.cost)) for line in lines
    }
    with file.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(
            ["method", "split", "seed", "attribute_seen", "served", "cost", *header, "seconds", "failed"]
        )
        for result in results:
            about = said[result.method]
            if result.failed:
                writer.writerow(
                    [result.method, "", result.seed, *about, *[""] * len(header), "", result.failed]
                )
            for split, figures in result.figures.items():
                entries = [value_of(figures, path) for path in names.values()]
                values = [_plain(of[end]) for of in entries for end in ("value", "low", "high")]
                writer.writerow([result.method, split, result.seed, *about, *values, result.seconds, ""])
        for line in (line for line in lines if line.seeds):
            for split in SPLITS:
                of = line.figures[split].values()
                means = [_plain(value) for figure in of for value in (figure.mean, figure.low, figure.high)]
                spreads = [_plain(value) for figure in of for value in (figure.spread, None, None)]
                writer.writerow([line.method.name, split, "mean", *said[line.method.name], *means, "", ""])
                writer.writerow([line.method.name, split, "sd", *said[line.method.name], *spreads, "", ""])


def write_json(file: Path, results: Sequence[Result]) -> None:
    """Everything that was scored, every cell with its count and interval, and what each method chose."""
    file.write_text(json.dumps([asdict(result) for result in results], indent=1) + "\n")


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
