"""Score a bundle: run its own graph over rows, as the service does, and compute every figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from evenhand.console import track
from evenhand.models.bundle.inputs import Encoded, collate, pad_of
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.runner import Runner
from evenhand.models.bundle.runtime_onnx import MODE_CODES
from evenhand.models.bundle.target import Target
from evenhand.stats import Rate, paired_difference
from evenhand.training.data.batches import by_length
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.calibration import calibration
from evenhand.training.evaluation.metrics import (
    MIN_CELL,
    Cell,
    against_reference,
    cells,
    group_metrics,
    members,
    pooled_name,
    worst,
)
from evenhand.training.evaluation.targets import target_figures, within
from evenhand.typing import Bools, Float32s, Ints


@dataclass(frozen=True)
class Answers:
    """What a bundle answers to some rows."""

    rows: Ints
    """``(rows,)`` indices into the data set."""
    base: Ints
    """``(rows,)`` class without correction."""
    final: Ints
    """``(rows,)`` class as served, under the manifest's modes."""
    risk: Float32s
    """``(rows, attributes)``."""
    flagged: Bools
    """``(rows, attributes)``."""
    base_scores: Float32s
    """``(rows, classes)`` probabilities without correction."""
    scores: Float32s
    """``(rows, classes)`` probabilities as served."""
    corrected: Bools
    """``(rows,)`` whether a correction was served, whatever it changed: in mode ``apply`` alone."""
    abstained: Bools
    """``(rows,)`` whether there is no decision; the answer counts in every other figure."""

    @property
    def score(self) -> Float32s:
        """``(rows,)`` probability of the served class."""
        highest: Float32s = self.scores.max(axis=1)
        return highest


def answer(
    runner: Runner,
    manifest: Manifest,
    encoded: Sequence[Encoded],
    chosen: Ints,
    batches: Sequence[Ints] | None = None,
) -> Answers:
    """Run the graph over some rows.

    Args:
        runner: The bundle's runner.
        manifest: The bundle's manifest; its modes and abstention bounds apply.
        encoded: All rows.
        chosen: ``(rows,)`` indices of the rows to run.
        batches: Positions in ``chosen`` of each batch; by default batches of like length.
    """
    classes, attributes = len(manifest.labels), len(manifest.attributes)
    modes = np.array([MODE_CODES[attribute.mode] for attribute in manifest.attributes], dtype=np.int64)
    logits, base = np.zeros((2, len(chosen), classes), dtype=np.float32)
    risk = np.zeros((len(chosen), attributes), dtype=np.float32)
    flagged = np.zeros((len(chosen), attributes), dtype=bool)
    order = by_length([encoded[row].tokens for row in chosen]) if batches is None else batches
    for batch in track(order, len(order), "running the bundle's graph"):
        arrays = collate([encoded[row] for row in chosen[batch]], pad_of(manifest.input))
        out = runner.run(arrays, np.repeat(modes[None], len(batch), axis=0))
        logits[batch], base[batch] = out.logits, out.base_logits
        risk[batch], flagged[batch] = out.risk, out.flagged
    applied, scores = flagged & (modes == MODE_CODES["apply"]), softmax(logits, axis=1)
    bounds = np.array([attribute.abstain_below or 0.0 for attribute in manifest.attributes])
    return Answers(
        rows=chosen,
        base=base.argmax(axis=1),
        final=logits.argmax(axis=1),
        risk=risk,
        flagged=flagged,
        base_scores=softmax(base, axis=1),
        scores=scores,
        corrected=applied.any(axis=1) & manifest.correction.changes_answers,
        abstained=(applied & (scores.max(axis=1)[:, None] < bounds)).any(axis=1),
    )


def score(answers: Answers, rows: Rows, schema: Schema, target: Target | None) -> dict[str, Any]:
    """All figures of one split, as plain values.

    A cell is (label x group). Every rate has its count and 95 % interval.

    Args:
        answers: What the bundle answers.
        rows: The data.
        schema: What its values mean.
        target: What the correction is for; bundles of earlier versions aimed at the worst cell.
    """
    truth = rows.labels[answers.rows]
    every_cell: dict[str, list[Cell]] = {"base": [], "final": []}
    attributes = {}
    for name in schema.attributes:
        attributes[name], of_attribute = _attribute(answers, rows, schema, name)
        for kind, listed in of_attribute.items():
            every_cell[kind] += listed
    return {
        "rows": len(truth),
        "min_cell_rows": MIN_CELL,
        "target": {
            **target_figures(within(target, schema), rows, schema, answers.rows, answers.base, answers.final),
            "max_loss": None if target is None else target.max_loss,
        },
        "accuracy": {
            "base": asdict(Rate.of(answers.base == truth)),
            "final": asdict(Rate.of(answers.final == truth)),
            "difference": paired_difference(answers.base == truth, answers.final == truth),
        },
        "worst_cell": {kind: _plain(worst(listed)) for kind, listed in every_cell.items()},
        "flagged_share": float(answers.flagged.any(axis=1).mean()),
        "corrected_share": float(answers.corrected.mean()),
        "abstained_share": float(answers.abstained.mean()),
        "flips": directions(answers.base, answers.final, schema.labels),
        "attributes": attributes,
    }


