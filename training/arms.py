"""One way of correcting: what its detectors are taught to flag, learnt to the end. No labels: two to compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models.backbones import SplitModel
from models.fairnet import FairNet
from training import correct, detect, pseudo_labels, select
from training.candidates import LEARN_LEVEL, Cuts
from training.config import FitConfig, fingerprint
from training.data import HELD, TUNE, Rows, Schema
from training.derive import with_shared_gate
from training.detect import Lesson
from training.features import Material
from training.progress import say

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
MakeSplit = Callable[[], SplitModel]
"""A fresh cut of the frozen base; each arm puts adapters of its own into one."""

OUTLIER, BENEFIT = "outlier", "benefit"


@dataclass(frozen=True)
class Arm:
    """What to learn."""

    name: str
    rows: Rows
    """With the groups that the detectors are taught."""
    schema: Schema
    lesson: Lesson


@dataclass(frozen=True)
class Learnt:
    """What came of it."""

    arm: Arm
    fairnet: FairNet
    risk: Floats
    """``(rows, attributes)`` of all rows."""
    hinge_open: float | None
    choice: select.Choice


def arms(config: FitConfig, make_split: MakeSplit, material: Material, folder: Path) -> list[Arm]:
    """What the setting allows: the known attributes, or without any two kinds of pseudo-labels."""
    rows = detect.hide(material.rows, config.detector.share, config.seed)
    seen = replace(material, rows=rows)
    if config.detector.attributes_known == "none":
        return [_outlier(seen), _benefit(config, make_split, seen, folder)]
    rows, schema = with_shared_gate(rows, material.schema) if config.detector.shared else (rows, material.schema)
    return [Arm("attributes", rows, schema, Lesson(detect.members(rows, schema), rows.of("train"), rows.of(HELD)))]


def learn(
    arm: Arm, config: FitConfig, make_split: MakeSplit, material: Material, folder: Path
) -> tuple[FairNet, Floats, float | None]:
    """Detectors, calibration, adapters.

    Returns:
        The model, the risk of all rows ``(rows, attributes)``, and how often the contrastive hinge was open.
    """
    torch.manual_seed(config.seed)
    lora = config.correction
    fairnet = FairNet(make_split(), tuple(arm.schema.gated), config.detector.pooling, lora.rank, lora.alpha)
    own = replace(material, rows=arm.rows, schema=arm.schema)
    # The cut decides what is learnt, and it is not among the stages' own settings when it was chosen.
    key = fingerprint(asdict(config.detector), fairnet.split.layer)[:12]
    detect.learn(fairnet.detectors, own, arm.lesson, config.detector, folder / f"{arm.name}-detector-{key}")
    detect.calibrate(fairnet.detectors, own, detect.members(arm.rows, arm.schema))
    risk = detect.risks_of(fairnet.detectors, material.features, arm.rows.all())
    lowest = Cuts(risk, arm.lesson.known, arm.rows).thresholds((LEARN_LEVEL,) * risk.shape[1])
    lora_key = fingerprint(key, asdict(lora))[:12]
    hinge = correct.learn(
        fairnet.correction, own, risk >= np.array(lowest), lora, folder / f"{arm.name}-correction-{lora_key}"
    )
    return fairnet, risk, hinge


def best(config: FitConfig, make_split: MakeSplit, material: Material, folder: Path) -> Learnt:
    """Learn every arm that the setting allows, and take the best by validation rows; each gets its share of alpha."""
    found: list[Learnt] = []
    listed = arms(config, make_split, material, folder)
    stage = replace(config.correction, alpha_certificate=config.correction.alpha_certificate / len(listed))
    for arm in listed:
        fairnet, risk, hinge = learn(arm, config, make_split, material, folder)
        own = replace(material, rows=arm.rows, schema=arm.schema)
        choice = select.choose(fairnet.correction, own, risk, arm.lesson.known, stage)
        found.append(Learnt(arm, fairnet, risk, hinge, choice))
    chosen = max(found, key=lambda learnt: (learnt.choice.certified, learnt.choice.value))
    if len(found) > 1:
        values = ", ".join(f"{learnt.arm.name} {learnt.choice.value:.3f}" for learnt in found)
        say(f"no attribute is known; value on validation rows: {values}; chosen: {chosen.arm.name}")
    return chosen


def _outlier(material: Material) -> Arm:
    codes = pseudo_labels.outliers(material)
    rows = replace(material.rows, groups={**material.rows.groups, OUTLIER: codes})
    schema = replace(material.schema, gates={OUTLIER: ("typical", "outlying")})
    return Arm(OUTLIER, rows, schema, Lesson(codes[:, None], rows.of("train"), rows.of(HELD)))


def _benefit(config: FitConfig, make_split: MakeSplit, material: Material, folder: Path) -> Arm:
    found = pseudo_labels.benefit(make_split(), material, config.correction, folder / "benefit")
    rows = replace(material.rows, groups={**material.rows.groups, BENEFIT: found.mended})
    schema = replace(material.schema, gates={BENEFIT: ("as it is", "mended")})
    lesson = Lesson(found.mended[:, None], rows.of(HELD), rows.of(TUNE), found.weights[:, None])
    return Arm(BENEFIT, rows, schema, lesson)
