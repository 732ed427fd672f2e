"""Scores to a decision. Pure functions."""

from __future__ import annotations

import math

from evenhand.models.bundle.manifest import Manifest, Mode
from evenhand.models.bundle.runtime_onnx import MODE_CODES
from evenhand.service.errors import EngineFailed
from evenhand.service.types import Answer, Decision, Floats, Ints, Scores, Verdict

ABSTAIN = "abstain"
"""The method that changes no answer."""
MODES: dict[int, Mode] = {code: mode for mode, code in MODE_CODES.items()}


def decide(scores: Scores, modes: Ints, manifest: Manifest) -> Decision:
    """Decide one row.

    If the correction overflowed, the base answer is served and the verdict is marked as an error, so that a
    broken adapter costs no answer.

    Args:
        scores: Outputs of the graph for the row.
        modes: ``(attributes,)`` the row's mode codes.
        manifest: Labels and attributes.

    Raises:
        EngineFailed: the base answer itself is not finite.
    """
    if not _finite(scores.base):
        raise EngineFailed
    broken, shadow_broken = not _finite(scores.logits), not _finite(scores.shadow)
    base = answer(scores.base, manifest)
    final = (
        base if broken or scores.logits.tolist() == scores.base.tolist() else answer(scores.logits, manifest)
    )
    verdicts = tuple(
        Verdict(
            attribute=attribute.name,
            risk=risk,
            flagged=flagged,
            mode=MODES[code],
            result=_result(MODES[code], broken, shadow_broken) if flagged else None,
            abstains=flagged and final.score < (attribute.abstain_below or 0.0),
        )
        for attribute, risk, flagged, code in zip(
            manifest.attributes, scores.risk.tolist(), scores.flagged.tolist(), modes.tolist(), strict=True
        )
    )
    results = {verdict.result for verdict in verdicts}
    return Decision(
        final=final,
        base=base,
        shadow=answer(scores.shadow, manifest) if "shadow" in results else None,
        corrected="applied" in results and manifest.correction.method != ABSTAIN,
        verdicts=verdicts,
        abstained=next((v.attribute for v in verdicts if v.abstains and v.mode == "apply"), None),
    )


def _result(mode: Mode, broken: bool, shadow_broken: bool) -> str:
    """The result of a flagged attribute's correction."""
    if mode == "off":
        return "off"
    if mode == "shadow":
        return "error" if shadow_broken else "shadow"
    return "error" if broken else "applied"


def answer(logits: Floats, manifest: Manifest) -> Answer:
    """The label of the largest logit, and the softmax in float64, relative to the largest logit.

    It uses plain Python: for a handful of classes, numpy calls take several times as long.

    Args:
        logits: ``(classes,)``
        manifest: Labels, and which of them are favourable.
    """
    values = logits.tolist()
    largest = max(values)
    exponents = [math.exp(value - largest) for value in values]
    total = math.fsum(exponents)
    scores = {name: exponent / total for name, exponent in zip(manifest.labels, exponents, strict=True)}
    label = manifest.labels[values.index(largest)]
    return Answer(label, scores, label in manifest.favourable)


def _finite(values: Floats) -> bool:
    return all(map(math.isfinite, values.tolist()))
