"""What a comparison comes to, and its files for programs: the table as text, every figure as CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from evenhand.training.benchmark import results_table
from evenhand.training.benchmark.aggregate import Figure, MethodRow, summarise
from evenhand.training.benchmark.recommend import Recommendation, recommend
from evenhand.training.benchmark.runner import SPLITS, Result, Task
from evenhand.training.benchmark.score import GAPS


@dataclass(frozen=True)
class MethodComparison:
    """All methods under all seeds, and what follows from them."""

    task: Task
    results: Sequence[Result]
    lines: Sequence[MethodRow]
    """One per method."""
    advice: Recommendation

    def recommendation(self) -> list[str]:
        """The recommendation in sentences: what, how it does on both splits, why, and by which rule."""
        advice = self.advice
        rest = [advice.why, f"Rule: {advice.rule}"]
        if advice.verdict != "take":
            return [f"Recommendation: {advice.verdict}.", *rest]
        chosen = next(line for line in self.lines if line.method.name == advice.method)
        served = f"Served as: {chosen.method.served.how}. {chosen.method.served.why}"
        gains = (
            _gain(chosen.figures[split], name) for split, name in (("val", "validation"), ("test", "test"))
        )
        return [f"Recommendation: take {chosen.method.title} ({chosen.method.name}).", served, *gains, *rest]


def conclude(task: Task, results: Sequence[Result]) -> MethodComparison:
    """Summarise results over seeds, and recommend a method."""
    lines = summarise(task.methods, results, task.schema)
    advice = recommend(lines, len(task.seeds), task.config(task.seeds[0]).correction.target.max_loss)
    return MethodComparison(task, results, lines, advice)


def write(comparison: MethodComparison) -> str:
    """Write the files into the task's folder.

    Returns:
        The table and the recommendation as text.
    """
    task, lines = comparison.task, comparison.lines
    parts = [results_table.text(lines, split, len(task.seeds)) for split in SPLITS]
    text = "\n".join([*parts, results_table.LEGEND, "", *comparison.recommendation()]) + "\n"
    (task.out / "table.txt").write_text(text)
    results_table.write_csv(task.out / "figures.csv", lines, comparison.results, task.schema)
    results_table.write_json(task.out / "comparison.json", comparison.results)
    (task.out / "recommendation.json").write_text(json.dumps(asdict(comparison.advice), indent=1) + "\n")
    return text


def _gain(of: Mapping[str, Figure], split: str) -> str:
    accuracy, cell = (
        results_table.percent(of[f"{name}_difference"], sign=True) for name in ("accuracy", "worst_cell")
    )
    odds, parity = (results_table.share(of[f"{gap}_mean"]) for gap in GAPS)
    return (
        f"On {split} rows, against the base: accuracy {accuracy} points, worst cell {cell} points; "
        f"equalized odds difference {odds}, demographic parity difference {parity}."
    )
