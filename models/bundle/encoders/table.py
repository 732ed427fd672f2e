"""Objects of named features to numbers and codes."""

from __future__ import annotations

import math
from collections.abc import Set
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from evenhand.models.bundle.inputs import Encoded, InputError, parse_description
from evenhand.tables.cells import BOOLEANS, Vocabulary, clean, is_gone, number_of, text_of
from evenhand.typing import Array

ABSENT, UNKNOWN = 0, 1
"""Codes before those of known categories."""
FLOAT32_MAX = 3e38
EMPTY_CELLS = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"),
        *("<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
"""Strings that pandas reads as missing: what a model of the user's has been fitted on, as a rule."""
MISSING_TEXT = "nan"
"""A missing text in a graph that was converted from scikit-learn; ONNX has no other."""


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
    required: bool = False
    """Whether the model answers no row without it."""


class Categorical(BaseModel):
    """A categorical column and the values that training rows had."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    categories: list[str]
    shares: list[float] = []
    """Share of the training rows with a value that each has; earlier versions do not say them."""
    missing: float | None = None
    """Share of training rows without a value; earlier versions do not say it."""
    required: bool = False
    """Whether the model answers no row without it."""
    allowed: list[str] = []
    """The only texts that the model takes, where it refuses others; empty if it takes any."""


class TableFeatures(BaseModel):
    """``features.json``: what a table's columns mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    numeric: list[Numeric]
    categorical: list[Categorical]
    raw: bool = False
    """Whether values go to the graph as they stand: the base is a model of the user's."""

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
        self.datatypes = {
            **{column.name: "FP64" for column in self.features.numeric},
            **{column.name: "BYTES" for column in self.features.categorical},
        }
        """By feature: what it is in the Open Inference Protocol."""
        if not self._names or len(self._names) != len(self.features.names):
            raise ValueError("features.json needs columns of different names")
        self._allowed = [frozenset(column.allowed) for column in self.features.categorical]
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
        return Encoded(self._raw(item) if self.features.raw else self._standard(item), self._tokens)

    def _standard(self, item: dict[str, Any]) -> dict[str, Array]:
        """Standardised numbers and codes of categories."""
        arrays: dict[str, Array] = {}
        if self.features.numeric:
            values = [
                self._number(column, words, present(item.get(column.name)))
                for column, words in zip(self.features.numeric, self._words, strict=True)
            ]
            arrays["numeric"] = np.array([0.0 if v is None else v for v in values], dtype=np.float32)
            arrays["absent"] = np.array([value is None for value in values], dtype=np.int64)
        if self.features.categorical:
            values = [present(item.get(column.name)) for column in self.features.categorical]
            arrays["codes"] = np.array([self._code(place, value) for place, value in enumerate(values)])
        return arrays

    def _raw(self, item: dict[str, Any]) -> dict[str, Array]:
        """Numbers in double precision and texts, both as they stand; codes are for the detectors alone."""
        arrays: dict[str, Array] = {}
        if self.features.numeric:
            values = [self._raw_number(column, item.get(column.name)) for column in self.features.numeric]
            arrays["values"] = np.array(values, dtype=np.float64)
        if self.features.categorical:
            texts = [
                self._raw_text(place, item.get(column.name))
                for place, column in enumerate(self.features.categorical)
            ]
            arrays["texts"] = np.array([MISSING_TEXT if t is None else t for t in texts], dtype=object)
            arrays["codes"] = np.array(
                [
                    ABSENT if text is None else codes.get(text, UNKNOWN)
                    for text, codes in zip(texts, self._codes, strict=True)
                ]
            )
        return arrays

    def longest(self) -> Any:  # noqa: ANN401
        """Any item: all have as many positions."""
        return self.examples()[0]

    def examples(self) -> list[Any]:
        """An object without any feature that can be missing, and one with the first category of each."""
        numbers = {column.name: column.mean for column in self.features.numeric if column.required}
        texts = {of.name: of.categories[0] for of in self.features.categorical if of.categories}
        needed = {of.name for of in self.features.categorical if of.required}
        return [
            numbers | {name: text for name, text in texts.items() if name in needed},
            numbers | texts,
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

    @property
    def _tokens(self) -> int:
        return 1 + len(self.features.names)

    def _raw_text(self, place: int, value: Any) -> str | None:  # noqa: ANN401
        """A text as it stands; a number or a truth value only where the training rows had such texts."""
        column, vocabulary = self.features.categorical[place], self._vocabularies[place]
        if isinstance(value, int | float):
            takes = vocabulary.booleans if isinstance(value, bool) else vocabulary.numbers
            if not takes:
                raise InputError(f"feature {column.name!r} is not a string")
            text = text_of(value)
            value = text if text is None else vocabulary.match(text) or text
        return verbatim(column, self._allowed[place], value)

    @staticmethod
    def _raw_number(column: Numeric, value: Any) -> float:  # noqa: ANN401
        """A number as it stands; NaN if there is none. Truth values are 1 and 0, as in a table."""
        cleaned = present(value)
        number = raw_number(cleaned) if isinstance(cleaned, str | bool) else cleaned
        if number is None:
            if cleaned is not None:
                raise InputError(f"feature {column.name!r} is not a number")
            if column.required:
                raise InputError(f"feature {column.name!r} is missing, and the model needs it")
            return math.nan
        TableEncoder._number(column, set(), number)
        return float(number)

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


def raw_number(value: str | bool) -> float | None:
    """What a model of the user's reads as a number: one, or a truth value; ``None`` where it is neither.

    A 0 at the beginning is no part of the number: the libraries that read such a column do the same.
    """
    text = clean(str(value))
    return float(BOOLEANS[text.lower()] == "True") if text.lower() in BOOLEANS else number_of(text)


def verbatim(column: Categorical, allowed: Set[str], value: Any) -> str | None:  # noqa: ANN401
    """A text as it stands; ``None`` if there is none, or pandas reads it as missing.

    A category of the training rows is one, whatever it is called.

    Args:
        column: The feature.
        allowed: The only texts that the model takes; any if empty.
        value: Anything a client may send.

    Raises:
        InputError: it is no text, missing where the model needs it, or one that the model does not take.
    """
    if value is not None and not isinstance(value, str):
        raise InputError(f"feature {column.name!r} is not a string")
    if value is not None and (value not in EMPTY_CELLS or value in column.categories):
        try:
            value.encode()
        except UnicodeEncodeError:
            # The graph takes UTF-8: one such text would cost every row of its batch the answer.
            raise InputError(f"feature {column.name!r} is not valid Unicode (a lone surrogate)") from None
        if allowed and value not in allowed:
            raise InputError(f"feature {column.name!r} has a value that the model does not take")
        return value
    if column.required:
        raise InputError(f"feature {column.name!r} is missing, and the model needs it")
    return None
