"""Score a method's answers against the base: accuracy and the fairness figures, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from evenhand.models.bundle.target import FIGURES, Target
from evenhand.stats import Rate, newcombe, paired_difference, percentile_limits
from evenhand.training.choice.scorer import enough_rows
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.metrics import MIN_CELL, Cell, cells, group_metrics, pooled_name, worst
from evenhand.training.evaluation.targets import cells_of, figure, hits, rate_rows
from evenhand.typing import Bools, Floats, Ints

DRAWS = 1000
GAPS: dict[str, tuple[str, ...]] = {
    "equalized_odds": ("true_positive_rate", "false_positive_rate"),
    "equal_opportunity": ("true_positive_rate",),
    "predictive_equality": ("false_positive_rate",),
    "demographic_parity": ("selection_rate",),
}
"""Each difference is the larger gap of these rates; Fairlearn's names, without ``_difference``."""


@dataclass(frozen=True)
class ScoredRows:
    """The rows of one split."""

    rows: Rows
    schema: Schema
    chosen: Ints

    @property
    def truth(self) -> Ints:
        """``(chosen,)`` true class."""
        return self.rows.labels[self.chosen]

    def groups(self, name: str) -> Ints:
        """``(chosen,)`` group of one attribute, -1 unknown."""
        return self.rows.groups[name][self.chosen]

    def cells(self, predicted: Ints) -> list[Cell]:
        """All cells of all attributes, label x group, the groups but the reference together as well."""
        names, labels = self.schema.groups, self.schema.labels
        return [
            cell
            for name in self.schema.attributes
            for cell in cells(name, names[name], labels, self.groups(name), self.truth, predicted)
        ]


def is_gap(target: Target) -> bool:
    """Whether the target's one figure is a gap, so that less is better."""
    return all(aim.is_gap for aim in target.attributes)


def score_answers(scored: ScoredRows, target: Target, base: Ints, predicted: Ints) -> dict[str, Any]:
    """All figures of one method, one seed and one split, as plain values.

    Intervals are 95 %: Wilson for rates, Newcombe for differences of rates and for the paired difference in
    accuracy, of everyone and of the cell that loses most; for what is a minimum or a mean over cells, the
    percentile bootstrap over rows. They are about the choice of rows; what another seed would change is the
    spread over seeds.

    Args:
        scored: The split's rows.
        target: What is aimed at.
        base: ``(chosen,)`` class under the base.
        predicted: ``(chosen,)`` class under the method.
    """
    truth = scored.truth
    cells_scored = scored.cells(predicted)
    lowest = worst(cells_scored)
    draws = _Draws(scored)
    return {
        "rows": len(truth),
        "accuracy": asdict(Rate.of(predicted == truth)),
        "accuracy_difference": paired_difference(base == truth, predicted == truth),
        **draws.target(target, base, predicted),
        "largest_cell_loss": largest_cell_loss(scored, base, predicted),
        "limited_cell_loss": largest_cell_loss(scored, base, predicted, _limited(target)),
        "worst_cell": None if lowest is None else asdict(lowest),
        "worst_cell_difference": draws.worst_difference(base, predicted),
        **_gaps(scored, draws, predicted),
        "cells": [{**asdict(cell), "counts": cell.counts} for cell in cells_scored],
    }


def differences(scored: ScoredRows, target: Target, base: Ints, predicted: Ints) -> dict[str, Any]:
    """Only how accuracy and target differ, as :func:`score_answers` has it."""
    truth = scored.truth
    return {
        "accuracy_difference": paired_difference(base == truth, predicted == truth),
        "target_difference": _Draws(scored).target(target, base, predicted)["target_difference"],
    }


def _limited(target: Target) -> int:
    """Rows from which on a cell is under the target's limit."""
    return MIN_CELL if target.max_cell_loss is None else enough_rows(target.max_cell_loss)


