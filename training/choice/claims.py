"""What a certificate claims about a setting, each with an exact p-value on rows that nothing else saw.

* **target**: the base's worst figure, named on other rows, becomes better. For the worst cell: this cell
  gains (sign test), and no other cell stays as bad. For a gap: the two groups' rates move together, do not
  change places by as much, and no other gap of the measure ends wider than the base's was.
* **accuracy**: overall accuracy falls by less than ``max_loss``.
* **cells**: no cell of enough rows falls by ``max_cell_loss`` or more. Fewer rows cannot prove that, but they
  can show the contrary: a setting under which a smaller cell surely loses, and more than that, is refused.

A gap compares two independent groups. Its claim is a pair of claims about one group each, on either side of a
constant that other rows fix: the groups' rates cannot move apart if one surely rises by more than the
constant and the other surely by less. What involves the rates themselves, which vary more than their changes,
is a bet on rows matched by chance. So every part is an exact test, and the p-value is the largest of the
parts'.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from scipy.special import ndtr

from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.stats import paired_difference
from evenhand.training.choice.certify import FIRST, above_p_value
from evenhand.training.choice.expected import ExpectedShares, LabelledSet, cell_set, rate_set
from evenhand.training.choice.scorer import enough_rows, with_everyone
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.targets import RateRows, cells_of, hits, rate_rows
from evenhand.typing import Array, Bools, Float32s, Floats, Ints

NORMAL = NormalDist()
LEAST_STAKE, LARGEST_STAKE = 0.01, 0.45
"""Of a bet on differences from -2 to 2: below one half, so that wealth stays above 0."""
STAKES = (0.3, 0.6, 1.0)
"""Shares of the best stake by other rows; each bets a third of the wealth, as those rows may promise more."""
EXPECTED_ERROR = 0.5
"""Standard error of an expected change, in multiples of that of a counted one."""
FEW_CHANGES = 4
"""Changes that a sample without any may hide."""
BETTING = 1.5
"""A bet needs about so many times the standard errors of a test that knows the distribution."""
MOST_ROWS = 10**7
"""More rows than this are not worth naming."""


@dataclass(frozen=True)
class Claim:
    """One claim about one setting."""

    kind: Literal["target", "accuracy", "cells"]
    said: str
    """The claim in words."""
    p: float
    margin: float
    """By how much it holds on the rows that certify, a share; below 0 where it does not."""
    rows_needed: int | None
    """Rows that certify, in all, with which the same margin would pass; ``None`` where no number would."""


@dataclass(frozen=True)
class _Part:
    """One exact test of a claim."""

    p: float
    margin: float
    spread: float
    """Standard deviation of one row."""
    n: int


@dataclass(frozen=True)
class Sample:
    """The rows that a choice is made on."""

    rows: Rows
    schema: Schema
    base: Ints
    """``(rows,)`` the base's class of every row."""
    order: Ints
    """Rows that put settings in order, name the figure and fix constants."""
    certify: Ints
    """Other rows, which test."""
    probabilities: Float32s | None = None
    """``(order, classes)`` of the labels of the rows that order: changes there are expected from them, and
    counted without them."""


