"""``evenhand export`` in order: lower the weights, judge both bundles on the same rows, refuse or write."""

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
from evenhand.models.onnx.quantize import Precision, lower
from evenhand.training.data.dataset import DataError, refuse_existing
from evenhand.training.data.select_rows import Judgeable, RowSelection, judgeable
from evenhand.training.data.table import read_table
from evenhand.training.evaluation.bundle_score import Answers, answer
from evenhand.training.fit.batch_invariance import TOLERANCE, Company, company
from evenhand.training.fit.finalize import SplitScores, seal

KINDS = {"base": "base", "final": "corrected"}
MADE_ANEW = (bundles.GRAPH, bundles.REFERENCE, bundles.CARD)


@dataclass(frozen=True)
class Lowered:
    """A bundle with lower precision next to the one it is made from, both judged on the same rows."""

    original: Bundle
    bundle: Bundle
    """Not written yet: its manifest lacks evaluation and hashes."""
    before: SplitScores
    after: SplitScores
    company: Company
    tolerance: float
    split: str
    """What the rows are called."""

    def value(self, judged: SplitScores, figure: str, kind: str) -> float | None:
        """``accuracy`` or ``worst_cell`` of the ``base`` or ``final`` answer."""
        found = judged.figures[self.split][figure][kind]
        value: float | None = found if found is None else found.get("accuracy", found)["value"]
        return value

    def reasons(self) -> list[str]:
        """Why the bundle must not be written; nothing if it may."""
        found = []
        for figure, words in (("accuracy", "accuracy"), ("worst_cell", "the worst cell")):
            for kind, name in KINDS.items():
                before, after = (self.value(judged, figure, kind) for judged in (self.before, self.after))
                # A float's rounding is no loss.
                if before is not None and after is not None and before - after > self.tolerance + 1e-9:
                    lost, limit = 100 * (before - after), 100 * self.tolerance
                    found.append(f"{words} ({name}) falls by {lost:.2f} points, more than {limit:g}")
        if not self.company.holds:
            found.append(
                f"a row's answer depends on its batch: scores differ by up to {self.company.difference:.1e}, more than "
                f"{TOLERANCE:.0e}"
            )
        return found

    def changed(self) -> dict[str, int]:
        """Decisions that differ from the original's, by kind."""
        before, after = self.before.answers[self.split], self.after.answers[self.split]
        return {
            **{kind: int((getattr(before, kind) != getattr(after, kind)).sum()) for kind in KINDS},
            "flagged": int((before.flagged != after.flagged).sum()),
        }


def prepare(path: Path, data: Path, precision: Precision, wanted: RowSelection, tolerance: float) -> Lowered:
    """Lower a bundle's weights and judge the result next to it; writes nothing.

    Raises:
        BundleError: the bundle does not hold.
        DataError: the table cannot be used, the bundle has no graph, or its weights take no more bytes
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
    say(f"{table.name}: {len(table.rows) + len(table.refused)} rows; encoding those to judge")
    found = judgeable(table, original, wanted)
    if found.absent:
        raise DataError(
            f"{table.name}: no column {', '.join(found.absent)}; every attribute's cells must be compared"
        )
    say(f"judging {len(found.rows)} rows; {len(found.refused)} cannot be judged")
    split = "+".join(found.wanted.only) or "rows"
    before, _ = _judge(original, found, split)
    if before.figures[split]["worst_cell"]["base"] is None:
        raise DataError(
            f"{table.name}: no cell has {before.figures[split]['min_cell_rows']} rows; judge more of them"
        )
    say(f"storing weights as {precision}")
    graph = lower(onnx.load_model_from_string(original.graph), precision).SerializeToString()
    note = {"tolerance": tolerance, "data_sha256": table.sha256, "rows": len(found.rows), "split": split}
    lowered = replace(original, graph=graph, manifest=_manifest(original, precision, note))
    after, runner = _judge(lowered, found, split)
    same = company(runner, original.manifest, found.encoded)
    return Lowered(original, lowered, before, after, same, tolerance, split)


def write(lowered: Lowered, out: Path) -> None:
    """Write the bundle next to ``out`` and rename it at the end.

    Raises:
        DataError: ``out`` exists, or there is a reason not to write.
    """
    refuse_existing(out)
    if reasons := lowered.reasons():
        raise DataError(f"not written: {'; '.join(reasons)}")
    draft = out.with_name(f".{out.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    for name in lowered.original.manifest.files:
        if name not in MADE_ANEW and not name.startswith("evaluation/"):
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(lowered.original.path / name, draft / name)
    (draft / bundles.GRAPH).write_bytes(lowered.bundle.graph)
    seal(draft, out, lowered.bundle.manifest, lowered.after)


def _judge(bundle: Bundle, found: Judgeable, split: str) -> tuple[SplitScores, GraphRunner]:
    runner = GraphRunner(bundle)
    answers: Answers = answer(runner, bundle.manifest, found.encoded, np.arange(len(found.rows)))
    return SplitScores.of({split: answers}, found.rows, found.schema), runner


def _manifest(original: Bundle, precision: Precision, note: dict[str, Any]) -> Manifest:
    """The original's, but for what lower precision changes. Thresholds and modes stay; a certificate does not."""
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
    """A certificate is about the graph it was tested on, so its words are about another bundle now."""
    if not certified or attribute.mode == "off":
        return attribute
    why = f"of the bundle this was exported from: {attribute.why}; not certified with {precision} weights"
    return attribute.model_copy(update={"why": why})
