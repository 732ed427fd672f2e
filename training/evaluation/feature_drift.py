"""Which features of a bundle a table lacks, or has otherwise than the rows that the bundle was fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import chi2

from evenhand.models.bundle.encoders.table import Categorical, Numeric, TableFeatures
from evenhand.tables.cells import GONE, Vocabulary, clean
from evenhand.tables.column import Column
from evenhand.tables.table import Table
from evenhand.training.evaluation.metrics import MIN_CELL
from evenhand.typing import Float64s, Ints

ABSENT, EMPTY, DRIFTED = "absent", "empty", "drifted"
MOVED = 0.1
"""Population stability index from which on a feature is said to have drifted (Siddiqi 2006: some change)."""
CHANCE = 0.001
"""Chance that rows like those of the fit look so different, below which that is no chance."""
HALF = 0.5
"""Rows that are added to every part, so that an empty one has a logarithm."""


@dataclass(frozen=True)
class FeatureChange:
    """A feature that a table lacks, or has otherwise."""

    name: str
    status: str
    """``absent``: the table has no such column; ``empty``: no row has a value; ``drifted``."""
    said: str
    """What is different, in words."""
    stability_index: float | None = None
    """``sum((a - e) ln(a / e))`` over parts: ``a`` is their share of these rows, ``e`` of the fit's."""


@dataclass(frozen=True)
class _Parts:
    """The rows of a feature in parts: intervals or categories, unseen categories, rows without a value."""

    counts: Ints
    """``(parts,)`` rows of the table."""
    expected: Float64s
    """``(parts,)`` share of the rows of the fit."""
    names: Sequence[str]


def feature_changes(table: Table, rows: Ints, features: TableFeatures) -> list[FeatureChange]:
    """Compare a table's features with those that a bundle was fitted on.

    Args:
        table: The data.
        rows: Numbers of the rows to compare, counted from 1.
        features: Of the bundle; those of earlier versions are only found to be absent or empty.
    """
    places = np.searchsorted(np.array(table.numbers), rows)
    listed: list[Numeric | Categorical] = [*features.numeric, *features.categorical]
    changes = [_change(table, places, feature) for feature in listed]
    return [change for change in changes if change is not None]


def _change(table: Table, places: Ints, feature: Numeric | Categorical) -> FeatureChange | None:
    name = clean(feature.name)
    if name not in table.cells:
        return FeatureChange(feature.name, ABSENT, _missing_column(name, table))
    cells = table.cells[name]
    words = feature.words if isinstance(feature, Numeric) else []
    column = Column.of(name, [cells[place] for place in places], GONE | {word.lower() for word in words})
    if not column.rows:
        before = "" if feature.missing is None else f"; in the fit {_percent(1 - feature.missing)} had one"
        return FeatureChange(feature.name, EMPTY, f"no row has a value{before}")
    if not feature.shares or feature.missing is None or len(places) < MIN_CELL:
        return None
    parts = _intervals(column, feature) if isinstance(feature, Numeric) else _categories(column, feature)
    index, chance = _stability(parts)
    if index < MOVED or chance >= CHANCE:
        return None
    return FeatureChange(feature.name, DRIFTED, _words(column, feature, parts), index)


def _missing_column(name: str, table: Table) -> str:
    plain = "".join(filter(str.isalnum, name)).casefold()
    alike = [other for other in table.columns if "".join(filter(str.isalnum, other)).casefold() == plain]
    return f"the table has no such column; it has {alike[0]}" if alike else "the table has no such column"


def _intervals(column: Column, feature: Numeric) -> _Parts:
    numbers = np.append(column.numbers, np.nan)[column.codes]
    valued = numbers[~np.isnan(numbers)]
    inside = np.bincount(np.searchsorted(feature.cuts, valued, side="left"), minlength=len(feature.shares))
    bounds = ["", *(f"{cut:.4g}" for cut in feature.cuts), ""]
    names = [
        f"above {low} up to {high}" if low and high else (f"up to {high}" if high else f"above {low}")
        for low, high in pairwise(bounds)
    ]
    return _with_missing(inside, feature, names, len(numbers) - len(valued))


def _categories(column: Column, feature: Categorical) -> _Parts:
    vocabulary = Vocabulary(feature.categories)
    place = {category: index for index, category in enumerate(feature.categories)}
    unseen = len(feature.categories)
    of_value = [place.get(vocabulary.match(value) or "", unseen) for value in column.values]
    codes = np.array(of_value, dtype=np.int64)[column.codes[column.codes >= 0]]
    counts = np.bincount(codes, minlength=unseen + 1)
    missing = int((column.codes < 0).sum())
    return _with_missing(counts, feature, [*feature.categories, "values that the fit did not see"], missing)


def _with_missing(counts: Ints, feature: Numeric | Categorical, names: list[str], missing: int) -> _Parts:
    gaps = feature.missing or 0.0
    # Of 500 categories or more the rarest are unseen for the model, so that shares need not add up to 1.
    shares = [*feature.shares, *([max(0.0, 1 - sum(feature.shares))] * (len(counts) - len(feature.shares)))]
    return _Parts(
        np.append(counts, missing),
        np.append(np.array(shares) * (1 - gaps), gaps),
        [*names, "missing"],
    )


def _stability(parts: _Parts) -> tuple[float, float]:
    """The population stability index, and the chance of as much by chance (Pearson's chi-squared test)."""
    rows = parts.counts.sum()
    smooth = (parts.counts + HALF) / (rows + HALF * len(parts.counts))
    expected = (parts.expected * rows + HALF) / (rows + HALF * len(parts.counts))
    index = float(((smooth - expected) * np.log(smooth / expected)).sum())
    statistic = float((rows * (smooth - expected) ** 2 / expected).sum())
    return index, float(chi2.sf(statistic, len(parts.counts) - 1))


def _words(column: Column, feature: Numeric | Categorical, parts: _Parts) -> str:
    """The median of numbers that moved, or the part that moved most."""
    shares = parts.counts / parts.counts.sum()
    most = int(np.abs(shares - parts.expected).argmax())
    now, before = _percent(shares[most]), _percent(parts.expected[most])
    said = f"{parts.names[most]}: {now} of the rows, in the fit {before}"
    if isinstance(feature, Numeric) and most < len(parts.counts) - 1:
        numbers = np.append(column.numbers, np.nan)[column.codes]
        return f"median {np.nanmedian(numbers):.4g}, in the fit {feature.median:.4g}; {said}"
    return said


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
