"""Anytime-valid evidence that a group's rate differs from the reference group's. Pure functions.

Rows of the two groups form blocks. A block ends once it holds ``BLOCK`` of information, ``a b / (a + b)`` for
``a`` rows of the group and ``b`` of the reference, so at least two rows of one of them. The test then bets on
``d``, the difference of the two shares. Given the order of the groups, rows are assumed to be independent:
the next row does not react to earlier answers. Then the mean of ``d`` is the true gap in any order and at any
speed of the groups, because the end of a block depends on groups and never on answers. No row is in two
blocks, so the differences are independent. Blocks are short, so that rates that move together over the day do
not look like a gap.

Against "the gap is at most ``gap``" a bet multiplies by ``1 + lambda (d - gap)``, of mean at most 1, and in
the other direction by ``1 + lambda (-d - gap)``. ``lambda`` is the block's information times one of ``BETS``,
which were fixed before any row was seen; it is bounded so that the factor stays positive. Both processes are
weighted means over bets and directions.

* ``detector``: ``K <- (K + w) (factor)``, an e-detector of the Shiryaev-Roberts kind (Shin, Ramdas, Rinaldo
  2022, arXiv 2203.03532) over betting e-processes (Chugg et al. 2023, arXiv 2305.17570). ``w`` is the days
  since the last block, divided by the number of running comparisons of the model. While no gap is too wide,
  the mean of the sum of a model's detectors is at most the number of days passed. At the first alarm the sum
  is at least the limit, so the mean time to a model's first false alarm is at least as many days as the limit
  says, for any traffic. After an alarm the detector and its guarantee begin again at zero.
* ``since_start``: the product of the factors since the comparison began, an e-process. If no gap is too
  wide, the probability that any of the ``planned`` comparisons ever reaches ``planned / level`` is at most
  ``level``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from evenhand.models.bundle.aims import Aim
from evenhand.models.bundle.target import RATES

METRICS = ("demographic_parity", "true_positive_rate", "false_positive_rate")
"""Shares of favourable answers: of all rows, and of the rows with a favourable and an unfavourable label."""
TESTED = dict(zip(("selection_rate", "true_positive_rate", "false_positive_rate"), METRICS, strict=True))
BLOCK = 1.5
STALE = 50
"""Rows of one group after which a block without a row of the other begins again, because they are too old."""
BETS = (0.2, 0.4)
"""Per unit of a block's information: the fastest for gaps 0.05 and 0.1 above the limit where half of the
answers are favourable. Larger ones find wide gaps a little sooner and raise several times as many false
alarms."""
SIDES = tuple((sign, bet) for sign in (1.0, -1.0) for bet in BETS)
HELD = 10.0
"""A detector's parts are held at this many times its limit, so that it falls back when the gap is gone."""
OVER = 0.1
"""An alarm ends when the detector has fallen below this share of its limit."""
STEP_DAYS = 1.0
"""Days that one block counts for at most: a service that stood still for a month gathers no evidence by
that."""
FLOOR_LN = -30.0
"""What stands for the logarithm of nothing, and of less than e^-30."""


@dataclass(frozen=True, slots=True)
class EvidenceSettings:
    """The operator's settings for the evidence."""

    gap: float = 0.05
    """The largest tolerated gap, for rates about which the bundle's target says nothing."""
    days_per_false_alarm: float = 365.0
    """Smallest mean number of days to a model's first false alarm."""
    level: float = 0.05
    """Largest probability of ever reporting, since the start, a gap in any of a model's rates without one."""
    rows: int = 100
    """Smallest number of rows of each group for a verdict."""

    def start_limit_ln(self, planned: int) -> float:
        """Logarithm of the limit of a process since the start, for this many comparisons."""
        return math.log(planned / self.level)


def tested_gap(aim: Aim | None, metric: str) -> float | None:
    """The largest gap in a rate that the target allows; ``None`` if the target is not about it.

    The worst cell is no gap, so none of the rates is its.
    """
    if aim is None or metric not in {TESTED[rate] for rate in RATES.get(aim.measure, ())}:
        return None
    return aim.limit


def planned(groups: Iterable[int]) -> int:
    """Number of comparisons of attributes with these numbers of groups."""
    return len(METRICS) * sum(count - 1 for count in groups)


