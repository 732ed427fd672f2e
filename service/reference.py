"""What a bundle says was normal in validation, as monitoring compares with it. Pure."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

TENTHS = tuple(round(place / 10, 1) for place in range(1, 11))


@dataclass(frozen=True, slots=True)
class Normal:
    """What was normal for one attribute."""

    flagged: float | None
    """Share of rows that were flagged."""
    risk: tuple[float, ...]
    """Share of rows whose risk is at most 0.1, 0.2, ... 1.0; empty where there was no row."""


def read(content: bytes) -> dict[str, Normal]:
    """Read ``reference.json``.

    Returns:
        By attribute what was normal.

    Raises:
        ValueError: the file is not of the form that packaging gives it.
    """
    try:
        found = json.loads(content)
        edges, rows = found["edges"], found["rows"]
        return {
            name: Normal(said["flagged"]["value"], _cumulative(edges, said["risk"]) if rows else ())
            for name, said in found["attributes"].items()
        }
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError("reference.json does not say what was normal; package the bundle again") from error


def _cumulative(edges: list[float], counts: list[int]) -> tuple[float, ...]:
    """Shares up to each tenth, of a histogram whose edges hold the tenths."""
    total = sum(counts)
    upper = [(math.floor(edge * 1000 + 0.5) / 1000, count) for edge, count in zip(edges[1:], counts, strict=True)]
    return tuple(sum(count for edge, count in upper if edge <= tenth) / total for tenth in TENTHS)
