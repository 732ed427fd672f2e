"""Which method to take, by a rule that is printed with it. It looks at validation rows only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evenhand.training.benchmark.aggregate import MethodRow
from evenhand.training.benchmark.frontier import AXES, non_dominated, place

WORST_CELL = AXES[0]
ROUNDING = 1e-9


@dataclass(frozen=True)
class Recommendation:
    """The outcome of the rule."""

    verdict: Literal["take", "keep the base", "insufficient data"]
    method: str | None
    """Name of the method to take; the base's if it should stay, ``None`` if the data is insufficient."""
    why: str
    rule: str


def rule(cost: float) -> str:
    """The rule in words."""
    return (
        "Among methods that have a result for every seed, can be served and need no attribute of the row "
        f"to answer it, those that cost at most {100 * cost:g} points of accuracy against the base on "
        "validation rows. Of these, those that none of them beats in both accuracy and worst cell, and "
        "whose gain in the worst cell has a 95 % interval above 0. Of these, the one with the best worst "
        "cell; of equals the more accurate, then the one that computes least, then the one higher in the "
        "table. If there is none, the base. Test rows play no part. Methods chose their settings on the "
        "same validation rows, and the best of several is taken: its figures on validation rows flatter "
        "it, those on test rows do not."
    )


def recommend(lines: Sequence[MethodRow], seeds: int, cost: float) -> Recommendation:
    """Apply :func:`rule`.

    Args:
        lines: The base first.
        seeds: How many there are.
        cost: Overall accuracy that the choice may cost, as a share.
    """
    base, said = lines[0], rule(cost)
    if base.seeds < seeds or base.value("val", "worst_cell") is None:
        why = "The base has no result for every seed, or no cell has enough validation rows to be scored."
        return Recommendation("insufficient data", None, why, said)
    candidates = [line for line in lines[1:] if _servable(line, seeds) and _affordable(line, cost)]
    standing = _undominated([base, *candidates])
    better = [line for line in standing if line is not base and _gains(line)]
    if better:
        best = max(better, key=_preference)
        why = (
            f"{len(better)} of {len(candidates)} candidates gained more than chance explains, none of them "
            f"beaten in both figures; {best.method.title} has the best worst cell."
        )
        return Recommendation("take", best.method.name, why, said)
    return Recommendation("keep the base", base.method.name, _why_base(candidates, standing), said)


def _servable(line: MethodRow, seeds: int) -> bool:
    method = line.method
    scored = line.value("val", "worst_cell") is not None
    return method.served.how != "no" and not method.sees.test and line.seeds == seeds and scored


def _affordable(line: MethodRow, cost: float) -> bool:
    difference = line.value("val", "accuracy_difference")
    return difference is not None and difference >= -cost - ROUNDING


def _gains(line: MethodRow) -> bool:
    low = line.figures["val"]["worst_cell_difference"].low
    return low is not None and low > 0


def _undominated(lines: Sequence[MethodRow]) -> list[MethodRow]:
    places = [(line, at) for line in lines if (at := place(line, "val", WORST_CELL)) is not None]
    kept = non_dominated([at for _, at in places])
    return [line for (line, _), keep in zip(places, kept, strict=True) if keep]


def _preference(line: MethodRow) -> tuple[float, float, float]:
    """Higher is better; a cost that is not known counts as the highest."""
    at = place(line, "val", WORST_CELL)
    assert at is not None
    return at[1], at[0], -(float("inf") if line.cost is None else line.cost)


def _why_base(candidates: Sequence[MethodRow], standing: Sequence[MethodRow]) -> str:
    """Why the base stays: no candidate, none better, or none significantly better."""
    if not candidates:
        return (
            "No method that can be served without the row's attribute stays within the accuracy it may cost."
        )
    promising = [line for line in candidates if line in standing and _difference(line) > 0]
    if not promising:
        return f"None of {len(candidates)} candidates raises the worst cell on validation rows."
    best = max(promising, key=_difference)
    of = best.figures["val"]["worst_cell_difference"]
    limits = "" if of.low is None or of.high is None else f" ({100 * of.low:+.1f} to {100 * of.high:+.1f})"
    return (
        f"The evidence is insufficient: {best.method.title} raises the worst cell by "
        f"{100 * _difference(best):.1f} points{limits} on validation rows, and 0 is inside the interval; "
        "more validation rows would tell."
    )


def _difference(line: MethodRow) -> float:
    return line.value("val", "worst_cell_difference") or 0.0
