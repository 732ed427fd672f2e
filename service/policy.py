"""Scores to a decision. Pure functions."""

from __future__ import annotations

import numpy as np

from models.manifest import Manifest, Mode
from models.runtime import MODE_CODES
from service.errors import EngineFailed
from service.types import Answer, Decision, Floats, Ints, Scores, Verdict

MODES: dict[int, Mode] = {code: mode for mode, code in MODE_CODES.items()}


def decide(scores: Scores, modes: Ints, manifest: Manifest) -> Decision:
    """Decide one row.

    A correction that overflowed serves the base answer and is marked as an error: a broken adapter must not cost an
    answer.

    Args:
        scores: What the graph says.
        modes: ``(attributes,)`` the row's mode codes.
        manifest: Labels and attributes.

    Raises:
        EngineFailed: the base answer itself is not finite.
    """
    if not np.isfinite(scores.base).all():
        raise EngineFailed
    broken = not np.isfinite(scores.logits).all()
    shadow_broken = not np.isfinite(scores.shadow).all()
    base = answer(scores.base, manifest)
    verdicts = tuple(
        Verdict(
            attribute=name,
            risk=float(risk),
            flagged=bool(flagged),
            mode=MODES[int(code)],
            result=_result(MODES[int(code)], broken, shadow_broken) if flagged else None,
        )
        for name, risk, flagged, code in zip(manifest.attribute_names, scores.risk, scores.flagged, modes, strict=True)
    )
    results = {verdict.result for verdict in verdicts}
    return Decision(
        final=base if broken else answer(scores.logits, manifest),
        base=base,
        shadow=answer(scores.shadow, manifest) if "shadow" in results else None,
        corrected="applied" in results,
        verdicts=verdicts,
    )


def _result(mode: Mode, broken: bool, shadow_broken: bool) -> str:
    """What became of a flagged attribute's correction."""
    if mode == "off":
        return "off"
    if mode == "shadow":
        return "error" if shadow_broken else "shadow"
    return "error" if broken else "applied"


def answer(logits: Floats, manifest: Manifest) -> Answer:
    """The label of the largest logit, and the softmax; computed in float64, relative to the largest logit."""
    exponent = np.exp(logits.astype(np.float64) - float(logits.max()))
    probabilities = exponent / exponent.sum()
    label = manifest.labels[int(logits.argmax())]
    scores = {name: float(p) for name, p in zip(manifest.labels, probabilities, strict=True)}
    return Answer(label, scores, label in manifest.favourable)
