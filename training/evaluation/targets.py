"""The target's figures before and after correction, and the cells that pay for the gain.

A gap is Fairlearn's: the largest difference of a rate between two groups that have enough rows; equalized
odds is the larger of the gaps in true and in false positive rates. The worst cell is the lowest accuracy of
label x group. Intervals are 95 %, by the percentile bootstrap over rows, the same draws before and after: the
difference is paired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenhand.models.bundle.target import FIGURES, RATES, AttributeTarget, Measure, Target
from evenhand.stats import paired_difference, percentile_limits
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.metrics import MIN_CELL, members
from evenhand.typing import Bools, Floats, Ints

DRAWS = 1000


@dataclass(frozen=True)
class RateRows:
    """The rows of one rate of one group: a share of them gets a favourable, or the right, answer."""

    attribute: str
    group: str
    rate: str
    """Fairlearn's name, or ``accuracy`` of a cell."""
    label: str
    """The cell's label; empty for a rate."""
    inside: Bools
    """``(rows,)``."""


def distinct_members(names: Sequence[str], groups: Ints) -> dict[str, Bools]:
    """Membership ``(rows,)`` of each group, and of any but the reference where that is not one group."""
    inside = members(names, groups)
    return inside if len(names) > 2 else {name: inside[name] for name in names}


def rate_rows(rows: Rows, schema: Schema, chosen: Ints, aim: AttributeTarget) -> list[RateRows]:
    """Every rate that a target's figure is made of, over groups and cells with enough rows.

    Args:
        rows: The data.
        schema: What its values mean.
        chosen: ``(chosen,)`` the rows that count.
        aim: Attribute and measure.
    """
    names, groups = schema.groups[aim.attribute], rows.groups[aim.attribute][chosen]
    truth = rows.labels[chosen]
    if aim.measure == "worst-cell":
        listed = [
            RateRows(aim.attribute, name, "accuracy", label, inside & (truth == code))
            for name, inside in distinct_members(names, groups).items()
            for code, label in enumerate(schema.labels)
        ]
    else:
        good = np.isin(np.array(schema.labels)[truth], schema.favourable)
        among = {"true_positive_rate": good, "false_positive_rate": ~good, "selection_rate": good | ~good}
        listed = [
            RateRows(aim.attribute, name, rate, "", (groups == index) & among[rate])
            for rate in RATES[aim.measure]
            for index, name in enumerate(names)
        ]
    return [each for each in listed if each.inside.sum() >= MIN_CELL]


def hits(rows: Rows, schema: Schema, chosen: Ints, predicted: Ints, measure: Measure) -> Bools:
    """``(chosen,)`` what the rates count: right answers for the worst cell, favourable ones for a gap."""
    if measure == "worst-cell":
        right: Bools = predicted == rows.labels[chosen]
        return right
    return np.isin(np.array(schema.labels)[predicted], schema.favourable)


def figure(listed: Sequence[RateRows], shares: Floats) -> Floats | None:
    """The measure's figure of rates.

    Args:
        listed: Whose rates, of one attribute and measure.
        shares: ``(..., rates)`` in the same order.

    Returns:
        ``(...,)`` the lowest accuracy, or the largest gap; ``None`` where no two groups have enough rows.
    """
    if not listed:
        return None
    if listed[0].rate == "accuracy":
        lowest: Floats = shares.min(axis=-1)
        return lowest
    gaps = []
    for rate in dict.fromkeys(each.rate for each in listed):
        at = [index for index, each in enumerate(listed) if each.rate == rate]
        if len(at) > 1:
            gaps.append(shares[..., at].max(axis=-1) - shares[..., at].min(axis=-1))
    largest: Floats | None = np.max(gaps, axis=0) if gaps else None
    return largest


