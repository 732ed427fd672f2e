"""The four stages in order: base, detectors, prototypes and conditional LoRA, then choice and packaging."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import transformers

from evenhand.console import say
from evenhand.models.network.backbones import SplitModel, block_count
from evenhand.models.network.black_box import BoxSplit
from evenhand.models.network.decision import OffsetsAlone
from evenhand.models.network.fairnet import FairNet
from evenhand.training.boxes.box import Box
from evenhand.training.choice import learners
from evenhand.training.choice.aim import refuse_uncounted, target_of
from evenhand.training.choice.select import Choice
from evenhand.training.data.attributes import with_intersections
from evenhand.training.data.dataset import LEARNT, DataError, Rows, Schema, hold_out, refuse_existing
from evenhand.training.fit import package
from evenhand.training.fit.data_card import data_in_words
from evenhand.training.fit.fitted import Fitted
from evenhand.training.fit.method_options import check, retrained
from evenhand.training.learning import base_model, box_base, detection, distributed
from evenhand.training.learning.config import FitConfig, fingerprint
from evenhand.training.learning.features import Features, Material, extract
from evenhand.training.learning.layers import choose_layer


def run(config: FitConfig, rows: Rows, schema: Schema, data_sha256: str, out: Path, work: Path) -> Path:
    """Fit and write a bundle.

    Args:
        config: Everything that decides the result.
        rows: The data.
        schema: The meaning of its values.
        data_sha256: Hash of the data file, for provenance.
        out: The bundle's folder; must not exist.
        work: Folder of checkpoints; a second run with the same settings resumes there.

    Returns:
        ``out``.

    Raises:
        DataError: the base or the data cannot be used.
        ParityError: what was written does not answer as the model does.
    """
    rows = hold_out(rows, config.base_stage.hold_out, config.seed)
    box = box_base.read_box(config) if config.box else None
    return run_held_out(config, FitData(rows, schema, data_sha256), box, out, work)


@dataclass(frozen=True)
class FitData:
    """What a fit learns from."""

    rows: Rows
    """With rows held out from the base."""
    schema: Schema
    """The meaning of their values."""
    sha256: str
    """Of the data, for provenance."""


def run_held_out(config: FitConfig, data: FitData, box: Box | None, out: Path, work: Path) -> Path:
    """:func:`run` with rows that are held out already, and a fitted model from anywhere as the base.

    Args:
        config: Everything that decides the result.
        data: The data.
        box: The model where the settings have a box.
        out: The bundle's folder; must not exist.
        work: Folder of checkpoints.

    Raises:
        DataError: as :func:`run`.
        ParityError: as :func:`run`.
    """
    rows, schema = data.rows, data.schema
    refuse_existing(out)
    if not schema.groups and config.detector.attributes_known != "none":
        raise DataError(
            "no attribute is named: give --attribute, or --attributes-known none to learn without any"
        )
    check(config)
    evaluated = with_intersections(rows, schema, config.columns.intersections)[1]
    refuse_uncounted(evaluated, target_of(evaluated, config.correction))
    _announce(rows, schema)
    distributed.deterministic()
    # The libraries' warnings do not help a user: new heads are intended, the rest is for developers.
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    base_key = base_model.key_of(config, rows, data.sha256)
    own = work / f"base-{base_key[:12]}"
    prepared, rows, schema = (
        base_model.prepare(config, rows, schema, own)
        if box is None
        else box_base.prepare(config, box, rows, schema)
    )
    rows, schema = with_intersections(rows, schema, config.columns.intersections)
    prepared = retrained(config, prepared, rows, schema, own)
    layer, probes = (0, {}) if config.box else _layer(config, prepared, rows, schema, work)
    split = prepared.cut(layer)
    key = fingerprint(base_key, base_model.weights_hash(split.model))
    features = _features(split, prepared, work, fingerprint(key, layer))
    material = Material(features, rows, schema, config.seed)
    learnt = learners.best(config, lambda: prepared.cut(layer), material, work / f"correction-{key[:12]}")
    for what, value in learnt.notes.items():
        say(f"{what}: {value}")
    settle(learnt.fairnet, learnt.choice)
    if distributed.is_main():
        learnt.fairnet.cpu()
        package.write(Fitted(config, data.sha256, prepared, learnt, probes), out)
    distributed.wait()
    return out


def settle(fairnet: FairNet, choice: Choice) -> None:
    """Make the chosen strength and offsets part of the model; a first stage of strength 0 leaves it."""
    if choice.strength == 0.0 and any(choice.setting.levels):
        fairnet.correction, fairnet.soft = OffsetsAlone(fairnet.split), False
    else:
        fairnet.correction.keep([name for at, name in enumerate(fairnet.attributes) if choice.helps(at)])
        fairnet.correction.fold_strength(choice.strength or 1.0)
    fairnet.decision.set(choice.setting.offsets)


def _layer(
    config: FitConfig, prepared: base_model.Base, rows: Rows, schema: Schema, work: Path
) -> tuple[int, dict[int, float]]:
    """The first corrected block, and the probes' AUC by layer where ``auto`` chooses it by them.

    By default it is the middle: FairNet corrects the later half of the blocks.
    """
    layer = config.detector.layer
    if layer is None:
        return block_count(prepared.model) // 2, {}
    if layer != "auto":
        return layer, {}
    if config.detector.attributes_known == "none":
        raise DataError(
            "--layer auto needs known attributes to tell layers apart; give a number, or leave it out"
        )
    members = detection.members(detection.hide(rows, config.detector.share, config.seed), schema)
    return choose_layer(prepared, rows, members, config.seed, work)


def _features(split: SplitModel, prepared: base_model.Base, work: Path, key: str) -> Features:
    file = work / "hidden.npy"
    alone = isinstance(split, BoxSplit)
    positions = len(prepared.encoded) if alone else sum(row.tokens for row in prepared.encoded)
    gigabytes = positions * split.hidden_size * 4 / 1e9
    what = "vectors" if alone else "hidden states"
    say(f"{what} of {len(prepared.encoded)} rows take {gigabytes:.1f} GB in {file}")
    return extract(split, prepared.encoded, prepared.pad_id, file, key)


def _announce(rows: Rows, schema: Schema) -> None:
    for line in data_in_words(rows, schema):
        say(line)
    if distributed.count() > 1 or distributed.device().type != "cpu":
        say(f"learning on {distributed.count()} x {distributed.device().type}")
    counts = ", ".join(f"{split} {len(rows.of(split))}" for split in (*LEARNT, "val", "test"))
    say(f"rows: {counts}; labels {', '.join(schema.labels)} (favourable: {', '.join(schema.favourable)})")
    for name, groups in schema.groups.items():
        unknown = int((rows.groups[name] < 0).sum())
        say(
            f"attribute {name}: reference {groups[0]}; others {', '.join(groups[1:])}; {unknown} rows unknown"
        )
