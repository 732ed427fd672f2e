"""The table as text, and all figures of all seeds as CSV and JSON."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Column, Table

from evenhand.models.bundle.target import Target
from evenhand.training.benchmark.aggregate import Figure, MethodRow, figures_of, value_of
from evenhand.training.benchmark.frontier import Axis, axes_of, frontier, is_every_worst_cell, target_title
from evenhand.training.benchmark.runner import SPLITS, Result, Task
from evenhand.training.benchmark.score import GAPS
from evenhand.training.data.dataset import Schema
from evenhand.training.evaluation.metrics import MIN_CELL

WIDTH = 400
BEFORE = ("method", "attribute seen: training/choosing/test", "seeds")
AFTER = ("frontier", "served as", "serving cost")
CONTROL = " (control)"


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


def points(figure: Figure) -> str:
    """A difference in points, with its sign."""
    return percent(figure, sign=True)


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


def title(line: MethodRow) -> str:
    """The method's title; a control says that it is one."""
    return line.method.title + (CONTROL if line.method.control else "")


@dataclass(frozen=True)
class FigureColumn:
    """One figure of the table."""

    heading: str
    figure: str
    form: Callable[[Figure], str]


@dataclass(frozen=True)
class Layout:
    """The table's columns: the target's figure is the first after the accuracy."""

    target: Target
    schema: Schema

    @property
    def axes(self) -> tuple[Axis, ...]:
        """What accuracy is set against."""
        return axes_of(self.target, self.schema)

    @property
    def columns(self) -> list[FigureColumn]:
        """Figures in the order of the table."""
        cell = [
            FigureColumn("worst cell, %", "worst_cell", percent),
            FigureColumn("against base", "worst_cell_difference", points),
        ]
        return [
            FigureColumn("accuracy, %", "accuracy", percent),
            FigureColumn("against base", "accuracy_difference", points),
            FigureColumn(f"target: {target_title(self.target)}, %", "target", percent),
            FigureColumn("against base", "target_difference", points),
            FigureColumn("largest loss of a cell, points", "largest_cell_loss", percent),
            *([] if is_every_worst_cell(self.target, self.schema) else cell),
            *(
                FigureColumn(f"{gap.replace('_', ' ')} difference, mean", f"{gap}_mean", share)
                for gap in GAPS
            ),
        ]

    @property
    def headings(self) -> list[str]:
        """All headings."""
        return [*BEFORE, *(column.heading for column in self.columns), *AFTER]

    @property
    def legend(self) -> str:
        """What the columns mean."""
        letters = "; ".join(f"{axis.letter}: {axis.title}" for axis in self.axes)
        cell = (
            ""
            if is_every_worst_cell(self.target, self.schema)
            else (
                "Worst cell: lowest accuracy of label x group over all attributes, all groups but the "
                "reference together as well. "
            )
        )
        return (
            "Mean over seeds ± standard deviation over seeds (mean of the seeds' 95 % intervals). Target: "
            f"{self.target.in_words()}; of several attributes the worst figure. A cell is label x group; "
            f"cells and rates of fewer than {MIN_CELL} rows do not count. Largest loss of a cell: accuracy "
            "lost against the base by the cell that loses most, with that cell's own interval; below 0 if "
            f"every cell gains. {cell}Differences of rates: the reference against the others, mean over the "
            "attributes whose rates all have enough rows; the target's are the largest between any two "
            "groups. Frontier: a letter where no other method is at least as good in accuracy and in that "
            f"figure, and better in one ({letters}). Control: what a sceptic would try first. Served as: "
            "bundle, corrector in the base's graph, or no; (attribute) where the row's own group has to be "
            "given with every request. Serving cost: computation of a row relative to the base, - where it "
            "is not known. Nothing was chosen on test rows."
        )

    def rows_of(self, lines: Sequence[MethodRow], split: str, seeds: int) -> list[list[str]]:
        """Every line's entries under :attr:`headings`."""
        on = {axis.letter: frontier(lines, split, axis) for axis in self.axes}
        return [self._entries(line, split, seeds, on) for line in lines]

    def _entries(self, line: MethodRow, split: str, seeds: int, on: dict[str, set[str]]) -> list[str]:
        before = [title(line), str(line.method.sees), f"{line.seeds}/{seeds}"]
        if not line.seeds:
            blank = [""] * len(self.columns)
            return [*before, "failed: " + "; ".join(line.failed), *blank, served(line), ""]
        entries = [column.form(line.figures[split][column.figure]) for column in self.columns]
        if line.failed:
            entries[0] += " [some seeds failed: " + "; ".join(line.failed) + "]"
        letters = "".join(letter for letter, names in on.items() if line.method.name in names)
        cost = "-" if line.cost is None else f"{line.cost:.2f}"
        return [*before, *entries, letters or "-", served(line), cost]

    def text(self, lines: Sequence[MethodRow], split: str, seeds: int) -> str:
        """The table of one split, as wide as it needs to be."""
        first = Column(self.headings[0], no_wrap=True)
        table = Table(first, *self.headings[1:], title=f"{split} rows", box=SIMPLE, title_justify="left")
        for row in self.rows_of(lines, split, seeds):
            table.add_row(*(entry.replace("[", "\\[") for entry in row))
        console = Console(width=WIDTH, no_color=True, highlight=False)
        with console.capture() as captured:
            console.print(table)
        return "\n".join(part.rstrip() for part in captured.get().splitlines()) + "\n"


def write_csv(file: Path, lines: Sequence[MethodRow], results: Sequence[Result], task: Task) -> None:
    """Write a row per method, split and seed, then mean and standard deviation; missing figures are empty."""
    names = figures_of(task.schema, task.target)
    header = [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
    said = {
        line.method.name: (
            str(line.method.sees),
            line.method.served.how,
            "yes" if line.method.control else "no",
            _plain(line.cost),
        )
        for line in lines
    }
    with file.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(
            [
                *("method", "split", "seed", "attribute_seen", "served", "control", "cost"),
                *header,
                *("seconds", "failed"),
            ]
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
