"""Scores to decisions, by hand."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import DEMO

from evenhand.models.bundle.bundle import read_manifest
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.runtime_onnx import MODE_CODES
from evenhand.service.errors import EngineFailed
from evenhand.service.inference.decision import answer, decide
from evenhand.service.types import Scores

OFF, SHADOW, APPLY = (MODE_CODES[mode] for mode in ("off", "shadow", "apply"))
HATE, FINE = [1.0, -1.0], [-1.0, 1.0]


@pytest.fixture(scope="module")
def manifest(demo: Path) -> Manifest:
    demo_manifest = read_manifest(demo)[0]
    assert demo_manifest.labels == ["hate", "not hate"]
    return demo_manifest


def scores(logits: list[float], base: list[float], shadow: list[float], flagged: list[bool]) -> Scores:
    arrays = (np.array(x, dtype=np.float32) for x in (logits, base, shadow))
    return Scores(
        *arrays, risk=np.array([0.9, 0.1, 0.1, 0.1, 0.1], dtype=np.float32), flagged=np.array(flagged)
    )


def modes(*codes: int) -> np.ndarray:
    return np.array(codes)


def test_an_unflagged_row_gets_the_base_answer(manifest: Manifest) -> None:
    decision = decide(scores(HATE, HATE, HATE, [False] * 5), modes(*[APPLY] * 5), manifest)
    assert (decision.final, decision.corrected, decision.shadow) == (decision.base, False, None)
    assert {verdict.result for verdict in decision.verdicts} == {None}


def test_an_applied_correction_is_served_beside_the_base(manifest: Manifest) -> None:
    decision = decide(scores(FINE, HATE, FINE, [True, *[False] * 4]), modes(*[APPLY] * 5), manifest)
    assert (decision.final.label, decision.base.label, decision.corrected) == ("not hate", "hate", True)
    assert decision.final.favourable
    assert not decision.base.favourable
    assert [verdict.result for verdict in decision.verdicts] == ["applied", *[None] * 4]
    assert decision.verdicts[0].risk == pytest.approx(0.9)


def test_modes_of_attributes_are_told_apart(manifest: Manifest) -> None:
    decision = decide(scores(HATE, HATE, FINE, [True] * 5), modes(SHADOW, OFF, SHADOW, OFF, OFF), manifest)
    assert [verdict.result for verdict in decision.verdicts] == ["shadow", "off", "shadow", "off", "off"]
    assert (decision.final.label, decision.corrected) == ("hate", False)
    assert decision.shadow is not None
    assert decision.shadow.label == "not hate"


@pytest.mark.parametrize("broken", [[np.nan, 0.0], [np.inf, 0.0], [-np.inf, 1.0]])
def test_a_correction_that_overflows_serves_the_base_and_is_marked(
    manifest: Manifest, broken: list[float]
) -> None:
    decision = decide(
        scores(broken, HATE, broken, [True, True, False, False, False]),
        modes(APPLY, SHADOW, 2, 2, 2),
        manifest,
    )
    assert (decision.final, decision.corrected, decision.shadow) == (decision.base, False, None)
    assert [verdict.result for verdict in decision.verdicts] == ["error", "error", None, None, None]


def test_a_base_that_is_no_number_fails_the_row(manifest: Manifest) -> None:
    with pytest.raises(EngineFailed):
        decide(scores(FINE, [np.nan, 0.0], FINE, [False] * 5), modes(2, 2, 2, 2, 2), manifest)


@given(st.lists(st.floats(-(2.0**127), 2.0**127, width=32), min_size=2, max_size=2))
def test_probabilities_are_probabilities_at_any_scale(logits: list[float]) -> None:
    manifest = read_manifest(DEMO)[0]
    prediction = answer(np.array(logits, dtype=np.float32), manifest)
    assert sum(prediction.scores.values()) == pytest.approx(1.0)
    assert prediction.score == max(prediction.scores.values())
