"""``evenhand export`` in order: convert weights, evaluate both bundles on the same rows, refuse or write."""

from __future__ import annotations

import importlib.metadata
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from evenhand.console import say
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.bundle import Bundle
from evenhand.models.bundle.manifest import Attribute, Manifest
from evenhand.models.bundle.runtime_onnx import GraphRunner
from evenhand.models.onnx.quantize import Precision, convert_weights
from evenhand.tables.read import read_table
from evenhand.training.data.dataset import DataError, draft_of, refuse_existing
from evenhand.training.data.select_rows import RowSelection, SelectedRows, select_rows
from evenhand.training.evaluation.bundle_score import Answers, answer
from evenhand.training.evaluation.table_evaluation import refused_in_words
from evenhand.training.fit.batch_invariance import TOLERANCE, BatchInvariance, check_batch_invariance
from evenhand.training.fit.finalize import SplitScores, finalize

KINDS = {"base": "base", "final": "corrected"}
MADE_ANEW = (bundles.GRAPH, bundles.REFERENCE, bundles.CARD)


@dataclass(frozen=True)
class ConvertedBundle:
    """A bundle with lower precision and the original, both evaluated on the same rows."""

    original: Bundle
    bundle: Bundle
    """The new bundle in memory; its manifest lacks evaluation and hashes."""
    before: SplitScores
    after: SplitScores
    invariance: BatchInvariance
    tolerance: float
    split: str
    """Name of the rows in the evaluation."""

    def value(self, scores: SplitScores, figure: str, kind: str) -> float | None:
        """``accuracy`` or ``worst_cell`` of the ``base`` or ``final`` answer."""
        rate = scores.figures[self.split][figure][kind]
        value: float | None = rate if rate is None else rate.get("accuracy", rate)["value"]
        return value

    def reasons(self) -> list[str]:
        """Why the bundle must not be written; empty if it may."""
        reasons = []
        for figure, words in (("accuracy", "accuracy"), ("worst_cell", "the worst cell")):
            for kind, name in KINDS.items():
                before, after = (self.value(scores, figure, kind) for scores in (self.before, self.after))
                # 1e-9 allows for the rounding of floats.
                if before is not None and after is not None and before - after > self.tolerance + 1e-9:
                    fall, limit = 100 * (before - after), 100 * self.tolerance
                    reasons.append(f"{words} ({name}) falls by {fall:.2f} points, more than {limit:g}")
        if not self.invariance.holds:
            reasons.append(
                "a row's answer depends on its batch: scores differ by up to "
                f"{self.invariance.difference:.1e}, more than {TOLERANCE:.0e}"
            )
        return reasons

    def changed(self) -> dict[str, int]:
        """Decisions that differ from the original's, by kind."""
        before, after = self.before.answers[self.split], self.after.answers[self.split]
        return {
            **{kind: int((getattr(before, kind) != getattr(after, kind)).sum()) for kind in KINDS},
            "flagged": int((before.flagged != after.flagged).sum()),
        }


def prepare(
    path: Path, data: str | Path, precision: Precision, selection: RowSelection, tolerance: float
) -> ConvertedBundle:
    """Convert a bundle's weights and evaluate the result and the original; writes nothing.

    Raises:
        BundleError: the bundle cannot be verified or does not run here.
        DataError: the table cannot be used, the bundle has no ONNX graph, or its weights are converted
            already.
    """
    original = bundles.load(path)
    if original.manifest.graph.engine != "onnx":
        raise DataError(
            f"{path}: the torch engine runs it; lower precision is for bundles with an ONNX graph"
        )
    stored = original.manifest.graph.weights
    if stored not in ("float32", "float16"):
        raise DataError(
            f"{path}: its weights are {stored}; export {precision} from a bundle that stores more"
        )
    table = read_table(data)
    say(f"{table.name}: {table.total} rows; encoding those to evaluate")
    selected = select_rows(table, original, selection)
    if selected.absent:
        raise DataError(
            f"{table.name}: no column {', '.join(selected.absent)}; every attribute's cells must be compared"
        )
    say(f"evaluating {len(selected.rows)} rows; {refused_in_words(selected.refused)}")
    split = "+".join(selected.selection.only) or "rows"
    before, _ = _score(original, selected, split)
    if before.figures[split]["worst_cell"]["base"] is None:
        raise DataError(
            f"{table.name}: no cell has {before.figures[split]['min_cell_rows']} rows; give more rows"
        )
    say(f"storing weights as {precision}")
    graph = convert_weights(onnx.load_model_from_string(original.graph), precision).SerializeToString()
    note = {"tolerance": tolerance, "data_sha256": table.sha256, "rows": len(selected.rows), "split": split}
    bundle = replace(original, graph=graph, manifest=_manifest(original, precision, note))
    after, runner = _score(bundle, selected, split)
    invariance = check_batch_invariance(runner, original.manifest, selected.encoded)
    return ConvertedBundle(original, bundle, before, after, invariance, tolerance, split)


def write(converted: ConvertedBundle, out: Path) -> None:
    """Write the bundle next to ``out`` and rename it at the end.

    Raises:
        DataError: ``out`` exists, or there is a reason not to write.
    """
    refuse_existing(out)
    if reasons := converted.reasons():
        raise DataError(f"not written: {'; '.join(reasons)}")
    draft = draft_of(out)
    for name in converted.original.manifest.files:
        if name == bundles.SPLIT or (name not in MADE_ANEW and not name.startswith("evaluation/")):
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(converted.original.path / name, draft / name)
    (draft / bundles.GRAPH).write_bytes(converted.bundle.graph)
    finalize(draft, out, converted.bundle.manifest, converted.after)


def _score(bundle: Bundle, selected: SelectedRows, split: str) -> tuple[SplitScores, GraphRunner]:
    runner = GraphRunner(bundle)
    answers: Answers = answer(runner, bundle.manifest, selected.encoded, np.arange(len(selected.rows)))
    scores = SplitScores.of({split: answers}, selected.rows, selected.schema, bundle.manifest.target)
    return scores, runner


def _manifest(original: Bundle, precision: Precision, note: dict[str, Any]) -> Manifest:
    """The original's manifest with the new precision: thresholds and modes stay, the certificate goes."""
    manifest, now = original.manifest, datetime.now(UTC).isoformat(timespec="seconds")
    export = {
        "bundle_sha256": original.sha256,
        "bundle_weights": manifest.graph.weights,
        "weights": precision,
        **note,
        "onnxruntime": importlib.metadata.version("onnxruntime"),
    }
    provenance = manifest.provenance
    return manifest.model_copy(
        update={
            "version": manifest.version
            if manifest.graph.weights == precision
            else f"{manifest.version}+{precision}",
            "created_utc": now,
            "graph": manifest.graph.model_copy(update={"weights": precision}),
            "certified": False,
            "attributes": [_attribute(of, manifest.certified, precision) for of in manifest.attributes],
            "provenance": provenance.model_copy(
                update={"settings": {**provenance.settings, "export": export}}
            ),
        }
    )


def _attribute(attribute: Attribute, certified: bool, precision: Precision) -> Attribute:
    """Say that a certificate is about the original's graph, on which it was tested."""
    if not certified or attribute.mode == "off":
        return attribute
    why = f"of the bundle this was exported from: {attribute.why}; not certified with {precision} weights"
    return attribute.model_copy(update={"why": why})
