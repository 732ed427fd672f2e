"""The target that settings and data come to."""

from __future__ import annotations

from evenhand.models.bundle.target import Target
from evenhand.training.choice.scorer import cell_aims
from evenhand.training.data.dataset import Schema
from evenhand.training.learning.config import CorrectionConfig


def target_of(schema: Schema, config: CorrectionConfig) -> Target:
    """What is aimed at: unless the settings name it, the worst cell of every evaluated attribute.

    Args:
        schema: With the evaluated attributes, intersections among them.
        config: With what a choice may cost.
    """
    return Target(attributes=cell_aims(schema), max_loss=config.cost)