def _attribute(
    answers: Answers, rows: Rows, schema: Schema, name: str
) -> tuple[dict[str, Any], dict[str, list[Cell]]]:
    """One attribute's cells, disparities and detector, before and after correction."""
    truth, groups, names = rows.labels[answers.rows], rows.groups[name][answers.rows], schema.groups[name]
    listed = {
        kind: cells(name, names, schema.labels, groups, truth, predicted)
        for kind, predicted in (("base", answers.base), ("final", answers.final))
    }
    inside = members(names, groups)
    return {
        "unknown_rows": int((groups < 0).sum()),
        "cells": [
            {
                "group": before.group,
                "label": before.label,
                "counts": before.counts,
                "base": asdict(before.accuracy),
                "final": asdict(after.accuracy),
                "difference": paired_difference(
                    *(
                        (predicted == truth)[
                            inside[before.group] & (truth == schema.labels.index(before.label))
                        ]
                        for predicted in (answers.base, answers.final)
                    )
                ),
            }
            for before, after in zip(listed["base"], listed["final"], strict=True)
        ],
        "worst_cell": {kind: _plain(worst(of_kind)) for kind, of_kind in listed.items()},
        "disparities": _disparities(answers, rows, schema, names, groups),
        "disparities_pooled": _disparities(
            answers, rows, schema, (names[0], pooled_name(names[0])), np.minimum(groups, 1)
        ),
        "detector": _detector(answers, rows, schema, name),
        "risk": _risk(answers, rows, schema, name),
    }, listed


def _detector(answers: Answers, rows: Rows, schema: Schema, name: str) -> dict[str, Any]:
    """Which rows an attribute's detector flags, and whether its rates meet FairNet's condition."""
    truth, groups, gated = rows.labels[answers.rows], rows.groups[name][answers.rows], list(schema.gated)
    # For an attribute without its own detector, a row counts as flagged if any detector flags it.
    columns = [gated.index(name)] if name in gated else list(range(len(gated)))
    flagged: Bools = np.any(answers.flagged[:, columns], axis=1)
    return {
        "own": name in gated,
        "flagged": asdict(Rate.of(flagged)),
        "break_even": break_even(groups, truth, (answers.base, answers.final), flagged),
        "true_positive_rate": asdict(Rate.of(flagged[groups > 0])),
        "false_positive_rate": asdict(Rate.of(flagged[groups == 0])),
        "cells": [
            {
                "group": group,
                "label": label,
                "flagged": asdict(Rate.of(flagged[(groups == g) & (truth == c)])),
            }
            for g, group in enumerate(schema.groups[name])
            for c, label in enumerate(schema.labels)
        ],
    }


def _risk(answers: Answers, rows: Rows, schema: Schema, name: str) -> dict[str, Any] | None:
    """Calibration of the risk against membership outside the reference group, over all rows and per label.

    A risk that is right over all rows may be too high for one label and too low for another, and offsets move
    the answers of both. ``None`` for an attribute without its own detector.
    """
    if name not in schema.gated:
        return None
    groups, column = rows.groups[name][answers.rows], list(schema.gated).index(name)
    labelled = groups >= 0
    risk, member, truth = answers.risk[:, column], groups > 0, rows.labels[answers.rows]
    of_labels = {}
    for code, label in enumerate(schema.labels):
        inside = labelled & (truth == code)
        of_label = calibration(risk[inside], member[inside])
        of_labels[label] = {
            **{key: of_label[key] for key in ("calibration_error", "brier")},
            "mean_risk": float(risk[inside].mean()) if inside.any() else None,
            "members": asdict(Rate.of(member[inside])),
        }
    return {**calibration(risk[labelled], member[labelled]), "labels": of_labels}


