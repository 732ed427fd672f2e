"""The page of ``evenhand compare``: the recommendation, plots, and every figure of every method."""

from __future__ import annotations

import json
from collections.abc import Sequence

from markupsafe import Markup

from evenhand.reports.html import plots
from evenhand.reports.html.page import render
from evenhand.training.baselines.ours import OURS
from evenhand.training.benchmark import results_table
from evenhand.training.benchmark.aggregate import MethodRow
from evenhand.training.benchmark.frontier import Axis, frontier
from evenhand.training.benchmark.outputs import MethodComparison
from evenhand.training.benchmark.runner import SPLITS
from evenhand.training.benchmark.score import GAPS

NEEDS = "†"
TITLES = {"test": "Test rows", "val": "Validation rows: what choices were made on"}


def html(comparison: MethodComparison) -> str:
    """Write the page.

    Args:
        comparison: What :func:`evenhand.training.benchmark.outputs.conclude` returns.
    """
    task, lines, layout = comparison.task, comparison.lines, comparison.layout
    splits = {
        title: {
            "charts": _charts(lines, split, layout.axes),
            "rows": layout.rows_of(lines, split, len(task.seeds)),
        }
        for split, title in TITLES.items()
    }
    gaps = [(gap, name) for gap in GAPS for name in task.schema.attributes]
    return render(
        "benchmark.html.j2",
        seeds=task.seeds,
        counts={split: len(task.rows.of(split)) for split in ("train", *SPLITS)},
        recommendation=comparison.recommendation(),
        lines=lines,
        results=comparison.results,
        splits=splits,
        table_header=[layout.headings[0], "from", *layout.headings[1:]],
        legend=layout.legend,
        target=task.target.in_words(),
        aims=[aim.attribute for aim in task.target.attributes],
        aim_titles=[
            heading
            for aim in task.target.attributes
            for heading in (f"{aim.measure.replace('-', ' ')} of {aim.attribute}, %", "against base, points")
        ],
        needs=NEEDS,
        gaps=[f"{gap}_{name}" for gap, name in gaps],
        gap_titles=[f"{gap.replace('_', ' ')} difference, {name}" for gap, name in gaps],
        share=results_table.share,
        percent=results_table.percent,
        points=results_table.points,
        served=results_table.served,
        json=json.dumps,
        titles={method.name: method.title for method in task.methods},
    )


def _charts(lines: Sequence[MethodRow], split: str, axes: Sequence[Axis]) -> list[Markup]:
    """Accuracy against each fairness figure; none where no method has both."""
    charts = []
    for axis in axes:
        on = frontier(lines, split, axis)
        points = [point for line in lines if (point := _point(line, split, axis, line.method.name in on))]
        if points:
            charts.append(plots.accuracy_against(points, axis.title, lower_is_better=axis.sign < 0))
    return charts


def _point(line: MethodRow, split: str, axis: Axis, on_frontier: bool) -> plots.Point | None:
    """A method's place in the plot; none where a figure is missing."""
    if not line.seeds:
        return None
    accuracy, fairness = line.figures[split]["accuracy"], line.figures[split][axis.figure]
    numbers = (accuracy.mean, accuracy.low, accuracy.high, fairness.mean, fairness.low, fairness.high)
    place = [value for value in numbers if value is not None]
    if len(place) < len(numbers):
        return None
    x, x_low, x_high, y, y_low, y_high = place
    label = line.method.title + (f" {NEEDS}" if line.method.sees.test else "")
    return plots.Point(label, x, x_low, x_high, y, y_low, y_high, line.method in OURS, on_frontier)
