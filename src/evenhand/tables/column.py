"""What the values of one column are: numbers, truth values or texts, the same whatever the file's types."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from evenhand.tables.cells import (
    BOOLEANS,
    GONE,
    clean,
    is_code,
    is_gone,
    is_moment,
    moment_text,
    number_of,
    number_text,
)
from evenhand.typing import Bools, Float64s, Ints

Type = Literal["number", "boolean", "moment", "text"]


@dataclass(frozen=True)
class Column:
    """The values of one column, each once."""

    name: str
    type: Type
    """``number`` where every value is one and none begins with a 0 that belongs to it."""
    codes: Ints
    """``(rows,)`` index into ``values``; -1 where there is no value."""
    values: list[str]
    """The different values in their one spelling, in the order in which they come."""
    marks: dict[str, int] = field(default_factory=dict)
    """Words that were read as missing, and how many rows have them."""
    alike: tuple[str, ...] = ()
    """Values that are written in several ways: composed and decomposed letters, ``1`` and ``1.0``."""

    @classmethod
    def of(
        cls,
        name: str,
        cells: Sequence[str | None],
        gone: Collection[str] = GONE,
        *,
        values: Collection[str] = (),
        words: bool = False,
    ) -> Column:
        """The values of a column of a table.

        Args:
            name: The column's.
            cells: ``(rows,)`` as :class:`evenhand.tables.table.Table` holds them.
            gone: Words that mean that there is no value, in lower case.
            values: What is a value, though it is one of those words.
            words: Whether all values are texts, even if they look like numbers.
        """
        places: dict[str, int] = {}
        raw = np.array(
            [-1 if cell is None else places.setdefault(cell, len(places)) for cell in cells], dtype=np.int64
        )
        cleaned = [clean(text) for text in places]
        missing = [text not in values and is_gone(text, gone) for text in cleaned]
        present = [text for text, none in zip(cleaned, missing, strict=True) if not none]
        kind = "text" if words else _type(present)
        order: dict[str, list[str]] = {}
        for text in present:
            order.setdefault(_spelling(text, kind), []).append(text)
        code_of = {value: code for code, value in enumerate(order)}
        codes = [
            -1 if none else code_of[_spelling(text, kind)]
            for text, none in zip(cleaned, missing, strict=True)
        ]
        written = [text.strip() for text in places]
        return cls(
            name,
            kind,
            np.append(np.array(codes, dtype=np.int64), -1)[raw],
            list(order),
            _marks(cleaned, missing, raw),
            _alike(written, codes, list(order)),
        )

    @property
    def rows(self) -> int:
        """Rows that have a value."""
        return int((self.codes >= 0).sum())

    @property
    def missing(self) -> float:
        """Share of rows without a value."""
        return 1.0 - self.rows / len(self.codes) if len(self.codes) else 0.0

    @cached_property
    def numbers(self) -> Float64s:
        """``(values,)`` as numbers, NaN where one is none."""
        numbers = (number_of(value) for value in self.values)
        return np.array([np.nan if number is None else number for number in numbers], dtype=np.float64)

    @property
    def numeric(self) -> bool:
        """Whether there are values, and all are numbers."""
        return self.type == "number"

    def texts(self) -> list[str | None]:
        """``(rows,)`` the values, ``None`` where there is none."""
        values = [*self.values, None]
        return [values[code] for code in self.codes]

    def with_values(self, places: Bools) -> Bools:
        """``(rows,)`` which rows have one of some values.

        Args:
            places: ``(values,)`` which values.
        """
        chosen: Bools = np.append(places, False)[self.codes]
        return chosen

    def share(self, places: Bools) -> float:
        """Share of the rows with a value that have one of some values; NaN without any."""
        return float(np.append(places, False)[self.codes[self.codes >= 0]].mean())


def _type(values: Collection[str]) -> Type:
    if not values:
        return "text"
    if all(number_of(value) is not None and not is_code(value) for value in values):
        return "number"
    if all(value.lower() in BOOLEANS for value in values):
        return "boolean"
    return "moment" if all(map(is_moment, values)) else "text"


def _spelling(text: str, kind: Type) -> str:
    if kind == "number":
        return number_text(text)
    if kind == "moment":
        return moment_text(text)
    return BOOLEANS[text.lower()] if kind == "boolean" else text


def _marks(cleaned: Sequence[str], missing: Sequence[bool], raw: Ints) -> dict[str, int]:
    """The words that mean that there is no value, and their rows."""
    counts = np.bincount(raw[raw >= 0], minlength=len(cleaned))
    marks: dict[str, int] = {}
    for text, none, count in zip(cleaned, missing, counts, strict=True):
        if none and text:
            marks[text] = marks.get(text, 0) + int(count)
    return marks


def _alike(written: Sequence[str], codes: Sequence[int], values: Sequence[str]) -> tuple[str, ...]:
    """The values that several spellings stand for; spaces around one do not make another."""
    spellings: dict[int, set[str]] = {}
    for text, code in zip(written, codes, strict=True):
        spellings.setdefault(code, set()).add(text)
    return tuple(value for code, value in enumerate(values) if len(spellings.get(code, ())) > 1)
