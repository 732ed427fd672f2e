"""Objects of named features to numbers and codes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from evenhand.models.bundle.inputs import Encoded, InputError, parse_description
from evenhand.tables.cells import Vocabulary, clean, is_gone, number_of, text_of
from evenhand.typing import Array

ABSENT, UNKNOWN = 0, 1
"""Codes before those of known categories."""
FLOAT32_MAX = 3e38


class Numeric(BaseModel):
    """A numeric column, standardised with the training rows' figures."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    mean: float
    scale: float = Field(gt=0.0)
    words: list[str] = []
    """Words that the training table had among the numbers: missing. Earlier versions do not say them."""
    median: float | None = None
    """Of the training rows; earlier versions do not say it."""
    cuts: list[float] = []
    """Up to nine values that cut the training rows into parts; earlier versions do not say them."""
    shares: list[float] = []
    """Share of the training rows with a value in each part: up to the first cut, and so on."""
    missing: float | None = None
    """Share of training rows without a value; earlier versions do not say it."""


class Categorical(BaseModel):
    """A categorical column and the values that training rows had."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    categories: list[str]
    shares: list[float] = []
    """Share of the training rows with a value that each has; earlier versions do not say them."""
    missing: float | None = None
    """Share of training rows without a value; earlier versions do not say it."""


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
        self._vocabularies = [Vocabulary(column.categories) for column in self.features.categorical]
        self._words = [{word.lower() for word in column.words} for column in self.features.numeric]

    def encode(self, item: Any) -> Encoded:  # noqa: ANN401 - anything a client may send
        """Encode one object; a feature that is absent, null or a mark of a missing value is missing.

        A value means the same as in a file: a number may be a string, and a category that looks like a number
        or a truth value may be one.

        Raises:
            InputError: not an object, a feature that the model has not, or a value of the wrong type.
        """
        if not isinstance(item, dict):
            raise InputError("expected an object of named features")
        item = self._named(item)
        arrays: dict[str, Array] = {}
        if self.features.numeric:
            values = [
                self._number(column, words, present(item.get(column.name)))
                for column, words in zip(self.features.numeric, self._words, strict=True)
            ]
            arrays["numeric"] = np.array([0.0 if v is None else v for v in values], dtype=np.float32)
            arrays["absent"] = np.array([value is None for value in values], dtype=np.int64)
        if self.features.categorical:
            arrays["codes"] = np.array(
                [
                    self._code(place, present(item.get(column.name)))
                    for place, column in enumerate(self.features.categorical)
                ]
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

    def _named(self, item: dict[Any, Any]) -> dict[str, Any]:
        """The object with the model's names; letters may be composed or not."""
        if not set(item) - self._names:
            return item
        named = {clean(name) if isinstance(name, str) else name: value for name, value in item.items()}
        if set(named) - self._names or len(named) < len(item):
            raise InputError(
                f"the object names a feature that the model has not; it has {', '.join(self._first_names())}"
            )
        return named

    @staticmethod
    def _number(column: Numeric, words: set[str], value: Any) -> float | None:  # noqa: ANN401
        """A standardised number, or none."""
        if isinstance(value, str):
            number = number_of(value)
            if number is None and value.lower() not in words:
                raise InputError(f"feature {column.name!r} is not a number")
            value = number
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise InputError(f"feature {column.name!r} is not a number")
        try:
            number = (float(value) - column.mean) / column.scale
        except OverflowError:
            number = math.inf
        if not abs(number) < FLOAT32_MAX:
            raise InputError(not_usable(column.name))
        return number

    def _code(self, place: int, value: Any) -> int:  # noqa: ANN401
        """The code of a category, as it was written or as what means the same."""
        if value is None:
            return ABSENT
        codes, vocabulary = self._codes[place], self._vocabularies[place]
        if not isinstance(value, str):
            takes = vocabulary.booleans if isinstance(value, bool) else vocabulary.numbers
            if not takes or not isinstance(value, int | float):
                raise InputError(f"feature {self.features.categorical[place].name!r} is not a string")
            value = text_of(value)
        if value is None:
            return ABSENT
        return codes.get(value) or codes.get(vocabulary.match(value) or "", UNKNOWN)


def not_usable(name: str) -> str:
    """Why a row cannot be read whose number no model can take."""
    return f"feature {name!r} is not a finite number of a usable size"


def present(value: Any) -> Any:  # noqa: ANN401
    """The value, strings clean; ``None`` where it is a mark of a missing value."""
    if not isinstance(value, str):
        return value
    cleaned = clean(value)
    return None if is_gone(cleaned) else cleaned
