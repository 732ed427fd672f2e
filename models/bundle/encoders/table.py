"""Objects of named features to numbers and codes."""

from __future__ import annotations

import math
from collections.abc import Set
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
    required: bool = False
    """Whether the model answers no row without it."""


class Categorical(BaseModel):
    """A categorical column and the values that training rows had."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    categories: list[str]
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
        if not self._names or len(self._names) != len(self.features.names):
            raise ValueError("features.json needs columns of different names")
        self._allowed = [frozenset(column.allowed) for column in self.features.categorical]
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
        return Encoded(self._raw(item) if self.features.raw else self._standard(item), self._tokens)

    def _standard(self, item: dict[str, Any]) -> dict[str, Array]:
        """Standardised numbers and codes of categories."""
        arrays: dict[str, Array] = {}
        if self.features.numeric:
            values = [
                self._number(column, present(item.get(column.name))) for column in self.features.numeric
            ]
            arrays["numeric"] = np.array([0.0 if v is None else v for v in values], dtype=np.float32)
            arrays["absent"] = np.array([value is None for value in values], dtype=np.int64)
        if self.features.categorical:
            arrays["codes"] = self._codes_of([present(item.get(of.name)) for of in self.features.categorical])
        return arrays

    def _raw(self, item: dict[str, Any]) -> dict[str, Array]:
        """Numbers in double precision and texts, both as they stand; codes are for the detectors alone."""
        arrays: dict[str, Array] = {}
        if self.features.numeric:
            values = [self._raw_number(column, item.get(column.name)) for column in self.features.numeric]
            arrays["values"] = np.array(values, dtype=np.float64)
        if self.features.categorical:
            pairs = zip(self.features.categorical, self._allowed, strict=True)
            texts = [verbatim(column, allowed, item.get(column.name)) for column, allowed in pairs]
            arrays["texts"] = np.array([MISSING_TEXT if t is None else t for t in texts], dtype=object)
            arrays["codes"] = self._codes_of(texts)
        return arrays

    def _codes_of(self, values: list[Any]) -> Array:
        pairs = zip(self.features.categorical, self._codes, values, strict=True)
        return np.array([_code(column, codes, value) for column, codes, value in pairs])

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

    @property
    def _tokens(self) -> int:
        return 1 + len(self.features.names)

    @staticmethod
    def _raw_number(column: Numeric, value: Any) -> float:  # noqa: ANN401
        """A number as it stands; NaN if there is none."""
        if value is None:
            if column.required:
                raise InputError(f"feature {column.name!r} is missing, and the model needs it")
            return math.nan
        TableEncoder._number(column, value)
        return float(value)

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


def _code(column: Categorical, codes: dict[str, int], value: Any) -> int:  # noqa: ANN401
    if value is None:
        return ABSENT
    if not isinstance(value, str):
        raise InputError(f"feature {column.name!r} is not a string")
    return codes.get(value, UNKNOWN)
