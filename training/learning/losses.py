"""The losses of FairNet (arXiv 2510.19421), with three changes.

Representations are L2-normalised, because on raw squared distances the hinge is never open. Anchors are
weighted by inverse class frequency; without that the authors report a worse worst group than plain training.
A KL term keeps reference rows at the base's answer when a gate is open by mistake, which is the harm ``c`` of
the paper's theorem.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def detector_loss(logits: Tensor, members: Tensor, weights: Tensor, positive_weight: Tensor) -> Tensor:
    """Class-balanced binary cross-entropy over the rows of known group.

    Args:
        logits: ``(batch, attributes)``.
        members: ``(batch, attributes)`` 1 outside the reference group, 0 inside.
        weights: ``(batch, attributes)`` weight of each entry; zero where the group is unknown.
        positive_weight: ``(attributes,)`` negatives per positive in the training rows.
    """
    losses = functional.binary_cross_entropy_with_logits(
        logits, members.float(), pos_weight=positive_weight, reduction="none"
    )
    return (losses * weights).sum() / weights.sum().clamp(min=1e-12)


def contrastive_loss(
    representation: Tensor, labels: Tensor, prototypes: Tensor, weights: Tensor, margin: float
) -> tuple[Tensor, Tensor]:
    r"""Triplet hinge against prototypes of the reference group.

    .. math:: w_i \max(0, \|z - p_y\|^2 - \min_{c \ne y} \|z - p_c\|^2 + m)

    Args:
        representation: ``(anchors, width)``; normalised here.
        labels: ``(anchors,)``.
        prototypes: ``(classes, width)``, normalised; the reference group's mean representation per class.
        weights: ``(anchors,)`` how much each counts.
        margin: The hinge's margin.

    Returns:
        The weighted mean, and the share of anchors whose hinge is open.
    """
    z = functional.normalize(representation, dim=1)
    distances = torch.cdist(z, prototypes).square()
    own = distances.gather(1, labels.unsqueeze(1)).squeeze(1)
    others = distances.scatter(1, labels.unsqueeze(1), float("inf")).amin(dim=1)
    hinge = torch.relu(own - others + margin)
    return weighted_mean(hinge, weights), (hinge > 0).float().mean()


def task_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy; ``logits (rows, classes)``, ``labels (rows,)``, ``weights (rows,)``."""
    return weighted_mean(functional.cross_entropy(logits, labels, reduction="none"), weights)


def keep_loss(logits: Tensor, base_logits: Tensor) -> Tensor:
    """KL divergence from the base's answer to the corrected one; both ``(rows, classes)``."""
    return functional.kl_div(
        functional.log_softmax(logits, dim=1),
        functional.log_softmax(base_logits, dim=1),
        log_target=True,
        reduction="batchmean",
    )


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of ``values (n,)`` under ``weights (n,)``; zero for no rows."""
    return (values * weights).sum() / weights.sum().clamp(min=1e-12)
