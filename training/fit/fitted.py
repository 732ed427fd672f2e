"""The result of a fit, before it is written."""

from __future__ import annotations

from dataclasses import dataclass

from evenhand.models.network.fairnet import FairNet
from evenhand.training.choice.learners import LearnerResult
from evenhand.training.choice.select import Choice
from evenhand.training.correctors.none import NONE
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.base_model import Base
from evenhand.training.learning.config import FitConfig


@dataclass(frozen=True)
class Fitted:
    """The results of all stages."""

    config: FitConfig
    data_sha256: str
    base: Base
    learnt: LearnerResult
    probes: dict[int, float]
    """Lowest probe AUC per layer, where the layer was chosen by it."""

    @property
    def rows(self) -> Rows:
        """The data, with the groups that the detectors were taught."""
        return self.learnt.learner.rows

    @property
    def schema(self) -> Schema:
        """The meaning of the data's values."""
        return self.learnt.learner.schema

    @property
    def only_counts(self) -> bool:
        """Whether flagged rows are only counted, because nothing corrects them."""
        return self.config.correction.method == NONE.name

    @property
    def fairnet(self) -> FairNet:
        """The model."""
        return self.learnt.fairnet

    @property
    def choice(self) -> Choice:
        """Strength, thresholds, certificate."""
        return self.learnt.choice
