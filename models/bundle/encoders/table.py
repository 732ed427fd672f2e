"""Objects of named features to numbers and codes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from evenhand.models.bundle.inputs import Encoded, InputError, parse_description
from evenhand.typing import Array

ABSENT, UNKNOWN = 0, 1
"""Codes before those of known categories."""
FLOAT32_MAX = 3e38
GONE = {"", "?", "nan", "na", "n/a", "null", "none", "<na>"}
"""Strings that mean a missing value, in a training table and in a request."""


class Numeric(BaseModel):
    """A numeric column, standardised with the training rows' figures."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    mean: float
    scale: float = Field(gt=0.0)


class Categorical(BaseModel):
    """A categorical column and the values that training rows had."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    categories: list[str]


class TableFeatures(BaseModel):
    """``features.json``: what a table's columns mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    numeric: list[Numeric]
    categorical: list[Categorical]

    @property
    def names(self) -> list[str]:
        """All columns, numeric ones first: the order of the model's tokens."""
        return [column.name for column in self.numeric] + [column.name for column in self.categorical]


class TableEncoder:
    """Turns one object of named features into arrays.

    Args:
        content: Content of ``features.json``.

    Raises:
        ValueError: it is not such a file.
    """

    def __init__(self, content: bytes) -> None:
        self.features = parse_description(TableFeatures, content, "a features.json")
        self._names = set(self.features.names)
        if not self._names or len(self._names) != len(self.features.names):
            raise ValueError("features.json needs columns of different names")
        self._codes = [
            {value: index + UNKNOWN + 1 for index, value in enumerate(column.categories)}
            for column in self.features.categorical
        ]

    def encode(self, item: Any) -> Encoded:  # noqa: ANN401 - anything a client may send
        """Encode one object; a feature that is absent, null or one of :data:`GONE` is missing.

        Raises:
            InputError: not an object, a feature that the model has not, or a value of the wrong type.
        """
        if not isinstance(item, dict):
            raise InputError("expected an object of named features")
        if set(item) - self._names:
            raise InputError(
                f"the object names a feature that the model has not; it has {', '.join(self._first_names())}"
            )
        arrays: dict[str, Array] = {}
        if self.features.numeric:
            values = [
                self._number(column, present(item.get(column.name))) for column in self.features.numeric
            ]
            arrays["numeric"] = np.array([0.0 if v is None else v for v in values], dtype=np.float32)
            arrays["absent"] = np.array([value is None for value in values], dtype=np.int64)
        if self.features.categorical:
            pairs = zip(self.features.categorical, self._codes, strict=True)
            arrays["codes"] = np.array(
                [_code(column, codes, present(item.get(column.name))) for column, codes in pairs]
            )
        return Encoded(arrays, 1 + len(self.features.names))

    def longest(self) -> Any:  # noqa: ANN401
        """Any item: all have as many positions."""
        return self.examples()[0]

    def examples(self) -> list[Any]:
        """An object without any feature, and one with the first category of each."""
        return [
            {},
            {column.name: column.categories[0] for column in self.features.categorical if column.categories},
        ]

    def _first_names(self) -> list[str]:
        names = self.features.names
        return names if len(names) <= 40 else [*names[:40], "..."]

    @staticmethod
    def _number(column: Numeric, value: Any) -> float | None:  # noqa: ANN401
        """A standardised number, or none."""
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f"feature {column.name!r} is not a number")
        try:
            number = (float(value) - column.mean) / column.scale
        except OverflowError:
            number = math.inf
        if not abs(number) < FLOAT32_MAX:
            raise InputError(f"feature {column.name!r} is not a finite number of a usable size")
        return number


def present(value: Any) -> Any:  # noqa: ANN401
    """The value, strings stripped; ``None`` where it is one of :data:`GONE`."""
    if not isinstance(value, str):
        return value
    stripped = value.strip()
    return None if stripped.lower() in GONE else stripped


def _code(column: Categorical, codes: dict[str, int], value: Any) -> int:  # noqa: ANN401
    if value is None:
        return ABSENT
    if not isinstance(value, str):
        raise InputError(f"feature {column.name!r} is not a string")
    return codes.get(value, UNKNOWN)
