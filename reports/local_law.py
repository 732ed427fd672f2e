"""New York City's Local Law 144 of 2021: selection rates and impact ratios as 6 RCNY 5-300 to 5-303 define them. Pure.

- *Selection rate* (5-300): of the individuals in a category, the share that the tool selects; here, that it answers
  with a favourable label.
- *Impact ratio* (5-300): a category's selection rate over that of the most selected category.
- 5-301(b): by sex, by race or ethnicity, and by their intersections; how many individuals are of unknown category.
- 5-301(d): a category under 2 % of the data may be left out of impact ratios; its number and rate are told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, sqrt

from evenhand.service.monitoring.disparity import BREACH, INSUFFICIENT, NO_EVIDENCE
from evenhand.stats import Z95, Rate

SMALL_SHARE = 0.02
FOUR_FIFTHS = 0.8


@dataclass(frozen=True)
class Count:
    """Individuals of one category."""

    n: int
    selected: int


@dataclass(frozen=True)
class Ratio:
    """A category's selection rate over the most selected category's, with a 95 % interval where one can be given."""

    value: float
    low: float | None
    high: float | None
    verdict: str
    """Whether the whole interval is below four fifths (29 CFR 1607.4 D); the law itself sets no limit."""


@dataclass(frozen=True)
class Line:
    """One category."""

    category: str
    share: float
    """Of the individuals whose category is known."""
    selection_rate: Rate
    ratio: Ratio | None
    """None for a category that is left out, and where no category is ever selected."""
    small: bool
    """Under 2 % of the data, and left out of the ratios."""
    ratio_with_small: float | None
    """What its ratio would be if no category were left out."""


@dataclass(frozen=True)
class Categories:
    """One of the tables that the rule asks for."""

    title: str
    lines: Sequence[Line]
    unknown: int
    """Individuals of unknown category, in none of the lines."""


def categories(title: str, counts: Mapping[str, Count], unknown: int, min_rows: int) -> Categories:
    """Selection rates and impact ratios.

    Args:
        title: What the categories are.
        counts: Individuals by category.
        unknown: Individuals of no known category.
        min_rows: A category with fewer, or compared with one of fewer, gets no verdict.
    """
    known = sum(count.n for count in counts.values())
    present = {name: count for name, count in counts.items() if count.n}
    large = {name: count for name, count in present.items() if count.n >= SMALL_SHARE * known}
    best, best_of_all = _most_selected(large), _most_selected(present)
    lines = [
        Line(
            name,
            count.n / known,
            Rate.of_counts(count.selected, count.n),
            _ratio(count, best, min_rows) if name in large else None,
            name not in large,
            _share(count) / _share(best_of_all) if best_of_all else None,
        )
        for name, count in present.items()
    ]
    return Categories(title, lines, unknown)


def _share(count: Count) -> float:
    return count.selected / count.n


def _most_selected(counts: Mapping[str, Count]) -> Count | None:
    best = max(counts.values(), key=_share, default=None)
    return best if best and best.selected else None


def _ratio(count: Count, best: Count | None, min_rows: int) -> Ratio | None:
    """Interval: Katz et al. 1978, on the logarithm; none where a category is never selected, or is the best itself."""
    if best is None:
        return None
    value = _share(count) / _share(best)
    if min(count.n, best.n) < min_rows:
        verdict = INSUFFICIENT
    else:
        upper = _upper(count, best)
        verdict = BREACH if upper < FOUR_FIFTHS else NO_EVIDENCE
    if count is best or count.selected == 0:
        return Ratio(value, None, None, verdict)
    spread = exp(Z95 * _spread(count, best))
    return Ratio(value, value / spread, value * spread, verdict)


def _spread(count: Count, best: Count) -> float:
    return sqrt(1 / count.selected - 1 / count.n + 1 / best.selected - 1 / best.n)


def _upper(count: Count, best: Count) -> float:
    """Upper limit of the ratio; of a category that is never selected, Wilson's limit over the best's lower one."""
    if count.selected:
        return _share(count) / _share(best) * exp(Z95 * _spread(count, best))
    rate, highest = Rate.of_counts(0, count.n), Rate.of_counts(best.selected, best.n)
    assert rate.high is not None
    assert highest.low is not None
    return rate.high / highest.low