class Claims:
    """The claims of a target, named on rows that order and tested on rows that certify.

    Args:
        sample: The rows.
        target: What is aimed at, and what it may cost.
        alpha: How often a certificate may be wrong; rows needed are for the first setting's share of it.
    """

    def __init__(self, sample: Sample, target: Target, alpha: float) -> None:
        order, certify, base = sample.order, sample.certify, sample.base
        self.order, self.certify, self.probabilities = order, certify, sample.probabilities
        rows, schema = with_everyone(sample.rows, sample.schema)
        self.target, self._level = target, alpha * FIRST
        self.sides = [_Side(rows, schema, chosen, base, target) for chosen in (order, certify)]
        both = [(aim, rate) for aim, rate in self.sides[0].rates if self.sides[1].has(aim, rate)]
        self.worst = _worst(both, self.sides[0])
        least = enough_rows(target.max_cell_loss) if target.max_cell_loss else 0
        limited = [] if target.max_cell_loss is None else cells_of(rows, schema, certify)
        self.cells = [(name, inside) for name, inside in limited if inside.sum() >= least]
        """Cells whose loss is tested: those of enough rows, with their membership among rows that certify."""
        self.small_cells = [(name, inside) for name, inside in limited if inside.sum() < least]
        """Cells whose loss cannot be tested, but seen."""

    @property
    def named(self) -> str | None:
        """The figure that has to become better, in words."""
        return None if self.worst is None else self.worst.said

    def test(self, order: Ints, certify: Ints) -> list[Claim]:
        """Test a setting.

        Args:
            order: ``(order,)`` its classes on the rows that order.
            certify: ``(certify,)`` its classes on the rows that certify.
        """
        certifying = self.sides[1]
        change = certifying.change(certify)
        claims = [
            self._target(order, certify),
            self._claim(
                "accuracy",
                f"overall accuracy falls by less than {100 * self.target.max_loss:g} points",
                [_mean_above(change, -self.target.max_loss)],
                len(change),
            ),
        ]
        seen = self._seen_loss(certifying.base == certifying.truth, certify == certifying.truth)
        if seen is not None:
            claims.append(seen)
        elif self.target.max_cell_loss is not None and self.cells:
            parts = {
                name: _mean_above(change[inside], -self.target.max_cell_loss) for name, inside in self.cells
            }
            (attribute, group, label), weakest = max(parts.items(), key=lambda pair: pair[1].p)
            said = (
                f"no cell of enough rows falls by {100 * self.target.max_cell_loss:g} points "
                f"(weakest: {attribute} = {group}, {label})"
            )
            claims.append(self._claim("cells", said, [weakest], len(change)))
        return claims

    def _seen_loss(self, base: Bools, final: Bools) -> Claim | None:
        """The smaller cell that surely loses, and most beyond the limit, as a claim that fails."""
        if self.target.max_cell_loss is None:
            return None
        losses = [(paired_difference(final[inside], base[inside]), name) for name, inside in self.small_cells]
        beyond = [
            (loss["value"], name, loss["n"])
            for loss, name in losses
            if loss["low"] > 0.0 and loss["value"] > self.target.max_cell_loss
        ]
        if not beyond:
            return None
        value, (attribute, group, label), n = max(beyond)
        said = (
            f"no smaller cell surely falls by more than {100 * self.target.max_cell_loss:g} points "
            f"({attribute} = {group}, {label} of {n} rows falls by {100 * value:.1f})"
        )
        return Claim("cells", said, 1.0, self.target.max_cell_loss - value, None)

    def _target(self, order: Ints, certify: Ints) -> Claim:
        if self.worst is None:
            return Claim("target", "no group has enough rows", 1.0, 0.0, None)
        rows = len(certify)
        ordering, certifying = self.sides
        if isinstance(self.worst, _Cell):
            inside = certifying.inside(self.worst.aim, self.worst.rate)
            part = _mean_above(certifying.change(certify)[inside], 0.0)
            return self._as_bad(certify) or self._claim("target", f"{self.worst.said} gains", [part], rows)
        means = None if self.probabilities is None else self._expected_means(self.worst, order)
        parts = [*_narrows(self.worst, (ordering, certifying), (order, certify), means)]
        widest = _widest(self.worst, ordering, certifying, order)
        if widest is not None:
            parts += _stays_below(self.worst, widest, (ordering, certifying), (order, certify))
        return self._claim("target", f"{self.worst.said} narrows", parts, rows)

    def _as_bad(self, certify: Ints) -> Claim | None:
        """The cell that keeps the worst figure where it was, whatever the named one gains."""
        side = self.sides[1]
        right = {False: side.base == side.truth, True: certify == side.truth}
        cells = [
            (float(right[True][rate.inside].mean()), float(right[False][rate.inside].mean()), aim, rate)
            for aim, rate in side.rates
            if not aim.is_gap
        ]
        before = min(of for _, of, _, _ in cells)
        after, _, aim, rate = min(cells, key=lambda cell: cell[0])
        if after > before:
            return None
        said = (
            f"the worst cell becomes better ({aim.attribute} = {rate.group}, {rate.label} is right in "
            f"{100 * after:.1f} % of its rows)"
        )
        return Claim("target", said, 1.0, after - before, None)

    def _expected_means(self, gap: _Gap, predicted: Ints) -> tuple[float, float]:
        """The expected changes of the low and of the high group's rate on the rows that order."""
        assert self.probabilities is not None
        side = self.sides[0]
        sets = [rate_set(side.rows, side.schema, side.chosen, rate) for rate in (gap.low, gap.high)]
        favourable = np.isin(side.schema.labels, side.schema.favourable)
        expected = ExpectedShares.favourable(self.probabilities, side.base, sets, favourable)
        low, high = expected.change(predicted[None])[0].tolist()
        return low, high

    def _claim(
        self, kind: Literal["target", "accuracy", "cells"], said: str, parts: Sequence[_Part], rows: int
    ) -> Claim:
        """A claim of all its parts; the weakest one decides."""
        weakest = max(parts, key=lambda part: part.p)
        needed = self._needed(weakest, rows)
        if needed is not None and weakest.p > self._level:
            needed = max(needed, rows + 1)  # the normal approximation may say that these rows would do
        return Claim(kind, said, weakest.p, float(weakest.margin), needed)

    def _needed(self, part: _Part, rows: int) -> int | None:
        """Rows in all with which a part of this margin would pass."""
        if part.margin <= 0.0 or part.n == 0:
            return None
        n = (NORMAL.inv_cdf(1.0 - self._level) * max(part.spread, 1e-6) / part.margin) ** 2
        needed = int(np.ceil(n * rows / part.n))
        return needed if needed <= MOST_ROWS else None


