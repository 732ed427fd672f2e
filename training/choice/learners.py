"""A learner: what the detectors are taught to flag, with a corrector. Without labels three are compared."""

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
from evenhand.training.choice.aim import corrected_columns, target_of
from evenhand.training.choice.candidates import Cuts, learnt_level
from evenhand.training.correctors import named
from evenhand.training.correctors.interface import CorrectorInput, CorrectorMethod
from evenhand.training.data.attributes import with_shared_gate
from evenhand.training.data.dataset import HELD, TUNE, UNKNOWN, DataError, Rows, Schema
from evenhand.training.learning import detection, pseudo_labels
from evenhand.training.learning.config import FitConfig, TargetConfig, fingerprint
from evenhand.training.learning.detection import Lesson
from evenhand.training.learning.features import Material
from evenhand.typing import Float32s, Ints

MakeSplit = Callable[[], SplitModel]
"""A fresh cut of the frozen base; each learner puts adapters of its own into one."""

OUTLIER, BENEFIT, ERROR = "outlier", "benefit", "error"


@dataclass(frozen=True)
class Learner:
    """What the detectors learn to flag, and on which rows."""

    name: str
    rows: Rows
    """With the groups that the detectors are taught."""
    schema: Schema
    lesson: Lesson


@dataclass(frozen=True)
class LearnerResult:
    """A fitted learner, and the setting chosen for it."""

    learner: Learner
    fairnet: FairNet
    risk: Float32s
    """``(rows, attributes)`` of all rows."""
    notes: dict[str, Any]
    """Notes for the log; plain values."""
    choice: select.Choice


