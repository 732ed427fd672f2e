"""Write the files that a bundle's engine runs, and prove that they answer as the model does.

They are an ONNX graph, or torch's files for a base that ONNX cannot take.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from evenhand.console import say
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.bundle import Bundle, BundleError
from evenhand.models.bundle.inputs import collate
from evenhand.models.bundle.manifest import PREPROCESS, Engine, Manifest
from evenhand.models.bundle.runner import Runner, make_runner
from evenhand.models.bundle.runtime_onnx import MODE_CODES
from evenhand.models.network.backbones import Inputs, as_inputs
from evenhand.models.network.parts import RUNS, save_base
from evenhand.models.onnx.torch_export import ExportError, Parity, ParityError, compare, to_onnx
from evenhand.training.data.dataset import DataError
from evenhand.training.fit.fitted import Fitted

PARITY_ROWS = 320


def write_model(
    fitted: Fitted, draft: Path, describe: Callable[[Engine], Manifest]
) -> tuple[Manifest, Runner]:
    """Write all files that answers need, for the engine in the settings.

    Args:
        fitted: What was learnt.
        draft: The bundle's empty folder.
        describe: The manifest, without evaluation and hashes, for an engine.

    Returns:
        The manifest, and a runner over the bytes that were written.

    Raises:
        DataError: ONNX cannot take the base, and the settings allow no other engine.
        ParityError: the torch engine and the model disagree.
    """
    for name in ("preprocess", "adapter", "evaluation"):
        (draft / name).mkdir(parents=True)
    (draft / PREPROCESS[fitted.base.spec.kind]).write_bytes(fitted.base.preprocess)
    fitted.fairnet.correction.save(draft / "adapter", fitted.config.public_base)
    save_file(fitted.fairnet.detectors.state_dict(), draft / bundles.DETECTOR)
    engine, only_graph = fitted.config.engine, fitted.config.correction.method not in RUNS
    if engine != "torch":
        try:
            return _onnx(fitted, draft, describe("onnx"))
        except (ExportError, BundleError, ParityError) as error:
            if engine == "onnx" or only_graph:
                method = " --method lora" if only_graph else ""
                raise DataError(
                    f"ONNX cannot take this base ({error}); fit with --engine torch{method}"
                ) from error
            (draft / bundles.GRAPH).unlink(missing_ok=True)
            say(
                f"ONNX cannot take this base ({error}); "
                "writing it for the torch engine, which serving then needs"
            )
    return _torch(fitted, draft, describe("torch"))


def sample(fitted: Fitted) -> Inputs:
    """Three rows as the base takes them."""
    arrays = collate([fitted.base.encoded[row] for row in fitted.rows.of("val")[:3]], fitted.base.pad_id)
    return as_inputs(arrays)


def _onnx(fitted: Fitted, draft: Path, manifest: Manifest) -> tuple[Manifest, Runner]:
    say("exporting the graph")
    content = to_onnx(fitted.fairnet, fitted.config.weights, sample(fitted)).SerializeToString()
    (draft / bundles.GRAPH).write_bytes(content)
    # The manifest is not final yet; the graph's bytes are those just written.
    return manifest, _proven(fitted, Bundle(draft, manifest, "", content, b"", b""))


def _torch(fitted: Fitted, draft: Path, manifest: Manifest) -> tuple[Manifest, Runner]:
    save_base(fitted.fairnet.split.model, draft, fitted.config.weights)
    # Adapters of attributes that nothing corrects are written too, for a later look.
    written = manifest.model_copy(update={"files": bundles.hash_files(draft)})
    parts = {name: (draft / name).read_bytes() for name in bundles.model_files(written)}
    return manifest, _proven(fitted, Bundle(draft, manifest, "", b"", b"", b"", parts))


def _proven(fitted: Fitted, bundle: Bundle) -> Runner:
    runner = make_runner(bundle)
    parity = prove_parity(fitted, runner)
    say(f"parity over {parity.rows} rows: logits differ by at most {parity.max_logit_difference:.1e}")
    return runner


def prove_parity(fitted: Fitted, runner: Runner) -> Parity:
    """Compare the model and what runs the bundle on validation rows, ragged, in apply and in shadow mode.

    Raises:
        ParityError: they differ beyond the tolerance, or the runner cannot run a batch.
    """
    chosen = fitted.rows.of("val")[:PARITY_ROWS]
    thresholds = torch.from_numpy(runner.thresholds)
    parities = []
    for start in range(0, len(chosen), 32):
        batch = chosen[start : start + 32]
        arrays = collate([fitted.base.encoded[row] for row in batch], fitted.base.pad_id)
        for mode in (MODE_CODES["apply"], MODE_CODES["shadow"]):
            modes = np.full((len(batch), len(fitted.schema.gated)), mode)
            with torch.no_grad():
                expected = fitted.fairnet(as_inputs(arrays), thresholds, torch.from_numpy(modes))
            try:
                answers = runner.run(arrays, modes)
            except Exception as error:  # ONNX Runtime's errors share no public base class
                # The exporter may have fixed a dimension to its size in the sample.
                raise ParityError("what was exported does not run on every batch") from error
            parities.append(compare(expected, answers, thresholds))
    parity = Parity(
        rows=len(chosen),
        max_logit_difference=max(p.max_logit_difference for p in parities),
        max_risk_difference=max(p.max_risk_difference for p in parities),
        decisions_outside_band=sum(p.decisions_outside_band for p in parities),
    )
    parity.check()
    return parity
