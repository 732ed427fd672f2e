"""Stages 3 and 4: prototypes of the reference group, and the conditional LoRA that learns from them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from evenhand.models.network.corrector import Corrector, Selected
from evenhand.models.network.gated_lora import ConditionalLora
from evenhand.training.data.batches import by_length
from evenhand.training.data.dataset import HELD, Rows
from evenhand.training.evaluation.metrics import MIN_CELL
from evenhand.training.learning import distributed
from evenhand.training.learning.config import CorrectionConfig
from evenhand.training.learning.features import Features, Material
from evenhand.training.learning.loop import Plan, fit
from evenhand.training.learning.losses import contrastive_loss, keep_loss, task_loss
from evenhand.typing import Bools, Float32s, Ints


@dataclass(frozen=True)
class Anchors:
    """The targets and weights of the contrastive loss."""

    prototypes: Tensor
    """``(attributes, classes, width)`` normalised mean representation of reference rows."""
    weights: Tensor
    """``(rows, attributes)`` how much each row counts as an anchor, mean 1."""


def prototypes(features: Features, rows: Rows, reference: Bools, classes: int) -> Tensor:
    """Mean representation per attribute and class of the reference group, under the frozen base.

    Args:
        features: The base's representations.
        rows: All rows; only those held out from the base are used, as the adapters' anchors are.
        reference: ``(rows, attributes)`` whether a row belongs to the reference group.
        classes: Number of labels.

    Returns:
        ``(attributes, classes, width)``, normalised.
    """
    held = np.isin(np.arange(len(rows)), rows.of(HELD))
    normed = functional.normalize(torch.from_numpy(features.representation), dim=1)
    means = [
        torch.stack([_mean(normed, held & (rows.labels == c), reference[:, a]) for c in range(classes)])
        for a in range(reference.shape[1])
    ]
    return functional.normalize(torch.stack(means), dim=2)


def _mean(values: Tensor, inside: Bools, preferred: Bools) -> Tensor:
    """Mean of the preferred rows inside, of all rows inside if none is preferred, zero if none is inside."""
    chosen = inside & preferred if (inside & preferred).any() else inside
    return values[chosen].mean(dim=0) if chosen.any() else torch.zeros(values.shape[1])


def anchor_weights(material: Material, gates: Bools, balance: float) -> Tensor:
    r"""Weight of each row as an anchor, by the inverse frequency of its cell (label x group).

    .. math:: w_i \propto n_{c(i)}^{-\beta}

    FairNet weighs by label only, which treats all groups alike; cells distinguish a group whose harmless rows
    are rare from one whose toxic rows are. Rows of unknown group form their own group.

    Args:
        material: Rows, with the groups that training may see.
        gates: ``(rows, attributes)`` which rows are anchors of which attribute.
        balance: 0 weighs all rows alike, 1 all cells.

    Returns:
        ``(rows, attributes)``, mean 1 over the anchors among held-out rows.
    """
    rows = material.rows
    held = np.isin(rows.all(), rows.of(HELD))
    by_attribute = np.zeros(gates.shape, dtype=np.float32)
    for a, name in enumerate(material.schema.gated):
        cell = rows.labels * (len(material.schema.gated[name]) + 1) + rows.groups[name] + 1
        anchors = held & gates[:, a]
        counts = np.bincount(cell[anchors], minlength=cell.max() + 1)
        # A lower bound on the counts keeps a cell of few rows from outweighing all others.
        weights = np.maximum(counts, MIN_CELL)[cell] ** -balance
        by_attribute[:, a] = weights / weights[anchors].mean() if anchors.any() else 1.0
    return torch.from_numpy(by_attribute)


def learn(
    correction: ConditionalLora, material: Material, gates: Bools, config: CorrectionConfig, folder: Path
) -> float | None:
    """Learn the adapters on held-out rows: those that the detectors flag, and as many unflagged ones.

    On rows that the base has fitted, its errors are rarer than on new rows and of another kind, so what is
    learnt from them does not generalise (docs/adr/0006).

    Args:
        correction: The gated suffix.
        material: Hidden states and rows.
        gates: ``(rows, attributes)`` what the detectors flag.
        config: The stage's settings.
        folder: Checkpoints.

    Returns:
        Share of anchors whose contrastive hinge was open in the last epoch; ``None`` if no row was flagged.
    """
    features, rows, classes = material.features, material.rows, len(material.schema.labels)
    held = rows.of(HELD)
    anchors = Anchors(
        prototypes(features, rows, ~gates, classes),
        anchor_weights(material, gates, config.balance),
    )
    flagged = held[gates[held].any(axis=1)]
    if not len(flagged):
        return None
    rng = np.random.default_rng(material.seed)
    plain = rng.permutation(held[~gates[held].any(axis=1)])[: len(flagged)]
    chosen = np.concatenate([flagged, plain])
    objective = _Objective(correction, material, gates, anchors, config)
    plan = Plan(
        "correction", config.epochs, config.learning_rate, config.batch_rows, config.epochs, material.seed
    )
    fit(
        plan,
        {name: p for name, p in correction.peft.named_parameters() if p.requires_grad},
        features.lengths[chosen].tolist(),
        lambda batch: objective(chosen[batch]),
        None,
        folder,
    )
    last_epoch = objective.open_shares[-max(1, len(chosen) // config.batch_rows) :]
    return _kept(folder / "hinge.json", float(np.mean(last_epoch)) if last_epoch else None)


def _kept(file: Path, value: float | None) -> float | None:
    """Store a figure of the last epoch; after a resumed finished run, which has none, read the stored one."""
    if value is None:
        written: float | None = json.loads(file.read_text()) if file.is_file() else None
        return written
    if distributed.is_main():
        file.write_text(json.dumps(value))
    return value


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
        # On unflagged rows one attribute's gate is opened in turn, so each adapter learns to change nothing.
        forced[plain, torch.arange(len(plain)) % is_open.shape[1]] = True
        inputs = self._features.inputs(batch) if "inputs" in self._correction.reads else None
        with distributed.autocast(self._config.precision):
            logits, representation = self._correction(hidden, mask, forced.to(hidden.device), inputs)
        logits, representation = logits.float().cpu(), representation.float().cpu()
        total = torch.zeros(())
        for a in range(is_open.shape[1]):
            at = is_open[:, a]
            if at.any():
                weights = self._anchors.weights[batch, a][at]
                total = total + at.float().mean() * self._on_anchors(
                    a, representation[at], logits[at], labels[at], weights
                )
        if len(plain):
            kept = keep_loss(logits[plain], self._base_logits[batch][plain])
            total = total + self._config.keep_weight * len(plain) / len(batch) * kept
        return total

    def _on_anchors(
        self, attribute: int, representation: Tensor, logits: Tensor, labels: Tensor, weights: Tensor
    ) -> Tensor:
        config = self._config
        prototypes = self._anchors.prototypes[attribute]
        pull, open_share = contrastive_loss(representation, labels, prototypes, weights, config.margin)
        self.open_shares.append(float(open_share))
        return config.contrastive_weight * pull + config.task_weight * task_loss(logits, labels, weights)


@torch.no_grad()
def answers(
    correction: Corrector, features: Features, rows: Ints, gates: Bools, risk: Float32s | None = None
) -> Float32s:
    """Corrected logits of some rows under some gates, ``(rows, classes)``.

    Args:
        correction: The corrector.
        features: The base's hidden states and logits.
        rows: ``(rows,)`` indices.
        gates: ``(rows, attributes)`` bool.
        risk: ``(rows, attributes)``; only for a corrector that reads it.
    """
    reads_states = "hidden" in correction.reads
    at_risk = np.zeros(gates.shape, dtype=np.float32) if risk is None else risk
    corrected = np.zeros((len(rows), correction.split.classes), dtype=np.float32)
    for batch in by_length(features.lengths[rows]):
        states = features.batch(rows[batch]) if reads_states else (torch.empty(0), torch.empty(0))
        rest = (
            gates[batch],
            features.base_logits[rows[batch]],
            at_risk[batch],
            features.representation[rows[batch]],
        )
        opened, logits, high, heads = (torch.from_numpy(array).to(distributed.device()) for array in rest)
        inputs = features.inputs(rows[batch]) if "inputs" in correction.reads else {}
        selected = Selected(opened, *states, logits, high, heads, inputs)
        corrected[batch] = correction.correct(selected).cpu().numpy()
    return corrected
