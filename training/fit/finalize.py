"""The last steps of every bundle: its figures, its card, its hashes, and only then its place."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evenhand.console import say
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import Manifest
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.bundle_score import Answers, judge, reference, summary
from evenhand.training.fit import model_card


@dataclass(frozen=True)
class SplitScores:
    """What a bundle answers to some splits, and how that is."""

    answers: dict[str, Answers]
    figures: dict[str, dict[str, Any]]
    """Of ``evenhand.training.evaluation.bundle_score.judge``, per split."""
    rows: Rows
    schema: Schema

    @classmethod
    def of(cls, answers: dict[str, Answers], rows: Rows, schema: Schema) -> SplitScores:
        """Judge every split."""
        return cls(answers, {split: judge(of, rows, schema) for split, of in answers.items()}, rows, schema)


def seal(draft: Path, out: Path, manifest: Manifest, judged: SplitScores) -> None:
    """Write what the bundle says about itself into ``draft``, verify it, and rename it to ``out``.

    Args:
        draft: The folder that holds everything else; of the same file system as ``out``.
        out: Where the bundle will lie.
        manifest: Complete but for evaluation and hashes.
        judged: The first split is what "normal" means.

    Raises:
        BundleError: the bundle would not load.
    """
    _write_evaluation(draft, judged)
    evaluated = manifest.model_copy(
        update={"evaluation": {split: summary(of) for split, of in judged.figures.items()}, "files": {}}
    )
    (draft / bundles.CARD).write_text(model_card.write(evaluated, judged.figures))
    for file in draft.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)
    bundles.write_manifest(draft, evaluated.model_copy(update={"files": bundles.hash_files(draft)}))
    bundles.load(draft)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft.rename(out)
    say(f"wrote {out}")


def _write_evaluation(draft: Path, judged: SplitScores) -> None:
    (draft / bundles.DECISIONS).parent.mkdir(parents=True, exist_ok=True)
    (draft / "evaluation/evaluation.json").write_text(json.dumps(judged.figures, indent=1) + "\n")
    normal = reference(next(iter(judged.answers.values())), judged.schema, judged.rows)
    (draft / bundles.REFERENCE).write_text(json.dumps(normal, indent=1) + "\n")
    with (draft / bundles.DECISIONS).open("w", newline="") as file:
        # By position in the data alone: no text, no hash of a text, no group.
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "split", "base", "final", "flagged"])
        gated = np.array(list(judged.schema.gated))
        for split, of in judged.answers.items():
            for index, row in enumerate(of.rows):
                labels = [judged.schema.labels[code] for code in (of.base[index], of.final[index])]
                flagged = "+".join(gated[of.flagged[index]].tolist())
                writer.writerow([judged.rows.row[row], split, *labels, flagged])
