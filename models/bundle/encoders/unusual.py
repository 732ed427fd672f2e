"""Which features of a row are otherwise than in the rows of the fit. Nothing here holds a value."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evenhand.models.bundle.encoders.table import ABSENT, UNKNOWN, TableFeatures
from evenhand.models.bundle.inputs import Encoded
from evenhand.typing import Array

MISSING, UNSEEN, FAR = "missing_feature", "unseen_category", "far_number"
KINDS = (MISSING, UNSEEN, FAR)
FAR_DEVIATIONS = 6.0
"""A number is far if it is more standard deviations from the mean of the fit's rows. Of those at most one in
36 is, whatever the distribution (Chebyshev), and of a normal one none."""


@dataclass(frozen=True, slots=True)
class UnusualFeatures:
    """The features of one row that are unusual in one way."""

    kind: str
    """One of ``KINDS``."""
    names: tuple[str, ...]


class FeatureCheck:
    """Compares encoded rows with what is known of the fit's rows.

    Args:
        features: Of the bundle.
    """

    def __init__(self, features: TableFeatures) -> None:
        self._numeric = [column.name for column in features.numeric]
        self._categorical = [column.name for column in features.categorical]
        self._raw = features.raw
        self._means = np.array([column.mean for column in features.numeric])
        self._scales = np.array([column.scale for column in features.numeric])
        self._mean_list, self._scale_list = self._means.tolist(), self._scales.tolist()

    @property
    def series(self) -> list[tuple[str, str]]:
        """Every feature with every kind that it can have."""
        numeric = [(name, kind) for name in self._numeric for kind in (MISSING, FAR)]
        return numeric + [(name, kind) for name in self._categorical for kind in (MISSING, UNSEEN)]

    def check(self, rows: Sequence[Encoded]) -> list[tuple[UnusualFeatures, ...]]:
        """What is unusual about each row; nothing about most of them.

        Args:
            rows: Of the bundle's own encoder.
        """
        if not rows:
            return []
        if len(rows) == 1:
            return [self._check_one(rows[0])]
        unusual: list[list[UnusualFeatures]] = [[] for _ in rows]
        missing = np.zeros((len(rows), 0), dtype=np.bool_)
        if self._numeric:
            deviations, missing = self._deviations(rows)
            self._add(unusual, FAR, self._numeric, ~missing & (np.abs(deviations) > FAR_DEVIATIONS))
        if self._categorical:
            codes = _matrix(rows, "codes")
            self._add(unusual, UNSEEN, self._categorical, codes == UNKNOWN)
            missing = np.concatenate([missing, codes == ABSENT], axis=1)
        self._add(unusual, MISSING, [*self._numeric, *self._categorical], missing)
        return [tuple(of_row) for of_row in unusual]

    def _check_one(self, row: Encoded) -> tuple[UnusualFeatures, ...]:
        """The same for one row, in plain Python: a dozen calls of numpy take longer than a dozen features."""
        far, missing = list[str](), list[str]()
        if self._numeric and self._raw:
            for name, value, mean, scale in zip(
                self._numeric, row.arrays["values"].tolist(), self._mean_list, self._scale_list, strict=True
            ):
                if math.isnan(value):
                    missing.append(name)
                elif abs((value - mean) / scale) > FAR_DEVIATIONS:
                    far.append(name)
        elif self._numeric:
            numeric, absent = row.arrays["numeric"].tolist(), row.arrays["absent"].tolist()
            missing += [name for name, gone in zip(self._numeric, absent, strict=True) if gone]
            far += [
                name
                for name, value, gone in zip(self._numeric, numeric, absent, strict=True)
                if not gone and abs(value) > FAR_DEVIATIONS
            ]
        unseen: list[str] = []
        if self._categorical:
            codes = row.arrays["codes"].tolist()
            if ABSENT in codes or UNKNOWN in codes:
                unseen += _with_code(self._categorical, codes, UNKNOWN)
                missing += _with_code(self._categorical, codes, ABSENT)
        kinds = ((FAR, far), (UNSEEN, unseen), (MISSING, missing))
        return tuple(UnusualFeatures(kind, tuple(names)) for kind, names in kinds if names)

    def _deviations(self, rows: Sequence[Encoded]) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
        """``(rows, numeric)`` distances from the mean in standard deviations, and where there is no value."""
        if not self._raw:
            return _matrix(rows, "numeric"), _matrix(rows, "absent") != 0
        values = _matrix(rows, "values")
        with np.errstate(over="ignore"):
            return (values - self._means) / self._scales, np.isnan(values)

    @staticmethod
    def _add(
        unusual: list[list[UnusualFeatures]], kind: str, names: Sequence[str], has: NDArray[np.bool_]
    ) -> None:
        """Add to each row the features that it has of a kind, in one entry."""
        if not has.any():
            return
        for place in np.flatnonzero(has.any(axis=1)).tolist():
            columns = tuple(names[column] for column in np.flatnonzero(has[place]).tolist())
            unusual[place].append(UnusualFeatures(kind, columns))


def _with_code(names: Sequence[str], codes: Sequence[int], code: int) -> list[str]:
    return [name for name, of in zip(names, codes, strict=True) if of == code]


def _matrix(rows: Sequence[Encoded], name: str) -> Array:
    """``(rows, columns)`` one array of all rows."""
    return np.array([row.arrays[name] for row in rows])