def largest_cell_loss(
    scored: ScoredRows, base: Ints, predicted: Ints, rows: int = MIN_CELL
) -> dict[str, Any]:
    """The cell of at least ``rows`` rows that loses most, or gains least.

    Returns:
        ``value``, ``low`` and ``high``: accuracy that it loses, with that cell's own paired interval; below 0
        if every cell gains. ``attribute``, ``group``, ``label`` and ``n`` say which it is; all ``None`` where
        no cell has enough rows.
    """
    largest: dict[str, Any] = dict.fromkeys(("value", "low", "high", "attribute", "group", "label", "n"))
    truth = scored.truth
    right = base == truth, predicted == truth
    for (attribute, group, label), cell in cells_of(scored.rows, scored.schema, scored.chosen):
        if cell.sum() < rows:
            continue
        loss = paired_difference(right[1][cell], right[0][cell])
        if largest["value"] is None or loss["value"] > largest["value"]:
            limits = {name: loss[name] for name in ("value", "low", "high", "n")}
            largest = {**limits, "attribute": attribute, "group": group, "label": label}
    return largest


def _gaps(scored: ScoredRows, draws: _Draws, predicted: Ints) -> dict[str, Any]:
    """Every difference of :data:`GAPS` per attribute, and its mean over attributes with enough rows."""
    figures: dict[str, Any] = {}
    for gap in GAPS:
        per_attribute = {name: _gap(scored, gap, name, predicted) for name in scored.schema.attributes}
        values = [of["value"] for of in per_attribute.values() if of["value"] is not None]
        mean = float(np.mean(values)) if values else None
        figures |= {gap: per_attribute, f"{gap}_mean": {"value": mean, **draws.mean_gap(gap, predicted)}}
    return figures


def _gap(scored: ScoredRows, gap: str, name: str, predicted: Ints) -> dict[str, float | None]:
    """A difference of the reference against all others, with the Newcombe interval of its larger gap."""
    labels, reference = scored.schema.labels, scored.schema.groups[name][0]
    names = (reference, pooled_name(reference))
    favourable = np.isin(labels, scored.schema.favourable)
    truth, selected = favourable[scored.truth], favourable[predicted]
    groups = group_metrics(names, np.minimum(scored.groups(name), 1), truth, selected)["groups"]
    pairs = [(groups[names[0]][rate], groups[names[1]][rate]) for rate in GAPS[gap]]
    if any(rate.n < MIN_CELL for pair in pairs for rate in pair):
        return {"value": None, "low": None, "high": None}
    value, low, high = max((_absolute(*pair) for pair in pairs), key=lambda of: of[0])
    return {"value": value, "low": low, "high": high}


def _absolute(a: Rate, b: Rate) -> tuple[float, float, float]:
    """Absolute difference of two rates with rows, and its interval."""
    limits = newcombe(a, b)
    assert limits is not None
    assert a.value is not None
    assert b.value is not None
    low, high = limits
    return abs(a.value - b.value), max(0.0, low, -high), max(abs(low), abs(high))


@lru_cache(maxsize=2)
def _draw(rows: int) -> Floats:
    """``(draws, rows)`` how often each draw holds a row."""
    return (
        np.random.default_rng(0).multinomial(rows, np.full(rows, 1.0 / rows), size=DRAWS).astype(np.float32)
    )


