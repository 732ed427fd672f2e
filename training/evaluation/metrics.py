"""Group metrics with counts and intervals. Definitions are Fairlearn's; tests compare with it.

A cell is (label x group). Worst-group accuracy (WGA) is the lowest accuracy over cells, as in GroupDRO and
FairNet; cells below :data:`MIN_CELL` rows are listed but never taken as the worst.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evenhand.stats import Rate, difference
from evenhand.typing import Bools, Ints

MIN_CELL = 30


@dataclass(frozen=True)
class Bin:
    """Rows whose predicted probability lies in one interval."""

    low: float
    high: float
    predicted: float
    """Mean predicted probability; the middle of the interval where there is no row."""
    observed: Rate
    """How often the predicted event occurred."""


@dataclass(frozen=True)
class Cell:
    """Accuracy of one (label x group) cell."""

    attribute: str
    group: str
    label: str
    accuracy: Rate

    @property
    def counts(self) -> bool:
        """Whether it is large enough to be called the worst."""
        return self.accuracy.n >= MIN_CELL


def pooled_name(reference: str) -> str:
    """Name of all groups but the reference together: the rows that a correction is for."""
    return f"any but {reference}"


def members(names: Sequence[str], groups: Ints) -> dict[str, Bools]:
    """Membership ``(rows,)`` of each group, and of any but the reference; unknown rows belong to none."""
    inside = {name: groups == index for index, name in enumerate(names)}
    return {**inside, pooled_name(names[0]): groups > 0}


def cells(
    attribute: str, names: Sequence[str], labels: Sequence[str], groups: Ints, truth: Ints, predicted: Ints
) -> list[Cell]:
    """Accuracy of every cell of one attribute, and of all groups but the reference together.

    Args:
        attribute: Its name.
        names: Its groups, the reference first.
        labels: The class names.
        groups: ``(rows,)`` index into ``names``; -1 is unknown and left out.
        truth: ``(rows,)`` true class.
        predicted: ``(rows,)`` predicted class.
    """
    correct = truth == predicted
    return [
        Cell(attribute, name, label, Rate.of(correct[inside & (truth == code)]))
        for name, inside in members(names, groups).items()
        for code, label in enumerate(labels)
    ]


def worst(candidates: Sequence[Cell]) -> Cell | None:
    """The cell of lowest accuracy among those large enough."""
    large = [cell for cell in candidates if cell.counts and cell.accuracy.value is not None]
    return min(large, key=lambda cell: cell.accuracy.value or 0.0, default=None)


def group_metrics(
    names: Sequence[str], groups: Ints, truth: Bools, selected: Bools, min_rows: int = 1
) -> dict[str, Any]:
    """Fairlearn's disparities of one attribute, for a favourable outcome.

    Args:
        names: Groups, the reference first.
        groups: ``(rows,)`` index into ``names``, -1 unknown and left out.
        truth: ``(rows,)`` whether the true label is favourable.
        selected: ``(rows,)`` whether the predicted label is.
        min_rows: A rate over fewer rows is reported but enters no gap or ratio.

    Returns:
        Per group selection rate, true and false positive rate and accuracy; and over groups with rows the
        demographic parity difference and ratio, the equal opportunity difference, and the equalized odds
        difference (the larger of the two gaps, and their mean). A figure that no rows support is ``None``.
    """
    rates = {}
    for index, name in enumerate(names):
        inside = groups == index
        rates[name] = {
            "selection_rate": Rate.of(selected[inside]),
            "true_positive_rate": Rate.of(selected[inside & truth]),
            "false_positive_rate": Rate.of(selected[inside & ~truth]),
            "accuracy": Rate.of((selected == truth)[inside]),
        }
    selection = _values(rates, "selection_rate", min_rows)
    tpr = _gap(_values(rates, "true_positive_rate", min_rows))
    fpr = _gap(_values(rates, "false_positive_rate", min_rows))
    gaps = [gap for gap in (tpr, fpr) if gap is not None]
    complete = len(gaps) == 2
    return {
        "groups": rates,
        "demographic_parity_difference": _gap(selection),
        "demographic_parity_ratio": min(selection) / max(selection)
        if selection and max(selection) > 0
        else None,
        "equal_opportunity_difference": tpr,
        "equalized_odds_difference": max(gaps) if complete else None,
        "equalized_odds_difference_mean": sum(gaps) / 2 if complete else None,
    }


def against_reference(rates: dict[str, dict[str, Rate]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Each group's rates minus the reference's, with Newcombe intervals.

    Args:
        rates: The ``groups`` of :func:`group_metrics`, the reference first.

    Returns:
        Per group and metric ``value``, ``low``, ``high`` and the counts ``n`` and ``n_reference``; ``None``
        where one side has no rows.
    """
    (_, reference), *others = rates.items()
    return {
        name: {metric: difference(rate, reference[metric]) for metric, rate in of_group.items()}
        for name, of_group in others
    }


def _values(rates: dict[str, dict[str, Rate]], metric: str, min_rows: int) -> list[float]:
    of_metric = [rate[metric] for rate in rates.values()]
    return [rate.value for rate in of_metric if rate.value is not None and rate.n >= min_rows]


def _gap(values: list[float]) -> float | None:
    return max(values) - min(values) if len(values) > 1 else None
