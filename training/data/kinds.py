"""What the values of a column look like: numbers, categories, texts, dates, or names of rows."""

from __future__ import annotations

import re
from typing import Literal

import numpy as np
import pandas as pd

from evenhand.tables.column import Column

Kind = Literal["number", "category", "text", "date", "id", "empty"]

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
_SPAN = r"(?:-?\d+ days?,? )?\+?\d{1,2}:\d{2}:\d{2}(?:\.\d+)?"
DATE = rf"(?:(?:{_DAY})(?:[t ,]+{_CLOCK})?|{_CLOCK}|{_SPAN})"
"""Dates, times, both, and times that passed, in lower case and in the forms that tables have."""
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


def kind_of(column: Column) -> Kind:
    """What a column's values look like."""
    if not column.values:
        return "empty"
    if _is_date(column):
        return "date"
    texts = pd.Series(column.values, dtype=str)
    if texts.str.count(r"\s+").mean() >= TEXT_WORDS - 1 or texts.str.len().mean() > TEXT_LETTERS:
        return "text"
    if names_rows(column):
        return "id"
    return "number" if column.numeric else "category"


def names_rows(column: Column) -> bool:
    """Whether values name rows: nearly all differ, or many differ under a name that says so.

    Numbers with fractions are measurements, however many differ.
    """
    if column.rows < FEW_ROWS or (
        column.numeric and bool((np.trunc(column.numbers) != column.numbers).any())
    ):
        return False
    words, different = _words(column.name), len(column.values)
    share = different / column.rows
    if words & NAME_WORDS and (different > MANY_VALUES or share > 0.2):
        return True
    return bool(share > NEARLY_ALL or (words & NUMBER_WORDS and share > 0.5))


def _is_date(column: Column) -> bool:
    texts = pd.Series(column.values, dtype=str)
    if column.share(texts.str.lower().str.fullmatch(DATE).to_numpy(dtype=bool)) >= NEARLY_ALL:
        return True
    if not _words(column.name) & DATE_WORDS:
        return False
    dates = texts.str.fullmatch(DAY_NUMBER).to_numpy(dtype=bool)
    for low, high in SINCE_1970:
        dates = dates | ((column.numbers >= low) & (column.numbers <= high))
    return column.share(dates) >= NEARLY_ALL


def _words(name: str) -> set[str]:
    """The words of a name: ``customerId``, ``customer_id`` and ``CUSTOMER ID`` have the same."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)}
