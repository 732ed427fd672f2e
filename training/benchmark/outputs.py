"""What a comparison comes to, and its files for programs: the table as text, every figure as CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from evenhand.training.benchmark import results_table
from evenhand.training.benchmark.aggregate import Figure, MethodRow, over_seeds, summarise
from evenhand.training.benchmark.controls import control_sentences
from evenhand.training.benchmark.frontier import target_title
from evenhand.training.benchmark.recommend import Recommendation, recommend
from evenhand.training.benchmark.results_table import Layout, percent, points
from evenhand.training.benchmark.runner import SPLITS, Result, Task, against


@dataclass(frozen=True)
class MethodComparison:
    """All methods under all seeds, and what follows from them."""

    task: Task
    results: Sequence[Result]
    lines: Sequence[MethodRow]
    """One per method."""
    advice: Recommendation

    @property
    def layout(self) -> Layout:
        """The table's columns."""
        return Layout(self.task.target, self.task.schema)

    def recommendation(self) -> list[str]:
        """The recommendation in sentences: what, controls, gain and harm, why, by which rule."""
        advice = self.advice
        rest = [advice.why, f"Target: {self.task.target.in_words()}.", f"Rule: {advice.rule}"]
        if advice.verdict != "take":
            return [f"Recommendation: {advice.verdict}.", *advice.controls, *rest]
        chosen = next(line for line in self.lines if line.method.name == advice.method)
        served = f"Served as: {chosen.method.served.how}. {chosen.method.served.why}"
        changes = (
            self._change(chosen.figures[split], name)
            for split, name in (("val", "validation"), ("test", "test"))
        )
        first = f"Recommendation: take {chosen.method.title} ({chosen.method.name})."
        return [first, *advice.controls, served, *changes, *rest]

    def _change(self, of: Mapping[str, Figure], split: str) -> str:
        """Gain and harm on one split."""
        return (
            f"On {split} rows: {target_title(self.task.target)} {percent(of['target'])} %, against the base "
            f"{points(of['target_difference'])} points; overall accuracy {points(of['accuracy_difference'])} "
            f"points; the cell that loses most loses {percent(of['largest_cell_loss'])} points."
        )


def conclude(task: Task, results: Sequence[Result]) -> MethodComparison:
    """Summarise results over seeds, and recommend a method; a control that does as well is named."""
    lines = summarise(task, results)
    advice = recommend(lines, len(task.seeds), task.target)

    def versus(control: str, method: str) -> dict[str, Figure]:
        per_seed = against(task, control, method)
        names = ("accuracy_difference", "target_difference")
        return {name: over_seeds([of[name] for of in per_seed]) for name in names}

    controls = control_sentences(advice, lines, task.target, versus)
    return MethodComparison(task, results, lines, replace(advice, controls=controls))


def write(comparison: MethodComparison) -> str:
    """Write the files into the task's folder.

    Returns:
        The table and the recommendation as text.
    """
    task, lines, layout = comparison.task, comparison.lines, comparison.layout
    parts = [layout.text(lines, split, len(task.seeds)) for split in SPLITS]
    text = "\n".join([*parts, layout.legend, "", *comparison.recommendation()]) + "\n"
    (task.out / "table.txt").write_text(text)
    results_table.write_csv(task.out / "figures.csv", lines, comparison.results, task)
    results_table.write_json(task.out / "comparison.json", comparison.results)
    advice = {"target": task.target.model_dump(), **asdict(comparison.advice)}
    (task.out / "recommendation.json").write_text(json.dumps(advice, indent=1) + "\n")
    return text
