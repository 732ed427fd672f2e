"""Choose the adapters' strength and each attribute's threshold, on validation rows only.

Among settings that cost at most ``epsilon`` overall accuracy, take the one with the highest worst-cell accuracy, over
all attributes and per attribute. This is a choice by validation figures, not a certificate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.lora import ConditionalLora
from training.config import CorrectionConfig
from training.correct import answers
from training.data import Rows, Schema
from training.features import Features, Material
from training.metrics import Cell, cells, worst
from training.progress import say, track

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

THRESHOLDS = tuple(round(0.1 * step, 1) for step in range(1, 10))
"""What may be chosen, from the risk on that the adapters learnt from: below it they never saw a row."""
STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
NEVER = 1.0
ROUNDS = 3


@dataclass(frozen=True)
class Choice:
    """What was chosen, and what it does on validation rows."""

    strength: float
    thresholds: tuple[float, ...]
    """One per attribute; 1.0 where no threshold helped, and the attribute's mode is ``off``."""
    value: float
    tried: int

    def helps(self, attribute: int) -> bool:
        """Whether correcting for this attribute was better than not."""
        return self.thresholds[attribute] < NEVER


def choose(correction: ConditionalLora, material: Material, risk: Floats, config: CorrectionConfig) -> Choice:
    """Try every strength, and thresholds by coordinate ascent.

    Args:
        correction: The learnt adapters; left at full strength.
        material: Hidden states and rows; only validation rows are used.
        risk: ``(rows, attributes)`` of all rows.
        config: The stage's settings: the lowest threshold, and the accuracy that may be lost.
    """
    features, rows, schema = material.features, material.rows, material.schema
    validation = rows.of("val")
    thresholds = tuple(threshold for threshold in THRESHOLDS if threshold >= config.gate_from)
    best: Choice | None = None
    tried = 0
    for strength in track(STRENGTHS, len(STRENGTHS), "choosing strength and thresholds"):
        with correction.at_strength(strength):
            table = _Table(correction, features, validation, risk[validation], thresholds)
        judge = _Judge(rows, schema, validation, features.base_logits[validation].argmax(axis=1), config.epsilon)
        found, value, looked = _ascend(table, judge, len(schema.attributes), thresholds)
        tried += looked
        if best is None or value > best.value:
            best = Choice(strength, found, value, tried)
    assert best is not None
    say(f"chose strength {best.strength} and thresholds {best.thresholds}")
    return Choice(best.strength, best.thresholds, best.value, tried)


def _ascend(
    table: _Table, judge: _Judge, attributes: int, thresholds: tuple[float, ...]
) -> tuple[tuple[float, ...], float, int]:
    """Improve one attribute's threshold at a time, from "never" on, until none improves."""
    current = [NEVER] * attributes
    value, looked = judge.value(table.predict(current)), 1
    for _ in range(ROUNDS):
        before = list(current)
        for attribute in range(attributes):
            for threshold in (NEVER, *thresholds):
                proposal = [*current[:attribute], threshold, *current[attribute + 1 :]]
                found = judge.value(table.predict(proposal))
                looked += 1
                if found > value:
                    current, value = proposal, found
        if current == before:
            break
    return tuple(current), value, looked


class _Judge:
    """The value of a vector of predictions; minus infinity where it costs too much."""

    def __init__(self, rows: Rows, schema: Schema, chosen: Ints, base: Ints, epsilon: float) -> None:
        self._truth = rows.labels[chosen]
        self._groups = {name: rows.groups[name][chosen] for name in schema.attributes}
        self._schema = schema
        self._floor = float((base == self._truth).mean()) - epsilon

    def value(self, predicted: Ints) -> float:
        """Worst cell overall, plus the mean over attributes of their worst, plus a little for accuracy."""
        accuracy = float((predicted == self._truth).mean())
        if accuracy < self._floor:
            return float("-inf")
        lowest = [worst(self._cells(name, predicted)) for name in self._schema.attributes]
        found = [cell.accuracy.value for cell in lowest if cell is not None and cell.accuracy.value is not None]
        if not found:
            return accuracy
        return min(found) + float(np.mean(found)) + 0.1 * accuracy

    def _cells(self, name: str, predicted: Ints) -> list[Cell]:
        groups, labels = self._schema.groups[name], self._schema.labels
        return cells(name, groups, labels, self._groups[name], self._truth, predicted)


class _Table:
    """Predicted class of every row under every set of open gates that some threshold can produce."""

    def __init__(
        self,
        correction: ConditionalLora,
        features: Features,
        chosen: Ints,
        risk: Floats,
        thresholds: tuple[float, ...],
    ) -> None:
        self._risk = risk
        self._bits = 1 << np.arange(risk.shape[1])
        possible = (risk >= min(thresholds)) @ self._bits
        self._predicted = np.repeat(features.base_logits[chosen].argmax(axis=1)[:, None], 1 << risk.shape[1], axis=1)
        for subset in range(1, 1 << risk.shape[1]):
            at = np.flatnonzero((possible & subset) == subset)
            gates = np.repeat((subset & self._bits > 0)[None], len(at), axis=0)
            if len(at):
                self._predicted[at, subset] = answers(correction, features, chosen[at], gates).argmax(axis=1)

    def predict(self, thresholds: list[float]) -> Ints:
        """Predictions ``(rows,)`` under some thresholds."""
        is_open = (self._risk >= np.array(thresholds)) & (np.array(thresholds) < NEVER)
        found: Ints = self._predicted[np.arange(len(is_open)), is_open @ self._bits]
        return found
