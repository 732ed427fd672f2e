"""Baselines that fine-tune the same pretrained encoder again, on all training rows, with the base's own recipe.

Epochs, rate, batch, precision and seed are the base's. The base itself leaves the held-out rows to the
correction; these methods have no second stage and get them from the start. All but ERM keep the epoch that is
best by the comparison's criterion (their papers stop by the worst group of the validation rows), ERM the one
of highest accuracy.
"""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from imblearn.over_sampling import RandomOverSampler
from imblearn.under_sampling import RandomUnderSampler
from torch import nn
from torch.nn import functional

from evenhand.models.bundle.inputs import Encoded
from evenhand.training.baselines.context import Context
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups, merge
from evenhand.training.baselines.method import Method, MethodAnswer, NotApplicableError, Sees
from evenhand.training.data.dataset import DataError
from evenhand.training.learning import base_model
from evenhand.training.learning.finetune import (
    Around,
    FinetuneKey,
    RowLoss,
    Score,
    cross_entropy,
    finetune,
    predict,
)
from evenhand.typing import Floats, Ints

T = TypeVar("T")


@dataclass(frozen=True)
class RetrainedBase:
    """What a retraining ends with."""

    model: nn.Module
    """The whole classifier, in the shape of the base."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What :attr:`MethodAnswer.notes` say."""


@dataclass(frozen=True)
class Retraining(Method):
    """A method whose outcome is a whole classifier like the base: it can take the base's place in a bundle."""

    @abstractmethod
    def learn(self, context: Context) -> RetrainedBase:
        """Fine-tune the pretrained encoder anew, this method's way.

        Raises:
            NotApplicableError: the method is not defined for this data.
        """

    def retrained(self, context: Context) -> nn.Module:
        """The fine-tuned model itself, in evaluation mode.

        Raises:
            DataError: the method is not defined for this data.
        """
        try:
            return self.learn(context).model.eval()
        except NotApplicableError as error:
            raise DataError(f"--method {self.name}: {error}") from error

    def answer(self, context: Context) -> MethodAnswer:
        """Retrain, and answer the judged rows."""
        learnt = self.learn(context)
        return MethodAnswer.of_logits(judged_logits(context, learnt.model), **learnt.notes)


@dataclass(frozen=True)
class Learning:
    """What tells one retraining from another."""

    name: str
    loss: RowLoss
    chosen: Ints
    """Rows to learn from; a row that is named twice counts twice."""
    judge: Score | None = None
    around: Around = contextlib.nullcontext
    more: Sequence[Encoded] = ()
    """Rows beside those of the data; their indices follow on."""


def grouped(context: Context) -> Groups:
    """One group per row.

    Raises:
        NotApplicableError: there are not two that can be told apart.
    """
    groups = merge(context.rows, context.schema, context.train)
    if len(groups.names) < 2:
        raise NotApplicableError("fewer than two groups have enough training rows of every label")
    return groups


def fresh(context: Context) -> nn.Module:
    """The pretrained encoder with a new head, as the base was before it learnt anything."""
    return base_model.load(context.config, context.schema, context.rows).model


def retrain(context: Context, learning: Learning, model: nn.Module | None = None) -> nn.Module:
    """Fine-tune a model, a fresh one where none is given; it ends with the weights of its best epoch."""
    learner = fresh(context) if model is None else model
    given = context.base
    encoded = [*given.encoded, *learning.more]
    with context.scratch(learning.name) as folder:
        run = FinetuneKey(
            learning.name, context.seed, folder, given.pad_id, learning.loss, learning.judge, learning.around
        )
        finetune(learner, encoded, context.rows, learning.chosen, context.config.base_stage, run)
    return learner


def judged_logits(context: Context, model: nn.Module) -> Floats:
    """What a model answers to the judged rows, ``(judged, classes)``."""
    return predict(model, context.base.encoded, context.judged, context.base.pad_id)


def best_of(context: Context, found: Mapping[T, nn.Module]) -> T:
    """The setting whose model the criterion likes best on validation rows."""
    if len(found) == 1:
        return next(iter(found))
    given = context.base
    return context.criterion.choose(
        found,
        lambda setting: predict(found[setting], given.encoded, context.validation, given.pad_id).argmax(
            axis=1
        ),
    )


def weighted_cross_entropy(labels: Ints, weights: Floats) -> RowLoss:
    """Cross-entropy against ``labels (rows,)``, every row with its own of ``weights (rows,)``.

    The batch's mean is not divided by its weights: over batches that gives the weighted loss of all rows.
    """
    targets, scale = torch.from_numpy(labels), torch.from_numpy(weights).float()
    return lambda logits, batch: (
        functional.cross_entropy(logits, targets[batch], reduction="none") * scale[batch]
    ).mean()


