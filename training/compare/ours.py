"""Evenhand's own correction, as ``evenhand fit`` makes it, and the same with one part changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from training import arms, correct
from training.candidates import NEVER
from training.compare.context import Context
from training.compare.method import Answer, Method, Sees
from training.config import FitConfig
from training.derive import with_shared_gate

Ints = NDArray[np.int64]
SOURCE = "this project"
Changes = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Ours(Method):
    """Detectors, calibration, adapters and choice with the fit's own stages.

    Without a certificate the best setting is taken, with one only a certified one; else the base answers.
    """

    knowledge: Literal["full", "partial", "none"] = "full"
    known: float = 0.1
    """Share of the rows learnt from whose attributes are seen, in the partial setting."""
    certificate: bool = False
    detector: Changes = ()
    """What is changed in :class:`training.config.DetectorConfig`."""
    correction: Changes = ()
    """What is changed in :class:`training.config.CorrectionConfig`."""

    @property
    def corrects(self) -> bool:
        """It has detectors and adapters."""
        return True

    def answer(self, context: Context) -> Answer:
        """Learn, choose, answer."""
        context = context.under(self.settings(context.config))
        material = context.material
        if context.config.detector.shared:
            rows, schema = with_shared_gate(material.rows, material.schema)
            material = replace(material, rows=rows, schema=schema)
        with context.scratch(self.name) as folder:
            learnt = arms.best(context.config, context.split, material, folder)
        judged, choice = context.judged, learnt.choice
        thresholds = np.array(choice.thresholds)
        gates = (learnt.risk[judged] >= thresholds) & (thresholds < NEVER)
        at = np.flatnonzero(gates.any(axis=1))
        logits = context.features.base_logits[judged].copy()
        if len(at):
            with learnt.fairnet.correction.at_strength(choice.strength):
                logits[at] = correct.answers(learnt.fairnet.correction, context.features, judged[at], gates[at])
        gated = dict(zip(learnt.arm.schema.gated, gates.mean(axis=0).round(4).tolist(), strict=True))
        return Answer.of_logits(
            logits, arm=learnt.arm.name, strength=choice.strength, certified=choice.certified, gated_share=gated
        )

    def settings(self, config: FitConfig) -> FitConfig:
        """The seed's settings with this method's in their place."""
        given: dict[str, Any] = {"attributes_known": self.knowledge, "known": self.known, **dict(self.detector)}
        wanted: dict[str, Any] = {"require_certificate": self.certificate, **dict(self.correction)}
        return replace(
            config, detector=replace(config.detector, **given), correction=replace(config.correction, **wanted)
        )


def _variant(name: str, title: str, **changes: Changes) -> Ours:
    return Ours(name=f"ours-{name}", title=f"Ours, {title}", source=SOURCE, sees=FULL, **changes)  # type: ignore[arg-type]


FULL = Sees("all", "all", test=False)
OURS: Sequence[Ours] = (
    Ours(name="ours-full", title="Ours, full", source=SOURCE, sees=FULL),
    Ours(
        name="ours-partial",
        title="Ours, partial",
        source=SOURCE,
        sees=Sees("part", "all", test=False),
        knowledge="partial",
    ),
    Ours(name="ours-none", title="Ours, none", source=SOURCE, sees=Sees("none", "all", test=False), knowledge="none"),
)
ABLATIONS: Sequence[Ours] = (
    OURS[0],
    _variant("no-contrastive", "no contrastive term", correction=(("contrastive_weight", 0.0),)),
    _variant("no-task", "no task term", correction=(("task_weight", 0.0),)),
    _variant("no-kl", "no KL term", correction=(("keep_weight", 0.0),)),
    _variant("no-balance", "anchors not balanced", correction=(("balance", 0.0),)),
    _variant("shared", "one detector and adapter", detector=(("shared", True),)),
    _variant("mean-pooling", "mean pooling", detector=(("pooling", "mean"),)),
    _variant("first-pooling", "first token", detector=(("pooling", "first"),)),
    _variant("layer-1", "from the second block", detector=(("layer", 1),)),
)