@dataclass(frozen=True)
class _Cell:
    aim: AttributeTarget
    rate: RateRows
    said: str


@dataclass(frozen=True)
class _Gap:
    aim: AttributeTarget
    high: RateRows
    low: RateRows
    said: str


class _Side:
    """One of the two sets of rows."""

    def __init__(self, rows: Rows, schema: Schema, chosen: Ints, base: Ints, target: Target) -> None:
        self.rows, self.schema, self.chosen = rows, schema, chosen
        self.base = base[chosen]
        self.truth = rows.labels[chosen]
        self.rates = [
            (aim, rate) for aim in target.attributes for rate in rate_rows(rows, schema, chosen, aim)
        ]
        self._inside = {_key(aim, rate): rate.inside for aim, rate in self.rates}

    def has(self, aim: AttributeTarget, rate: RateRows) -> bool:
        """Whether the rate has enough rows here."""
        return _key(aim, rate) in self._inside

    def inside(self, aim: AttributeTarget, rate: RateRows) -> Bools:
        """``(rows,)`` the rows of a rate here."""
        return self._inside[_key(aim, rate)]

    def change(self, predicted: Ints) -> Ints:
        """``(rows,)`` 1 where the answer became right, -1 where it ceased to be."""
        change: Ints = (predicted == self.truth).astype(np.int64) - (self.base == self.truth)
        return change

    def hits(self, aim: AttributeTarget, rate: RateRows, predicted: Ints) -> Ints:
        """``(rows of the rate,)`` 1 where the answer counts for the rate."""
        return hits(self.rows, self.schema, self.chosen, predicted, aim.measure)[
            self.inside(aim, rate)
        ].astype(np.int64)


def _key(aim: AttributeTarget, rate: RateRows) -> tuple[str, ...]:
    return aim.attribute, aim.measure, rate.group, rate.rate, rate.label


def _worst(both: Sequence[tuple[AttributeTarget, RateRows]], order: _Side) -> _Cell | _Gap | None:
    """The base's worst figure on the rows that order: the least accurate cell, or the widest gap."""
    share = {_key(aim, rate): float(order.hits(aim, rate, order.base).mean()) for aim, rate in both}
    listed: list[tuple[float, _Cell | _Gap]] = []
    for aim, rate in both:
        at = share[_key(aim, rate)]
        if not aim.is_gap:
            said = f"the cell {aim.attribute} = {rate.group}, {rate.label}"
            listed.append((1.0 - at, _Cell(aim, rate, said)))
            continue
        for other, low in both:
            if other == aim and low.rate == rate.rate and share[_key(aim, low)] < at:
                words = rate.rate.replace("_", " ")
                said = f"the gap in {words} of {aim.attribute} between {rate.group} and {low.group}"
                listed.append((at - share[_key(aim, low)], _Gap(aim, rate, low, said)))
    return max(listed, key=lambda pair: pair[0])[1] if listed else None


