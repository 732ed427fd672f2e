"""The value of answers under a target: the one number by which every setting of every method is ordered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.training.choice.expected import ExpectedShares, LabelledSet, cell_set, rate_set
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.metrics import MIN_CELL
from evenhand.training.evaluation.targets import RateRows, cells_of, figure, rate_rows
from evenhand.typing import Bools, Float32s, Float64s, Floats, Ints

NORMAL = NormalDist()
EVERYONE = "everyone"
"""The attribute, and its one group, of data without any attribute: its cells are the labels."""
FROM_BELOW, OVERALL = 0.25, 0.1
"""Weights of the lowest cell where a gap is aimed at, and of the overall accuracy."""
EXACT = 1 << 24
"""Rows up to which a sum of ones in float32 is exact."""
SETTINGS_AT_ONCE = 256
"""Bounds the memory of :meth:`TargetScorer.values`."""
CHANGING, POWER = 0.1, 0.8
"""Share of a cell's answers taken to change, and how often a test of its loss should then pass."""


def enough_rows(max_cell_loss: float) -> int:
    """Rows with which a cell that loses nothing can mostly be proven not to lose more than a share.

    At level 5 % and power 80 %, if a tenth of its answers change. Of smaller cells chance alone would break
    the limit; see :func:`allowed_losses`.
    """
    z = NORMAL.inv_cdf(0.95) + NORMAL.inv_cdf(POWER)
    return max(MIN_CELL, int(np.ceil(CHANGING * (z / max(max_cell_loss, 1e-6)) ** 2)))


def allowed_losses(sizes: Ints, max_cell_loss: float) -> Float64s:
    """What cells of some rows ``(cells,)`` may be seen to lose: the limit where they are enough.

    A smaller one may lose as much more as chance explains at level 5 %, if a tenth of its answers change.
    """
    chance = NORMAL.inv_cdf(0.95) * np.sqrt(CHANGING / np.maximum(sizes, 1))
    allowed: Float64s = max_cell_loss + np.where(sizes >= enough_rows(max_cell_loss), 0.0, chance)
    return allowed