class _Draws:
    """Bootstrap over the rows of a split, the same draws for every method: differences are paired."""

    def __init__(self, scored: ScoredRows) -> None:
        self._scored = scored
        self._weights = _draw(len(scored.chosen))

    def target(self, target: Target, base: Ints, predicted: Ints) -> dict[str, Any]:
        """The target's figure under the method, its difference to the base's, and both per attribute.

        Of several aims the worst one is the target's figure: the largest gap, or the lowest accuracy. Where
        gaps and accuracies are both aimed at, a gap counts as 1 less the gap.
        """
        aims: dict[str, dict[str, Any]] = {}
        sides: tuple[list[Floats], list[Floats]] = ([], [])
        for aim in target.attributes:
            scored = self._scored
            listed = rate_rows(scored.rows, scored.schema, scored.chosen, aim)
            drawn = [
                figure(listed, self._rates([each.inside for each in listed], hit)) if listed else None
                for hit in (
                    hits(scored.rows, scored.schema, scored.chosen, answer, aim.measure)
                    for answer in (base, predicted)
                )
            ]
            aims[aim.attribute] = {"measure": aim.measure, "figure": FIGURES[aim.measure], **_both(*drawn)}
            for side, of_side in zip(sides, drawn, strict=True):
                if of_side is not None:
                    side.append(1.0 - of_side if aim.is_gap and not is_gap(target) else of_side)
        worst_of = np.max if is_gap(target) else np.min
        joined = [worst_of(np.stack(side), axis=0) if side else None for side in sides]
        whole = _both(*joined)
        return {"target": whole["final"], "target_difference": whole["difference"], "aims": aims}

    def _rates(self, insides: Sequence[Bools], hit: Bools) -> Floats:
        """``(1 + draws, sets)`` shares of hits: of the rows as they are, then of every draw."""
        members = np.stack(insides, axis=1)
        weights = (np.ones((1, len(hit)), np.float32), self._weights)
        return np.vstack([_shares(members, hit, of) for of in weights])

    def worst_difference(self, base: Ints, predicted: Ints) -> dict[str, float | None]:
        """Worst cell under the method minus worst cell under the base, over cells with enough rows."""
        members = self._members([cell.counts for cell in self._scored.cells(base)])
        if not members.shape[1]:
            return {"value": None, "low": None, "high": None}
        truth = self._scored.truth
        accuracies = [
            (
                _shares(members, answer == truth, np.ones((1, len(truth)))),
                _shares(members, answer == truth, self._weights),
            )
            for answer in (base, predicted)
        ]
        value = float((accuracies[1][0].min(axis=1) - accuracies[0][0].min(axis=1))[0])
        low, high = percentile_limits(accuracies[1][1].min(axis=1) - accuracies[0][1].min(axis=1))
        return {"value": value, "low": low, "high": high}

    def mean_gap(self, gap: str, predicted: Ints) -> dict[str, float | None]:
        """Limits of the mean of a difference, over the attributes whose rates have enough rows."""
        scored = self._scored
        favourable = np.isin(scored.schema.labels, scored.schema.favourable)
        truth, selected = favourable[scored.truth], favourable[predicted]
        among = {
            "true_positive_rate": truth,
            "false_positive_rate": ~truth,
            "selection_rate": np.ones_like(truth),
        }
        drawn = []
        for name in scored.schema.attributes:
            groups = scored.groups(name)
            members = [among[rate] & inside for rate in GAPS[gap] for inside in (groups == 0, groups > 0)]
            if min(int(member.sum()) for member in members) < MIN_CELL:
                continue
            rates = _shares(np.stack(members, axis=1), selected, self._weights)
            drawn.append(abs(rates[:, 0::2] - rates[:, 1::2]).max(axis=1))
        low, high = percentile_limits(np.mean(drawn, axis=0)) if drawn else (None, None)
        return {"low": low, "high": high}

    def _members(self, counted: Sequence[bool]) -> Bools:
        """``(rows, counted cells)`` membership of rows in cells, in the order of :meth:`ScoredRows.cells`."""
        scored, columns = self._scored, []
        for name, names in scored.schema.groups.items():
            groups = scored.groups(name)
            insides = [*(groups == index for index in range(len(names))), groups > 0]
            columns += [
                inside & (scored.truth == code)
                for inside in insides
                for code in range(len(scored.schema.labels))
            ]
        return np.stack(columns, axis=1)[:, np.array(counted)]


def _both(base: Floats | None, final: Floats | None) -> dict[str, dict[str, float | None]]:
    """A figure ``(1 + draws,)`` under the method, and its difference to the base's."""
    if base is None or final is None:
        nothing: dict[str, float | None] = {"value": None, "low": None, "high": None}
        return {"final": nothing, "difference": nothing}
    return {"final": _span(final), "difference": _span(final - base)}


def _span(drawn: Floats) -> dict[str, float | None]:
    value = float(drawn[0])
    low, high = percentile_limits(drawn[1:])
    # A gap is never below 0, so where the groups are alike nearly every draw has a larger one.
    return {"value": value, "low": min(low, value), "high": max(high, value)}


def _shares(members: Bools, hits: Bools, weights: Floats) -> Floats:
    """``(draws, cells)`` share of hits per cell; 1 in a draw that has no row of a cell."""
    inside = members.astype(np.float32)
    size = weights @ inside
    shares: Floats = np.where(size > 0, weights @ (inside * hits[:, None]) / np.maximum(size, 1.0), 1.0)
    return shares
