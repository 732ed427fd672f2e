"""Low-rank corrections as published: FairNet with its three kinds of knowledge, and LoRA without a detector.

FairNet here is the paper's method (arXiv 2510.19421) on our base, not our way of using it: tau = 0.5 and full
strength instead of a choice on validation rows, no calibration, task weight 0.1, no KL term. Representations
are normalised and anchors weigh by inverse class frequency, because without either the published correction
does nothing or harm (see ``training/learning/losses.py``). It learns from all training rows, those the base
has not seen among them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
import torch

from evenhand.models.network.fairnet import FairNet
from evenhand.models.network.gated_lora import ConditionalLora
from evenhand.training.baselines.base import Context, Method, MethodAnswer, Sees, Served
from evenhand.training.baselines.cost import parts_of
from evenhand.training.correctors.lora import LORA
from evenhand.training.data.dataset import HELD, LEARNT
from evenhand.training.learning import detection, pseudo_labels
from evenhand.training.learning.adapters import answers, learn
from evenhand.training.learning.config import CorrectionConfig, DetectorConfig
from evenhand.training.learning.features import Material
from evenhand.typing import Bools, Floats, Ints

THRESHOLD = 0.5
ANY, OUTLIER = "any", "outlier"
PUBLISHED = Served("no", "The published settings, to compare with: `evenhand fit` makes an Evenhand bundle.")
ALWAYS = Served(
    "no", "The published settings, to compare with: `evenhand fit --gate always` makes an Evenhand bundle."
)
DECLARED = Served("no", "It gates by the declared group, which never changes an answer here.")


def published(correction: CorrectionConfig) -> CorrectionConfig:
    """The paper's weights; epochs, rate and batch as ours."""
    return replace(
        correction,
        rank=8,
        alpha=16,
        margin=0.5,
        contrastive_weight=1.0,
        task_weight=0.1,
        keep_weight=0.0,
        balance=1.0,
    )


@dataclass(frozen=True)
class PublishedCorrection:
    """A fresh FairNet on the seed's base, and the rows it learns from."""

    fairnet: FairNet
    material: Material
    """All training rows under one name: the paper's stages share them."""

    @classmethod
    def fresh(cls, context: Context, adapters: Sequence[str]) -> PublishedCorrection:
        """One detector and adapter per name, initialised by the seed."""
        torch.manual_seed(context.seed)
        stage, detector = published(context.config.correction), context.config.detector
        fairnet = FairNet(context.split(), adapters, detector.pooling, partial(LORA.make, config=stage))
        split = np.where(np.isin(context.rows.split, LEARNT), HELD, context.rows.split)
        # One group for everybody: anchors then weigh by the frequency of their label alone, as published.
        groups = dict.fromkeys(adapters, np.zeros(len(split), dtype=np.int64))
        schema = replace(context.schema, gates=dict.fromkeys(adapters, ("reference", "other")))
        rows = replace(context.rows, split=split, groups={**context.rows.groups, **groups})
        return cls(fairnet, replace(context.material, rows=rows, schema=schema))

    def detect(self, context: Context, name: str, membership: Ints, config: DetectorConfig) -> Bools:
        """Learn detectors from ``membership (rows, adapters)``; returns flags at 0.5 in the same shape."""
        with context.scratch(f"{name}-detector") as folder:
            lesson = detection.Lesson(membership, self.material.rows.of(HELD), context.validation)
            detection.learn(self.fairnet.detectors, self.material, lesson, config, folder)
        risk = detection.risks_of(self.fairnet.detectors, self.material.features, self.material.rows.all())
        return risk >= THRESHOLD

    def learn(self, context: Context, name: str, gates: Bools) -> None:
        """Learn the adapters on the rows under open ``gates (rows, adapters)``."""
        adapters = self.fairnet.correction
        assert isinstance(adapters, ConditionalLora)
        with context.scratch(f"{name}-adapters") as folder:
            learn(adapters, self.material, gates, published(context.config.correction), folder)

    def logits(self, chosen: Ints, gates: Bools) -> Floats:
        """Logits ``(chosen, classes)``: the base's where no gate is open, the corrected ones elsewhere."""
        logits = self.material.features.base_logits[chosen].copy()
        at = np.flatnonzero(gates.any(axis=1))
        if len(at):
            logits[at] = answers(self.fairnet.correction, self.material.features, chosen[at], gates[at])
        return logits

    def cost(self, context: Context, gates: Bools, detected: bool) -> float:
        """Computation of a row relative to the base, under ``gates (scored, adapters)``."""
        parts = parts_of(self.fairnet, context.base, self.material.features)
        return parts.at(float(gates.any(axis=1).mean()), detected)


