"""Write a bundle: export, prove parity, evaluate through the exported graph, hash, and only then put it in place."""

from __future__ import annotations

import importlib.metadata
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from models import bundle as bundles
from models.export import OPSET, PARITY_TOLERANCE, Parity, compare, to_onnx
from models.fairnet import FairNet
from models.inputs import collate
from models.manifest import PREPROCESS, Attribute, Certificate, Correction, Graph, Manifest, Provenance
from models.runtime import GATE_INPUTS, MODE_CODES, OUTPUTS, GraphRunner
from training.arms import Learnt
from training.base import Base, weights_hash
from training.config import FitConfig
from training.data import LEARNT, DataError, Rows, Schema
from training.evaluate import answer
from training.progress import say
from training.seal import Judged, seal
from training.select import Choice

Ints = NDArray[np.int64]
LIBRARIES = ("torch", "transformers", "peft", "onnx", "onnxruntime", "tokenizers", "numpy")
PARITY_ROWS = 320


@dataclass(frozen=True)
class Fitted:
    """All that the stages made."""

    config: FitConfig
    data_sha256: str
    base: Base
    learnt: Learnt
    probes: dict[int, float]
    """Lowest probe AUC per layer, where the layer was chosen by it."""

    @property
    def rows(self) -> Rows:
        """The data, with the groups that the detectors were taught."""
        return self.learnt.arm.rows

    @property
    def schema(self) -> Schema:
        """What its values mean."""
        return self.learnt.arm.schema

    @property
    def fairnet(self) -> FairNet:
        """The model."""
        return self.learnt.fairnet

    @property
    def choice(self) -> Choice:
        """Strength, thresholds, certificate."""
        return self.learnt.choice


def write(fitted: Fitted, out: Path) -> Path:
    """Write the bundle to ``out``, which must not exist.

    Raises:
        DataError: ``out`` exists.
        ParityError: torch and ONNX disagree.
    """
    if out.exists():
        raise DataError(f"{out} exists; remove it or choose another --out")
    draft = out.with_name(f".{out.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    say("exporting the graph")
    _write_model(fitted, draft)
    manifest = _manifest(fitted)
    runner = _runner(draft, manifest)
    parity = prove_parity(fitted, runner)
    say(f"parity over {parity.rows} rows: logits differ by at most {parity.max_logit_difference:.1e}")
    answers = {split: answer(runner, manifest, fitted.base.encoded, fitted.rows.of(split)) for split in ("val", "test")}
    seal(draft, out, manifest, Judged.of(answers, fitted.rows, fitted.schema))
    return out


def prove_parity(fitted: Fitted, runner: GraphRunner) -> Parity:
    """Compare torch and ONNX on validation rows, ragged, in apply and in shadow mode.

    Raises:
        ParityError: they differ beyond the tolerance.
    """
    chosen = fitted.rows.of("val")[:PARITY_ROWS]
    thresholds = torch.from_numpy(runner.thresholds)
    found = []
    for start in range(0, len(chosen), 32):
        batch = chosen[start : start + 32]
        arrays = collate([fitted.base.encoded[row] for row in batch], fitted.base.pad_id)
        for mode in (MODE_CODES["apply"], MODE_CODES["shadow"]):
            modes = np.full((len(batch), len(fitted.schema.gated)), mode)
            with torch.no_grad():
                tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
                expected = fitted.fairnet(tensors, thresholds, torch.from_numpy(modes))
            found.append(compare(expected, runner.run(arrays, modes), thresholds))
    parity = Parity(
        rows=len(chosen),
        max_logit_difference=max(p.max_logit_difference for p in found),
        max_risk_difference=max(p.max_risk_difference for p in found),
        decisions_outside_band=sum(p.decisions_outside_band for p in found),
    )
    parity.check()
    return parity


def _write_model(fitted: Fitted, draft: Path) -> None:
    for name in ("preprocess", "adapter", "evaluation"):
        (draft / name).mkdir(parents=True)
    graph = to_onnx(fitted.fairnet, fitted.config.weights, _sample(fitted))
    (draft / bundles.GRAPH).write_bytes(graph.SerializeToString())
    (draft / PREPROCESS[fitted.base.spec.kind]).write_bytes(fitted.base.preprocess)
    fitted.fairnet.correction.save(draft / "adapter", fitted.config.public_base)
    save_file(fitted.fairnet.detectors.state_dict(), draft / bundles.DETECTOR)


def _sample(fitted: Fitted) -> dict[str, torch.Tensor]:
    """Three rows as the base takes them."""
    arrays = collate([fitted.base.encoded[row] for row in fitted.rows.of("val")[:3]], fitted.base.pad_id)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _runner(draft: Path, manifest: Manifest) -> GraphRunner:
    """Run the graph before the manifest is final; the bytes are those just written."""
    return GraphRunner(bundles.Bundle(draft, manifest, "", (draft / bundles.GRAPH).read_bytes(), b"", b""))


def _manifest(fitted: Fitted) -> Manifest:
    """Complete but for what sealing adds: evaluation and hashes."""
    config, schema, split = fitted.config, fitted.schema, fitted.fairnet.split
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
        correction=Correction(
            layer=split.layer,
            layers=split.layers,
            pooling=config.detector.pooling,
            rank=config.correction.rank,
            alpha=config.correction.alpha,
            targets=list(split.family.targets),
        ),
        graph=Graph(
            opset=OPSET, weights=config.weights, inputs=[*_sample(fitted), *GATE_INPUTS], outputs=list(OUTPUTS)
        ),
        certified=fitted.choice.certified,
        certificate=_certificate(fitted),
        provenance=_provenance(fitted),
        evaluation={},
        files={},
    )


