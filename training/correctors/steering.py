r"""Steering: add a direction to the hidden state of flagged rows, then let the base finish.

.. math:: h_i' = h_i + s \sum_a g_{ia} v_a, \qquad
          v_a = \frac{1}{C} \sum_c \left(\bar h_{c, ref(a)} - \bar h_{c, other(a)}\right)

The direction is the mean difference between the reference group and the others at the cut (activation
addition, Turner et al. 2023, arXiv 2308.10248; contrastive activation addition, Rimsky et al. 2024). It is
averaged over the classes, so that differences between classes cancel and differences between groups stay. It
is added to every position.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.corrector import Corrector, Selected
from evenhand.training.correctors.interface import (
    WITH_OFFSETS,
    CorrectorInput,
    CorrectorMethod,
    NotApplicableError,
)
from evenhand.training.data.batches import by_length
from evenhand.training.learning.config import CorrectionConfig
from evenhand.training.learning.features import Features
from evenhand.typing import Float32s, Ints


class Steering(Corrector):
    """Adds a direction per attribute.

    Args:
        split: The frozen base, cut.
        attributes: How many directions.
    """

    method: ClassVar = "steering"

    def __init__(self, split: SplitModel, attributes: int) -> None:
        super().__init__(split)
        self.reads = split.reads
        self.directions: Tensor
        self.register_buffer("directions", torch.zeros(attributes, split.hidden_size))

    def correct(self, rows: Selected) -> Tensor:
        """Move the hidden states, and finish."""
        move = rows.gates.to(self.directions.dtype) @ self.directions * self.strength
        return self.split.finish(rows.hidden + move[:, None, :], rows.mask, rows.inputs)[0]


def make(split: SplitModel, attributes: Sequence[str], *, config: CorrectionConfig) -> Steering:
    """Directions of zero."""
    return Steering(split, len(attributes))


def learn(corrector: Steering, inputs: CorrectorInput) -> dict[str, Any]:
    """Take mean differences over held-out rows whose attribute is known."""
    held, labels = inputs.held, inputs.material.rows.labels
    means = mean_states(inputs.material.features, held)
    norms = []
    for attribute, name in enumerate(inputs.material.schema.gated):
        members = inputs.members[held, attribute]
        direction = difference(means, labels[held], members)
        if not direction.any():
            raise NotApplicableError(
                f"{name}: no class has held-out rows both in the reference group and outside it"
            )
        corrector.directions[attribute] = torch.from_numpy(direction)
        norms.append(round(float(np.linalg.norm(direction)), 3))
    return {"length of each direction": norms}


def difference(means: Float32s, labels: Ints, members: Ints) -> Float32s:
    """Mean of reference rows minus mean of others, averaged over the classes that have both.

    Args:
        means: ``(rows, hidden)``.
        labels: ``(rows,)``.
        members: ``(rows,)`` 1 outside the reference group, 0 inside, -1 not known.

    Returns:
        ``(hidden,)``; zero where no class has both.
    """
    differences = [
        means[(labels == label) & (members == 0)].mean(axis=0)
        - means[(labels == label) & (members == 1)].mean(axis=0)
        for label in np.unique(labels)
        if {0, 1} <= set(members[labels == label].tolist())
    ]
    return (
        np.mean(differences, axis=0).astype(np.float32)
        if differences
        else np.zeros(means.shape[1], dtype=np.float32)
    )


def mean_states(features: Features, rows: Ints) -> Float32s:
    """Mean hidden state over each row's positions, ``(rows, hidden)``."""
    means = np.zeros((len(rows), features.hidden.shape[1]), dtype=np.float32)
    for batch in by_length(features.lengths[rows]):
        hidden, mask = features.batch(rows[batch])
        wide = mask[:, :, None].to(hidden.dtype)
        means[batch] = ((hidden * wide).sum(dim=1) / wide.sum(dim=1)).cpu().numpy()
    return means


METHODS = (
    CorrectorMethod(
        "steering",
        "Steering vector",
        "Turner et al. 2023; Rimsky et al. 2024",
        make,
        learn,
        effect="a direction towards the reference group is added to the hidden states at the cut, and the "
        "base's remaining blocks answer",
        decides=True,
        soft=True,
        strengths=WITH_OFFSETS,
        layers=True,
        always=True,
    ),
)
