"""Baselines that fine-tune the same pretrained encoder again: ERM, and those that weigh rows differently.

Epochs, rate, batch, precision and seed are the base's. The base leaves the held-out rows to the correction;
these methods have no second stage and learn from all training rows. All but ERM keep the epoch that is best
by the comparison's criterion (their papers stop by the worst group of the validation rows); ERM keeps the
epoch of highest accuracy.
"""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from evenhand.models.bundle.inputs import Encoded
from evenhand.training.baselines.base import Context, Method, MethodAnswer, Sees
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups, merge
from evenhand.training.correctors.interface import NotApplicableError
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
    """A method that makes a whole classifier like the base, which can take the base's place in a bundle."""

    @abstractmethod
    def learn(self, context: Context) -> RetrainedBase:
        """Fine-tune the pretrained encoder again by this method.

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
        """Retrain, and answer the scored rows."""
        learnt = self.learn(context)
        return MethodAnswer.of_logits(scored_logits(context, learnt.model), **learnt.notes)


@dataclass(frozen=True)
class Learning:
    """The settings that differ between retrainings."""

    name: str
    loss: RowLoss
    chosen: Ints
    """Rows to learn from; a row that is named twice counts twice."""
    scorer: Score | None = None
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
    """Fine-tune ``model``, by default a fresh one; it ends with the weights of its best epoch."""
    learner = fresh(context) if model is None else model
    base = context.base
    encoded = [*base.encoded, *learning.more]
    with context.scratch(learning.name) as folder:
        run = FinetuneKey(
            learning.name, context.seed, folder, base.pad_id, learning.loss, learning.scorer, learning.around
        )
        finetune(learner, encoded, context.rows, learning.chosen, context.config.base_stage, run)
    return learner


def scored_logits(context: Context, model: nn.Module) -> Floats:
    """What a model answers to the scored rows, ``(scored, classes)``."""
    return predict(model, context.base.encoded, context.scored, context.base.pad_id)


def best_of(context: Context, models: Mapping[T, nn.Module]) -> T:
    """The setting whose model the criterion likes best on validation rows."""
    if len(models) == 1:
        return next(iter(models))
    base = context.base
    return context.criterion.choose(
        models,
        lambda setting: predict(models[setting], base.encoded, context.validation, base.pad_id).argmax(
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

    The mean over rows with a cell is 1, so the learning rate keeps its meaning. Rows that are left out of the
    groups weigh 1.
    """
    cells = groups.cells
    counts = np.bincount(cells[chosen][cells[chosen] != LEFT_OUT], minlength=groups.cell_count)
    each = counts.sum() / (max(1, (counts > 0).sum()) * np.maximum(counts, 1))
    return np.where(cells == LEFT_OUT, 1.0, each[cells])


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
        models = {}
        for upweight in self.upweights:
            weights = np.where(wrong, upweight, 1.0)
            weights /= weights[train].mean()
            loss = weighted_cross_entropy(labels, weights)
            models[upweight] = retrain(
                context, Learning(f"{self.name}-{upweight:g}", loss, train, context.criterion.value)
            )
        best = best_of(context, models)
        return RetrainedBase(models[best], {"upweight": best, "upweighted_share": float(wrong[train].mean())})


class RobustLoss:
    r"""GroupDRO's loss (Sagawa et al. 2020, algorithm 1).

    .. math:: q_g \leftarrow q_g e^{\eta \ell_g} / Z, \qquad L = \sum_g q_g \ell_g

    over cells :math:`g` (label x group). The paper draws every cell equally often. Here a batch is drawn as
    the base's, and each row weighs :math:`q_g / p_g` with :math:`p_g` its cell's share: the same sum in
    expectation, and no row of a large cell is left out. A cell without rows in the batch enters by its
    running loss (step 0.1 in their code); otherwise rare cells would gain weight more slowly. Rows that are
    left out of the groups enter by their plain loss.
    """

    def __init__(self, groups: Groups, chosen: Ints, eta: float, step: float = 0.1) -> None:
        cells = groups.cells
        counts = np.bincount(cells[chosen][cells[chosen] != LEFT_OUT], minlength=groups.cell_count)
        self._cells = torch.from_numpy(cells)
        self._labels = torch.from_numpy(groups.labels)
        self._share = torch.from_numpy(counts / max(1, counts.sum()))
        self._eta, self._step = eta, step
        present = torch.from_numpy(counts > 0)
        self.weights = present.double() / present.sum()
        """``(cells,)`` q, on the simplex."""
        self._running = torch.full_like(self.weights, float(np.log(groups.classes)))

    def __call__(self, logits: Tensor, batch: Ints) -> Tensor:
        """Update the weights by one batch, and weigh it."""
        losses = functional.cross_entropy(logits, self._labels[batch], reduction="none")
        cells = self._cells[batch]
        has_cell = cells != LEFT_OUT
        self._update(losses.detach()[has_cell].double(), cells[has_cell])
        scale = torch.ones_like(losses)
        scale[has_cell] = (self.weights / self._share.clamp(min=1e-12))[cells[has_cell]].to(losses.dtype)
        return (losses * scale).mean()

    def _update(self, losses: Tensor, cells: Tensor) -> None:
        for cell in torch.unique(cells):
            mean = losses[cells == cell].mean()
            self._running[cell] += self._step * (mean - self._running[cell])
        raised = self.weights * torch.exp(self._eta * self._running)
        self.weights = raised / raised.sum()


@dataclass(frozen=True)
class GroupDro(Retraining):
    """Group distributionally robust optimisation over cells (label x group)."""

    name: str = "groupdro"
    title: str = "GroupDRO"
    source: str = "Sagawa et al. 2020"
    sees: Sees = Sees("all", "all", test=False)
    eta: float = 0.01

    def learn(self, context: Context) -> RetrainedBase:
        """Retrain."""
        groups = merge(context.rows, context.schema, context.train)
        loss = RobustLoss(groups, context.train, self.eta)
        model = retrain(context, Learning(self.name, loss, context.train, context.criterion.value))
        return RetrainedBase(
            model, {"groups": list(groups.names), "weights": [round(q, 4) for q in loss.weights.tolist()]}
        )
