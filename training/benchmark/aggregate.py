"""Mean and spread over seeds of what was scored per seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenhand.models.bundle.target import Target
from evenhand.training.baselines.base import Method
from evenhand.training.benchmark.runner import Result, Task
from evenhand.training.benchmark.score import GAPS
from evenhand.training.data.dataset import Schema


@dataclass(frozen=True)
class Figure:
    """One figure over seeds."""

    mean: float | None
    """``None`` where no seed has it."""
    spread: float | None
    """Standard deviation over seeds (n - 1); ``None`` for a single one."""
    low: float | None
    """Mean over seeds of the 95 % interval's lower end; seeds share their rows, so more do not narrow it."""
    high: float | None


@dataclass(frozen=True)
class MethodRow:
    """One method's line of the table."""

    method: Method
    seeds: int
    """How many of them have a result."""
    figures: dict[str, dict[str, Figure]]
    """Per split, figures by name, in the order of :func:`figures_of`."""
    failed: tuple[str, ...]
    """Why seeds failed, each reason once."""
    cost: float | None = None
    """Computation of a row relative to the base: the mean over seeds if measured, else its kind's."""

    def value(self, split: str, figure: str) -> float | None:
        """Mean over seeds of one figure."""
        return self.figures[split][figure].mean


def figures_of(schema: Schema, target: Target) -> dict[str, tuple[str, ...]]:
    """Names of all figures and where :func:`evenhand.training.benchmark.score.score_answers` keeps them."""
    aims = [aim.attribute for aim in target.attributes]
    return {
        "accuracy": ("accuracy",),
        "accuracy_difference": ("accuracy_difference",),
        "target": ("target",),
        "target_difference": ("target_difference",),
        "largest_cell_loss": ("largest_cell_loss",),
        "limited_cell_loss": ("limited_cell_loss",),
        "worst_cell": ("worst_cell", "accuracy"),
        "worst_cell_difference": ("worst_cell_difference",),
        **{f"{gap}_mean": (f"{gap}_mean",) for gap in GAPS},
        **{f"target_{name}": ("aims", name, "final") for name in aims},
        **{f"target_difference_{name}": ("aims", name, "difference") for name in aims},
        **{f"{gap}_{name}": (gap, name) for gap in GAPS for name in schema.attributes},
    }


def value_of(scored: dict[str, Any], path: Sequence[str]) -> dict[str, float | None]:
    """Value, low and high of one figure of one seed; ``None`` where the rows do not support it."""
    value: dict[str, Any] | None = scored
    for part in path:
        value = None if value is None else value[part]
    return {name: None if value is None else value[name] for name in ("value", "low", "high")}


def summarise(task: Task, results: Sequence[Result]) -> list[MethodRow]:
    """One line per method of a comparison."""
    lines = []
    for method in task.methods:
        own = [result for result in results if result.method == method.name]
        done = [result for result in own if not result.failed]
        figures = {
            split: {
                name: over_seeds([value_of(result.figures[split], path) for result in done])
                for name, path in figures_of(task.schema, task.target).items()
            }
            for split in ("val", "test")
        }
        reasons = dict.fromkeys(result.failed for result in own if result.failed)
        measured = _mean(_numbers([result.cost for result in done]))
        cost = method.served.cost if measured is None else measured
        lines.append(MethodRow(method, len(done), figures, tuple(reasons), cost))
    return lines


def over_seeds(figures: Sequence[dict[str, float | None]]) -> Figure:
    """Mean and spread of one figure's ``value``, ``low`` and ``high`` per seed."""
    values, lows, highs = (_numbers([of[name] for of in figures]) for name in ("value", "low", "high"))
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Figure(_mean(values), spread, _mean(lows), _mean(highs))


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None
