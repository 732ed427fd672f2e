"""The search for strength, flagged rows and offsets together, by one coordinate after the other.

A worst cell and a gap are no smooth functions of the offsets, and few coordinates decide: per attribute a
level and an offset for every class but one. Every step tries all levels of one attribute and, for each, a
grid of offsets of one class, and keeps the best. The grid has the offsets at which answers change: quantiles
of how far a class is behind, relative to the risk. Around the best of them a finer grid follows. For rates
the search also starts from a linear program's offsets (:mod:`evenhand.training.choice.program`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evenhand.console import track
from evenhand.training.choice.candidates import LARGEST_OFFSET, NEVER, Cuts, LogitTable, Setting
from evenhand.typing import Bools, Float32s, Floats, Ints

OFFSETS, FINER = 41, 21
"""Offsets that one step tries, and those that it tries around the best of them."""
SWEEPS = 2
Objective = Callable[[Ints], Floats]
"""Classes ``(settings, rows)`` to ``(settings,)``: more is better."""


@dataclass(frozen=True)
class SearchSpace:
    """What may be chosen, and the rows that it is judged on."""

    table: LogitTable
    rows: Ints
    """``(rows,)`` indices into all rows."""
    risk: Float32s
    """``(rows, attributes)``."""
    cuts: Cuts
    strengths: tuple[float, ...]
    levels: tuple[float, ...]
    decides: bool
    """Whether offsets may be chosen."""
    soft: bool
    """Whether the first stage's change is multiplied by the risk."""
    classes: int
    corrected: Bools
    """``(attributes,)`` which of them may be flagged."""

    @property
    def attributes(self) -> int:
        """Gated attributes."""
        return int(self.risk.shape[1])

    @property
    def moved(self) -> tuple[int, ...]:
        """Classes with an offset: of two classes the second, as only the difference matters."""
        if not self.decides:
            return ()
        return (1,) if self.classes == 2 else tuple(range(self.classes))

    def is_open(self, levels: Sequence[float]) -> Bools:
        """``(rows, attributes)`` gates; a risk may round to 1, and an attribute without a level is shut."""
        cuts = np.array(self.cuts.thresholds(levels))
        gates: Bools = (self.risk >= cuts) & (cuts < NEVER)
        return gates

    def logits(self, setting: Setting) -> Float32s:
        """``(rows, classes)`` of both stages."""
        gates = self.is_open(setting.levels)
        weight = gates * self.risk
        first = self.table.logits(setting.strength, gates, self.rows)
        if self.soft:
            base = self.table.logits(setting.strength, np.zeros_like(gates), self.rows)
            first = base + weight.max(axis=1, keepdims=True) * (first - base)
        moved: Float32s = first + weight @ np.array(setting.offsets, dtype=np.float32)
        return moved

    def predict(self, setting: Setting) -> Ints:
        """``(rows,)`` classes."""
        classes: Ints = self.logits(setting).argmax(axis=1)
        return classes


def search(
    space: SearchSpace, objective: Objective, starts: Sequence[Setting]
) -> list[tuple[float, Setting]]:
    """The best setting from every start and strength, with its value, the best first.

    Args:
        space: What may be chosen.
        objective: What is aimed at.
        starts: Settings to begin with; each is tried at every strength.
    """
    results = []
    begun = [replace(start, strength=strength) for strength in space.strengths for start in starts]
    for setting in track(begun, len(begun), "searching for a setting, from start"):
        value = float(objective(space.predict(setting)[None])[0])
        for _ in range(SWEEPS):
            for attribute in np.flatnonzero(space.corrected).tolist():
                value, setting = _best_of_attribute(space, objective, setting, attribute, value)
        results.append((value, setting))
    return sorted(results, key=lambda pair: -pair[0])


def _best_of_attribute(
    space: SearchSpace, objective: Objective, setting: Setting, attribute: int, value: float
) -> tuple[float, Setting]:
    """The best level and offsets of one attribute, all else as it is; the setting, if none is better."""
    best = (value, setting)
    none = (0.0,) * space.classes
    for level in (0.0, *space.levels):
        levels = (*setting.levels[:attribute], level, *setting.levels[attribute + 1 :])
        tried = replace(setting, levels=levels)
        if level == 0.0:
            tried = _with_offsets(tried, attribute, none)
        candidate = (float(objective(space.predict(tried)[None])[0]), tried)
        if level:
            for moved in space.moved:
                candidate = _best_offset(space, objective, candidate, attribute, moved)
        best = max(best, candidate, key=lambda pair: pair[0])
    return best


def _best_offset(
    space: SearchSpace, objective: Objective, at: tuple[float, Setting], attribute: int, moved: int
) -> tuple[float, Setting]:
    """The best offset of one class."""
    value, setting = at
    gates = space.is_open(setting.levels)[:, attribute]
    weight = gates * space.risk[:, attribute]
    own = setting.offsets[attribute][moved]
    logits = space.logits(setting)
    score = logits[:, moved] - weight * own
    others = np.delete(np.arange(space.classes), moved)
    rival = others[logits[:, others].argmax(axis=1)]
    behind = logits[np.arange(len(logits)), rival] - score

    def best_of(grid: Float32s) -> tuple[float, int]:
        wins = weight[None] * grid[:, None] > behind[None]
        values = objective(np.where(wins, moved, rival[None]))
        top = int(np.argmax(values))
        return float(values[top]), top

    grid = _grid(behind[gates] / np.maximum(weight[gates], 1e-6))
    _, top = best_of(grid)
    # A step of the grid moves one answer in forty: what lies between its neighbours can be better.
    grid = np.unique(np.append(grid[top], _between(grid, top)).astype(np.float32))
    best, top = best_of(grid)
    if best <= value:
        return at
    offsets = list(setting.offsets[attribute])
    offsets[moved] = float(grid[top])
    return best, _with_offsets(setting, attribute, tuple(offsets))


def _grid(changes: Float32s) -> Float32s:
    """Offsets to try: none, and quantiles of those at which an answer changes."""
    changes = changes[np.abs(changes) <= LARGEST_OFFSET]
    if not len(changes):
        return np.zeros(1, dtype=np.float32)
    quantiles = np.quantile(changes, np.linspace(0.02, 0.98, OFFSETS - 1))
    # Three digits: a manifest is read by people.
    return np.unique(np.append(quantiles, 0.0).round(3)).astype(np.float32)


def _between(grid: Float32s, top: int) -> Floats:
    """Offsets between the neighbours of one of the grid."""
    return np.linspace(grid[max(top - 1, 0)], grid[min(top + 1, len(grid) - 1)], FINER).round(3)


def _with_offsets(setting: Setting, attribute: int, offsets: tuple[float, ...]) -> Setting:
    return replace(
        setting, offsets=(*setting.offsets[:attribute], offsets, *setting.offsets[attribute + 1 :])
    )
