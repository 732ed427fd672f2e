"""What a bundle says was normal in validation, as monitoring compares with it. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

MIN_ROWS = 30
"""A group with fewer rows in validation says nothing of how accurate it usually is."""
TENTHS = tuple(round(place / 10, 1) for place in range(1, 11))


@dataclass(frozen=True, slots=True)
class Normal:
    """What was normal for one attribute."""

    flagged: float | None
    """Share of rows that were flagged."""
    risk: tuple[float, ...]
    """Share of rows whose risk is at most 0.1, 0.2, ... 1.0; empty where there was no row."""
    worst_group_accuracy: float | None
    """Lowest accuracy of a group's corrected answers; ``None`` where the bundle does not say."""


def read(content: bytes, evaluation: bytes) -> dict[str, Normal]:
    """Read what packaging writes.

    Args:
        content: ``reference.json``.
        evaluation: ``evaluation.json``; empty where there is none.

    Returns:
        By attribute what was normal.

    Raises:
        ValueError: a file is not of the form that packaging gives it.
    """
    try:
        found = json.loads(content)
        edges, rows = found["edges"], found["rows"]
        judged = json.loads(evaluation)["val"]["attributes"] if evaluation else {}
        return {
            name: Normal(
                said["flagged"]["value"],
                _cumulative(edges, said["risk"]) if rows else (),
                _worst(judged[name]["disparities"]["final"]["groups"]) if name in judged else None,
            )
            for name, said in found["attributes"].items()
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            "reference.json or evaluation.json does not say what was normal; package the bundle again"
        ) from error


def _worst(groups: dict[str, Any]) -> float | None:
    """The lowest accuracy of a group with enough rows."""
    rates = [group["accuracy"] for group in groups.values()]
    return min((rate["value"] for rate in rates if rate["n"] >= MIN_ROWS), default=None)


def _cumulative(edges: list[float], counts: list[int]) -> tuple[float, ...]:
    """Shares up to each tenth, of a histogram whose edges hold the tenths."""
    total = sum(counts)
    upper = [(math.floor(edge * 1000 + 0.5) / 1000, count) for edge, count in zip(edges[1:], counts, strict=True)]
    return tuple(sum(count for edge, count in upper if edge <= tenth) / total for tenth in TENTHS)
