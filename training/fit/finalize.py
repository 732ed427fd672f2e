"""The last steps of every bundle: write its figures, its card and its hashes, verify it, put it in place."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evenhand.console import say
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.target import AttributeTarget, Target, loss_in_words
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.bundle_score import Answers, reference, score, summary
from evenhand.training.fit import model_card


@dataclass(frozen=True)
class SplitScores:
    """A bundle's answers to some splits, and their figures."""

    answers: dict[str, Answers]
    figures: dict[str, dict[str, Any]]
    """Those of :func:`evenhand.training.evaluation.bundle_score.score`, per split."""
    rows: Rows
    schema: Schema

    @classmethod
    def of(
        cls, answers: dict[str, Answers], rows: Rows, schema: Schema, target: Target | None
    ) -> SplitScores:
        """Score every split."""
        figures = {split: score(of, rows, schema, target) for split, of in answers.items()}
        return cls(answers, figures, rows, schema)


def finalize(draft: Path, out: Path, manifest: Manifest, scores: SplitScores) -> None:
    """Write the evaluation, the card and the manifest into ``draft``, verify it, and rename it to ``out``.

    Args:
        draft: The folder that holds everything else; on the same file system as ``out``.
        out: The bundle's folder.
        manifest: Complete but for evaluation and hashes.
        scores: The first split defines what is normal for monitoring.

    Raises:
        BundleError: the bundle would not load.
    """
    _write_evaluation(draft, scores)
    first = next(iter(scores.figures.values()))
    evaluated = manifest.model_copy(
        update={
            "evaluation": {split: summary(of) for split, of in scores.figures.items()},
            "files": {},
            "target": None if manifest.target is None else with_limits(manifest.target, first["target"]),
        }
    )
    (draft / bundles.CARD).write_text(model_card.write(evaluated, scores.figures))
    for file in draft.rglob("*"):
        file.chmod(0o755 if file.is_dir() else 0o644)
    bundles.write_manifest(draft, evaluated.model_copy(update={"files": bundles.hash_files(draft)}))
    bundles.load(draft)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft.rename(out)
    for split, of in scores.figures.items():
        for line in target_lines(of["target"]):
            say(f"{split}: {line}")
    say(f"wrote {out}")


def target_lines(figures: dict[str, Any]) -> list[str]:
    """The target before and after, then every cell that loses, a line each."""
    lines = []
    for of in figures["attributes"]:
        name, change = f"{of['figure'].replace('_', ' ')} of {of['attribute']}", of["difference"]
        if change["value"] is None:
            lines.append(f"{name}: too few rows")
            continue
        low, high = (100 * change[end] for end in ("low", "high"))
        lines.append(
            f"{name} {100 * of['base']['value']:.1f} -> {100 * of['final']['value']:.1f} "
            f"({low:+.1f} to {high:+.1f} points)"
        )
    lines += [loss_in_words(cell) for cell in figures["losing"]]
    return lines


def with_limits(target: Target, figures: dict[str, Any]) -> Target:
    """The target with a limit in service for every aim that has none.

    The limit is what the served answers reached on these rows, at the worse end of the 95 % interval, rounded
    to the next whole point: beyond it, service is surely worse than validation was.
    """
    of_aims = {of["attribute"]: of["final"] for of in figures["attributes"]}

    def limited(aim: AttributeTarget) -> AttributeTarget:
        final = of_aims.get(aim.attribute, {"low": None, "high": None})
        end = final["high"] if aim.is_gap else final["low"]
        if aim.limit is not None or end is None:
            return aim
        points = math.ceil(100 * end) if aim.is_gap else math.floor(100 * end)
        return aim.model_copy(update={"limit": min(max(points / 100, 0.0), 1.0)})

    return target.model_copy(update={"attributes": [limited(aim) for aim in target.attributes]})


def _write_evaluation(draft: Path, scores: SplitScores) -> None:
    (draft / bundles.DECISIONS).parent.mkdir(parents=True, exist_ok=True)
    (draft / "evaluation/evaluation.json").write_text(json.dumps(scores.figures, indent=1) + "\n")
    normal = reference(next(iter(scores.answers.values())), scores.schema, scores.rows)
    (draft / bundles.REFERENCE).write_text(json.dumps(normal, indent=1) + "\n")
    with (draft / bundles.DECISIONS).open("w", newline="") as file:
        # Rows are named by their position in the data only: no text, no hash of a text, no group.
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "split", "base", "final", "flagged"])
        gated = np.array(list(scores.schema.gated))
        for split, of in scores.answers.items():
            for index, row in enumerate(of.rows):
                labels = [scores.schema.labels[code] for code in (of.base[index], of.final[index])]
                flagged = "+".join(gated[of.flagged[index]].tolist())
                writer.writerow([scores.rows.row[row], split, *labels, flagged])
