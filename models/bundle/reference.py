"""What a bundle says was normal in validation; monitoring compares with it. Pure functions."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from evenhand.models.bundle.intersections import BETWEEN
from evenhand.stats import Rate

MIN_ROWS = 30
"""A group with fewer rows in validation is never taken as the worst."""
TENTHS = tuple(round(place / 10, 1) for place in range(1, 11))


@dataclass(frozen=True, slots=True)
class FlaggedShares:
    """Which share of rows the detector flags, in validation."""

    others: Rate
    """Of the rows outside the reference group: its true positive rate."""
    reference: Rate
    """Of the rows of the reference group: its false positive rate."""


@dataclass(frozen=True, slots=True)
class Normal:
    """What was normal for one attribute."""

    flagged: float | None
    """Share of rows that were flagged."""
    risk: tuple[float, ...]
    """Share of rows whose risk is at most 0.1, 0.2, ... 1.0; empty where there was no row."""
    worst_group_accuracy: float | None
    """Lowest accuracy of the final answers over groups of some rows."""
    worst_cell_accuracy: float | None = None
    """Lowest accuracy of the final answers over groups and favourable or unfavourable true labels."""
    detector: FlaggedShares | None = None
    """Which share of rows the detector flags; ``None`` if it was not measured."""
    flagged_cells: Mapping[tuple[str, str], Rate] = field(default_factory=dict)
    """The same per group and true label, as far as it was measured."""


def read(content: bytes, evaluation: bytes) -> dict[str, Normal]:
    """Read what validation measured.

    Args:
        content: ``reference.json``.
        evaluation: All figures as JSON; empty where there are none.

    Returns:
        By attribute, and by evaluated intersection, what was normal; no row is flagged for an intersection.

    Raises:
        ValueError: a file is not of the form that packaging gives it.
    """
    try:
        reference = json.loads(content)
        edges, rows = reference["edges"], reference["rows"]
        # An export has no figures of the split "val".
        figures = json.loads(evaluation).get("val", {}).get("attributes", {}) if evaluation else {}
        normal = {
            name: Normal(
                flagged=None if said["flagged"]["value"] is None else _share(said["flagged"]["value"]),
                risk=_cumulative(edges, said["risk"]) if rows else (),
                **(_measured(figures[name]) if name in figures else {"worst_group_accuracy": None}),
            )
            for name, said in reference["attributes"].items()
        }
        return normal | {name: _of_intersection(of) for name, of in figures.items() if BETWEEN in name}
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError("reference.json does not say what was normal; package the bundle again") from error


def _of_intersection(figures: dict[str, Any]) -> Normal:
    said = _measured(figures)
    return Normal(None, (), said["worst_group_accuracy"], said["worst_cell_accuracy"])


def _measured(figures: dict[str, Any]) -> dict[str, Any]:
    groups = figures["disparities"]["final"]["groups"].values()
    detector = figures.get("detector", {})
    return {
        "worst_group_accuracy": min(_enough(group["accuracy"] for group in groups), default=None),
        "worst_cell_accuracy": min(_cells(groups), default=None),
        "detector": _flagged(detector),
        "flagged_cells": {
            (cell["group"], cell["label"]): _rate(cell["flagged"]) for cell in detector.get("cells", ())
        },
    }


def _cells(groups: Iterable[dict[str, Any]]) -> Iterator[float]:
    """Accuracies of the cells of favourable and of unfavourable true labels."""
    for group in groups:
        if "true_positive_rate" in group:  # not in bundles of the first versions
            yield from _enough([group["true_positive_rate"]])
            yield from (1.0 - share for share in _enough([group["false_positive_rate"]]))


def _enough(rates: Iterable[dict[str, Any]]) -> Iterator[float]:
    """Those of some rows."""
    return (_share(rate["value"]) for rate in rates if rate["n"] >= MIN_ROWS)


def _flagged(detector: dict[str, Any]) -> FlaggedShares | None:
    if "true_positive_rate" not in detector:
        return None
    return FlaggedShares(_rate(detector["true_positive_rate"]), _rate(detector["false_positive_rate"]))


def _rate(rate: dict[str, Any]) -> Rate:
    if not rate["n"]:
        return Rate.of_counts(0, 0)
    return Rate(int(rate["n"]), *(_share(rate[key]) for key in ("value", "low", "high")))


def _share(value: Any) -> float:  # noqa: ANN401 - whatever the file says
    """A share.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError("no share")
    return float(value)


def _cumulative(edges: list[float], counts: list[int]) -> tuple[float, ...]:
    """Shares up to each tenth, of a histogram whose edges hold the tenths."""
    total = sum(counts)
    upper = [
        (math.floor(edge * 1000 + 0.5) / 1000, count) for edge, count in zip(edges[1:], counts, strict=True)
    ]
    return tuple(_share(sum(count for edge, count in upper if edge <= tenth) / total) for tenth in TENTHS)
