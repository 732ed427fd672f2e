r"""Bounds of true groups' rates from the detector's flags and its error rates. Pure functions.

Rows of unknown group are flagged or not. Let :math:`q` be the flagged share, and let the detector flag a
share :math:`t` of the rows outside the reference group and a share :math:`f` of those in it, as in
validation. Then the others' share of all rows is :math:`r = (q - f) / (t - f)`, of which :math:`r t` are
flagged and :math:`r (1 - t)` are not. Which of the rows these are is not known: any split that fits these
numbers is possible, so the share of others with a favourable answer lies between Frechet's bounds. They are
sharp for given :math:`t` and :math:`f`, and need no independence of the flag and the answer. The reply
holds the widest of them over the 95 % limits of both. See Bharti, Yi and Sulam 2023 (arXiv 2207.12497), and
Bharti, Clemens-Sewall, Yi and Sulam (ICML 2025), on true groups' gaps from the errors of inferred ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenhand.models.bundle.aims import Aim
from evenhand.models.bundle.reference import MIN_ROWS, FlaggedShares, Normal
from evenhand.models.bundle.target import RATES
from evenhand.service.monitoring.groups import SIDES, Group, PairCounts, Side
from evenhand.stats import Rate

STEPS = 9
"""Values of each error rate that are tried, from its lower to its upper limit."""
WHY = (
    "Bounds from how often the detector flags rows of the reference group and of all others in validation, "
    "with 95 % limits. They hold while the detector errs as often as it did there. The sampling error of the "
    "rows is not in them. They do not replace declared groups."
)
NO_FIT = (
    "The share of flagged rows does not fit the detector's error rates in validation, so nothing is bounded."
)
Limits = dict[str, float]


@dataclass(frozen=True, slots=True)
class GroupBounds:
    """Between what the rates of a true group can lie; each ``low``, ``high``."""

    reference: Limits
    others: Limits
    difference: Limits
    """The reference group's rate minus that of the others."""


@dataclass(frozen=True, slots=True)
class DetectorErrors:
    """Which shares the detector flags in validation, of the rows that each rate covers."""

    of: Mapping[str, FlaggedShares]

    @classmethod
    def read(cls, normal: Normal | None, reference: str, favourable: Sequence[str]) -> DetectorErrors | None:
        """From validation; by true label where enough rows of both kinds of groups support it.

        Args:
            normal: Figures of validation of the attribute.
            reference: Its reference group.
            favourable: Favourable labels.
        """
        if normal is None or normal.detector is None:
            return None
        cells = normal.flagged_cells

        def of_label(is_good: bool) -> FlaggedShares | None:
            inside = {key: rate for key, rate in cells.items() if (key[1] in favourable) == is_good}
            others = _pooled(rate for key, rate in inside.items() if key[0] != reference)
            own = _pooled(rate for key, rate in inside.items() if key[0] == reference)
            return FlaggedShares(others, own) if min(others.n, own.n) >= MIN_ROWS else None

        return cls(
            {
                "selection_rate": normal.detector,
                "true_positive_rate": of_label(True) or normal.detector,
                "false_positive_rate": of_label(False) or normal.detector,
            }
        )


def _pooled(rates: Iterable[Rate]) -> Rate:
    counts = [(round((rate.value or 0.0) * rate.n), rate.n) for rate in rates]
    return Rate.of_counts(sum(hits for hits, _ in counts), sum(n for _, n in counts))


