"""Attributes made from others: intersections, and the attribute of a shared detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from evenhand.models.bundle.intersections import BETWEEN, NOT_BOTH, combination
from evenhand.training.data.dataset import UNKNOWN, DataError, Rows, Schema

SHARED, NONE, ANY = "any", "none", "any"


def with_intersections(rows: Rows, schema: Schema, pairs: Sequence[tuple[str, str]]) -> tuple[Rows, Schema]:
    """Add intersections: combinations of two attributes that are evaluated like an attribute of their own.

    The reference of an intersection is every row in the reference group of at least one of the two. Its
    groups are the combinations of other groups that occur. A row is unknown where the two values do not
    decide it.

    Args:
        rows: The data.
        schema: What its values mean.
        pairs: Names of two attributes each.

    Raises:
        DataError: an attribute is not there, or no row is outside both reference groups.
    """
    groups, names = dict(rows.groups), dict(schema.groups)
    for first, second in pairs:
        strange = [name for name in (first, second) if name not in schema.groups]
        if strange or first == second:
            raise DataError(f"--intersections {first}:{second}: name two of {', '.join(schema.groups)}")
        a, b = rows.groups[first], rows.groups[second]
        both = (a > 0) & (b > 0)
        combinations = sorted({(int(x), int(y)) for x, y in zip(a[both], b[both], strict=True)})
        if not combinations:
            raise DataError(
                f"--intersections {first}:{second}: no row is outside the reference group of both"
            )
        codes = np.where((a == 0) | (b == 0), 0, UNKNOWN)
        for code, (x, y) in enumerate(combinations, start=1):
            codes[(a == x) & (b == y)] = code
        name = f"{first}{BETWEEN}{second}"
        groups[name] = codes
        combined = (combination(schema.groups[first][x], schema.groups[second][y]) for x, y in combinations)
        names[name] = (NOT_BOTH, *combined)
    # Intersections are evaluated, but have no detector of their own.
    return replace(rows, groups=groups), replace(schema, groups=names, gates=schema.gated)


def with_shared_gate(rows: Rows, schema: Schema) -> tuple[Rows, Schema]:
    """One detector for all attributes: a row is a member if it is outside the reference group of any."""
    values = np.stack([rows.groups[name] for name in schema.gated])
    codes = np.where((values > 0).any(axis=0), 1, np.where((values < 0).any(axis=0), UNKNOWN, 0))
    return replace(rows, groups={**rows.groups, SHARED: codes}), replace(schema, gates={SHARED: (NONE, ANY)})
