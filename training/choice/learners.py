"""One way of correcting: what its detectors are taught to flag, learnt to the end. No labels: two to compare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evenhand.console import say
from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.fairnet import FairNet
from evenhand.training.choice import select
from evenhand.training.choice.candidates import Cuts, levels_of
from evenhand.training.correctors import named
from evenhand.training.correctors.interface import CorrectorInput
from evenhand.training.data.attributes import with_shared_gate
from evenhand.training.data.dataset import HELD, TUNE, DataError, Rows, Schema
from evenhand.training.learning import detection, pseudo_labels
from evenhand.training.learning.config import FitConfig, fingerprint
from evenhand.training.learning.detection import Lesson
from evenhand.training.learning.features import Material
from evenhand.typing import Float32s

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
class LearnerResult:
    """What came of it."""

    arm: Arm
    fairnet: FairNet
    risk: Float32s
    """``(rows, attributes)`` of all rows."""
    notes: dict[str, Any]
    """What whoever reads the log should know; plain values."""
    choice: select.Choice


def arms(config: FitConfig, make_split: MakeSplit, material: Material, folder: Path) -> list[Arm]:
    """What the setting allows: the known attributes, or without any two kinds of pseudo-labels.

    Raises:
        DataError: the base has learnt from every training row.
    """
    if not len(material.rows.of(HELD)):
        raise DataError(
            "no training row is held out from the base, and a correction learns on such rows alone: "
            "hold out a share above 0 (--hold-out)"
        )
    rows = detection.hide(material.rows, config.detector.share, config.seed)
    seen = replace(material, rows=rows)
    if config.detector.attributes_known == "none":
        return [_outlier(seen), _benefit(config, make_split, seen, folder)]
    rows, schema = (
        with_shared_gate(rows, material.schema) if config.detector.shared else (rows, material.schema)
    )
    return [
        Arm(
            "attributes",
            rows,
            schema,
            Lesson(detection.members(rows, schema), rows.of("train"), rows.of(HELD)),
        )
    ]


def learn(
    arm: Arm, config: FitConfig, make_split: MakeSplit, material: Material, folder: Path
) -> tuple[FairNet, Float32s, dict[str, Any]]:
    """Detectors, calibration, corrector.

    Returns:
        The model, the risk of all rows ``(rows, attributes)``, and what the corrector's method notes.
    """
    torch.manual_seed(config.seed)
    stage = config.correction
    method = named(stage.method)
    make = partial(method.make, config=stage)
    fairnet = FairNet(make_split(), tuple(arm.schema.gated), config.detector.pooling, make)
    own = replace(material, rows=arm.rows, schema=arm.schema)
    # The cut decides what is learnt, and it is not among the stages' own settings when it was chosen.
    key = fingerprint(asdict(config.detector), fairnet.split.layer)[:12]
    detection.learn(
        fairnet.detectors, own, arm.lesson, config.detector, folder / f"{arm.name}-detector-{key}"
    )
    detection.calibrate(fairnet.detectors, own, detection.members(arm.rows, arm.schema))
    risk = detection.risks_of(fairnet.detectors, material.features, arm.rows.all())
    lowest = Cuts(risk, arm.lesson.targets, arm.rows).thresholds((max(levels_of(stage)),) * risk.shape[1])
    place = folder / f"{arm.name}-correction-{fingerprint(key, asdict(stage))[:12]}"
    given = CorrectorInput(own, risk >= np.array(lowest), risk, arm.lesson.targets, stage, place)
    return fairnet, risk, method.learn(fairnet.correction, given)


def best(config: FitConfig, make_split: MakeSplit, material: Material, folder: Path) -> LearnerResult:
    """Learn every arm that the setting allows, and take the best by validation rows; each gets its share of alpha."""
    found: list[LearnerResult] = []
    listed = arms(config, make_split, material, folder)
    stage = replace(config.correction, alpha_certificate=config.correction.alpha_certificate / len(listed))
    for arm in listed:
        fairnet, risk, notes = learn(arm, config, make_split, material, folder)
        own = replace(material, rows=arm.rows, schema=arm.schema)
        if named(stage.method).chosen:
            choice = select.choose(fairnet.correction, own, risk, arm.lesson.targets, stage)
        else:
            choice = select.everything(Cuts(risk, arm.lesson.targets, arm.rows), max(levels_of(stage)))
        found.append(LearnerResult(arm, fairnet, risk, notes, choice))
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
