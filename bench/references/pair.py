"""What a side of a comparison is, and what heads learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.preprocessing import StandardScaler

from evenhand.training.baselines.base import Context
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups, merge
from evenhand.training.baselines.postprocess import favourable_class
from evenhand.typing import Bools, Floats, Ints

Drawn = Callable[[int], Ints]
"""A seed to the class of every scored row."""
Side = Callable[[Context], Drawn]
"""Learns once; what it learns with a seed it learns again for each."""
DRAWS = 5


@dataclass(frozen=True)
class Pair:
    """Two sides of one method."""

    name: str
    ours: Side
    theirs: Side
    draws: int = DRAWS
    """1 where nothing is drawn."""


def seeded(context: Context, seed: int) -> Context:
    """The same base, another seed for what comes after it."""
    copy = replace(context, config=replace(context.config, seed=seed))
    copy.__dict__["features"] = context.features
    return copy


def answered(context: Context, selected: Bools) -> Ints:
    """Whether each scored row gets the favourable class, as classes."""
    favourable = favourable_class(context)
    return np.where(selected, favourable, 1 - favourable)


@dataclass(frozen=True)
class Learning:
    """What heads learn from: the training rows, standardised."""

    rows: Ints
    groups: Groups
    x: Floats
    truth: Ints
    """``(rows,)`` 1 for the favourable class."""
    scored: Floats

    @classmethod
    def of(cls, context: Context, grouped: bool = False) -> Learning:
        """All training rows, or those whose group is not left out."""
        groups = merge(context.rows, context.schema, context.train)
        rows = context.train[groups.codes[context.train] != LEFT_OUT] if grouped else context.train
        x = context.features.representation
        scaler = StandardScaler().fit(x[rows])
        truth = (context.rows.labels[rows] == favourable_class(context)).astype(int)
        return cls(rows, groups, scaler.transform(x[rows]), truth, scaler.transform(x[context.scored]))
