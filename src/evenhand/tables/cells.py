"""What one cell of a table means, whatever file or request it comes from.

Every reader turns a cell into text, as a CSV file of the same table would hold it, or into ``None`` where
there is no value. What the text means is then decided here alone, for files and for requests.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Collection, Iterable
from datetime import timedelta
from functools import lru_cache
from typing import Any

import numpy as np

GONE = frozenset(
    {"", "?", "nan", "-nan", "nat", "na", "n/a", "n.a.", "#na", "#n/a", "null", "none", "<na>", "<null>"}
)
"""Marks of a missing feature, in lower case."""
GONE_LABEL = GONE - {"none"}
"""Marks of a missing label: "none" may be one."""
GONE_GROUP = GONE | {"unknown", "none given"}
"""Marks of an unknown group; in lower case "none" is a group: see :func:`is_gone`."""
GROUP_WORD = "none"
"""Written so it is a group, such as those who have no religion; ``None`` is how Python writes a gap."""
BOOLEANS = {"true": "True", "false": "False"}
NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE)
CODE = re.compile(r"[+-]?0\d+", re.ASCII)
"""Digits that begin with 0, such as a postcode: no number, as the 0 belongs to it."""
MOMENT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(\.\d+)?(Z|[+-]\d{2}:?\d{2})?", re.ASCII | re.IGNORECASE
)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
WHOLE = re.compile(r"([+-]?)0*(\d+)(?:\.0*)?", re.ASCII)
WHOLE_FLOAT = 1e16
"""From here on Python writes whole floats with an exponent."""


def text_of(value: Any) -> str | None:  # noqa: ANN401 - whatever a file holds
    """The text of a typed value, as a CSV file would hold it; ``None`` where there is no value.

    Bytes are read as UTF-8; those that are none become lone surrogates. Lists and objects become JSON.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return str(value) or None
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, float | np.floating):
        # A float of 32 bits is written with as many digits as it has, not with those of 64.
        return None if math.isnan(value) else str(value)
    if isinstance(value, timedelta):
        return _span(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="surrogateescape") or None
    if isinstance(value, dict | list | tuple | set | np.ndarray):
        plain = value if isinstance(value, dict) else list(value)
        return json.dumps(plain, ensure_ascii=False, default=text_of)
    return str(value)


def _span(value: timedelta) -> str:
    """Days and a clock, as pandas writes them."""
    rest = value - timedelta(days=value.days)
    hours, minutes = divmod(rest.seconds // 60, 60)
    fraction = f".{rest.microseconds:06}" if rest.microseconds else ""
    clock = f" {hours:02}:{minutes:02}:{rest.seconds % 60:02}{fraction}" if rest else ""
    return f"{value.days} days{clock}"


def clean(text: str) -> str:
    """The text in composed form (NFC), without spaces around it: what looks alike is alike."""
    stripped = text.strip()
    return stripped if stripped.isascii() else unicodedata.normalize("NFC", stripped)


def is_gone(text: str, marks: Collection[str] = GONE) -> bool:
    """Whether a clean text means that there is no value.

    Args:
        text: As :func:`clean` gives it.
        marks: :data:`GONE`, :data:`GONE_LABEL` or :data:`GONE_GROUP`.
    """
    return text.lower() in marks and not (marks is GONE_GROUP and text == GROUP_WORD)


def number_of(text: str) -> float | None:
    """The number that a text is, ``inf`` included; ``None`` where it is none."""
    return float(text) if NUMBER.fullmatch(text) else None


def is_code(text: str) -> bool:
    """Whether a text is digits that begin with a 0, which is part of them."""
    return CODE.fullmatch(text) is not None


def number_text(text: str) -> str:
    """The one spelling of a number: ``1``, ``1.0`` and ``+1`` are ``1``.

    Args:
        text: One of which :func:`number_of` gives a number.
    """
    if whole := WHOLE.fullmatch(text):
        sign, digits = whole.groups()
        return f"-{digits}" if sign == "-" and digits != "0" else digits
    number = float(text)
    return str(int(number)) if number.is_integer() and abs(number) < WHOLE_FLOAT else str(number)


def is_moment(text: str) -> bool:
    """Whether a text is a day, or a day and a time, as ISO 8601 writes them."""
    return DAY.fullmatch(text) is not None or MOMENT.fullmatch(text) is not None


def moment_text(text: str) -> str:
    """The one spelling of a moment: ``2026-03-01T00:00:00.000`` is ``2026-03-01``.

    Args:
        text: One of which :func:`is_moment` is true.
    """
    moment = MOMENT.fullmatch(text)
    if moment is None:
        return text
    day, clock, fraction, zone = moment.groups(default="")
    clock = clock if clock.count(":") == 2 else f"{clock}:00"
    fraction = fraction.rstrip("0").rstrip(".")
    if clock == "00:00:00" and not fraction and not zone:
        return day
    return f"{day} {clock}{fraction}{'+00:00' if zone in ('Z', 'z') else zone}"


class Vocabulary:
    """Texts to the values that are known: labels, groups, or the categories of a feature.

    A value is recognised as it is written, else by the number or the truth value that it is, if only one of
    the known values is the same: ``1.0`` is the label ``1``, and ``true`` the group ``True``.

    Args:
        values: Those that are known.
    """

    def __init__(self, values: Iterable[str]) -> None:
        self._values: dict[str, str] = {}
        same: dict[str, list[str]] = {}
        for value in values:
            self._values.setdefault(clean(value), value)
            same.setdefault(_meaning(clean(value)), []).append(value)
        self._same = {meaning: first for meaning, (first, *others) in same.items() if meaning and not others}
        self.booleans = any(meaning in BOOLEANS.values() for meaning in same)
        """Whether a value is a truth value."""
        self.numbers = any(NUMBER.fullmatch(meaning) for meaning in same)
        """Whether a value is a number."""

    def match(self, text: str) -> str | None:
        """The known value that a text is; ``None`` if it is none."""
        cleaned = clean(text)
        return self._values.get(cleaned) or self._same.get(_meaning(cleaned))


def spelled(values: Iterable[str], text: str) -> str | None:
    """A text as one of some values, spelled as that is; ``None`` if it is none of them.

    For values that are the same for many texts: what :class:`Vocabulary` makes of them is kept.
    """
    listed = tuple(values)
    return text if text in listed else _vocabulary(listed).match(text)


@lru_cache(maxsize=256)
def _vocabulary(values: tuple[str, ...]) -> Vocabulary:
    return Vocabulary(values)


def _meaning(text: str) -> str:
    """The spelling that numbers, truth values and moments have in common; empty for any other text."""
    if text.lower() in BOOLEANS:
        return BOOLEANS[text.lower()]
    if is_moment(text):
        return moment_text(text)
    return number_text(text) if NUMBER.fullmatch(text) and not is_code(text) else ""
