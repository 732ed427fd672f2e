r"""A threshold of its own for rows that the detector flags, and another for those it is not sure about.

Moving the threshold on the favourable class's probability from one half to :math:`\sigma(-\delta)` is adding
:math:`\delta` to its margin:

.. math:: m_i' = m_i + s \sum_a g_{ia} \, \delta_{a, u(i)}, \qquad u(i) \in \{\text{uncertain}, \text{sure}\}

:math:`\delta` is where true and false positive rates of the flagged rows come nearest to those of unflagged
ones (equalized odds, Hardt et al. 2016, arXiv 1610.02413), on held-out rows. Fairlearn's optimiser mixes two
thresholds at random to meet the constraint exactly; one row must get one answer here, so this is its
deterministic part. The group is the detector's inference: the declared one counts and never changes an
answer.
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
from evenhand.training.correctors.margins import MarginCorrector, favourable_truth
from evenhand.training.evaluation.metrics import MIN_CELL
from evenhand.training.learning.config import CorrectionConfig
from evenhand.typing import Bools, Float32s

CANDIDATES = 101
UNCERTAIN, SURE = 0, 1


class Thresholds(MarginCorrector):
    """Adds to the favourable margin what the flagged group's threshold asks for.

    Args:
        split: The frozen base, cut.
        attributes: How many pairs of thresholds.
    """

    method: ClassVar = "group-thresholds"

    def __init__(self, split: SplitModel, attributes: int) -> None:
        super().__init__(split)
        self.offsets: Tensor
        self.sure: Tensor
        self.register_buffer("offsets", torch.zeros(attributes, 2))
        self.register_buffer("sure", torch.ones(attributes))

    def correct(self, rows: Selected) -> Tensor:
        """Move the margins."""
        is_sure = rows.risk >= self.sure
        offset = torch.where(is_sure, self.offsets[:, SURE], self.offsets[:, UNCERTAIN])
        moved = (rows.gates.to(offset.dtype) * offset).sum(dim=1) * self.strength
        return self.with_margin(rows.logits, self.margin(rows.logits) + moved)


def make(split: SplitModel, attributes: Sequence[str], *, config: CorrectionConfig) -> Thresholds:
    """No margin is moved yet."""
    return Thresholds(split, len(attributes))


def learn(corrector: Thresholds, inputs: CorrectorInput) -> dict[str, Any]:
    """Fit both thresholds of every attribute on held-out rows."""
    margins, good, held = corrector.begin(inputs), favourable_truth(inputs), inputs.held
    for attribute in range(inputs.gates.shape[1]):
        opened, risk = inputs.gates[held, attribute], inputs.risk[held, attribute]
        usual = good[held][~opened]
        if not opened.any() or min(usual.sum(), (~usual).sum()) < MIN_CELL:
            continue  # no flagged row, or no reference rates
        sure = float(np.median(risk[opened]))
        corrector.sure[attribute] = sure
        plain = rates(margins[held][~opened], usual, np.zeros(1, dtype=np.float32))[0]
        for place, inside in ((UNCERTAIN, opened & (risk < sure)), (SURE, opened & (risk >= sure))):
            corrector.offsets[attribute, place] = offset(margins[held][inside], good[held][inside], plain)
    return {"margins added, uncertain and sure": corrector.offsets.numpy().round(3).tolist()}


def offset(margins: Float32s, good: Bools, target: Float32s) -> float:
    """What to add to margins so that both rates come nearest to the target.

    Args:
        margins: ``(rows,)``.
        good: ``(rows,)`` whether the true label is favourable.
        target: True and false positive rate.

    Returns:
        0 where either label has fewer than :data:`evenhand.training.evaluation.metrics.MIN_CELL` rows.
    """
    if min(good.sum(), (~good).sum()) < MIN_CELL:
        return 0.0
    tried = np.append(-np.quantile(margins, np.linspace(0.0, 1.0, CANDIDATES)), 0.0).astype(np.float32)
    distance = np.abs(rates(margins, good, tried) - target).max(axis=1)
    # Of equals, the smallest move.
    best = min(
        range(len(tried)), key=lambda index: (round(float(distance[index]), 6), abs(float(tried[index])))
    )
    return float(tried[best])


def rates(margins: Float32s, good: Bools, offsets: Float32s) -> Float32s:
    """True and false positive rate ``(offsets, 2)`` under every offset."""
    selected = margins[None, :] + offsets[:, None] > 0
    columns = [selected[:, of].mean(axis=1) if of.any() else np.zeros(len(offsets)) for of in (good, ~good)]
    return np.stack(columns, axis=1).astype(np.float32)


METHODS = (
    CorrectorMethod(
        "group-thresholds",
        "Thresholds per inferred group",
        "after Hardt et al. 2016",
        make,
        learn,
        effect="the probability from which on the favourable label is answered is moved: one bound for "
        "rows that are surely flagged, another for the uncertain",
        compares=True,
    ),
)
