"""Stages 3 and 4: prototypes of the reference group, and the conditional LoRA that moves flagged rows towards them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.lora import ConditionalLora
from training.config import CorrectionConfig
from training.data import Rows
from training.features import Features, Material
from training.loop import Plan, fit
from training.losses import contrastive_loss, keep_loss, task_loss

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Anchors:
    """What the correction learns from."""

    prototypes: Tensor
    """``(attributes, classes, width)`` normalised mean representation of reference rows."""
    weights: Tensor
    """``(attributes, classes)`` inverse class frequency among anchors, mean 1."""


def prototypes(features: Features, rows: Rows, reference: Bools, classes: int) -> Tensor:
    """Mean representation per attribute and class of the reference group, under the frozen base.

    Args:
        features: The base's representations.
        rows: All rows; only training rows are used.
        reference: ``(rows, attributes)`` whether a row belongs to the reference group.
        classes: Number of labels.

    Returns:
        ``(attributes, classes, width)``, normalised.
    """
    train = np.isin(np.arange(len(rows)), rows.of("train"))
    normed = functional.normalize(torch.from_numpy(features.representation), dim=1)
    found = [
        torch.stack([normed[train & reference[:, a] & (rows.labels == c)].mean(dim=0) for c in range(classes)])
        for a in range(reference.shape[1])
    ]
    return functional.normalize(torch.stack(found), dim=2)


def class_weights(labels: Ints, gates: Bools, classes: int) -> Tensor:
    """``(attributes, classes)`` inverse class frequency among gated rows, with mean 1."""
    counts = np.stack([np.bincount(labels[gates[:, a]], minlength=classes) for a in range(gates.shape[1])])
    inverse = 1.0 / np.maximum(counts, 1)
    return torch.from_numpy(inverse / inverse.mean(axis=1, keepdims=True)).float()


def learn(
    correction: ConditionalLora, material: Material, gates: Bools, config: CorrectionConfig, folder: Path
) -> dict[str, float | None]:
    """Learn the adapters on the rows that the detectors flag, and on as many plain rows.

    Args:
        correction: The gated suffix.
        material: Hidden states and rows.
        gates: ``(rows, attributes)`` what the detectors flag.
        config: The stage's settings.
        folder: Checkpoints.

    Returns:
        What to report: validation score, and how often the contrastive hinge was open in the last epoch (``None``
        if a finished run was taken up and nothing was left to learn).
    """
    features, rows, classes = material.features, material.rows, len(material.schema.labels)
    train = rows.of("train")
    anchors = Anchors(
        prototypes(features, rows, ~gates, classes),
        class_weights(rows.labels[train], gates[train], classes),
    )
    flagged = train[gates[train].any(axis=1)]
    rng = np.random.default_rng(material.seed)
    plain = rng.permutation(train[~gates[train].any(axis=1)])[: len(flagged)]
    chosen = np.concatenate([flagged, plain])
    objective = _Objective(correction, material, gates, anchors, config)
    plan = Plan("correction", config.epochs, config.learning_rate, config.batch_rows, config.patience, material.seed)
    best = fit(
        plan,
        {name: p for name, p in correction.peft.named_parameters() if p.requires_grad},
        features.lengths[chosen].tolist(),
        lambda batch: objective(chosen[batch]),
        lambda: _validation_score(correction, features, rows, gates, anchors),
        folder,
    )
    recent = objective.open_shares[-max(1, len(chosen) // config.batch_rows) :]
    return {"validation_score": best, "hinge_open": float(np.mean(recent)) if recent else None}


class _Objective:
    """Contrastive and task loss on flagged rows; KL to the base on plain rows with a gate forced open."""

    def __init__(
        self,
        correction: ConditionalLora,
        material: Material,
        gates: Bools,
        anchors: Anchors,
        config: CorrectionConfig,
    ) -> None:
        self._correction = correction
        self._features = material.features
        self._labels = torch.from_numpy(material.rows.labels)
        self._base_logits = torch.from_numpy(material.features.base_logits)
        self._gates = torch.from_numpy(gates)
        self._anchors = anchors
        self._config = config
        self.open_shares: list[float] = []
        """Share of anchors whose contrastive hinge was open, per batch that had any."""

    def __call__(self, batch: Ints) -> Tensor:
        """Loss of some rows."""
        hidden, mask = self._features.batch(batch)
        is_open, labels = self._gates[batch], self._labels[batch]
        plain = (~is_open.any(dim=1)).nonzero().squeeze(1)
        forced = is_open.clone()
        # Every attribute in turn is wrongly opened on the plain rows, so each adapter learns to leave them alone.
        forced[plain, torch.arange(len(plain)) % is_open.shape[1]] = True
        logits, representation = self._correction(hidden, mask, forced)
        total = torch.zeros(())
        for a in range(is_open.shape[1]):
            at = is_open[:, a]
            if at.any():
                total = total + at.float().mean() * self._on_anchors(a, representation[at], logits[at], labels[at])
        if len(plain):
            kept = keep_loss(logits[plain], self._base_logits[batch][plain])
            total = total + self._config.keep_weight * len(plain) / len(batch) * kept
        return total

    def _on_anchors(self, attribute: int, representation: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        config, weights = self._config, self._anchors.weights[attribute]
        prototypes = self._anchors.prototypes[attribute]
        pull, open_share = contrastive_loss(representation, labels, prototypes, weights, config.margin)
        self.open_shares.append(float(open_share))
        return config.contrastive_weight * pull + config.task_weight * task_loss(logits, labels, weights)


@torch.no_grad()
def _validation_score(
    correction: ConditionalLora, features: Features, rows: Rows, gates: Bools, anchors: Anchors
) -> float:
    """Minus the class-weighted task loss on flagged validation rows, averaged over attributes."""
    validation = rows.of("val")
    flagged = validation[gates[validation].any(axis=1)]
    if not len(flagged):
        return 0.0
    logits = torch.from_numpy(answers(correction, features, flagged, gates[flagged]))
    labels = torch.from_numpy(rows.labels[flagged])
    losses = []
    for a in range(gates.shape[1]):
        at = torch.from_numpy(gates[flagged, a])
        if at.any():
            losses.append(float(task_loss(logits[at], labels[at], anchors.weights[a])))
    return -float(np.mean(losses))


@torch.no_grad()
def answers(correction: ConditionalLora, features: Features, rows: Ints, gates: Bools) -> Floats:
    """Corrected logits of some rows under given gates, ``(rows, classes)``."""
    found = np.zeros((len(rows), correction.split.classes), dtype=np.float32)
    order = np.argsort(features.lengths[rows], kind="stable")
    for start in range(0, len(rows), 64):
        batch = order[start : start + 64]
        hidden, mask = features.batch(rows[batch])
        found[batch] = correction(hidden, mask, torch.from_numpy(gates[batch]))[0].numpy()
    return found