def _narrows(
    gap: _Gap, sides: tuple[_Side, _Side], predicted: tuple[Ints, Ints], means: tuple[float, float] | None
) -> list[_Part]:
    """The gap becomes smaller, and the groups do not change places by as much.

    Args:
        gap: The gap.
        sides: The rows that order, and those that certify.
        predicted: Their classes.
        means: The expected changes of both groups, low and high, on the rows that order; ``None`` to count.
    """
    (order, certify), (ordered, tested) = sides, predicted
    changes, sums = {}, {}
    for side, classes in ((order, ordered), (certify, tested)):
        for name, rate in (("high", gap.high), ("low", gap.low)):
            before, after = side.hits(gap.aim, rate, side.base), side.hits(gap.aim, rate, classes)
            changes[name, side is order], sums[name, side is order] = after - before, after + before
    # The mean change of the low group is above a constant, that of the high group below.
    low, high = changes["low", False], changes["high", False]
    bound = _between((changes["low", True], changes["high", True]), (low, high), means)
    # Base and corrected gap together are above 0: the corrected one is no wider the other way round.
    bets = [_matched([sums["high", first], sums["low", first]], (1, -1)) for first in (True, False)]
    return [_mean_above(low, bound), _mean_above(-high, -bound), _bet(*bets)]


def _between(first: tuple[Ints, Ints], tests: tuple[Ints, Ints], means: tuple[float, float] | None) -> float:
    """The constant that both means are as many standard errors away from, judged on the rows that order.

    The errors are of both sets of rows: the constant is uncertain itself.
    """
    errors = [
        _spread(of) * np.sqrt(1 / len(of) + 1 / len(test)) for of, test in zip(first, tests, strict=True)
    ]
    weight = errors[0] / sum(errors)
    low, high = means or (float(first[0].mean()), float(first[1].mean()))
    return float((1 - weight) * low + weight * high)


def _spread(of: Ints) -> float:
    """Standard deviation of a row, as if a few more had changed: of none that did, some may on other rows."""
    return float(np.sqrt(of.var() + FEW_CHANGES / len(of)))


def _widest(gap: _Gap, order: _Side, certify: _Side, predicted: Ints) -> _Gap | None:
    """The widest corrected gap of the attribute's measure but the named one, on the rows that order."""
    rates = [rate for aim, rate in order.rates if aim == gap.aim and certify.has(aim, rate)]
    share = [float(order.hits(gap.aim, rate, predicted).mean()) for rate in rates]
    pairs = [
        (share[i] - share[j], _Gap(gap.aim, rates[i], rates[j], ""))
        for i in range(len(rates))
        for j in range(len(rates))
        if rates[i].rate == rates[j].rate and share[i] > share[j]
    ]
    named = {gap.high.group, gap.low.group}
    others = [
        (width, of)
        for width, of in pairs
        if of.high.rate != gap.high.rate or {of.high.group, of.low.group} != named
    ]
    return max(others, key=lambda pair: pair[0])[1] if others else None


def _stays_below(
    named: _Gap, other: _Gap, sides: tuple[_Side, _Side], predicted: tuple[Ints, Ints]
) -> list[_Part]:
    """The other gap, corrected, is narrower than the named one was."""
    rates = [named.high, named.low, other.high, other.low]
    bets = []
    for side, classes in zip(sides, predicted, strict=True):
        answers = [side.base, side.base, classes, classes]
        samples = [side.hits(named.aim, rate, of) for rate, of in zip(rates, answers, strict=True)]
        bets.append(_matched(samples, (1, -1, -1, 1)))
    return [_bet(*bets)]


