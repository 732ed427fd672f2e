"""The effect of the correction: changed, mended and broken answers, and significant harm. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import sqrt
from typing import Any

from evenhand.service.monitoring.disparity import BREACH, INSUFFICIENT, NO_EVIDENCE, gap, points, quoted
from evenhand.service.monitoring.groups import Group, PairCounts
from evenhand.stats import Z95

WIDENED = {"selection_rate": "favourable answers", "true_positive_rate": "true positive rates",
           "false_positive_rate": "false positive rates"}  # fmt: skip


def correction_of(groups: Sequence[Group], rows: int) -> dict[str, Any]:
    """Score the correction on rows that both the base and the corrected model answered.

    Args:
        groups: Groups of one attribute.
        rows: Smallest number of rows for a verdict.

    Returns:
        Answers that it ``changed``; of the labelled rows, those that it ``mended`` and ``broken``; the change
        in accuracy with its limits; and the verdict, which is a breach if errors, or a gap, have grown
        significantly.
    """
    answers = reduce(PairCounts.__add__, (group.answers for group in groups), PairCounts())
    correct = reduce(PairCounts.__add__, (group.correct for group in groups), PairCounts())
    moved = change(correct) if correct.n else (None, None, None)
    harms = [*_worse(correct, rows), *(said for rate in WIDENED if (said := _wider(groups, rate, rows)))]
    state, why = _verdict(answers, correct, harms, rows)
    return {
        "changed": answers.gained + answers.lost,
        "rows": answers.n,
        "labels": correct.n,
        "mended": correct.gained,
        "broken": correct.lost,
        "accuracy_change": dict(zip(("value", "low", "high"), moved, strict=True)),
        "state": state,
        "why": why,
    }


def change(pairs: PairCounts) -> tuple[float, float, float]:
    """Final share minus base share of the same rows, with 95 % limits; there must be at least one row.

    The limits are those of Bonett and Price 2012 ("Adjusted Wald confidence interval for a difference of
    binomial proportions based on paired data"), which hold for few changed rows too.
    """
    lost, gained, n = (pairs.lost + 1) / (pairs.n + 2), (pairs.gained + 1) / (pairs.n + 2), pairs.n + 2
    half = Z95 * sqrt((lost + gained - (gained - lost) ** 2) / n)
    middle = gained - lost
    return (pairs.gained - pairs.lost) / pairs.n, max(-1.0, middle - half), min(1.0, middle + half)


def _verdict(answers: PairCounts, correct: PairCounts, harms: list[str], rows: int) -> tuple[str, str]:
    if harms:
        return BREACH, " ".join(harms)
    if answers.n < rows:
        return INSUFFICIENT, f"{answers.n:,} rows, and {rows:,} are needed."
    if answers.gained + answers.lost == 0:
        return NO_EVIDENCE, "The correction changed no answer."
    moved = (
        f"It changed {answers.gained + answers.lost:,} of {answers.n:,} answers, and surely widened no gap."
    )
    if correct.n < rows:
        return (
            INSUFFICIENT,
            f"{moved} With {correct.n:,} true labels, and {rows:,} needed, what it breaks is not known.",
        )
    return (
        NO_EVIDENCE,
        f"{moved} Of {correct.n:,} labelled rows it mended {correct.gained:,} and broke {correct.lost:,}.",
    )


def _worse(correct: PairCounts, rows: int) -> list[str]:
    """A sentence if errors have increased significantly."""
    if correct.n < max(1, rows):
        return []
    value, low, high = change(correct)
    if high >= 0:
        return []
    return [
        f"It broke {correct.lost:,} answers and mended {correct.gained:,} of {correct.n:,} labelled ones: "
        f"accuracy fell by {points(-value)} points (95 % limits {points(-high)} to {points(-low)})."
    ]


def _wider(groups: Sequence[Group], rate: str, rows: int) -> str | None:
    """A sentence if the correction has significantly widened the gap between the two groups furthest apart.

    Each group's change is a paired difference. The changes of two groups are independent and are combined by
    Newcombe's method.
    """
    enough = {group.name: group.pairs(rate) for group in groups if group.pairs(rate).n >= max(1, rows)}
    before, after = (
        gap({name: pairs.rate(side) for name, pairs in enough.items()}) for side in ("base", "final")
    )
    if after.value is None or before.value is None or after.value <= before.value:
        return None
    top, bottom = (enough[name] for name in after.groups)
    if (bottom.rate("base").value or 0.0) > (top.rate("base").value or 0.0):  # they changed places
        surely = (after.low or 0.0) > (before.high or 0.0)
    else:
        up, down = change(top), change(bottom)
        surely = up[0] - down[0] > sqrt((up[0] - up[1]) ** 2 + (down[2] - down[0]) ** 2)
    if not surely:
        return None
    return (
        f"It widened the gap in {WIDENED[rate]} between {quoted(after.groups[0])} and "
        f"{quoted(after.groups[1])}: {points(before.value)} points became {points(after.value)}."
    )
