r"""Calibration per group: flagged rows' probabilities are fitted to their observed frequencies.

Platt scaling (Platt 1999) of the favourable margin on held-out flagged rows; without a flag the base's own:

.. math:: m_i' = m_i + s\left((\alpha_a - 1) m_i + \beta_a\right)

Calibration within groups and equal error rates exclude each other where base rates differ (Kleinberg et al.
2016, arXiv 1609.05807). This method chooses calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.corrector import Selected
from evenhand.training.correctors.interface import CorrectorInput, CorrectorMethod
from evenhand.training.correctors.margins import MarginCorrector, favourable_truth
from evenhand.training.evaluation.metrics import MIN_CELL
from evenhand.training.learning.config import CorrectionConfig


class Calibration(MarginCorrector):
    """Scales and moves the favourable margin.

    Args:
        split: The frozen base, cut.
        attributes: How many pairs of slope and intercept.
    """

    method: ClassVar = "group-calibration"

    def __init__(self, split: SplitModel, attributes: int) -> None:
        super().__init__(split)
        self.slopes: Tensor
        self.intercepts: Tensor
        self.register_buffer("slopes", torch.ones(attributes))
        self.register_buffer("intercepts", torch.zeros(attributes))

    def correct(self, rows: Selected) -> Tensor:
        """Calibrate for one attribute after the other."""
        margin = self.margin(rows.logits)
        for attribute in range(len(self.slopes)):
            change = (self.slopes[attribute] - 1.0) * margin + self.intercepts[attribute]
            margin = torch.where(rows.gates[:, attribute], margin + self.strength * change, margin)
        return self.with_margin(rows.logits, margin)


def make(split: SplitModel, attributes: Sequence[str], *, config: CorrectionConfig) -> Calibration:
    """The identity."""
    return Calibration(split, len(attributes))


def learn(corrector: Calibration, inputs: CorrectorInput) -> dict[str, Any]:
    """Fit slope and intercept per attribute, where both labels have enough held-out flagged rows."""
    margins, good, held = corrector.begin(inputs), favourable_truth(inputs), inputs.held
    for attribute in range(inputs.gates.shape[1]):
        rows = held[inputs.gates[held, attribute]]
        if min(good[rows].sum(), (~good[rows]).sum()) < MIN_CELL:
            continue
        fitted = LogisticRegression(C=1e6).fit(margins[rows, None], good[rows])
        corrector.slopes[attribute] = float(fitted.coef_[0, 0])
        corrector.intercepts[attribute] = float(fitted.intercept_[0])
    return {"slope and intercept": torch.stack([corrector.slopes, corrector.intercepts], dim=1).tolist()}


METHODS = (
    CorrectorMethod(
        "group-calibration",
        "Calibration per inferred group",
        "Platt 1999",
        make,
        learn,
        effect="the probability of the favourable label is calibrated anew for flagged rows (Platt scaling)",
    ),
)