def _bet(ordering: Floats, tested: Floats) -> _Part:
    """The test that the mean of values from -2 to 2 is above 0 (Waudby-Smith and Ramdas 2024).

    Args:
        ordering: Values of other rows, which fix the stakes.
        tested: Independent values, each of one match.
    """
    mean, spread = float(ordering.mean()), float(ordering.std())
    best = mean / max(mean**2 + spread**2, 1e-6)
    stakes = np.clip(np.array(STAKES) * best, LEAST_STAKE, LARGEST_STAKE)
    wealth = np.log1p(stakes[:, None] * tested).sum(axis=1)
    p = float(np.exp(min(0.0, np.log(len(STAKES)) - np.logaddexp.reduce(wealth))))
    return _Part(p, float(tested.mean()), float(tested.std()) * BETTING, len(tested))


def _matched(samples: Sequence[Ints], signs: Sequence[int]) -> Floats:
    """Rows of independent samples matched by chance and summed by signs; as many as the smallest has.

    Of a larger sample several rows, which are as many as can be, stand in a match with their mean.
    """
    n = min(map(len, samples))
    rng = np.random.default_rng(0)
    matched = np.zeros(n)
    for sign, of in zip(signs, samples, strict=True):
        first = np.arange(n) * len(of) // n
        sizes = np.diff(np.append(first, len(of)))
        matched += sign * np.add.reduceat(rng.permutation(of), first) / sizes
    return matched


def _mean_above(change: Ints, bound: float) -> _Part:
    """The test that the mean of changes is above a bound."""
    up, down, n = int((change > 0).sum()), int((change < 0).sum()), len(change)
    margin = float(change.mean()) - bound if n else 0.0
    return _Part(above_p_value(up, down, n, bound), margin, float(np.sqrt((up + down) / max(n, 1))), n)


@dataclass(frozen=True)
class Contrast:
    """What a claim's estimate is made of: the mean change of one set of rows less that of another."""

    first: Bools
    """``(rows,)``."""
    second: Bools | None
    favourable: bool
    """Whether changes of favourable answers count, or of right ones."""
    bound: float
    certifying: tuple[int, int]
    """Rows of both sets among those that certify."""
    sets: Sequence[LabelledSet]
    """Both sets by group and labels, to expect changes of."""
    proven: bool = True
    """Whether it must be shown; else it must only not be seen to fail."""