class TargetScorer:
    """Value, overall loss and loss per cell of answers on some rows, against the base's.

    An aim's figure is ``1 - gap`` or the worst cell's accuracy, so that more is better. The value is the mean
    of the figures over the aims, plus the lowest of them, plus a quarter of the lowest accuracy of a cell
    where a gap is aimed at (a gap should be closed from below), plus a tenth of the overall accuracy. It is
    minus infinity where the accuracy falls by more than ``max_loss``, or that of a cell by more than
    :func:`allowed_losses`. An aim that too few rows support counts nothing; if none counts, the value is the
    accuracy.

    Data without attributes is one group, :data:`EVERYONE`, and a target may name that attribute.

    Args:
        rows: The data.
        schema: What its values mean.
        chosen: ``(chosen,)`` the rows that count.
        base: ``(chosen,)`` the base's classes.
        target: What is aimed at, and what it may cost.
        probabilities: ``(chosen, classes)`` of the labels: changes of shares are expected from them. Without
            them the labels themselves count.
    """

    def __init__(
        self,
        rows: Rows,
        schema: Schema,
        chosen: Ints,
        base: Ints,
        target: Target,
        probabilities: Float32s | None = None,
    ) -> None:
        rows, schema = with_everyone(rows, schema)
        self.target, self.probabilities = target, probabilities
        self.truth = rows.labels[chosen]
        """``(chosen,)`` true class."""
        self.base = base
        self.cells: list[tuple[str, str, str]] = []
        """Attribute, group and label of every cell of enough rows, in the order of :meth:`cell_losses`."""
        members: list[Bools] = []
        for name, inside in cells_of(rows, schema, chosen):
            self.cells.append(name)
            members.append(inside)
        self.members = np.stack(members) if members else np.zeros((0, len(chosen)), bool)
        """``(cells, chosen)`` which rows a cell holds."""
        self.favourable = np.isin(schema.labels, schema.favourable)
        """``(classes,)`` which labels are favourable."""
        kind = np.float32 if len(chosen) <= EXACT else np.float64
        everyone = np.ones((1, len(chosen)), bool)
        self._aims = _Aims([rate_rows(rows, schema, chosen, aim) for aim in target.attributes], len(chosen))
        # Rows by sums: one product counts the right answers of everyone, of every cell and of the worst-cell
        # aims; another the favourable answers of the groups whose rates are compared.
        self._right_of = _Shares(np.concatenate([everyone, self.members, self._aims.of_right]), kind)
        self._favourable_of = _Shares(self._aims.of_favourable, kind)
        self._base_right = self._right_of.shares(base[None] == self.truth)[0]
        self._base_favourable = self._favourable_of.shares(self.favourable[base][None])[0]
        self._expected: _Expected | None = None
        if probabilities is not None:
            cells = [cell_set(rows, schema, chosen, cell) for cell in self.cells]
            right, favourable = (
                [rate_set(rows, schema, chosen, rate) for rate in rates]
                for rates in (self._aims.right_rates, self._aims.favourable_rates)
            )
            all_labels = LabelledSet(everyone[0], np.ones(len(schema.labels), bool))
            self._expected = _Expected(
                ExpectedShares.right(probabilities, base, [all_labels, *cells, *right]),
                ExpectedShares.favourable(probabilities, base, favourable, self.favourable)
                if favourable
                else None,
            )

    def value(self, predicted: Ints) -> float:
        """How good answers ``(chosen,)`` are; minus infinity beyond a limit."""
        return float(self.values(predicted[None])[0])

    def merit(self, predicted: Ints) -> float:
        """How good answers ``(chosen,)`` are, whatever they cost."""
        return float(self._merits(self._right(predicted[None]), predicted[None])[0])

    def merits(self, predicted: Ints) -> Float64s:
        """:meth:`merit` of many settings ``(settings, chosen)`` at once."""
        return self._in_parts(predicted, lambda right, part: self._merits(right, part))

    def values(self, predicted: Ints) -> Float64s:
        """The value of many settings at once.

        Args:
            predicted: ``(settings, chosen)`` classes.

        Returns:
            ``(settings,)``.
        """
        return self._in_parts(
            predicted,
            lambda right, part: np.where(self._within(right), self._merits(right, part), float("-inf")),
        )

    def _in_parts(self, predicted: Ints, of: Callable[[Float64s, Ints], Float64s]) -> Float64s:
        """Something of many settings, some at a time."""
        values = np.empty(len(predicted))
        for start in range(0, len(predicted), SETTINGS_AT_ONCE):
            part = slice(start, start + SETTINGS_AT_ONCE)
            values[part] = of(self._right(predicted[part]), predicted[part])
        return values

    def figures(self, predicted: Ints) -> list[float | None]:
        """Per aim of the target its figure as it is named: a gap, or the worst cell's accuracy."""
        of_aims = self._aims.figures(self._right(predicted[None]), self._favourable_shares(predicted[None]))
        return [None if of_aim is None else float(of_aim[0]) for of_aim in of_aims]

    def accuracy(self, predicted: Ints) -> float:
        """Overall share of right answers."""
        return float((predicted == self.truth).mean())

    def accuracy_loss(self, predicted: Ints) -> float:
        """Overall accuracy that answers ``(chosen,)`` lose against the base's; below 0 where they gain."""
        return float(self._base_right[0] - self._right(predicted[None])[0, 0])

    def cell_losses(self, predicted: Ints) -> Float64s:
        """Accuracy that each of :attr:`cells` loses, ``(cells,)``; below 0 where it gains."""
        cells = slice(1, 1 + len(self.cells))
        losses: Float64s = self._base_right[cells] - self._right(predicted[None])[0, cells]
        return losses

    def _right(self, predicted: Ints) -> Float64s:
        """``(settings, 1 + cells + worst-cell rates)`` shares of right answers."""
        if self._expected is not None:
            expected: Float64s = self._base_right + self._expected.right.change(predicted)
            return expected
        return self._right_of.shares(predicted == self.truth)

    def _favourable_shares(self, predicted: Ints) -> Float64s:
        """``(settings, rates)`` shares of favourable answers."""
        if self._expected is not None and self._expected.favourable is not None:
            expected: Float64s = self._base_favourable + self._expected.favourable.change(predicted)
            return expected
        return self._favourable_of.shares(self.favourable[predicted])

    def _within(self, right: Float64s) -> Bools:
        """``(settings,)`` whether the limits are kept."""
        lost = self._base_right - right
        within: Bools = lost[:, 0] <= self.target.max_loss + 1e-9
        if self.target.max_cell_loss is not None:
            allowed = allowed_losses(self.members.sum(axis=1), self.target.max_cell_loss)
            within = within & (lost[:, 1 : 1 + len(self.cells)] <= allowed + 1e-9).all(axis=1)
        return within

    def _merits(self, right: Float64s, predicted: Ints) -> Float64s:
        """``(settings,)`` values without limits."""
        figures = self._aims.figures(right, self._favourable_shares(predicted))
        good = [
            1.0 - of_aim if aim.is_gap else of_aim
            for aim, of_aim in zip(self.target.attributes, figures, strict=True)
            if of_aim is not None
        ]
        accuracy = right[:, 0]
        if not good:
            return accuracy
        merits: Float64s = np.mean(good, axis=0) + np.min(good, axis=0) + OVERALL * accuracy
        if self.cells and any(aim.is_gap for aim in self.target.attributes):
            merits = merits + FROM_BELOW * right[:, 1 : 1 + len(self.cells)].min(axis=1)
        return merits


