r"""Concept erasure: for flagged rows, erase the attribute from the input of the base's last layer.

LEACE (Belrose et al. 2023, arXiv 2306.03819; the library ``concept-erasure``) is the least change after which
no linear classifier tells the groups apart:

.. math:: x' = x - s \, P (x - \mu)

INLP (Ravfogel et al. 2020, arXiv 2004.07667) is its older baseline: linear classifiers of the group are
learnt one after the other, each on what the projections before it left, and their directions are projected
out; :math:`\mu = 0` there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from concept_erasure import LeaceEraser, LeaceFitter
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.corrector import Corrector, Field, Selected
from evenhand.training.correctors.interface import (
    WITH_OFFSETS,
    CorrectorInput,
    CorrectorMethod,
    NotApplicableError,
)
from evenhand.training.learning.config import CorrectionConfig
from evenhand.typing import Float64s, Ints

MOST_DIRECTIONS = 16
"""INLP stops there at the latest; the paper takes a fixed number, too."""
ABOVE_CHANCE = 0.02
"""INLP stops when a classifier's balanced accuracy is above one half by no more."""


class Erasure(Corrector):
    """Removes a subspace per attribute.

    Args:
        split: The frozen base, cut.
        attributes: How many subspaces.
        width: Of the last layer's input.
    """

    reads: tuple[Field, ...] = ("representation",)

    def __init__(self, split: SplitModel, attributes: int, width: int) -> None:
        super().__init__(split)
        self.projections: Tensor
        self.means: Tensor
        self.register_buffer("projections", torch.zeros(attributes, width, width))
        self.register_buffer("means", torch.zeros(attributes, width))

    def correct(self, rows: Selected) -> Tensor:
        """Erase one attribute after the other, and ask the base's last layer."""
        representation = rows.representation
        for attribute in range(len(self.means)):
            removed = (representation - self.means[attribute]) @ self.projections[attribute].T
            erased = representation - self.strength * removed
            representation = torch.where(rows.gates[:, attribute : attribute + 1], erased, representation)
        return self.head(representation)


class Leace(Erasure):
    """LEACE."""

    method: ClassVar = "leace"


class Inlp(Erasure):
    """INLP."""

    method: ClassVar = "inlp"


def make(
    split: SplitModel, attributes: Sequence[str], *, config: CorrectionConfig, kind: type[Erasure] = Leace
) -> Erasure:
    """Nothing is erased yet."""
    head = split.model.get_submodule(split.family.head)
    weight = next(head.parameters())
    return kind(split, len(attributes), weight.shape[1])


def learn_leace(corrector: Erasure, inputs: CorrectorInput) -> dict[str, Any]:
    """Fit one eraser per attribute on all training rows whose group is known."""
    for attribute, (x, z) in enumerate(_labelled_rows(inputs)):
        standardised = (z - z.mean()) / z.std()
        eraser = leace(torch.from_numpy(x), torch.from_numpy(standardised)[:, None])
        corrector.projections[attribute] = (eraser.proj_left @ eraser.proj_right).float()
        assert eraser.bias is not None
        corrector.means[attribute] = eraser.bias.float()
    return {}


def leace(x: Tensor, z: Tensor) -> LeaceEraser:
    """The library's eraser.

    ``constrain_cov_trace`` is off: the library's factorisation in that branch is wrong (0.2.4). The tolerance
    is small, so that nothing of a group stays. Shrinkage is off, for the paper's change is least under the
    sample covariance; with it the erasure is as exact, along other directions.

    Args:
        x: ``(rows, width)`` float64.
        z: ``(rows, columns)`` float64, standardised: directions are dropped by the size of their covariance,
            and a rare group's would be small only because it is rare.
    """
    shape = (x.shape[1], z.shape[1])
    fitter = LeaceFitter(
        *shape, dtype=torch.float64, shrinkage=False, constrain_cov_trace=False, svd_tol=1e-6
    )
    return fitter.update(x, z).eraser


def learn_inlp(corrector: Erasure, inputs: CorrectorInput) -> dict[str, Any]:
    """Project out direction after direction."""
    counts = []
    for attribute, (x, z) in enumerate(_labelled_rows(inputs)):
        basis = nullspace_directions(x, z)
        corrector.projections[attribute] = torch.from_numpy(basis.T @ basis).float()
        counts.append(len(basis))
    return {"directions projected out": counts}


def nullspace_directions(x: Float64s, z: Ints) -> Float64s:
    """Orthonormal directions ``(directions, width)`` in which linear classifiers find the group.

    Args:
        x: ``(rows, width)``.
        z: ``(rows,)`` 0 or 1.
    """
    basis = np.zeros((0, x.shape[1]))
    scale = x.std() or 1.0
    while len(basis) < min(MOST_DIRECTIONS, x.shape[1] - 1):
        left = (x - x @ basis.T @ basis) / scale
        probe = LogisticRegression(class_weight="balanced", max_iter=300).fit(left, z)
        predicted = probe.predict(left)
        balanced = np.mean([(predicted[z == group] == group).mean() for group in (0, 1)])
        if balanced - 0.5 <= ABOVE_CHANCE:
            break
        direction = probe.coef_[0] - basis.T @ (basis @ probe.coef_[0])
        basis = np.vstack([basis, direction / np.linalg.norm(direction)])
    return basis


def _labelled_rows(inputs: CorrectorInput) -> list[tuple[Float64s, Ints]]:
    """Representation and group of training rows whose group is known, per attribute."""
    rows = inputs.material.rows.of("train", "held", "tune")
    rows_per_attribute = []
    for attribute, name in enumerate(inputs.material.schema.gated):
        members = inputs.members[rows, attribute]
        chosen = rows[members >= 0]
        z = inputs.members[chosen, attribute].astype(np.int64)
        if len(np.unique(z)) < 2:
            raise NotApplicableError(
                f"{name}: training rows know fewer than two groups; nothing can be erased"
            )
        rows_per_attribute.append((inputs.material.features.representation[chosen].astype(np.float64), z))
    return rows_per_attribute


READ = "what the base's last layer reads, and that layer answers again"
METHODS = (
    CorrectorMethod(
        "leace",
        "LEACE",
        "concept-erasure; arXiv 2306.03819",
        make,
        learn_leace,
        effect=f"what tells the groups apart is taken out of {READ}",
        decides=True,
        soft=True,
        strengths=WITH_OFFSETS,
        layers=True,
        always=True,
    ),
    CorrectorMethod(
        "inlp",
        "INLP",
        "Ravfogel et al. 2020",
        partial(make, kind=Inlp),
        learn_inlp,
        effect=f"the directions in which linear classifiers find the group are projected out of {READ}",
        decides=True,
        soft=True,
        strengths=WITH_OFFSETS,
        layers=True,
        always=True,
    ),
)
