"""The four stages in order: base, detectors, prototypes and conditional LoRA, then choice and packaging."""

from __future__ import annotations

import warnings
from dataclasses import asdict
from pathlib import Path

import torch
import transformers

from models.backbones import SplitModel
from models.fairnet import FairNet
from models.inputs import Encoded
from training import base, correct, detect, package, select
from training.config import FitConfig, fingerprint
from training.data import HELD, SPLITS, DataError, Rows, Schema, hold_out
from training.features import Features, Material, extract
from training.progress import say


def run(config: FitConfig, rows: Rows, schema: Schema, data_sha256: str, out: Path, work: Path) -> Path:
    """Fit and write a bundle.

    Args:
        config: Everything that decides the result.
        rows: The data.
        schema: What its values mean.
        data_sha256: Hash of the data file, for provenance.
        out: The bundle's folder; must not exist.
        work: Where checkpoints lie. Run again with the same settings to take up where it stopped.

    Returns:
        ``out``.

    Raises:
        DataError: the base or the data cannot be used.
        ParityError: the exported graph does not hold.
    """
    if out.exists():
        raise DataError(f"{out} exists; remove it or choose another --out")
    rows = hold_out(rows, config.base_stage.hold_out, config.seed)
    _announce(rows, schema)
    torch.use_deterministic_algorithms(True)
    # Neither library's notes help whoever fits: new heads are meant to be new, and the rest is for its developers.
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    base_key = fingerprint(asdict(config.base_stage), config.base, config.seed, config.columns, data_sha256)
    prepared, rows, schema = base.prepare(config, rows, schema, work / f"base-{base_key[:12]}")
    torch.manual_seed(config.seed)
    fairnet = FairNet(
        _split(prepared.model, config),
        schema.attributes,
        config.detector.pooling,
        config.correction.rank,
        config.correction.alpha,
    )
    features = _features(fairnet.split, prepared.encoded, prepared.spec.pad_id, work)
    key = fingerprint(base_key, base.weights_hash(fairnet.split.model), asdict(config.detector))
    known = detect.known_members(rows, schema, config.detector.known, config.seed)
    material = Material(features, rows, schema, config.seed)
    detect.learn(fairnet.detectors, material, known, config.detector, work / f"detector-{key[:12]}")
    detect.calibrate(fairnet.detectors, material, known)
    choice = _correct(config, fairnet, material, work / f"correction-{key[:12]}")
    fitted = package.Fitted(config, rows, schema, data_sha256, prepared, fairnet, choice)
    return package.write(fitted, out)


def _correct(config: FitConfig, fairnet: FairNet, material: Material, folder: Path) -> select.Choice:
    """Learn the adapters, then choose their strength and the thresholds."""
    stage = config.correction
    risk = detect.risks_of(fairnet.detectors, material.features, material.rows.all())
    own = folder.with_name(f"{folder.name}-{fingerprint(asdict(stage))[:12]}")
    report = correct.learn(fairnet.correction, material, risk >= stage.gate_from, stage, own)
    if report["hinge_open"] is not None:
        say(f"the contrastive hinge was open for {100 * report['hinge_open']:.0f} % of anchors in the last epoch")
    choice = select.choose(fairnet.correction, material, risk, stage)
    fairnet.correction.fold_strength(choice.strength)
    return choice


def _split(model: torch.nn.Module, config: FitConfig) -> SplitModel:
    """Cut in the middle unless told otherwise: FairNet corrects the later half of the blocks."""
    blocks = int(model.config.num_hidden_layers)  # type: ignore[union-attr, arg-type]
    return SplitModel(model, config.detector.layer if config.detector.layer is not None else blocks // 2)


def _features(split: SplitModel, encoded: list[Encoded], pad_id: int, work: Path) -> Features:
    file = work / "hidden.npy"
    tokens = sum(row.tokens for row in encoded)
    gigabytes = tokens * split.hidden_size * 4 / 1e9
    say(f"hidden states of {len(encoded)} rows take {gigabytes:.1f} GB in {file}")
    return extract(split, encoded, pad_id, file)


def _announce(rows: Rows, schema: Schema) -> None:
    counts = ", ".join(f"{split} {len(rows.of(split))}" for split in (*SPLITS, HELD))
    say(f"rows: {counts}; labels {', '.join(schema.labels)} (favourable: {', '.join(schema.favourable)})")
    for name, groups in schema.groups.items():
        unknown = int((rows.groups[name] < 0).sum())
        say(f"attribute {name}: reference {groups[0]}; others {', '.join(groups[1:])}; {unknown} rows unknown")
