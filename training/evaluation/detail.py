"""Further figures of an evaluation: moved decisions and calibration, per group and over all rows.

They add to :func:`evenhand.training.evaluation.bundle_score.score`. All are plain values; ``base`` is without
correction, ``final`` as served.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from evenhand.models.bundle.manifest import UNKNOWN_GROUP
from evenhand.stats import Rate, paired_difference
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.bundle_score import Answers, directions
from evenhand.training.evaluation.calibration import calibration, risk_coverage
from evenhand.training.evaluation.metrics import members
from evenhand.typing import Bools, Floats

KINDS = ("base", "final")


def overall(answers: Answers, rows: Rows, schema: Schema) -> dict[str, Any]:
    """Calibration of the scores over all rows.

    Returns:
        ``confidence`` (whether the answered class is right as often as its score says) and ``favourable``
        (whether the true label is favourable as often as its probability says), each per kind as
        :func:`~evenhand.training.evaluation.calibration.calibration` gives it; ``risk_coverage`` per kind.
    """
    truth = rows.labels[answers.rows]
    scores, favourable, observed = _favourable(answers, rows, schema)
    confident = {kind: probabilities.max(axis=1) for kind, probabilities in scores.items()}
    right = {"base": answers.base == truth, "final": answers.final == truth}
    return {
        "confidence": {kind: calibration(confident[kind], right[kind]) for kind in KINDS},
        "favourable": {kind: calibration(favourable[kind], observed) for kind in KINDS},
        "risk_coverage": {kind: risk_coverage(confident[kind], right[kind]) for kind in KINDS},
    }


def of_attribute(answers: Answers, rows: Rows, schema: Schema, name: str) -> dict[str, Any]:
    """One attribute's further figures.

    Returns:
        ``groups``: per group, all but the reference together, and the rows of unknown group, as
        :func:`_of_group` gives it.
    """
    groups, names = rows.groups[name][answers.rows], schema.groups[name]
    everyone = {**members(names, groups), UNKNOWN_GROUP: groups < 0}
    return {"groups": {group: _of_group(answers, rows, schema, inside) for group, inside in everyone.items()}}


def _of_group(answers: Answers, rows: Rows, schema: Schema, inside: Bools) -> dict[str, Any]:
    """Moved decisions, and the calibration of the favourable probability, in one group.

    Returns:
        ``rows``; ``accuracy`` and ``selection_rate`` per kind with the paired ``difference``, whose last two
        figures are the rows ``mended`` and ``broken`` (answer became right, or wrong), or ``gained`` and
        ``lost`` (became favourable, or ceased to be); ``flips`` with the rows ``changed`` and their
        ``directions``; ``calibration`` per kind, without bins.
    """
    truth = rows.labels[answers.rows][inside]
    _, favourable, observed = _favourable(answers, rows, schema)
    good = [schema.labels.index(label) for label in schema.favourable]
    base, final = answers.base[inside], answers.final[inside]
    selected = _pair(np.isin(base, good), np.isin(final, good))
    selected["difference"]["gained"] = selected["difference"].pop("mended")
    selected["difference"]["lost"] = selected["difference"].pop("broken")
    calibrated = {kind: calibration(favourable[kind][inside], observed[inside]) for kind in KINDS}
    return {
        "rows": int(inside.sum()),
        "accuracy": _pair(base == truth, final == truth),
        "selection_rate": selected,
        "flips": {
            "changed": int((base != final).sum()),
            "directions": directions(base, final, schema.labels),
        },
        "calibration": {
            kind: {key: calibrated[kind][key] for key in ("calibration_error", "brier")} for kind in KINDS
        },
    }


def _pair(base: Bools, final: Bools) -> dict[str, Any]:
    rates = {"base": asdict(Rate.of(base)), "final": asdict(Rate.of(final))}
    return {**rates, "difference": paired_difference(base, final)}


def _favourable(
    answers: Answers, rows: Rows, schema: Schema
) -> tuple[dict[str, Floats], dict[str, Floats], Bools]:
    """Scores per kind, the probability of a favourable label per kind, and whether the true label is."""
    good = [schema.labels.index(label) for label in schema.favourable]
    scores: dict[str, Floats] = {"base": answers.base_scores, "final": answers.scores}
    favourable = {
        kind: np.clip(probabilities[:, good].sum(axis=1), 0.0, 1.0) for kind, probabilities in scores.items()
    }
    return scores, favourable, np.isin(rows.labels[answers.rows], good)
