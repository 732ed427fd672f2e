"""What the values of a column look like: numbers, categories, texts, dates, or names of rows."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from evenhand.models.bundle.encoders.table import GONE
from evenhand.typing import Ints

Kind = Literal["number", "category", "text", "date", "id", "empty"]

MISSING = {"", "nan", "none given", "unknown", "<na>"}
"""Strings that mean that a row's group is not known."""
FEW_ROWS = 20
"""With fewer rows, values that all differ say nothing of a column."""
NEARLY_ALL = 0.95
"""Share of different values above which a column names its rows; share of dates that make a date column."""
MANY_VALUES = 64
"""So many different values are no groups."""
TEXT_WORDS = 4
TEXT_LETTERS = 40
"""A text has so many words, or more letters than this, on average."""

_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[ap]m)?(?: ?(?:z|utc|[+-]\d{2}:?\d{2}))?"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DAY = "|".join(
    (
        r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}",
        r"\d{1,2}[-/.]\d{1,2}[-/.](?:\d{4}|\d{2})",
        r"(?:19|20)\d{2}[-/](?:0[1-9]|1[0-2])",
        rf"(?:\d{{1,2}}[ -])?{_MONTH}[ -](?:\d{{1,2}},? )?\d{{2,4}}",
    )
)
DATE = rf"(?:(?:{_DAY})(?:[t ,]+{_CLOCK})?|{_CLOCK})"
"""Dates, times and both, in lower case and in the forms that tables have."""
DAY_NUMBER = r"(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
SINCE_1970 = (1e8, 4.2e9), (1e11, 4.2e12)
"""Seconds and milliseconds since 1970 of the years 1973 to 2103."""
DATE_WORDS = {"date", "datetime", "time", "timestamp", "dt", "dob", "at", "created", "updated"}
"""Words in a name under which such numbers are dates."""
NAME_WORDS = {"id", "ids", "uuid", "guid", "identifier", "hash", "rowid"}
"""Words in a name under which many values name rows, or persons of whom there are several rows."""
NUMBER_WORDS = {"nbr", "no", "nr", "num", "number", "code", "serial", "key", "name"}
NUMBER_WORDS |= {"ssn", "passport", "email", "mail", "phone", "iban"}
"""Words under which values name rows if more than half of them differ."""


@dataclass(frozen=True)
class ColumnValues:
    """The values of one column, each once."""

    name: str
    dtype: str
    """Type of the whole column."""
    codes: Ints
    """``(rows,)`` index into ``texts``; -1 where there is no value."""
    texts: pd.Series[str]
    """``(values,)`` the different values as strings."""

    @classmethod
    def of(cls, column: pd.Series[str], gone: Collection[str] = GONE) -> ColumnValues:
        """The values of a column of a table.

        Args:
            column: The column, with its name.
            gone: Strings that are no value, in lower case.
        """
        try:
            codes, values = pd.factorize(column)
        except TypeError:  # lists and objects, which cannot be compared
            codes, values = pd.factorize(column.astype(str).where(column.notna()))
        stripped = pd.Series([str(value).strip() for value in values], dtype=str)
        again, texts = pd.factorize(stripped.where(~stripped.str.lower().isin(list(gone))))
        return cls(
            name=str(column.name),
            dtype=str(column.dtype),
            codes=np.append(again, -1)[codes].astype(np.int64),
            texts=pd.Series(texts, dtype=str),
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
    def numbers(self) -> pd.Series[float]:
        """``(values,)`` as numbers; NaN where one is none."""
        return pd.to_numeric(self.texts, errors="coerce").astype(float)

    @property
    def numeric(self) -> bool:
        """Whether all values are numbers, or true and false."""
        return self.dtype == "bool" or bool(self.numbers.notna().all())

    def share(self, values: pd.Series[bool]) -> float:
        """Share of the rows with a value whose value is one of some.

        Args:
            values: ``(values,)`` which of them.
        """
        return float(values.to_numpy(dtype=bool)[self.codes[self.codes >= 0]].mean())


def kind_of(values: ColumnValues) -> Kind:
    """What a column's values look like."""
    if values.texts.empty:
        return "empty"
    if _is_date(values):
        return "date"
    texts = values.texts
    if texts.str.count(r"\s+").mean() >= TEXT_WORDS - 1 or texts.str.len().mean() > TEXT_LETTERS:
        return "text"
    if names_rows(values):
        return "id"
    return "number" if values.numeric else "category"


def names_rows(values: ColumnValues) -> bool:
    """Whether values name rows: nearly all differ, or many differ under a name that says so.

    Numbers with fractions are measurements, however many differ.
    """
    if values.rows < FEW_ROWS or (values.numeric and bool((values.numbers % 1 != 0).any())):
        return False
    words, different = _words(values.name), len(values.texts)
    share = different / values.rows
    if words & NAME_WORDS and (different > MANY_VALUES or share > 0.2):
        return True
    return bool(share > NEARLY_ALL or (words & NUMBER_WORDS and share > 0.5))


def _is_date(values: ColumnValues) -> bool:
    if values.dtype.startswith(("datetime", "timedelta", "period")):
        return True
    if values.share(values.texts.str.lower().str.fullmatch(DATE)) >= NEARLY_ALL:
        return True
    if not _words(values.name) & DATE_WORDS:
        return False
    dates = values.texts.str.fullmatch(DAY_NUMBER)
    for low, high in SINCE_1970:
        dates |= values.numbers.between(low, high)
    return values.share(dates) >= NEARLY_ALL


def _words(name: str) -> set[str]:
    """The words of a name: ``customerId``, ``customer_id`` and ``CUSTOMER ID`` have the same."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}
