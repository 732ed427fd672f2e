r"""Label flipping: flagged rows with a close answer get the label that narrows their group's selection gap.

Kamiran, Karim and Zhang 2012 (reject option based classification), with the detector's flag in place of the
attribute:

.. math:: |m_i| < s\,\theta_a \Rightarrow m_i' = d_a |m_i|

:math:`d_a` is +1 where flagged rows get the favourable label less often than the others, else -1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.corrector import Selected
from evenhand.training.correctors.interface import CorrectorInput, CorrectorMethod
from evenhand.training.correctors.margins import MarginCorrector
from evenhand.training.learning.config import CorrectionConfig

WIDEST = 0.5
"""Share of flagged rows that the band holds at full strength."""


class Flip(MarginCorrector):
    """Turns close answers.

    Args:
        split: The frozen base, cut.
        attributes: How many bands.
    """

    method: ClassVar = "label-flip"

    def __init__(self, split: SplitModel, attributes: int) -> None:
        super().__init__(split)
        self.bands: Tensor
        self.directions: Tensor
        self.register_buffer("bands", torch.zeros(attributes))
        self.register_buffer("directions", torch.ones(attributes))

    def correct(self, rows: Selected) -> Tensor:
        """Turn the margins inside a band."""
        moved = margin = self.margin(rows.logits)
        for attribute in range(len(self.bands)):
            close = rows.gates[:, attribute] & (margin.abs() < self.bands[attribute] * self.strength)
            moved = torch.where(close, self.directions[attribute] * margin.abs(), moved)
        return self.with_margin(rows.logits, moved)


def make(split: SplitModel, attributes: Sequence[str], *, config: CorrectionConfig) -> Flip:
    """Empty bands."""
    return Flip(split, len(attributes))


def learn(corrector: Flip, inputs: CorrectorInput) -> dict[str, Any]:
    """Find which way every flagged group's close answers go, and how wide the widest band is."""
    margins, held = corrector.begin(inputs), inputs.held
    for attribute in range(inputs.gates.shape[1]):
        opened = inputs.gates[held, attribute]
        if not opened.any() or opened.all():
            continue
        selected = margins[held] > 0
        corrector.directions[attribute] = 1.0 if selected[opened].mean() < selected[~opened].mean() else -1.0
        corrector.bands[attribute] = float(np.quantile(np.abs(margins[held][opened]), WIDEST))
    return {"widest band of margins": corrector.bands.numpy().round(3).tolist()}


METHODS = (
    CorrectorMethod(
        "label-flip",
        "Label flipping of close answers",
        "Kamiran et al. 2012",
        make,
        learn,
        effect="a close answer becomes the favourable label where flagged rows get it less often than the "
        "others, and the other label where they get it more often",
        compares=True,
    ),
)
