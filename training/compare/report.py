"""Write what was compared: the table as text and as a page, every figure as CSV and JSON."""

from __future__ import annotations

from collections.abc import Sequence

from training.compare import table
from training.compare.runner import SPLITS, Result, Task
from training.compare.summary import summarise


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
    return found
