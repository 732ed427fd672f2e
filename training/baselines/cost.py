"""What a correction costs to serve, counted: multiplications and additions of a row, relative to the base's.

Counted and not timed, so that a figure is the same on every machine and in every run. What a server makes of
it, with its batches and its queue, is measured by ``bench/cost.py`` and ``bench/graph_cost.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from evenhand.models.bundle.inputs import collate
from evenhand.models.network.corrector import Selected
from evenhand.models.network.fairnet import FairNet
from evenhand.training.learning import distributed
from evenhand.training.learning.base_model import Base
from evenhand.training.learning.features import Features

ROWS = 16


@dataclass(frozen=True)
class Parts:
    """Relative to the base's pass over the same rows."""

    detectors: float
    corrector: float
    """For a row whose gate is open; the base's own answer is computed in any case."""

    def at(self, corrected: float, detected: bool = True) -> float:
        """Cost of a row on average.

        Args:
            corrected: Share of rows with an open gate.
            detected: Whether the detectors run.
        """
        return round(1.0 + (self.detectors if detected else 0.0) + corrected * self.corrector, 4)


@torch.no_grad()
def parts_of(fairnet: FairNet, base: Base, features: Features) -> Parts:
    """Count the parts of a correction on some rows."""
    rows = np.arange(min(ROWS, len(base.encoded)))
    arrays = collate([base.encoded[row] for row in rows], base.pad_id)
    inputs = {name: torch.from_numpy(array).to(distributed.device()) for name, array in arrays.items()}
    hidden, mask = features.batch(rows)
    gates = torch.ones(len(rows), len(fairnet.attributes), dtype=torch.bool, device=hidden.device)
    logits, heads = (
        torch.from_numpy(values[rows]).to(hidden)
        for values in (features.base_logits, features.representation)
    )
    fairnet.eval()
    whole = _counted(lambda: fairnet.split.base(inputs))
    detectors = _counted(lambda: fairnet.detectors(hidden, mask))
    selected = Selected(gates, hidden, mask, logits, gates.to(hidden.dtype), heads, inputs)
    corrector = _counted(lambda: fairnet.correction.correct(selected))
    return Parts(detectors / whole, corrector / whole)


def _counted(work: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        work()
    return int(counter.get_total_flops())
