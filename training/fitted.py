"""What a fit learnt, before it is written."""

from __future__ import annotations

from dataclasses import dataclass

from models.fairnet import FairNet
from training.arms import Learnt
from training.base import Base
from training.config import FitConfig
from training.correctors.none import NONE
from training.data import Rows, Schema
from training.select import Choice


@dataclass(frozen=True)
class Fitted:
    """All that the stages made."""

    config: FitConfig
    data_sha256: str
    base: Base
    learnt: Learnt
    probes: dict[int, float]
    """Lowest probe AUC per layer, where the layer was chosen by it."""

    @property
    def rows(self) -> Rows:
        """The data, with the groups that the detectors were taught."""
        return self.learnt.arm.rows

    @property
    def schema(self) -> Schema:
        """What its values mean."""
        return self.learnt.arm.schema

    @property
    def watches(self) -> bool:
        """Whether rows are flagged and nothing corrects them."""
        return self.config.correction.method == NONE.name

    @property
    def fairnet(self) -> FairNet:
        """The model."""
        return self.learnt.fairnet

    @property
    def choice(self) -> Choice:
        """Strength, thresholds, certificate."""
        return self.learnt.choice