def detector_bounds(
    inferred: Sequence[Group], errors: DetectorErrors, aim: Aim | None
) -> dict[str, Any] | None:
    """Bounds over the rows without a declared group.

    Args:
        inferred: The unflagged and the flagged rows, in this order.
        errors: The detector's error rates.
        aim: The target, which is bounded too where its rates are; ``None`` if there is none.

    Returns:
        ``base`` and ``final`` difference in favourable answers, reference minus all others; ``rates``: the
        same of every rate; ``target``. ``None`` where there are no such rows.
    """
    unflagged, flagged = inferred[:2]
    if not flagged.answers.n + unflagged.answers.n:
        return None
    of = {
        rate: {side: _bounds(unflagged.pairs(rate), flagged.pairs(rate), side, shares) for side in SIDES}
        for rate, shares in errors.of.items()
    }
    parity = of["selection_rate"]
    return {
        "estimate": True,
        "source": "inferred",
        "rests_on": "detector",
        "rows": flagged.answers.n + unflagged.answers.n,
        **{side: None if each is None else each.difference for side, each in parity.items()},
        "rates": [
            {
                "rate": rate,
                "rows": flagged.pairs(rate).n + unflagged.pairs(rate).n,
                **{side: None if each is None else each.difference for side, each in sides.items()},
            }
            for rate, sides in of.items()
        ],
        "target": None if aim is None else _target(of, aim),
        "why": NO_FIT if parity["final"] is None else WHY,
    }


def _bounds(
    unflagged: PairCounts, flagged: PairCounts, side: Side, errors: FlaggedShares
) -> GroupBounds | None:
    """Bounds over all error rates within their limits; ``None`` if none of them fits the flagged share."""
    n = unflagged.n + flagged.n
    points = list(_points(errors, flagged.n / n)) if n else []
    if not points:
        return None
    hits = [(pairs.rate(side).value or 0.0) * pairs.n / n for pairs in (unflagged, flagged)]
    rows = [unflagged.n / n, flagged.n / n]
    ends: list[tuple[float, float, float]] = []
    for true_share, others in points:
        inside = [others * (1 - true_share), others * true_share]
        least = sum(max(0.0, o + s - q) for o, s, q in zip(inside, hits, rows, strict=True))
        most = sum(min(o, s) for o, s in zip(inside, hits, strict=True))
        for both in (least, most):
            own = (sum(hits) - both) / (1 - others)
            ends.append((own, both / others, own - both / others))
    return GroupBounds(*(_limits([end[place] for end in ends], place) for place in range(3)))


def _points(errors: FlaggedShares, flagged: float) -> Iterator[tuple[float, float]]:
    """True positive rates of the detector, and the others' share of rows that goes with each."""
    others, reference = errors.others, errors.reference
    if None in (others.low, others.high, reference.low, reference.high):
        return
    for true_share in np.linspace(others.low or 0.0, others.high or 0.0, STEPS).tolist():
        for false_share in np.linspace(reference.low or 0.0, reference.high or 0.0, STEPS).tolist():
            if true_share > false_share:
                share = (flagged - false_share) / (true_share - false_share)
                if 0 < share < 1:
                    yield true_share, share


def _limits(values: Sequence[float], place: int) -> Limits:
    least = -1.0 if place == 2 else 0.0
    return {"low": max(least, min(values)), "high": min(1.0, max(values))}


def _target(of: Mapping[str, Mapping[Side, GroupBounds | None]], aim: Aim) -> dict[str, Any]:
    """The target's figure between the reference group and all others; ``None`` where it is not bounded."""
    figure = _gap if aim.is_gap else _worst_cell
    rates = RATES.get(aim.measure, ("true_positive_rate", "false_positive_rate"))
    sides = {side: [of[rate][side] for rate in rates] for side in SIDES}
    return {
        "measure": aim.measure,
        **{
            side: None if None in bounds else figure([each for each in bounds if each is not None])
            for side, bounds in sides.items()
        },
    }


def _gap(bounds: Sequence[GroupBounds]) -> Limits:
    """The largest of the absolute differences."""
    spans = [each.difference for each in bounds]
    least = [max(0.0, span["low"], -span["high"]) for span in spans]
    return {"low": max(least), "high": max(max(abs(span["low"]), abs(span["high"])) for span in spans)}


def _worst_cell(bounds: Sequence[GroupBounds]) -> Limits:
    """The lowest accuracy: of true positive rates, and of 1 less the false positive rates."""
    positives, negatives = bounds
    cells = [positives.reference, positives.others]
    cells += [
        {"low": 1 - each["high"], "high": 1 - each["low"]} for each in (negatives.reference, negatives.others)
    ]
    return {key: min(cell[key] for cell in cells) for key in ("low", "high")}
