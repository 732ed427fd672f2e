"""Which method to take, by a rule that is printed with it. It looks at validation rows only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from evenhand.models.bundle.target import Target
from evenhand.training.benchmark.aggregate import Figure, MethodRow
from evenhand.training.benchmark.frontier import Axis, non_dominated, place, target_axis, target_title
from evenhand.training.choice.scorer import enough_rows

ROUNDING = 1e-9


@dataclass(frozen=True)
class Recommendation:
    """The outcome of the rule."""

    verdict: Literal["take", "keep the base", "insufficient data"]
    method: str | None
    """Name of the method to take; the base's if it should stay, ``None`` if the data is insufficient."""
    why: str
    rule: str
    controls: tuple[str, ...] = ()
    """Controls that do as well as the method, or better than the base that stays; a sentence each."""


def rule(target: Target) -> str:
    """The rule in words."""
    limit = target.max_cell_loss
    cell = (
        ""
        if limit is None
        else f", no cell of at least {enough_rows(limit)} rows more than {100 * limit:g} points, no smaller "
        "cell surely more (its 95 % interval lies above)"
    )
    return (
        "Among methods that have a result for every seed, can be served and need no attribute of the row "
        f"to answer it, those that cost at most {100 * target.max_loss:g} points of accuracy against the "
        f"base on validation rows{cell}. Of these, those that none of them beats in both accuracy and target "
        f"({target_title(target)}), and whose gain in the target has a 95 % interval above 0. Of these, the "
        "one with the best target; of equals the more accurate, then the one that computes least, then the "
        "one higher in the table. If there is none, the base. A control does as well if it keeps to the "
        "same limits and neither its target nor its accuracy is surely worse on the same rows: the 95 % "
        "interval of the difference reaches 0. "
        "Test rows play no part. Methods chose their settings on the same validation rows, and the best of "
        "several is taken: its figures on validation rows flatter it, those on test rows do not."
    )


def recommend(lines: Sequence[MethodRow], seeds: int, target: Target) -> Recommendation:
    """Apply :func:`rule`, but for the controls: :mod:`evenhand.training.benchmark.controls`.

    Args:
        lines: The base first.
        seeds: How many there are.
        target: What is aimed at, and what it may cost.
    """
    base, said, axis = lines[0], rule(target), target_axis(target)
    if base.seeds < seeds or base.value("val", "target") is None:
        why = "The base has no result for every seed, or too few validation rows support the target's figure."
        return Recommendation("insufficient data", None, why, said)
    candidates = [line for line in lines[1:] if _servable(line, seeds) and affordable(line, target)]
    standing = _undominated([base, *candidates], axis)
    better = [line for line in standing if line is not base and gains(line, axis)]
    if better:
        best = max(better, key=lambda line: _preference(line, axis))
        why = (
            f"{len(better)} of {len(candidates)} candidates gained more than chance explains, none of them "
            f"beaten in both figures; {best.method.title} has the best target."
        )
        return Recommendation("take", best.method.name, why, said)
    return Recommendation("keep the base", base.method.name, _why_base(candidates, standing, axis), said)


def gain_of(figure: Figure, axis: Axis) -> Figure:
    """A difference in the axis' figure so that more is better."""
    if axis.sign > 0:
        return figure
    mean, low, high = (None if value is None else -value for value in (figure.mean, figure.high, figure.low))
    return Figure(mean, figure.spread, low, high)


def gains(line: MethodRow, axis: Axis) -> bool:
    """Whether the target surely improves on validation rows."""
    low = gain_of(line.figures["val"]["target_difference"], axis).low
    return low is not None and low > 0


def affordable(line: MethodRow, target: Target) -> bool:
    """Whether the method keeps the target's limits on validation rows."""
    difference, loss = line.value("val", "accuracy_difference"), line.value("val", "limited_cell_loss")
    if difference is None or difference < -target.max_loss - ROUNDING:
        return False
    if target.max_cell_loss is None:
        return True
    surely = line.figures["val"]["largest_cell_loss"].low
    return all(each is None or each <= target.max_cell_loss + ROUNDING for each in (loss, surely))


def _servable(line: MethodRow, seeds: int) -> bool:
    method = line.method
    scored = line.seeds == seeds and line.value("val", "target") is not None
    return method.served.how != "no" and not method.sees.test and scored


def _undominated(lines: Sequence[MethodRow], axis: Axis) -> list[MethodRow]:
    places = [(line, at) for line in lines if (at := place(line, "val", axis)) is not None]
    kept = non_dominated([at for _, at in places])
    return [line for (line, _), keep in zip(places, kept, strict=True) if keep]


def _preference(line: MethodRow, axis: Axis) -> tuple[float, float, float]:
    """Higher is better; a cost that is not known counts as the highest."""
    at = place(line, "val", axis)
    assert at is not None
    return at[1], at[0], -(float("inf") if line.cost is None else line.cost)


def _why_base(candidates: Sequence[MethodRow], standing: Sequence[MethodRow], axis: Axis) -> str:
    """Why the base stays: no candidate, none better, or none significantly better."""
    if not candidates:
        return (
            "No method of the table can be served without the row's attribute and keeps within what it may "
            "cost."
        )
    gains_of = {
        id(line): gain_of(line.figures["val"]["target_difference"], axis)
        for line in candidates
        if line in standing
    }
    promising = [line for line in candidates if id(line) in gains_of and (gains_of[id(line)].mean or 0.0) > 0]
    if not promising:
        return f"None of {len(candidates)} candidates betters the target on validation rows."
    best = max(promising, key=lambda line: gains_of[id(line)].mean or 0.0)
    of = gains_of[id(best)]
    limits = "" if of.low is None or of.high is None else f" ({100 * of.low:+.1f} to {100 * of.high:+.1f})"
    return (
        f"The evidence is insufficient: {best.method.title} betters the target by "
        f"{100 * (of.mean or 0.0):.1f} points{limits} on validation rows, and 0 is inside the interval; "
        "more validation rows would tell."
    )