@dataclass(slots=True)
class Comparison:
    """One rate of one group compared with the reference group's. All fields are stored as JSON."""

    reference: str
    gap: float
    limit: float
    """Of the detector: days per false alarm."""
    start_limit_ln: float
    """Of the process since the start, as a logarithm."""
    began_day: float
    """When its first row came, in days since 1970."""
    rows: list[int] = field(default_factory=lambda: [0, 0])
    """Rows of the reference and of the group, here and below."""
    favourable: list[int] = field(default_factory=lambda: [0, 0])
    block_rows: list[int] = field(default_factory=lambda: [0, 0])
    """Rows of the open block."""
    block_favourable: list[int] = field(default_factory=lambda: [0, 0])
    blocks: int = 0
    day: float = 0.0
    """When the last block ended, in days since 1970."""
    detector: list[float] = field(default_factory=lambda: [0.0] * len(SIDES))
    """Parts of the detector, by side and bet."""
    start_ln: list[float] = field(default_factory=lambda: [0.0] * len(SIDES))
    """Logarithms of the products since the start."""
    alarm_day: float | None = None
    """Day since which the detector reports that the gap is too wide."""
    alarms: int = 0
    found_day: float | None = None
    """Day on which the process since the start reached its limit; it is never reset."""

    def add(self, ours: bool, favourable: bool) -> bool:
        """Add a row.

        Args:
            ours: Whether the row is of the group, not of the reference.
            favourable: Whether its answer is favourable.

        Returns:
            Whether the block is full; the caller then calls ``bet``.
        """
        rows = self.block_rows
        if rows[ours] == STALE and not rows[not ours]:
            rows[ours] = self.block_favourable[ours] = 0
        self.rows[ours] += 1
        rows[ours] += 1
        if favourable:
            self.favourable[ours] += 1
            self.block_favourable[ours] += 1
        theirs, mine = rows
        return theirs * mine >= BLOCK * (theirs + mine)

    def bet(self, day: float, running: int) -> None:
        """End a full block.

        Args:
            day: Now, in days since 1970.
            running: Number of the model's comparisons that have ended a block, including this one.
        """
        (theirs, mine), (theirs_good, mine_good) = self.block_rows, self.block_favourable
        difference = mine_good / mine - theirs_good / theirs
        information = theirs * mine / (theirs + mine)
        self.block_rows, self.block_favourable = [0, 0], [0, 0]
        passed = min(max(day - self.day, 0.0), STEP_DAYS) if self.blocks else 0.0
        self.day = max(self.day, day)
        self.blocks += 1
        weight = passed / (running * len(SIDES))
        gap, most, held = self.gap, 0.95 / (1 + self.gap), HELD * self.limit
        for part, (sign, bet) in enumerate(SIDES):
            factor = 1.0 + min(bet * information, most) * (sign * difference - gap)
            self.detector[part] = min((self.detector[part] + weight) * factor, held)
            self.start_ln[part] += math.log(factor)
        self._check_limits()

    def _check_limits(self) -> None:
        value = sum(self.detector)
        if self.alarm_day is None and value >= self.limit:
            self.alarm_day = self.day
            self.alarms += 1
        elif self.alarm_day is not None and value < OVER * self.limit:
            self.alarm_day = None
            self.detector = [0.0] * len(SIDES)
        if self.found_day is None and self.since_start_ln >= self.start_limit_ln:
            self.found_day = self.day

    @property
    def detector_ln(self) -> float:
        """Logarithm of the detector's value."""
        value = sum(self.detector)
        return max(math.log(value), FLOOR_LN) if value > 0 else FLOOR_LN

    @property
    def since_start_ln(self) -> float:
        """Logarithm of the process since the start."""
        top = max(self.start_ln)
        return max(top + math.log(sum(math.exp(part - top) for part in self.start_ln) / len(SIDES)), FLOOR_LN)

    @property
    def above(self) -> bool:
        """Whether the detector sees the group's rate above the reference's, not below it."""
        middle = len(SIDES) // 2
        return sum(self.detector[:middle]) > sum(self.detector[middle:])

    def state(self) -> dict[str, Any]:
        """All fields, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


class Evidence:
    """All comparisons of one model.

    Args:
        rules: The operator's settings.
        states: Stored state of earlier rows, by attribute, group and metric.
    """

    def __init__(self, rules: EvidenceSettings, states: dict[tuple[str, str, str], dict[str, Any]]) -> None:
        self._rules = rules
        self.comparisons = {key: Comparison(**state) for key, state in states.items()}
        self.changed: set[tuple[str, str, str]] = set()
        """Comparisons that have new rows."""
        self._running = sum(comparison.blocks > 0 for comparison in self.comparisons.values())

    def add(self, row: Seen, metric: str) -> None:
        """Add a row to one rate.

        Args:
            row: The row.
            metric: One of ``METRICS``.
        """
        for group in row.compared():
            key = (row.attribute, group, metric)
            comparison = self._comparison(key, row)
            self.changed.add(key)
            if comparison.add(row.group == group, row.favourable):
                self._running += comparison.blocks == 0
                comparison.bet(row.day, self._running)

    def _comparison(self, key: tuple[str, str, str], row: Seen) -> Comparison:
        """The comparison under the current settings; with another gap or reference it begins again."""
        rules, comparison = self._rules, self.comparisons.get(key)
        start_limit_ln = rules.start_limit_ln(row.planned)
        gap = rules.gap if row.gap is None else row.gap
        if comparison is None or (comparison.reference, comparison.gap) != (row.reference, gap):
            self._running -= comparison is not None and comparison.blocks > 0
            new = Comparison(row.reference, gap, rules.days_per_false_alarm, start_limit_ln, row.day)
            comparison = self.comparisons[key] = new
        comparison.limit, comparison.start_limit_ln = rules.days_per_false_alarm, start_limit_ln
        return comparison


class Seen(NamedTuple):
    """One attribute of a row, for the evidence. A tuple, because there are many."""

    attribute: str
    groups: tuple[str, ...]
    """All groups that the model lists."""
    reference: str
    planned: int
    """Number of comparisons of all the model's attributes."""
    group: str
    """The row's group."""
    favourable: bool
    """Whether its final answer is favourable."""
    day: float
    """When it became known, in days since 1970."""
    gap: float | None = None
    """The largest gap in this rate that the model's target states, if it states one."""

    def compared(self) -> Iterator[str]:
        """Groups whose comparison the row belongs to."""
        if self.group != self.reference:
            yield self.group
            return
        for group in self.groups:
            if group != self.reference:
                yield group
