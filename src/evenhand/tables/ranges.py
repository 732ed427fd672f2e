"""Declared ranges of a number, such as ages in years, as the groups of an attribute."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

from evenhand.tables.cells import clean, number_of

NUMBER = r"[+-]?\d+(?:\.\d+)?"
BETWEEN = re.compile(rf"({NUMBER})\s*[-\u2013]\s*({NUMBER})", re.ASCII)
FROM = re.compile(rf"({NUMBER})\s*\+", re.ASCII)
BELOW = re.compile(rf"<\s*({NUMBER})", re.ASCII)
MOST_RANGES = 16
FORMS = "a range is 25-39, 60+ or <18"


class RangesError(ValueError):
    """These are no ranges; the message says which and why."""


class Ranges:
    """Ranges in ascending order.

    ``25-39`` holds the numbers from 25 to 39, both included. Where the next range begins at 40 it holds all
    below 40, so that 39.5 is in it; where that begins at 39 it holds all below 39. ``60+`` holds 60 and all
    above, ``<18`` all below 18. A number in none of them is in no group, and so is one that is not finite.

    Args:
        names: The ranges as texts, which are the names of the groups.

    Raises:
        RangesError: one of them is no range, or they overlap, or are not in ascending order.
    """

    def __init__(self, names: Iterable[str]) -> None:
        bounds = [_bounds(name) for name in names]
        if not 2 <= len(bounds) <= MOST_RANGES:
            raise RangesError(f"name 2 to {MOST_RANGES} ranges")
        self.names = tuple(_name(*one) for one in bounds)
        self._lows = [low for low, _ in bounds]
        # Up to here, and whether the end itself is in the range.
        self._ends = [(high, high != math.inf) for _, high in bounds]
        for place, ((low, high), (following, _)) in enumerate(pairwise(bounds)):
            if following <= low or following < high:
                first, second = self.names[place : place + 2]
                raise RangesError(f"{first} and {second} overlap, or are not in ascending order")
            whole = following == high + 1 and float(high).is_integer()
            self._ends[place] = (following, False) if whole or following == high else (high, True)
        if bounds[0][0] == -math.inf:
            self._ends[0] = (min(bounds[0][1], self._ends[0][0]), False)

    def of(self, number: float) -> str | None:
        """The range that a number is in; ``None`` where it is in none."""
        place = bisect_right(self._lows, number) - 1
        if place < 0 or not math.isfinite(number):
            return None
        end, included = self._ends[place]
        return self.names[place] if number < end or (included and number == end) else None

    def match(self, text: str) -> str:
        """The range of a text that is a number; any other text, such as a range's own name, as it is."""
        number = number_of(clean(text))
        return text if number is None else self.of(number) or text

    def group(self, cell: str | None) -> str | None:
        """The range of a cell of a table, as a number or by its name; ``None`` where it is in none."""
        if cell is None:
            return None
        name = self.match(clean(cell))
        return name if name in self.names else None

    def middle(self, name: str) -> float:
        """A number in the middle of a range; of an open one as far inside as half of the range beside it."""
        place = self.names.index(name)
        low, high = self._lows[place], self._ends[place][0]
        if math.isinf(high):
            beside = self._lows[place - 1]
            number = low + (0.0 if math.isinf(beside) else (low - beside) / 2)
        elif math.isinf(low):
            beside = self._ends[place + 1][0]
            number = high - (1.0 if math.isinf(beside) else (beside - high) / 2)
        else:
            number = (low + high) / 2
        rounded = math.floor(number)
        return float(rounded) if self.of(rounded) == name else number


@lru_cache(maxsize=64)
def ranges_of(names: tuple[str, ...]) -> Ranges:
    """The ranges of these names; for names that are read again and again."""
    return Ranges(names)


def in_range(names: Sequence[str], text: str) -> str:
    """A text as the range that it is in as a number; as it is where there are no ranges, or it is in none."""
    return ranges_of(tuple(names)).match(text) if names else text


def suggested(numbers: Sequence[float], parts: int = 4) -> str:
    """Ranges of about as many rows each, as text.

    Args:
        numbers: Of the rows, sorted.
        parts: How many ranges at most.
    """
    whole = all(number.is_integer() for number in numbers)
    cuts = [numbers[len(numbers) * part // parts] for part in range(1, parts)]
    cuts = [cut for cut in dict.fromkeys(cuts) if cut > numbers[0]]
    if not cuts:
        return ""
    ends = [cut - 1 if whole else cut for cut in cuts]
    starts = [numbers[0], *cuts]
    inner = [_name(low, max(low, high)) for low, high in zip(starts, ends, strict=False)]
    return ",".join([*inner, _name(cuts[-1], math.inf)])


def _bounds(text: str) -> tuple[float, float]:
    plain = clean(text)
    if range_ := BETWEEN.fullmatch(plain):
        low, high = float(range_[1]), float(range_[2])
        if low > high:
            raise RangesError(f"{plain} ends before it begins")
        return low, high
    if range_ := FROM.fullmatch(plain):
        return float(range_[1]), math.inf
    if range_ := BELOW.fullmatch(plain):
        return -math.inf, float(range_[1])
    raise RangesError(f"{plain!r} is no range; {FORMS}")


def _name(low: float, high: float) -> str:
    if math.isinf(high):
        return f"{low:.12g}+"
    return f"<{high:.12g}" if math.isinf(low) else f"{low:.12g}-{high:.12g}"