def _provenance(fitted: Fitted) -> Provenance:
    config = fitted.config
    settings = {name: value for name, value in config.as_dict().items() if name != "card"}
    return Provenance(
        evenhand=importlib.metadata.version("evenhand"),
        base=config.public_base,
        base_license=config.card.base_license,
        base_sha256=weights_hash(fitted.fairnet.split.model),
        data_sha256=fitted.data_sha256,
        rows={name: len(fitted.rows.of(name)) for name in (*LEARNT, "val", "test")},
        seed=config.seed,
        settings={
            **settings,
            "strength": fitted.choice.strength,
            "detector_taught": fitted.learnt.arm.name,
            "layer_probes": fitted.probes,
            "parity_tolerance": PARITY_TOLERANCE,
        },
        libraries=_versions(LIBRARIES),
    )


def _attributes(fitted: Fitted) -> list[Attribute]:
    found = []
    for index, (name, groups) in enumerate(fitted.schema.gated.items()):
        helps = fitted.choice.helps(index)
        found.append(
            Attribute(
                name=name,
                groups=list(groups),
                reference=groups[0],
                threshold=fitted.choice.thresholds[index],
                mode="apply" if helps else "off",
                why=_why(fitted, helps),
            )
        )
    return found


def _why(fitted: Fitted, helps: bool) -> str:
    """One sentence: why an attribute is corrected, or not."""
    stage, choice = fitted.config.correction, fitted.choice
    cost = f"{100 * stage.epsilon:g} points of overall accuracy"
    limit = f"at a cost of at most {100 * stage.cost:g} points of" if stage.cost else "without a loss of"
    limit += " overall accuracy there"
    if helps and choice.certified and choice.worst_cell:
        cell = "{} = {}, {}".format(*choice.worst_cell)
        return f"certified at level {stage.alpha_certificate:g}: costs at most {cost}, and the cell {cell} gains"
    if helps:
        return f"the best choice on held-out rows {limit}; not certified, as was asked for"
    if any(choice.helps(index) for index in range(len(choice.thresholds))):
        return "correcting for it was part of no better choice on held-out rows"
    if not choice.trials:
        return f"no setting did better on held-out rows {limit}"
    return f"no setting could be certified to cost at most {cost} and to raise the worst cell"


def _certificate(fitted: Fitted) -> Certificate:
    stage, plain = fitted.config.correction, fitted.choice.plain()
    return Certificate(epsilon=stage.epsilon, alpha=stage.alpha_certificate, rows=len(fitted.rows.of("val")), **plain)


def _versions(names: Sequence[str]) -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in names}