class PassChance:
    """How likely settings are to pass all claims, judged on the rows that order.

    A setting that is just within a limit there passes half of the time at best. The chance is the product of
    those of its claims, of every cell one, by the normal approximation: both samples' errors count.

    Args:
        claims: What is to be passed.
        alpha: The level that a setting is tested at.
    """

    def __init__(self, claims: Claims, alpha: float) -> None:
        self._side, certify = claims.sides
        self._z = NORMAL.inv_cdf(1.0 - alpha)
        everyone = np.ones(len(self._side.truth), dtype=bool)
        target, schema = claims.target, self._side.schema
        self._favourable = np.isin(schema.labels, schema.favourable)
        all_labels = LabelledSet(everyone, np.ones(len(schema.labels), bool))
        self._contrasts = [
            Contrast(everyone, None, False, -target.max_loss, (len(certify.truth), 0), [all_labels])
        ]
        ordering = dict(cells_of(self._side.rows, schema, self._side.chosen))
        self._contrasts += [
            Contrast(
                ordering[name],
                None,
                False,
                -(target.max_cell_loss or 0.0),
                (int(inside.sum()), 0),
                [cell_set(self._side.rows, schema, self._side.chosen, name)],
                proven,
            )
            for cells, proven in ((claims.cells, True), (claims.small_cells, False))
            for name, inside in cells
            if name in ordering
        ]
        if claims.worst is not None:
            self._contrasts.append(self._of_worst(claims.worst, certify))
        self._expected = None if claims.probabilities is None else self._expected_shares(claims.probabilities)
        self._blocked = claims.worst is None

    def _of_worst(self, worst: _Cell | _Gap, certify: _Side) -> Contrast:
        """The target's contrast: a cell's gain, or what the low group gains more than the high one."""
        rates = (worst.low, worst.high) if isinstance(worst, _Gap) else (worst.rate,)
        first, *second = [self._side.inside(worst.aim, rate) for rate in rates]
        sizes = [int(certify.inside(worst.aim, rate).sum()) for rate in rates]
        sets = [rate_set(self._side.rows, self._side.schema, self._side.chosen, rate) for rate in rates]
        return Contrast(
            first, second[0] if second else None, isinstance(worst, _Gap), 0.0, (sizes[0], sizes[-1]), sets
        )

    def _expected_shares(self, probabilities: Float32s) -> dict[bool, ExpectedShares]:
        """Shares of right (``False``) and of favourable (``True``) answers, sets in the contrasts' order."""
        base = self._side.base
        sets: dict[bool, list[LabelledSet]] = {False: [], True: []}
        for contrast in self._contrasts:
            sets[contrast.favourable] += contrast.sets
        shares = {False: ExpectedShares.right(probabilities, base, sets[False])}
        if sets[True]:
            shares[True] = ExpectedShares.favourable(probabilities, base, sets[True], self._favourable)
        return shares

    def chances(self, predicted: Ints) -> Floats:
        """``(settings,)`` of classes ``(settings, order)``."""
        if self._blocked:
            return np.zeros(len(predicted))
        moments = self._counted(predicted) if self._expected is None else self._expected_moments(predicted)
        chances: Floats = np.ones(len(predicted))
        for contrast in self._contrasts:
            of_sets = [next(moments[contrast.favourable]) for _ in contrast.sets]
            chances = chances * self._chance(contrast, of_sets)
        return chances

    def _counted(self, predicted: Ints) -> dict[bool, Iterator[tuple[Floats, Floats]]]:
        """Mean change and share that moves, per set in the contrasts' order, by what answers count."""
        side = self._side
        right = (predicted == side.truth).astype(np.int8) - (side.base == side.truth).astype(np.int8)
        chosen = self._favourable[predicted].astype(np.int8) - self._favourable[side.base].astype(np.int8)

        def of(change: Array, favourable: bool) -> Iterator[tuple[Floats, Floats]]:
            for contrast in self._contrasts:
                for inside in (contrast.first, contrast.second):
                    if contrast.favourable == favourable and inside is not None:
                        yield change[:, inside].mean(axis=1), np.abs(change[:, inside]).mean(axis=1)

        return {False: of(right, favourable=False), True: of(chosen, favourable=True)}

    def _expected_moments(self, predicted: Ints) -> dict[bool, Iterator[tuple[Floats, Floats]]]:
        """As :meth:`_counted`, expected from the labels' probabilities."""
        assert self._expected is not None
        moments = {kind: of.change_and_moved(predicted) for kind, of in self._expected.items()}
        return {kind: zip(change.T, moved.T, strict=True) for kind, (change, moved) in moments.items()}

    def _chance(self, contrast: Contrast, moments: Sequence[tuple[Floats, Floats]]) -> Floats:
        """How likely a claim is to pass."""
        # Of two groups as much as of counted ones: a gain that is just in reach must not be tested first.
        trust = EXPECTED_ERROR if self._expected is not None and contrast.second is None else 1.0
        errors = []
        for (_, moved), inside, certifying in zip(
            moments, (contrast.first, contrast.second), contrast.certifying, strict=False
        ):
            assert inside is not None
            n = int(inside.sum())
            # One changed row is added, so that no spread is zero.
            spread = np.sqrt((moved * n + 1) / (n + 1))
            errors.append((trust * spread / np.sqrt(n), spread / np.sqrt(max(certifying, 1))))
        mean, (here, there) = moments[0][0], errors[0]
        if contrast.second is not None:
            # The test is of each group on its side of a constant, so standard errors add up.
            mean, here, there = mean - moments[1][0], np.hypot(here, errors[1][0]), there + errors[1][1]
        error = np.hypot(here, there)
        if contrast.proven:
            chance: Floats = ndtr((mean - contrast.bound - self._z * there) / error)
            return chance
        # It is seen to fail only beyond the limit, and where it surely loses. What is expected to lose
        # nothing counts as certain: of many small cells chance alone would leave none.
        bound = np.minimum(contrast.bound, -NORMAL.inv_cdf(0.975) * there)
        chance = ndtr((np.minimum(mean, 0.0) - bound) / error) / ndtr(-bound / error)
        return chance
