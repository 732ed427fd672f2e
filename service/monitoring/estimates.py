"""Estimates: rates before labels arrive, and gaps without declared groups. Pure functions.

Every reply marks them as estimates, and none of them decides a verdict.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evenhand.service.monitoring.cells import Risked
from evenhand.service.monitoring.groups import SIDES, Group, Side
from evenhand.stats import Rate, newcombe, wilson

ASSUMES = "Assumes that whether a label comes depends on the answers and the score alone."
UNAWARE = (
    "Groups are inferred by the detector. Counting flagged rows overstates a gap that comes from what the "
    "detector looks at; weighing rows by their risk understates one that it does not see. None of these "
    "replaces declared groups."
)
CALIBRATED = (
    "The true gap lies within the bounds if the risk is calibrated. They do not replace declared groups."
)
LABELS = {"true_positive_rate": (True,), "false_positive_rate": (False,), "accuracy": (True, False)}
"""The true labels of the rows that a rate covers."""


@dataclass(frozen=True, slots=True, eq=False)
class Chance:
    """Probability that a true label is favourable, from labelled rows. Strata may share it and its error."""

    value: float
    variance: float

    @classmethod
    def of(cls, favourable: int, labels: int) -> Chance:
        """From counts; the variance is not 0 even if all of a few labels agree."""
        smooth = (favourable + 0.5) / (labels + 1)
        return cls(favourable / labels, smooth * (1 - smooth) / labels)


@dataclass(frozen=True, slots=True)
class Stratum:
    """Rows of one group with the same answers and the same tenth of the score."""

    base: bool
    final: bool
    n: int
    chance: Chance

    def answer(self, side: Side) -> bool:
        """Whether the answer is favourable."""
        return self.base if side == "base" else self.final


def expected_of(group: Group, rows: int) -> dict[str, Any]:
    """Expected true and false positive rate and accuracy once every label is known.

    For each pair of answers and tenth of the score, the labelled rows give the share of favourable labels,
    which is applied to all rows of that stratum. A stratum without labelled rows uses all labelled rows of
    the same tenth of the score.

    Args:
        group: Counts of one group.
        rows: Smallest number of labelled rows for an estimate.

    Returns:
        The rates with limits, or ``None`` in their place, and ``why``.
    """
    reply = {"estimate": True, "rows": group.answers.n, "labels": group.correct.n}
    nothing = dict.fromkeys(LABELS)
    if group.correct.n < max(1, rows):
        return {**reply, **nothing, "why": f"{group.correct.n} labelled rows, and {rows} are needed."}
    coarse = _chances(group, lambda base, final, score: score)
    missing = [cell.bin for cell in group.decisions if cell.bin not in coarse]
    if missing:
        tenth = min(missing)
        where = "no score came" if tenth < 0 else f"the score is {tenth / 10:.1f} to {(tenth + 1) / 10:.1f}"
        why = f"No label is known where {where}."
        return {**reply, **nothing, "why": why}
    fine = _chances(group, lambda base, final, score: (base, final, score))
    strata = [
        Stratum(cell.base, cell.final, cell.n, fine.get((cell.base, cell.final, cell.bin), coarse[cell.bin]))
        for cell in group.decisions
    ]
    rates = {kind: {side: asdict(_expected(strata, side, kind)) for side in SIDES} for kind in LABELS}
    return {**reply, **rates, "why": ASSUMES}


def _chances(group: Group, key: Callable[[bool, bool, int], object]) -> dict[object, Chance]:
    counts: dict[object, tuple[int, int]] = {}
    for cell in group.outcomes:
        name = key(cell.base, cell.final, cell.bin)
        favourable, labels = counts.get(name, (0, 0))
        counts[name] = favourable + cell.n * cell.label, labels + cell.n
    return {name: Chance.of(*count) for name, count in counts.items()}


def _expected(strata: Sequence[Stratum], side: Side, kind: str) -> Rate:
    """A rate with limits for the uncertainty of the chances and of the rows (delta method).

    If every label is known this is the counted rate, and its limits are Wilson's up to the smoothing of the
    chances.
    """
    labels = LABELS[kind]

    def share_of(stratum: Stratum) -> tuple[float, float, float, float]:
        """Expected hits and rows of one row, and their derivatives by the chance."""
        p, answer = stratum.chance.value, stratum.answer(side)
        hit = {True: answer, False: not answer if kind == "accuracy" else answer}
        weights = {True: (p, 1.0), False: (1 - p, -1.0)}
        rows, slope = (sum(weights[label][part] for label in labels) for part in (0, 1))
        hits, hits_slope = (sum(weights[label][part] * hit[label] for label in labels) for part in (0, 1))
        return hits, rows, hits_slope, slope

    shares = [(stratum, *share_of(stratum)) for stratum in strata]
    total = sum(stratum.n * rows for stratum, _, rows, _, _ in shares)
    if total <= 0:
        return Rate(0, None, None, None)
    share = min(1.0, sum(stratum.n * hits for stratum, hits, _, _, _ in shares) / total)
    slopes, variance = defaultdict[Chance, float](float), 0.0
    for stratum, hits, rows, hits_slope, slope in shares:
        slopes[stratum.chance] += stratum.n * (hits_slope - share * slope) / total
        variance += stratum.n * ((hits - share * rows) / total) ** 2
    variance += sum(slope**2 * chance.variance for chance, slope in slopes.items())
    settled = share in (0.0, 1.0) or variance == 0.0  # the delta method gives no limits then
    low, high = wilson(share, total if settled else share * (1 - share) / variance)
    return Rate(round(total), share, low, high)


def soft_of(cells: Sequence[Risked]) -> dict[str, Any] | None:
    """Selection rates with rows weighted by ``1 - risk`` in the reference group and by ``risk`` in the other.

    Args:
        cells: Rows of one attribute; without rows the result is ``None``.
    """
    rows = sum(cell.n for cell in cells)
    if not rows:
        return None
    rates = {
        "reference": {
            side: _weighted(cells, side, lambda cell: cell.n - cell.risk, _reference_square) for side in SIDES
        },
        "other": {
            side: _weighted(cells, side, lambda cell: cell.risk, lambda cell: cell.risk_squared)
            for side in SIDES
        },
    }
    return {
        "estimate": True,
        "source": "inferred",
        "rows": rows,
        **{group: {side: asdict(rate) for side, rate in sides.items()} for group, sides in rates.items()},
        "difference": {side: _difference(rates["reference"][side], rates["other"][side]) for side in SIDES},
        "why": UNAWARE,
    }


def _reference_square(cell: Risked) -> float:
    """Sum of the squares of ``1 - risk``."""
    return cell.n - 2 * cell.risk + cell.risk_squared


Weight = Callable[[Risked], float]


def _weighted(cells: Sequence[Risked], side: Side, weight: Weight, square: Weight) -> Rate:
    total, squares = sum(map(weight, cells)), sum(map(square, cells))
    if total <= 0 or squares <= 0:
        return Rate(0, None, None, None)
    share = min(1.0, max(0.0, sum(weight(cell) for cell in cells if _selected(cell, side)) / total))
    effective = total * total / squares
    return Rate(round(effective), share, *wilson(share, effective))


def _difference(reference: Rate, other: Rate) -> dict[str, float | None]:
    limits = newcombe(reference, other)
    if limits is None or reference.value is None or other.value is None:
        return dict.fromkeys(("value", "low", "high"))
    return {"value": reference.value - other.value, "low": limits[0], "high": limits[1]}


def bounds_of(cells: Sequence[Risked]) -> dict[str, Any] | None:
    """Bounds of the reference group's selection rate minus that of the others, if the risk is calibrated.

    They stand in for those of :mod:`evenhand.service.monitoring.bounds` where the detector's error rates
    are not known, or every row has a declared group. The risk gives the number of rows of a bin in each
    group, but not which rows. Any split of a bin's selected rows that fits these numbers is possible
    (Frechet bounds). The bounds are sharp for the binned data, and do not include sampling error. See
    Kallus, Mao and Zhou 2022, "Assessing algorithmic fairness with unobserved protected class using data
    combination".

    Args:
        cells: Rows of one attribute; the result is ``None`` if one of the groups has no share in any of them.
    """
    rows, others = sum(cell.n for cell in cells), sum(cell.risk for cell in cells)
    if not 0 < others < rows:
        return None
    return {
        "estimate": True,
        "source": "inferred",
        "rests_on": "risk",
        "rows": rows,
        "rates": [],
        "target": None,
        **{side: _bounds(cells, side, rows, others) for side in SIDES},
        "why": CALIBRATED,
    }


def _bounds(cells: Sequence[Risked], side: Side, rows: int, others: float) -> dict[str, float]:
    least = most = selected = 0.0
    for tenth in {cell.bin for cell in cells}:
        inside = [cell for cell in cells if cell.bin == tenth]
        of_others, chosen = (
            sum(cell.risk for cell in inside),
            sum(cell.n for cell in inside if _selected(cell, side)),
        )
        least += max(0.0, of_others + chosen - sum(cell.n for cell in inside))
        most += min(of_others, chosen)
        selected += chosen
    low, high = ((selected - both) / (rows - others) - both / others for both in (most, least))
    return {"low": max(-1.0, low), "high": min(1.0, high)}


def _selected(cell: Risked, side: Side) -> bool:
    return cell.base if side == "base" else cell.final