@dataclass(frozen=True)
class _Expected:
    """Changes of shares that are expected, in the order of those that are counted."""

    right: ExpectedShares
    favourable: ExpectedShares | None
    """``None`` where no rate is aimed at."""


class _Shares:
    """Turns hits of rows into shares per set of rows.

    Args:
        members: ``(sets, rows)``; none is empty.
        kind: What sums are computed in.
    """

    def __init__(self, members: Bools, kind: type) -> None:
        self._members: Float32s = members.T.astype(kind)
        self._sizes = members.sum(axis=1)

    def shares(self, hit: Bools) -> Float64s:
        """``(settings, sets)`` of hits ``(settings, rows)``."""
        if not len(self._sizes):
            return np.zeros((len(hit), 0))
        counts = hit.astype(self._members.dtype) @ self._members
        shares: Float64s = counts.astype(np.float64) / self._sizes
        return shares


class _Aims:
    """The rates of every aim, and where in the products they stand.

    Args:
        listed: The rates of each aim.
        rows: How many rows count.
    """

    def __init__(self, listed: Sequence[Sequence[RateRows]], rows: int) -> None:
        self._listed = listed
        self._places: list[Ints] = []
        self.right_rates: list[RateRows] = []
        """Rates of worst cells."""
        self.favourable_rates: list[RateRows] = []
        """Rates whose gaps count."""
        for rates in listed:
            kind = self.right_rates if _counts_right(rates) else self.favourable_rates
            self._places.append(np.arange(len(kind), len(kind) + len(rates)))
            kind.extend(rates)
        right, favourable = (
            [each.inside for each in kind] for kind in (self.right_rates, self.favourable_rates)
        )
        empty = np.zeros((0, rows), bool)
        self.of_right = np.stack(right) if right else empty
        """``(worst-cell rates, rows)``."""
        self.of_favourable = np.stack(favourable) if favourable else empty
        """``(rates, rows)``."""

    def figures(self, right: Float64s, favourable: Float64s) -> list[Floats | None]:
        """Each aim's figure ``(settings,)`` from shares; the worst-cell rates are the last of ``right``."""
        own = right[:, right.shape[1] - len(self.of_right) :]
        return [
            figure(rates, (own if _counts_right(rates) else favourable)[:, places])
            for rates, places in zip(self._listed, self._places, strict=True)
        ]


def _counts_right(rates: Sequence[RateRows]) -> bool:
    return bool(rates) and rates[0].rate == "accuracy"


def cell_aims(schema: Schema) -> list[AttributeTarget]:
    """The worst cell of every evaluated attribute: what a target is if nobody names one."""
    return [
        AttributeTarget(attribute=name, measure="worst-cell") for name in schema.attributes or (EVERYONE,)
    ]


def with_everyone(rows: Rows, schema: Schema) -> tuple[Rows, Schema]:
    """Data without attributes as one group."""
    if schema.groups:
        return rows, schema
    groups = {EVERYONE: np.zeros(len(rows), dtype=np.int64)}
    return replace(rows, groups=groups), replace(schema, groups={EVERYONE: (EVERYONE,)})
