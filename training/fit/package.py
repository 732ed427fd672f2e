"""Write a bundle: export, prove parity, evaluate the exported graph, hash all files, then put it in place."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import (
    Attribute,
    Certificate,
    Correction,
    Engine,
    Graph,
    Manifest,
    Provenance,
)
from evenhand.models.bundle.runner import Runner
from evenhand.models.bundle.runtime_onnx import GATE_INPUTS, OUTPUTS
from evenhand.models.network.gated_lora import ConditionalLora
from evenhand.models.onnx.torch_export import OPSET, PARITY_TOLERANCE
from evenhand.training.choice.aim import corrected_columns
from evenhand.training.data.dataset import LEARNT, DataError, draft_of, refuse_existing
from evenhand.training.data.fit_split import split_file
from evenhand.training.evaluation.bundle_score import answer
from evenhand.training.fit import graph_files
from evenhand.training.fit.batch_invariance import check_batch_invariance
from evenhand.training.fit.data_card import described_columns
from evenhand.training.fit.finalize import SplitScores, finalize
from evenhand.training.fit.fitted import Fitted
from evenhand.training.learning.base_model import weights_hash
from evenhand.training.learning.box_base import BoxBase

BATCH_CHECK_ROWS = 64
LIBRARIES = ("torch", "transformers", "peft", "onnx", "onnxruntime", "tokenizers", "numpy")
CONVERTERS = ("scikit-learn", "skl2onnx", "onnxmltools")


def write(fitted: Fitted, out: Path) -> Path:
    """Write the bundle to ``out``, which must not exist.

    Raises:
        DataError: ``out`` exists, ONNX cannot take the base and the settings allow no other engine, or an
            answer depends on its batch.
        ParityError: what was written does not answer as the model does.
    """
    refuse_existing(out)
    draft = draft_of(out)
    manifest, runner = graph_files.write_model(fitted, draft, lambda engine: _manifest(fitted, engine))
    _check_batches(fitted, manifest, runner)
    (draft / bundles.SPLIT).write_bytes(split_file(fitted.rows))
    answers = {
        split: answer(runner, manifest, fitted.base.encoded, fitted.rows.of(split))
        for split in ("val", "test")
    }
    finalize(draft, out, manifest, SplitScores.of(answers, fitted.rows, fitted.schema, manifest.target))
    return out


def _check_batches(fitted: Fitted, manifest: Manifest, runner: Runner) -> None:
    """Refuse a bundle whose answer to a row depends on the rows of its batch.

    Raises:
        DataError: it does.
    """
    chosen = [fitted.base.encoded[row] for row in fitted.rows.of("val")[:BATCH_CHECK_ROWS]]
    invariance = check_batch_invariance(runner, manifest, chosen)
    if not invariance.difference <= PARITY_TOLERANCE:
        raise DataError(
            f"not written: a row's answer depends on its batch; over {invariance.rows} rows scores "
            f"differ by up to {invariance.difference:.1e}, more than {PARITY_TOLERANCE:.0e}"
        )


def _manifest(fitted: Fitted, engine: Engine) -> Manifest:
    """The manifest without evaluation and hashes, which the last steps add."""
    config, schema = fitted.config, fitted.schema
    words = config.card
    return Manifest(
        schema_version=1,
        name=config.name,
        version=config.version,
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        task=fitted.base.spec.kind,
        description=words.description,
        intended_use=words.intended_use,
        out_of_scope=words.out_of_scope,
        labels=list(schema.labels),
        favourable=list(schema.favourable),
        input=fitted.base.spec,
        attributes=_attributes(fitted),
        correction=_correction(fitted),
        target=fitted.choice.target,
        graph=Graph(
            engine=engine,
            opset=OPSET if engine == "onnx" else None,
            weights=config.weights,
            inputs=[*graph_files.sample(fitted), *GATE_INPUTS],
            outputs=list(OUTPUTS),
        ),
        certified=fitted.choice.certified,
        certificate=_certificate(fitted),
        provenance=_provenance(fitted),
        evaluation={},
        files={},
    )


def _correction(fitted: Fitted) -> Correction:
    stage, fairnet = fitted.config.correction, fitted.fairnet
    split, method = fairnet.split, fairnet.correction.method
    adapts = method == ConditionalLora.method
    return Correction(
        method=method,
        layer=split.layer,
        layers=split.layers,
        pooling=fitted.config.detector.pooling,
        rank=stage.rank if adapts else 0,
        alpha=stage.alpha if adapts else 0,
        targets=list(split.family.targets) if adapts else [],
        soft=fairnet.soft,
        offsets=_offsets(fitted) if fairnet.decision.active else None,
    )


def _offsets(fitted: Fitted) -> dict[str, dict[str, float]]:
    """The decision stage by attribute and label."""
    return {
        name: dict(zip(fitted.schema.labels, of, strict=True))
        for name, of in zip(fitted.schema.gated, fitted.choice.setting.offsets, strict=True)
    }


def _provenance(fitted: Fitted) -> Provenance:
    config = fitted.config
    settings = {name: value for name, value in config.as_dict().items() if name != "card"}
    if isinstance(fitted.base, BoxBase):
        settings["box"] |= fitted.base.proof
    return Provenance(
        evenhand=importlib.metadata.version("evenhand"),
        base=config.public_base,
        base_license=config.card.base_license,
        base_sha256=weights_hash(fitted.fairnet.split.model),
        data_sha256=fitted.data_sha256,
        rows={name: len(fitted.rows.of(name)) for name in (*LEARNT, "val", "test")},
        left_out=fitted.rows.left_out,
        notes=list(fitted.schema.notes),
        columns=described_columns(fitted.schema),
        seed=config.seed,
        settings={
            **settings,
            "strength": fitted.choice.strength,
            "detector_taught": fitted.learnt.learner.name,
            "layer_probes": fitted.probes,
            "parity_tolerance": PARITY_TOLERANCE,
        },
        libraries=_versions([*LIBRARIES, *(CONVERTERS if config.box else ())]),
    )


def _attributes(fitted: Fitted) -> list[Attribute]:
    attributes = []
    for index, (name, groups) in enumerate(fitted.schema.gated.items()):
        bound = _abstain_below(fitted, index)
        corrects = fitted.choice.helps(index) and not fitted.only_counts
        attributes.append(
            Attribute(
                name=name,
                groups=list(groups),
                reference=groups[0],
                threshold=fitted.choice.flags_from(index),
                mode="apply" if corrects else "off",
                corrects=corrects,
                why=_why(fitted, index, bound is not None),
                abstain_below=bound,
                ranges=list(fitted.config.columns.ranges.get(name, ())),
            )
        )
    return attributes


def _abstain_below(fitted: Fitted, attribute: int) -> float | None:
    """The abstention bound of an attribute; ``None`` where abstaining gains nothing."""
    bounds = fitted.fairnet.correction.abstain_below
    return bounds[attribute] if bounds and bounds[attribute] else None


def _why(fitted: Fitted, attribute: int, abstains: bool) -> str:
    """One sentence: why an attribute is corrected, or not."""
    stage, choice = fitted.config.correction, fitted.choice
    helps = choice.helps(attribute)
    if fitted.only_counts:
        retraining = fitted.config.retraining
        trained = f"; the base was trained by the method {retraining}" if retraining else ""
        return f"nothing is corrected at inference, flagged rows are counted only{trained}"
    if stage.method == "abstain" and abstains:
        return "flagged rows whose answer is less probable than the bound get no decision"
    if stage.method == "abstain":
        return "no bound makes flagged rows right as often as the others and leaves half of them answered"
    said = choice.target.in_words()
    if not corrected_columns(fitted.schema, choice.target)[attribute]:
        return f"the target does not name it, so flagged rows are counted and none is corrected: {said}"
    if helps and choice.certified:
        return f"certified at level {stage.alpha_certificate:g} for its target: {said}"
    if helps:
        return f"the best choice on held-out rows for its target, not certified, as was asked for: {said}"
    if any(choice.helps(index) for index in range(len(choice.thresholds))):
        return "correcting for it was part of no better choice on held-out rows"
    if choice.refusal:
        return f"not certified. {'; '.join(choice.refusal)}"
    return f"no setting did better on held-out rows within its limits: {said}"


def _certificate(fitted: Fitted) -> Certificate | None:
    if not fitted.config.correction.require_certificate:
        return None
    return Certificate(alpha=fitted.config.correction.alpha_certificate, **fitted.choice.plain())


def _versions(names: Sequence[str]) -> dict[str, str]:
    versions = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # a converter that was not needed
            versions[name] = importlib.metadata.version(name)
    return versions