def inverse_frequency(groups: Groups, chosen: Ints) -> Floats:
    """Weights ``(rows,)`` under which all cells (label x group) of the chosen rows weigh the same.

    The mean over rows with a cell is 1, so the learning rate means what it means for the base. Rows that are
    left out
    of the groups weigh 1: neither up nor down.
    """
    cells = groups.cells
    counts = np.bincount(cells[chosen][cells[chosen] != LEFT_OUT], minlength=groups.cell_count)
    each = counts.sum() / (max(1, (counts > 0).sum()) * np.maximum(counts, 1))
    return np.where(cells == LEFT_OUT, 1.0, each[cells])


def balanced(groups: Groups, chosen: Ints, seed: int) -> Ints:
    """Draw rows so that every cell counts as many, about as many in all as there were.

    imbalanced-learn's RandomUnderSampler takes from cells above the mean, RandomOverSampler repeats rows of
    those
    below: the epochs cost what the base's cost. Oversampling all cells to the largest would repeat rare rows
        hundreds
    of times at several times the cost; undersampling to the smallest would leave a few hundred rows. Rows
    that are left out of the groups stay in once.
    """
    cells = groups.cells[chosen]
    inside, outside = chosen[cells != LEFT_OUT], chosen[cells == LEFT_OUT]
    kinds, counts = np.unique(groups.cells[inside], return_counts=True)
    target = round(float(counts.mean()))
    down = {int(kind): target for kind, count in zip(kinds, counts, strict=True) if count > target}
    up = {int(kind): target for kind in kinds}
    drawn, found = inside[:, None], groups.cells[inside]
    drawn, found = RandomUnderSampler(sampling_strategy=down, random_state=seed).fit_resample(drawn, found)
    drawn, _ = RandomOverSampler(sampling_strategy=up, random_state=seed).fit_resample(drawn, found)
    return np.concatenate([drawn[:, 0], outside])


@dataclass(frozen=True)
class Erm(Retraining):
    """Plain cross-entropy on all training rows: what the held-out rows alone are worth."""

    name: str = "erm"
    title: str = "ERM, all rows"
    source: str = "cross-entropy"
    sees: Sees = Sees("none", "none", test=False)

    def learn(self, context: Context) -> RetrainedBase:
        """Retrain."""
        return RetrainedBase(
            retrain(context, Learning(self.name, cross_entropy(context.rows.labels), context.train))
        )


@dataclass(frozen=True)
class Reweighting(Retraining):
    """Cross-entropy with rows weighing inversely to the frequency of their cell (label x group)."""

    name: str = "reweighting"
    title: str = "Reweighting"
    source: str = "inverse frequency of label x group"
    sees: Sees = Sees("all", "all", test=False)

    def learn(self, context: Context) -> RetrainedBase:
        """Retrain."""
        groups = merge(context.rows, context.schema, context.train)
        loss = weighted_cross_entropy(context.rows.labels, inverse_frequency(groups, context.train))
        model = retrain(context, Learning(self.name, loss, context.train, context.criterion.value))
        return RetrainedBase(model, {"groups": list(groups.names)})


@dataclass(frozen=True)
class Resampling(Retraining):
    """Cross-entropy on rows drawn so that all cells (label x group) are equally many."""

    name: str = "resampling"
    title: str = "Resampling"
    source: str = "imbalanced-learn, label x group"
    sees: Sees = Sees("all", "all", test=False)

    def learn(self, context: Context) -> RetrainedBase:
        """Retrain."""
        groups = merge(context.rows, context.schema, context.train)
        drawn = balanced(groups, context.train, context.seed)
        loss = cross_entropy(context.rows.labels)
        model = retrain(context, Learning(self.name, loss, drawn, context.criterion.value))
        return RetrainedBase(model, {"groups": list(groups.names), "rows": len(drawn)})


@dataclass(frozen=True)
class JustTrainTwice(Retraining):
    """Just train twice: the rows that a first short ERM gets wrong weigh more (Liu et al. 2021).

    The first model is the base checkpoint. The paper's value for both of its text data sets is 6; each of
    ``upweights`` is a retraining, and the best is chosen on validation rows. Weights have mean 1.
    """

    name: str = "jtt"
    title: str = "JTT"
    source: str = "Liu et al. 2021"
    sees: Sees = Sees("none", "all", test=False)
    upweights: tuple[float, ...] = (6.0,)

    def learn(self, context: Context) -> RetrainedBase:
        """Retrain once per upweight."""
        labels, train = context.rows.labels, context.train
        wrong = context.features.base_logits.argmax(axis=1) != labels
        found = {}
        for upweight in self.upweights:
            weights = np.where(wrong, upweight, 1.0)
            weights /= weights[train].mean()
            loss = weighted_cross_entropy(labels, weights)
            found[upweight] = retrain(
                context, Learning(f"{self.name}-{upweight:g}", loss, train, context.criterion.value)
            )
        best = best_of(context, found)
        return RetrainedBase(found[best], {"upweight": best, "upweighted_share": float(wrong[train].mean())})
