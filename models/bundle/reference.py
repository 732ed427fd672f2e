"""What a bundle says was normal in validation; monitoring compares with it. Pure functions."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

MIN_ROWS = 30
"""A group with fewer rows in validation is never taken as the worst."""
TENTHS = tuple(round(place / 10, 1) for place in range(1, 11))


@dataclass(frozen=True, slots=True)
class Normal:
    """What was normal for one attribute."""

    flagged: float | None
    """Share of rows that were flagged."""
    risk: tuple[float, ...]
    """Share of rows whose risk is at most 0.1, 0.2, ... 1.0; empty where there was no row."""
    worst_group_accuracy: float | None
    """Lowest accuracy of the final answers over groups of some rows."""


def read(content: bytes, evaluation: bytes) -> dict[str, Normal]:
    """Read what validation measured.

    Args:
        content: ``reference.json``.
        evaluation: All figures as JSON; empty where there are none.

    Returns:
        By attribute what was normal.

    Raises:
        ValueError: a file is not of the form that packaging gives it.
    """
    try:
        reference = json.loads(content)
        edges, rows = reference["edges"], reference["rows"]
        # An export has no figures of the split "val".
        figures = json.loads(evaluation).get("val", {}).get("attributes", {}) if evaluation else {}
        return {
            name: Normal(
                flagged=None if said["flagged"]["value"] is None else _share(said["flagged"]["value"]),
                risk=_cumulative(edges, said["risk"]) if rows else (),
                worst_group_accuracy=_worst(figures[name]) if name in figures else None,
            )
            for name, said in reference["attributes"].items()
        }
    except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError("reference.json does not say what was normal; package the bundle again") from error


def _worst(figures: dict[str, Any]) -> float | None:
    rates = (group["accuracy"] for group in figures["disparities"]["final"]["groups"].values())
    return min((_share(rate["value"]) for rate in rates if rate["n"] >= MIN_ROWS), default=None)


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
