"""What changed answers do to shares, expected from the probability of every label.

Few answers change under a setting. To count which of them were right is noisy, and a search takes the
luckiest of many settings. The probabilities of the labels, calibrated on the same rows, say what to expect of
the same changes. They vary less, because every row with about the same scores has a say (the idea of Rao and
Blackwell). Only the order of settings rests on them; a certificate counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.targets import RateRows, distinct_members
from evenhand.typing import Bools, Float32s, Floats, Ints

STEPS = 2000
"""The most that the calibration takes; a table needs tens."""


def label_probabilities(rows: Rows, schema: Schema, chosen: Ints, scores: Sequence[Float32s]) -> Float32s:
    """The calibrated probability of every label, by a logistic regression on scores, per group.

    Args:
        rows: The data.
        schema: What its values mean.
        chosen: ``(chosen,)`` the rows that it learns from and answers.
        scores: Logits ``(chosen, classes)`` of the base, and of correctors.

    Returns:
        ``(chosen, classes)``; a label that no row has is at 0.
    """
    centred = [of - of.mean(axis=1, keepdims=True) for of in scores]
    margins = np.concatenate([of[:, 1:] for of in centred], axis=1)
    # Scores of a base that is too sure of itself bend.
    parts = [margins, np.tanh(margins)]
    for name, groups in schema.groups.items():
        for code in range(1, len(groups)):
            inside = (rows.groups[name][chosen] == code)[:, None].astype(np.float32)
            parts += [inside, inside * margins]
    features = np.concatenate(parts, axis=1)
    probabilities = np.zeros((len(chosen), len(schema.labels)), dtype=np.float32)
    labels = rows.labels[chosen]
    if len(np.unique(labels)) == 1:
        probabilities[:, labels[0]] = 1.0
        return probabilities
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=STEPS)).fit(features, labels)
    probabilities[:, model[-1].classes_] = model.predict_proba(features)
    return probabilities


@dataclass(frozen=True)
class LabelledSet:
    """Rows of a group that have one of some labels."""

    members: Bools
    """``(rows,)`` the group's rows, whatever their label."""
    labels: Bools
    """``(classes,)``."""


def cell_set(rows: Rows, schema: Schema, chosen: Ints, cell: tuple[str, str, str]) -> LabelledSet:
    """A cell, by attribute, group and label."""
    attribute, group, label = cell
    members = distinct_members(schema.groups[attribute], rows.groups[attribute][chosen])[group]
    return LabelledSet(members, np.array([name == label for name in schema.labels]))


def rate_set(rows: Rows, schema: Schema, chosen: Ints, rate: RateRows) -> LabelledSet:
    """The rows of a rate."""
    cell = cell_set(rows, schema, chosen, (rate.attribute, rate.group, rate.label))
    favourable = np.isin(schema.labels, schema.favourable)
    among = {
        "accuracy": cell.labels,
        "true_positive_rate": favourable,
        "false_positive_rate": ~favourable,
        "selection_rate": favourable | ~favourable,
    }
    return LabelledSet(cell.members, among[rate.rate])


class ExpectedShares:
    """How shares of sets of rows change with the answers.

    Args:
        base: ``(rows,)`` the base's classes.
        weights: Per class ``(rows, sets)``: what an answer of this class adds to the share of a set.
    """

    def __init__(self, base: Ints, weights: Sequence[Float32s]) -> None:
        self._base, self._weights = base, weights

    @classmethod
    def right(cls, probabilities: Float32s, base: Ints, sets: Sequence[LabelledSet]) -> ExpectedShares:
        """Shares of right answers."""
        classes = range(probabilities.shape[1])
        inside = np.stack([of.members[:, None] * of.labels * probabilities for of in sets], axis=1)
        inside = inside / np.maximum(inside.sum(axis=(0, 2)), 1e-9)[:, None]
        return cls(base, [np.ascontiguousarray(inside[:, :, label], dtype=np.float32) for label in classes])

    @classmethod
    def favourable(
        cls, probabilities: Float32s, base: Ints, sets: Sequence[LabelledSet], favourable: Bools
    ) -> ExpectedShares:
        """Shares of favourable answers; ``favourable`` is ``(classes,)``."""
        inside = np.stack(
            [of.members * (probabilities @ of.labels.astype(np.float32)) for of in sets], axis=1
        )
        inside = (inside / np.maximum(inside.sum(axis=0), 1e-9)).astype(np.float32)
        return cls(base, [inside if good else np.zeros_like(inside) for good in favourable.tolist()])

    def change(self, predicted: Ints) -> Floats:
        """The change of every share ``(settings, sets)`` with answers ``(settings, rows)``."""
        change: Floats = sum(
            ((predicted == label).astype(np.float32) - (self._base == label)) @ weights
            for label, weights in enumerate(self._weights)
        )
        return change

    def change_and_moved(self, predicted: Ints) -> tuple[Floats, Floats]:
        """:meth:`change`, and the share of every set whose answers change for better or worse."""
        change = np.zeros((len(predicted), self._weights[0].shape[1]))
        moved = np.zeros_like(change)
        for label, weights in enumerate(self._weights):
            difference = (predicted == label).astype(np.float32) - (self._base == label)
            change += difference @ weights
            moved += np.abs(difference) @ weights
        return change, moved