def target_figures(
    target: Target, rows: Rows, schema: Schema, chosen: Ints, base: Ints, final: Ints
) -> dict[str, Any]:
    """The target before and after correction, and every cell that loses, as plain values.

    Args:
        target: What is aimed at.
        rows: The data.
        schema: What its values mean.
        chosen: ``(chosen,)`` the rows that count.
        base: ``(chosen,)`` classes without correction.
        final: ``(chosen,)`` classes as served.

    Returns:
        ``attributes``: per aim ``attribute``, ``measure``, ``figure`` (Fairlearn's name), and ``base``,
        ``final`` and ``difference``, each ``value``, ``low``, ``high``; ``None`` where too few rows support
        it. ``losing``: see :func:`losing_cells`. ``max_loss`` and ``max_cell_loss``: the target's.
    """
    return {
        "attributes": [_aimed(aim, rows, schema, chosen, base, final) for aim in target.attributes],
        "losing": losing_cells(rows, schema, chosen, base, final),
        "max_loss": target.max_loss,
        "max_cell_loss": target.max_cell_loss,
    }


def _aimed(
    aim: AttributeTarget, rows: Rows, schema: Schema, chosen: Ints, base: Ints, final: Ints
) -> dict[str, Any]:
    listed = rate_rows(rows, schema, chosen, aim)
    answers = [hits(rows, schema, chosen, predicted, aim.measure) for predicted in (base, final)]
    sides = _drawn_sides(listed, answers)
    spans = {"base": sides[0], "final": sides[1], "difference": None}
    if sides[0] is not None and sides[1] is not None:
        spans["difference"] = sides[1] - sides[0]
    return {
        "attribute": aim.attribute,
        "measure": aim.measure,
        "figure": FIGURES[aim.measure],
        **{name: _span(drawn) for name, drawn in spans.items()},
    }


def _drawn_sides(listed: Sequence[RateRows], answers: Sequence[Bools]) -> list[Floats | None]:
    """The figure of each side, ``(1 + draws,)``: of the rows as they are, then of every draw."""
    rng = np.random.default_rng(0)
    shares: list[list[Floats]] = [[], []]
    for each in listed:
        before, after = (of[each.inside] for of in answers)
        # Hit by neither, by the second alone, by the first alone, by both.
        counts = np.bincount(2 * before + after, minlength=4)
        drawn = np.vstack([counts, rng.multinomial(counts.sum(), counts / counts.sum(), size=DRAWS)])
        shares[0].append((drawn[:, 2] + drawn[:, 3]) / counts.sum())
        shares[1].append((drawn[:, 1] + drawn[:, 3]) / counts.sum())
    return [figure(listed, np.stack(of, axis=1)) if of else None for of in shares]


def _span(drawn: Floats | None) -> dict[str, float | None]:
    if drawn is None:
        return {"value": None, "low": None, "high": None}
    low, high = percentile_limits(drawn[1:])
    return {"value": float(drawn[0]), "low": low, "high": high}


def losing_cells(rows: Rows, schema: Schema, chosen: Ints, base: Ints, final: Ints) -> list[dict[str, Any]]:
    """Cells of enough rows whose accuracy falls, the largest loss first.

    Returns:
        Per cell ``attribute``, ``group``, ``label``, the paired ``difference`` in accuracy with its 95 %
        interval, and ``surely``: whether the interval lies below 0.
    """
    truth, losing = rows.labels[chosen], []
    right = base == truth, final == truth
    for (attribute, group, label), inside in cells_of(rows, schema, chosen):
        change = paired_difference(right[0][inside], right[1][inside])
        if change["value"] < 0:
            losing.append(
                {
                    "attribute": attribute,
                    "group": group,
                    "label": label,
                    "difference": change,
                    "surely": change["high"] < 0,
                }
            )
    return sorted(losing, key=lambda of: float(of["difference"]["value"]))


def cells_of(rows: Rows, schema: Schema, chosen: Ints) -> list[tuple[tuple[str, str, str], Bools]]:
    """Attribute, group and label of every cell of enough rows, with its membership ``(chosen,)``."""
    truth = rows.labels[chosen]
    listed = [
        ((attribute, group, label), inside & (truth == code))
        for attribute, names in schema.groups.items()
        for group, inside in distinct_members(names, rows.groups[attribute][chosen]).items()
        for code, label in enumerate(schema.labels)
    ]
    return [(name, inside) for name, inside in listed if inside.sum() >= MIN_CELL]
