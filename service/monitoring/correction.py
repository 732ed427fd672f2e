"""The effect of the correction: changed, mended and broken answers, losing cells, harm. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import sqrt
from typing import Any

from evenhand.models.bundle.aims import Price
from evenhand.models.bundle.reference import MIN_ROWS
from evenhand.service.monitoring.disparity import (
    BREACH,
    INSUFFICIENT,
    NO_EVIDENCE,
    State,
    in_words,
    points,
)
from evenhand.service.monitoring.groups import Group, LabelCell, LabelKinds, PairCounts, label_cells
from evenhand.stats import Z95


def correction_of(
    groups: Sequence[Group], price: Price, rows: int, kinds: LabelKinds, worse: str | None = None
) -> dict[str, Any]:
    """Score the correction on rows that both the base and the corrected model answered.

    Args:
        groups: Groups of one attribute.
        price: What the correction may cost.
        rows: Smallest number of rows for a verdict.
        kinds: What true labels are called.
        worse: A sentence if the correction surely made the target worse.

    Returns:
        What :func:`effect_of` gives over these groups; a cell that surely lost more than it may, and a target
        that got worse, are breaches too. ``losing``: see :func:`losing_cells`.
    """
    answers = reduce(PairCounts.__add__, (group.answers for group in groups), PairCounts())
    correct = reduce(PairCounts.__add__, (group.correct for group in groups), PairCounts())
    losing = losing_cells(groups, rows, kinds)
    harms = [*([worse] if worse else []), *_too_much(losing, price, rows)]
    return {**effect_of(answers, correct, price, rows, harms, losing), "losing": losing}


def effect_of(
    answers: PairCounts,
    correct: PairCounts,
    price: Price,
    rows: int,
    harms: Sequence[str] = (),
    losing: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    """Answers that changed; of the labelled rows, those mended and broken, and the change in accuracy.

    Args:
        answers: Every decision, by whether the answer is favourable.
        correct: Labelled rows, by whether the answer is right.
        price: What the correction may cost.
        rows: Smallest number of rows for a verdict.
        harms: Sentences about other harm that is sure.
        losing: Cells that lose; the reason names those that surely do.

    Returns:
        The counts, and the verdict: a breach if accuracy surely fell by more than it may, or where there is
        other harm.
    """
    moved = change(correct) if correct.n else (None, None, None)
    state, why = _verdict(answers, correct, [*_worse(correct, price, rows), *harms], rows)
    sure = [cell for cell in losing if cell["surely"]] if state != BREACH else []
    return {
        "changed": answers.gained + answers.lost,
        "rows": answers.n,
        "labels": correct.n,
        "mended": correct.gained,
        "broken": correct.lost,
        "accuracy_change": dict(zip(("value", "low", "high"), moved, strict=True)),
        "state": state,
        "why": " ".join([why, *(_loss(cell) for cell in sure)]),
    }


def losing_cells(groups: Sequence[Group], rows: int, kinds: LabelKinds) -> list[dict[str, Any]]:
    """Cells whose accuracy fell, the largest loss first.

    Args:
        groups: Groups of one attribute.
        rows: Smallest number of rows for a verdict. A cell is shown from 30 rows on, or from fewer if they do
            for a verdict.
        kinds: What true labels are called.

    Returns:
        Per cell ``group``, ``label``, ``n``, the paired change in accuracy (``value``, ``low``, ``high``),
        and ``surely``: whether its 95 % interval lies below 0.
    """
    lost = []
    for cell in label_cells(groups, kinds):
        if cell.correct.n >= max(1, min(rows, MIN_ROWS)) and cell.correct.lost > cell.correct.gained:
            value, low, high = change(cell.correct)
            lost.append(
                {
                    "group": cell.group,
                    "label": cell.label,
                    "n": cell.correct.n,
                    "value": value,
                    "low": low,
                    "high": high,
                    "surely": high < 0,
                }
            )
    return sorted(lost, key=lambda each: float(each["value"]))


def change(pairs: PairCounts) -> tuple[float, float, float]:
    """Final share minus base share of the same rows, with 95 % limits; there must be at least one row.

    The limits are those of Bonett and Price 2012 ("Adjusted Wald confidence interval for a difference of
    binomial proportions based on paired data"), which hold for few changed rows too.
    """
    lost, gained, n = (pairs.lost + 1) / (pairs.n + 2), (pairs.gained + 1) / (pairs.n + 2), pairs.n + 2
    half = Z95 * sqrt((lost + gained - (gained - lost) ** 2) / n)
    middle = gained - lost
    return (pairs.gained - pairs.lost) / pairs.n, max(-1.0, middle - half), min(1.0, middle + half)


def _verdict(answers: PairCounts, correct: PairCounts, harms: Sequence[str], rows: int) -> tuple[State, str]:
    if harms:
        return BREACH, " ".join(harms)
    if answers.n < rows:
        return INSUFFICIENT, f"{answers.n:,} rows, and {rows:,} are needed."
    if answers.gained + answers.lost == 0:
        return NO_EVIDENCE, "The correction changed no answer."
    moved = f"It changed {answers.gained + answers.lost:,} of {answers.n:,} answers."
    if correct.n < rows:
        return (
            INSUFFICIENT,
            f"{moved} With {correct.n:,} true labels, and {rows:,} needed, what it breaks is not known.",
        )
    return (
        NO_EVIDENCE,
        f"{moved} Of {correct.n:,} labelled rows it mended {correct.gained:,} and broke {correct.lost:,}.",
    )


def _worse(correct: PairCounts, price: Price, rows: int) -> list[str]:
    """A sentence if accuracy surely fell by more than it may."""
    if correct.n < max(1, rows):
        return []
    value, low, high = change(correct)
    if high >= -price.max_loss:
        return []
    return [
        f"It broke {correct.lost:,} answers and mended {correct.gained:,} of {correct.n:,} labelled ones: "
        f"accuracy fell by {points(-value)} points (95 % limits {points(-high)} to {points(-low)}), and "
        f"{points(price.max_loss)} are allowed."
    ]


def _too_much(losing: Sequence[dict[str, Any]], price: Price, rows: int) -> list[str]:
    """Sentences about cells with enough rows that surely lost more than a cell may."""
    if price.max_cell_loss is None:
        return []
    return [
        f"{_loss(cell)[:-1]}, and {points(price.max_cell_loss)} are allowed."
        for cell in losing
        if cell["n"] >= rows and cell["high"] < -price.max_cell_loss
    ]


def _loss(cell: dict[str, Any]) -> str:
    name = in_words(LabelCell(cell["group"], cell["label"], PairCounts()))
    return (
        f"{name} surely lost {points(-cell['value'])} points "
        f"({points(-cell['high'])} to {points(-cell['low'])})."
    )