@dataclass(frozen=True)
class AlwaysOn(Method):
    """LoRA without a detector: one adapter, learnt on rows outside a reference group, applied to every row.

    Its strength is chosen on validation rows. The paper's ablation uses full strength, which only does harm
    here.
    """

    name: str = "always-on"
    title: str = "LoRA, always on"
    source: str = "FairNet's ablation, arXiv 2510.19421"
    sees: Sees = Sees("all", "all", test=False)
    served: Served = ALWAYS

    @property
    def corrects(self) -> bool:
        """It learns an adapter."""
        return True

    def answer(self, context: Context) -> MethodAnswer:
        """Learn the adapter, choose its strength."""
        correction = PublishedCorrection.fresh(context, (ANY,))
        members = (detection.members(context.rows, context.schema) == 1).any(axis=1, keepdims=True)
        correction.learn(context, self.name, members)
        everyone = np.ones((len(context.scored), 1), dtype=bool)
        logits = {}
        for strength in LORA.strengths[1:]:
            with correction.fairnet.correction.at_strength(strength):
                logits[strength] = correction.logits(context.scored, everyone)
        best = context.criterion.choose(
            LORA.strengths[1:], lambda strength: context.on_validation(logits[strength].argmax(axis=1))
        )
        answer = MethodAnswer.of_logits(logits[best], strength=best)
        return replace(answer, cost=correction.cost(context, everyone, detected=False))


@dataclass(frozen=True)
class Published(Method):
    """FairNet as published.

    Full: the true attribute gates at training and at test; a row with an unknown attribute is not corrected.
    Partial: the detector learns from ``known_share`` of the training rows, then gates.
    None: the local outlier factor (20 neighbours, contamination 0.1) of the mean hidden state, fitted on
    training rows, gives pseudo-labels of one attribute; the detector learns them and gates.
    """

    served: Served = PUBLISHED
    knowledge: Literal["full", "partial", "none"] = "full"
    known_share: float = 0.1

    @property
    def corrects(self) -> bool:
        """It learns detectors and adapters."""
        return True

    def answer(self, context: Context) -> MethodAnswer:
        """Learn detector and adapters, answer through the gates."""
        adapters = (OUTLIER,) if self.knowledge == "none" else tuple(context.schema.gated)
        correction = PublishedCorrection.fresh(context, adapters)
        if self.knowledge == "full":
            gates = detection.members(context.rows, context.schema) == 1
        else:
            seen = (
                pseudo_labels.outliers(context.material)[:, None]
                if self.knowledge == "none"
                else detection.members(
                    detection.hide(context.rows, self.known_share, context.seed), context.schema
                )
            )
            gates = correction.detect(context, self.name, seen, context.config.detector)
        correction.learn(context, self.name, gates)
        scored = context.scored
        shares = dict(zip(adapters, gates[scored].mean(axis=0).round(4).tolist(), strict=True))
        answer = MethodAnswer.of_logits(correction.logits(scored, gates[scored]), gated_share=shares)
        cost = correction.cost(context, gates[scored], detected=self.knowledge != "full")
        return replace(answer, cost=cost)


FAIRNET: Sequence[Published] = (
    Published(
        name="fairnet-full",
        title="FairNet as published, full",
        source="arXiv 2510.19421",
        sees=Sees("all", "all", test=True),
        served=DECLARED,
        knowledge="full",
    ),
    Published(
        name="fairnet-partial",
        title="FairNet as published, partial",
        source="arXiv 2510.19421",
        sees=Sees("part", "all", test=False),
        knowledge="partial",
    ),
    Published(
        name="fairnet-none",
        title="FairNet as published, none",
        source="arXiv 2510.19421",
        sees=Sees("none", "none", test=False),
        knowledge="none",
    ),
)