def learners_of(config: FitConfig, make_split: MakeSplit, material: Material, folder: Path) -> list[Learner]:
    """What the setting allows: the known attributes, or without any three kinds of pseudo-labels.

    Behind a model file there are two: adapters need layers.

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
        if config.box is not None:
            say("a model file has no layers: rows that adapters would mend are not learnt, the other two are")
            return [_outlier(seen), _errors(seen)]
        return [_outlier(seen), _benefit(config, make_split, seen, folder), _errors(seen)]
    rows, schema = (
        with_shared_gate(rows, material.schema) if config.detector.shared else (rows, material.schema)
    )
    return [
        Learner(
            "attributes",
            rows,
            schema,
            Lesson(detection.members(rows, schema), rows.of("train"), rows.of(HELD)),
        )
    ]


def learn(
    learner: Learner, config: FitConfig, make_split: MakeSplit, material: Material, folder: Path
) -> tuple[FairNet, Float32s, dict[str, Any]]:
    """Detectors, calibration, corrector.

    Returns:
        The model, the risk of all rows ``(rows, attributes)``, and what the corrector's method notes.
    """
    torch.manual_seed(config.seed)
    stage = config.correction
    method = named(stage.method)
    make = partial(method.make, config=stage)
    fairnet = FairNet(make_split(), tuple(learner.schema.gated), config.detector.pooling, make)
    fairnet.soft = method.soft
    corrected = corrected_columns(learner.schema, target_of(learner.schema, stage))
    fairnet.correction.keep([name for name, kept in zip(fairnet.attributes, corrected, strict=True) if kept])
    own = replace(material, rows=learner.rows, schema=learner.schema)
    # The cut decides what is learnt; where it was chosen automatically, no stage's settings hold it.
    key = fingerprint(asdict(config.detector), fairnet.split.layer)[:12]
    detection.learn(
        fairnet.detectors, own, learner.lesson, config.detector, folder / f"{learner.name}-detector-{key}"
    )
    unseen = np.setdiff1d(learner.rows.of(HELD, TUNE), learner.lesson.learn)
    detection.calibrate(fairnet.detectors, own, detection.members(learner.rows, learner.schema), unseen)
    risk = detection.risks_of(fairnet.detectors, material.features, learner.rows.all())
    lowest = Cuts(risk, learner.lesson.targets, learner.rows).thresholds(
        (learnt_level(stage, method.decides),) * risk.shape[1]
    )
    gates = (risk >= np.array(lowest)) & corrected
    # Of the target only the attributes matter for what is learnt, so another one finds it in its place.
    learnt_by = replace(stage, target=TargetConfig(), require_certificate=True, alpha_certificate=0.05)
    learnt_key = fingerprint(key, asdict(learnt_by), corrected.tolist())[:12]
    place = folder / f"{learner.name}-correction-{learnt_key}"
    inputs = CorrectorInput(own, gates, risk, learner.lesson.targets, stage, place)
    return fairnet, risk, method.learn(fairnet.correction, inputs)


def best(config: FitConfig, make_split: MakeSplit, material: Material, folder: Path) -> LearnerResult:
    """Fit every learner that the setting allows; rows that order say which is the most promising."""
    candidates: list[_Candidate] = []
    stage, method = config.correction, named(config.correction.method)
    for learner in learners_of(config, make_split, material, folder):
        fairnet, risk, notes = learn(learner, config, make_split, material, folder)
        own = replace(material, rows=learner.rows, schema=learner.schema)
        learnt = select.LearntCorrector(
            fairnet.correction, method, risk, learner.lesson.targets, fresh_rows(learner, method)
        )
        prepared = select.prepare(learnt, own, stage) if method.chosen else None
        candidates.append(_Candidate(learner, fairnet, risk, notes, prepared))
    taken = candidates[0]
    if len(candidates) > 1:
        promises = [0.0 if each.prepared is None else each.prepared.promise() for each in candidates]
        taken = candidates[int(np.argmax(promises))]
        values = ", ".join(
            f"{each.learner.name} {promise:.3f}" for each, promise in zip(candidates, promises, strict=True)
        )
        say(f"no attribute is known; value on the rows that order: {values}; chosen: {taken.learner.name}")
    if taken.prepared is None:
        cuts = Cuts(taken.risk, taken.learner.lesson.targets, taken.learner.rows)
        own = replace(material, rows=taken.learner.rows, schema=taken.learner.schema)
        choice = select.everything(cuts, learnt_level(stage, method.decides), own, stage)
    else:
        choice = select.choose(taken.prepared)
    return LearnerResult(taken.learner, taken.fairnet, taken.risk, taken.notes, choice)


def fresh_rows(learner: Learner, method: CorrectorMethod) -> Ints:
    """Training rows that neither base nor detectors nor corrector learnt from."""
    fresh = learner.rows.of(TUNE) if method.learns else learner.rows.of(HELD, TUNE)
    return np.setdiff1d(fresh, learner.lesson.learn)


@dataclass(frozen=True)
class _Candidate:
    """A fitted learner that nothing is chosen for yet."""

    learner: Learner
    fairnet: FairNet
    risk: Float32s
    notes: dict[str, Any]
    prepared: select.Prepared | None
    """``None`` for a method without a choice."""


def _errors(material: Material) -> Learner:
    """Teach the base's own errors on held-out rows: they need no attribute."""
    wrong = (material.features.base_logits.argmax(axis=1) != material.rows.labels).astype(np.int64)
    held = np.isin(material.rows.all(), material.rows.of(HELD, TUNE))
    codes = np.where(held, wrong, UNKNOWN)
    rows = replace(material.rows, groups={**material.rows.groups, ERROR: codes})
    schema = replace(material.schema, gates={ERROR: ("right", "wrong")})
    return Learner(ERROR, rows, schema, Lesson(codes[:, None], rows.of(HELD), rows.of(TUNE)))


def _outlier(material: Material) -> Learner:
    codes = pseudo_labels.outliers(material)
    rows = replace(material.rows, groups={**material.rows.groups, OUTLIER: codes})
    schema = replace(material.schema, gates={OUTLIER: ("typical", "outlying")})
    return Learner(OUTLIER, rows, schema, Lesson(codes[:, None], rows.of("train"), rows.of(HELD)))


def _benefit(config: FitConfig, make_split: MakeSplit, material: Material, folder: Path) -> Learner:
    labels = pseudo_labels.benefit(make_split(), material, config.correction, folder / "benefit")
    rows = replace(material.rows, groups={**material.rows.groups, BENEFIT: labels.mended})
    schema = replace(material.schema, gates={BENEFIT: ("as it is", "mended")})
    lesson = Lesson(labels.mended[:, None], rows.of(HELD), rows.of(TUNE), labels.weights[:, None])
    return Learner(BENEFIT, rows, schema, lesson)