def break_even(groups: Ints, truth: Ints, predicted: tuple[Ints, Ints], flagged: Bools) -> dict[str, Any]:
    r"""FairNet's condition for no overall loss, with the figures of these rows (arXiv 2510.19421, theorem 1).

    .. math:: \frac{TPR}{FPR} \ge \frac{(1 - \pi) c}{\pi g}

    Args:
        groups: ``(rows,)`` 0 reference, others above, -1 unknown and left out.
        truth: ``(rows,)``.
        predicted: Classes without and with correction, ``(rows,)`` each.
        flagged: ``(rows,)``.

    Returns:
        Share outside the reference ``pi``, gain ``g`` on rightly and harm ``c`` on wrongly flagged rows, the
        ratio that the detector has and the one it needs; ``None`` where rows are missing or nothing is
        needed.
    """
    member, outside = groups > 0, groups == 0
    change = (predicted[1] == truth).astype(float) - (predicted[0] == truth)
    share = float(member.sum() / max((groups >= 0).sum(), 1))
    gain = float(change[flagged & member].mean()) if (flagged & member).any() else None
    harm = float(-change[flagged & outside].mean()) if (flagged & outside).any() else None
    needed = (
        (1 - share) * harm / (share * gain) if gain and harm is not None and gain > 0 and share > 0 else None
    )
    tpr, fpr = (float(flagged[rows].mean()) if rows.any() else None for rows in (member, outside))
    has = tpr / fpr if tpr is not None and fpr else None
    return {"pi": share, "gain": gain, "harm": harm, "ratio": has, "needed": needed}


def _disparities(
    answers: Answers, rows: Rows, schema: Schema, names: Sequence[str], groups: Ints
) -> dict[str, dict[str, Any]]:
    """Fairlearn's figures before and after correction; rates over few rows enter no gap."""
    favourable = np.isin(
        np.arange(len(schema.labels)), [schema.labels.index(label) for label in schema.favourable]
    )
    truth = favourable[rows.labels[answers.rows]]
    return {
        kind: _rates_plain(group_metrics(names, groups, truth, favourable[predicted], MIN_CELL))
        for kind, predicted in (("base", answers.base), ("final", answers.final))
    }


def directions(base: Ints, final: Ints, labels: tuple[str, ...]) -> dict[str, int]:
    """How many answers moved, by ``from -> to``."""
    moved = base != final
    names = [f"{labels[a]} -> {labels[b]}" for a, b in zip(base[moved], final[moved], strict=True)]
    return {name: names.count(name) for name in sorted(set(names))}


def _plain(cell: Cell | None) -> dict[str, Any] | None:
    return None if cell is None else asdict(cell)


def _rates_plain(disparities: dict[str, Any]) -> dict[str, Any]:
    groups = {
        group: {metric: asdict(rate) for metric, rate in rates.items()}
        for group, rates in disparities["groups"].items()
    }
    return {**disparities, "groups": groups, "against_reference": against_reference(disparities["groups"])}


def summary(figures: dict[str, Any]) -> dict[str, Any]:
    """The few figures that the manifest and ``bundle inspect`` show, from those of :func:`score`."""
    copied = (
        "rows",
        "target",
        "accuracy",
        "worst_cell",
        "flagged_share",
        "corrected_share",
        "abstained_share",
        "flips",
    )
    return {
        **{name: figures[name] for name in copied},
        "attributes": {
            name: {
                "worst_cell": of["worst_cell"],
                **{
                    metric: {kind: of["disparities_pooled"][kind][metric] for kind in ("base", "final")}
                    for metric in ("equalized_odds_difference", "demographic_parity_difference")
                },
                "detector": {
                    k: of["detector"][k] for k in ("true_positive_rate", "false_positive_rate", "break_even")
                },
            }
            for name, of in figures["attributes"].items()
        },
    }


def reference(answers: Answers, schema: Schema, rows: Rows, bins: int = 20) -> dict[str, Any]:
    """What "normal" looked like in validation: rates per group, and histograms of risk and score."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    favourable = [schema.labels.index(label) for label in schema.favourable]
    selected = {"base": np.isin(answers.base, favourable), "final": np.isin(answers.final, favourable)}
    return {
        "rows": len(answers.rows),
        "edges": edges.tolist(),
        "score": np.histogram(answers.score, edges)[0].tolist(),
        "attributes": {
            name: {
                "risk": np.histogram(answers.risk[:, column], edges)[0].tolist(),
                "flagged": asdict(Rate.of(answers.flagged[:, column])),
                "selection_rate": {
                    kind: {
                        group: asdict(Rate.of(chosen[rows.groups[name][answers.rows] == index]))
                        for index, group in enumerate(groups)
                    }
                    for kind, chosen in selected.items()
                },
            }
            for column, (name, groups) in enumerate(schema.gated.items())
        },
    }
