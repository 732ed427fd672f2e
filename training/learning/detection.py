"""Stage 2: learn the bias detectors on the frozen base's hidden states, and calibrate them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from torch import Tensor

from evenhand.models.network.detector import BiasDetectors
from evenhand.training.data.batches import by_length
from evenhand.training.data.dataset import LEARNT, UNKNOWN, Rows, Schema
from evenhand.training.learning.config import DetectorConfig
from evenhand.training.learning.features import Features, Material
from evenhand.training.learning.loop import Plan, fit
from evenhand.training.learning.losses import detector_loss
from evenhand.typing import Float32s, Ints


def members(rows: Rows, schema: Schema) -> Ints:
    """``(rows, attributes)``: 1 outside the reference group, 0 inside, -1 unknown."""
    columns = [np.where(rows.groups[name] < 0, -1, np.minimum(rows.groups[name], 1)) for name in schema.gated]
    return np.stack(columns, axis=1)


def hide(rows: Rows, share: float, seed: int) -> Rows:
    """The rows with the groups of all but a share of the rows learnt from set to unknown."""
    learnt = rows.of(*LEARNT)
    hidden = np.random.default_rng(seed).permutation(learnt)[round(share * len(learnt)) :]
    groups = {name: values.copy() for name, values in rows.groups.items()}
    for values in groups.values():
        values[hidden] = UNKNOWN
    return replace(rows, groups=groups)


@dataclass(frozen=True)
class Lesson:
    """What detectors learn."""

    targets: Ints
    """``(rows, attributes)`` 1 to be flagged, 0 not to be flagged, -1 unknown."""
    learn: Ints
    """Rows to learn from."""
    stop: Ints
    """Rows for early stopping; not validation rows, which the certificate needs unseen."""
    weights: Float32s | None = None
    """``(rows, attributes)`` weight of each row; equal weights if ``None``."""


def learn(
    detectors: BiasDetectors, material: Material, lesson: Lesson, config: DetectorConfig, folder: Path
) -> None:
    """Learn all attributes' detectors together; early stopping on the mean AUC over rows set aside.

    Args:
        detectors: What to learn.
        material: Hidden states and rows.
        lesson: Targets, rows to learn from and rows to stop on.
        config: The stage's settings.
        folder: Checkpoints.
    """
    features, targets = material.features, torch.from_numpy(lesson.targets)
    train = lesson.learn[(lesson.targets[lesson.learn] >= 0).any(axis=1)]
    weights = torch.ones(targets.shape) if lesson.weights is None else torch.from_numpy(lesson.weights)
    positives = torch.from_numpy((lesson.targets[train] == 1).sum(axis=0)).float()
    negatives = torch.from_numpy((lesson.targets[train] == 0).sum(axis=0)).float()
    balance = negatives / positives.clamp(min=1)

    def loss_of(batch: Ints) -> Tensor:
        chosen = train[batch]
        detectors.train()
        logits = detectors(*features.batch(chosen)).cpu()
        counted = weights[chosen] * (targets[chosen] >= 0)
        return detector_loss(logits, targets[chosen].clamp(min=0), counted, balance)

    plan = Plan(
        "detector", config.epochs, config.learning_rate, config.batch_rows, config.patience, material.seed
    )
    fit(
        plan,
        dict(detectors.named_parameters()),
        features.lengths[train].tolist(),
        loss_of,
        lambda: mean_auc(logits_of(detectors, features, lesson.stop), lesson.targets[lesson.stop]),
        folder,
    )
    detectors.eval()


def calibrate(detectors: BiasDetectors, material: Material, targets: Ints, rows: Ints) -> None:
    """Platt scaling on training rows that the base and the detectors did not learn from, folded into weights.

    Not on validation rows: offsets rest on the risk, and a certificate needs rows that decided nothing.

    The class-balanced loss makes 0.5 mean "above prevalence"; after scaling, a risk of 0.3 means three in
    ten. Scaling does not change which rows are flagged, because thresholds are chosen as shares of rows
    (:mod:`evenhand.training.choice.candidates`).

    Args:
        detectors: Their last layer is scaled in place.
        material: Hidden states and rows.
        targets: ``(rows, attributes)`` 1 outside the reference group, 0 inside, -1 unknown.
        rows: Training rows that neither the base nor the detectors learnt from.
    """
    logits, truth = logits_of(detectors, material.features, rows), targets[rows]
    slopes, intercepts = [], []
    for column in range(logits.shape[1]):
        seen = truth[:, column] >= 0
        if len(set(truth[seen, column])) < 2:
            slopes.append(1.0)
            intercepts.append(0.0)
            continue
        model = LogisticRegression(C=1e6).fit(logits[seen, column : column + 1], truth[seen, column])
        # A negative slope means that the detector learnt nothing: a tiny one gives all rows the prevalence.
        slopes.append(max(float(model.coef_[0, 0]), 1e-3))
        intercepts.append(float(model.intercept_[0]))
    detectors.calibrate(torch.tensor(slopes), torch.tensor(intercepts))


@torch.no_grad()
def logits_of(detectors: BiasDetectors, features: Features, rows: Ints) -> Float32s:
    """Detector logits of some rows, ``(rows, attributes)``."""
    detectors.eval()
    logits = np.zeros((len(rows), detectors.attributes), dtype=np.float32)
    for batch in by_length(features.lengths[rows], 256):
        logits[batch] = detectors(*features.batch(rows[batch])).cpu().numpy()
    return logits


def risks_of(detectors: BiasDetectors, features: Features, rows: Ints) -> Float32s:
    """Risk of some rows, ``(rows, attributes)``."""
    return torch.sigmoid(torch.from_numpy(logits_of(detectors, features, rows))).numpy()


def mean_auc(scores: Float32s, truth: Ints) -> float:
    """Mean ROC AUC over the attributes with rows of both kinds; 0.5 if there is none."""
    aucs = []
    for column in range(scores.shape[1]):
        seen = truth[:, column] >= 0
        if len(set(truth[seen, column])) == 2:
            aucs.append(float(roc_auc_score(truth[seen, column], scores[seen, column])))
    return float(np.mean(aucs)) if aucs else 0.5
