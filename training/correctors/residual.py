r"""A learnt residual: what the frozen base's last layer should have added, for the rows that it gets wrong.

.. math:: z_i' = z_i + s \sum_a g_{ia}\, r_{ia} (W_a h_i + b_a)

:math:`h_i` is what the base's last layer reads, :math:`r_{ia}` the risk. It is LoRA's counterpart on tables
and frozen bases: multinomial logistic regression on top of the base's own logits, on rows held out from the
base, with cells (label x group) weighed alike and ridge chosen by cross-validation. It costs one small
product for a flagged row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.corrector import Corrector, Field, Selected
from evenhand.training.correctors.interface import WITH_OFFSETS, CorrectorInput, CorrectorMethod
from evenhand.training.evaluation.metrics import MIN_CELL
from evenhand.training.learning.config import CorrectionConfig
from evenhand.typing import Float32s, Ints

RIDGES = (1e-3, 1e-2, 1e-1, 1.0)
"""Candidates for the penalty on the weights' squares, relative to a mean loss per row."""
FOLDS = 3
STEPS = 60


class Residual(Corrector):
    """Adds a linear function of the representation, times the risk.

    Args:
        split: The frozen base, cut.
        attributes: How many functions.
    """

    method: ClassVar = "residual"
    reads: tuple[Field, ...] = ("logits", "risk", "representation")

    def __init__(self, split: SplitModel, attributes: int) -> None:
        super().__init__(split)
        width = split.width
        self.weights: Tensor
        self.intercepts: Tensor
        self.register_buffer("weights", torch.zeros(attributes, width, split.classes))
        self.register_buffer("intercepts", torch.zeros(attributes, split.classes))

    def correct(self, rows: Selected) -> Tensor:
        """Add every open attribute's change."""
        logits = rows.logits
        scale = rows.gates.to(rows.risk.dtype) * rows.risk * self.strength
        for attribute in range(self.weights.shape[0]):
            change = rows.representation @ self.weights[attribute] + self.intercepts[attribute]
            logits = logits + scale[:, attribute : attribute + 1] * change
        return logits


def make(split: SplitModel, attributes: Sequence[str], *, config: CorrectionConfig) -> Residual:
    """One that adds nothing."""
    return Residual(split, len(attributes))


def learn(corrector: Residual, inputs: CorrectorInput) -> dict[str, Any]:
    """Fit all attributes' functions together, as their changes add up."""
    held = inputs.held
    if len(held) < MIN_CELL:
        return {}
    states = inputs.material.features.representation[held]
    # All held-out rows: those of low risk weigh little, and no level is chosen yet.
    scale = inputs.risk[held].astype(np.float32)
    problem = _Problem(
        torch.from_numpy(np.concatenate([states, np.ones((len(held), 1), dtype=np.float32)], axis=1)),
        torch.from_numpy(scale),
        torch.from_numpy(inputs.material.features.base_logits[held]),
        torch.from_numpy(inputs.material.rows.labels[held]),
        torch.from_numpy(cell_weights(inputs, held)),
    )
    folds = np.random.default_rng(inputs.material.seed).integers(0, FOLDS, len(held))
    losses = {ridge: problem.crossvalidated(ridge, folds) for ridge in RIDGES}
    ridge = min(losses, key=losses.__getitem__)
    fitted = problem.solve(np.arange(len(held)), ridge)
    corrector.weights.copy_(fitted[:, :-1])
    corrector.intercepts.copy_(fitted[:, -1])
    return {"residual's ridge": ridge, "rows it learnt from": len(held)}


def cell_weights(inputs: CorrectorInput, chosen: Ints) -> Float32s:
    """``(chosen,)`` weights with which every cell counts alike, mean 1, averaged over attributes."""
    rows, groups = inputs.material.rows, []
    for name in inputs.material.schema.groups:
        cell = rows.groups[name][chosen] + 1 + (rows.groups[name].max() + 2) * rows.labels[chosen]
        counts = np.bincount(cell)
        weight = 1.0 / np.maximum(counts, MIN_CELL)[cell]
        groups.append(weight / weight.mean())
    if not groups:
        return np.ones(len(chosen), dtype=np.float32)
    weights: Float32s = np.mean(groups, axis=0).astype(np.float32)
    return weights


class _Problem:
    """Weighted multinomial logistic regression on top of given logits."""

    def __init__(
        self, states: Tensor, scale: Tensor, logits: Tensor, labels: Tensor, weights: Tensor
    ) -> None:
        self._states, self._scale, self._logits = states, scale, logits
        self._labels, self._weights = labels, weights

    def crossvalidated(self, ridge: float, folds: Ints) -> float:
        """Mean weighted loss on rows left out."""
        losses = []
        for fold in range(FOLDS):
            learnt = self.solve(np.flatnonzero(folds != fold), ridge)
            losses.append(float(self._loss(learnt, torch.from_numpy(np.flatnonzero(folds == fold)))))
        return float(np.mean(losses))

    def solve(self, chosen: Ints, ridge: float) -> Tensor:
        """Weights ``(attributes, width + 1, classes)`` of least penalised loss over some rows."""
        at = torch.from_numpy(chosen)
        shape = (self._scale.shape[1], self._states.shape[1], self._logits.shape[1])
        weights = torch.zeros(shape, requires_grad=True)
        optimizer = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = self._loss(weights, at) + ridge * weights[:, :-1].square().sum() / 2
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        return weights.detach()

    def _loss(self, weights: Tensor, at: Tensor) -> Tensor:
        change = torch.einsum("nw,awc->nac", self._states[at], weights)
        logits = self._logits[at] + (change * self._scale[at][:, :, None]).sum(dim=1)
        losses = functional.cross_entropy(logits, self._labels[at], reduction="none")
        return (losses * self._weights[at]).mean()


METHODS = (
    CorrectorMethod(
        "residual",
        "Learnt residual on the last layer",
        "this project",
        make,
        learn,
        effect="a linear function of the last layer's input, times the risk, is added to the scores",
        decides=True,
        strengths=WITH_OFFSETS,
    ),
)
