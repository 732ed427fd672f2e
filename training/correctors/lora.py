"""FairNet's conditional LoRA: one gated adapter per attribute, learnt with a contrastive loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.gated_lora import ConditionalLora
from evenhand.training.correctors.interface import WITH_OFFSETS, CorrectorInput, CorrectorMethod
from evenhand.training.learning import adapters
from evenhand.training.learning.config import CorrectionConfig


def make(split: SplitModel, attributes: Sequence[str], *, config: CorrectionConfig) -> ConditionalLora:
    """New adapters, which change nothing."""
    return ConditionalLora(split, attributes, config.rank, config.alpha)


def learn(corrector: ConditionalLora, inputs: CorrectorInput) -> dict[str, Any]:
    """Learn the adapters."""
    hinge_open = adapters.learn(corrector, inputs.material, inputs.gates, inputs.config, inputs.folder)
    return (
        {}
        if hinge_open is None
        else {"contrastive hinge open in the last epoch, share of anchors": hinge_open}
    )


LORA = CorrectorMethod(
    "lora",
    "FairNet's conditional LoRA",
    "arXiv 2510.19421",
    make,
    learn,
    decides=True,
    strengths=WITH_OFFSETS,
    layers=True,
)
METHODS = (LORA,)
