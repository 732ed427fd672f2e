"""Calibration and selective accuracy equal independent formulas, and their intervals cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from sklearn.metrics import brier_score_loss

from evenhand.training.evaluation import calibration as tested
from evenhand.training.evaluation.calibration import (
    BINS,
    calibration,
    reliability_bins,
    risk_coverage,
    selective,
)

probabilities = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80)


def arrays(drawn: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([p for p, _ in drawn]), np.array([y for _, y in drawn])


def plain_ece(p: np.ndarray, y: np.ndarray) -> float:
    """Row by row, without arrays: the share of rows times the gap, per interval."""
    total = 0.0
    for index in range(BINS):
        inside = [i for i in range(len(p)) if min(int(p[i] * BINS), BINS - 1) == index]
        if inside:
            gap = abs(sum(p[i] for i in inside) - sum(bool(y[i]) for i in inside)) / len(inside)
            total += len(inside) / len(p) * gap
    return total


@settings(max_examples=examples(60), deadline=None)
@given(probabilities)
def test_calibration_error_and_brier_equal_independent_formulas(drawn: list[tuple[float, bool]]) -> None:
    p, y = arrays(drawn)
    found = calibration(p, y)
    assert found["calibration_error"]["value"] == pytest.approx(plain_ece(p, y), abs=1e-9)
    assert found["brier"]["value"] == pytest.approx(
        brier_score_loss(y, p, pos_label=True, labels=[False, True])
    )
    assert sum(each["observed"]["n"] for each in found["bins"]) == found["brier"]["n"] == len(p)
    for figure in (found["calibration_error"], found["brier"]):
        assert 0.0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1.0


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.randoms())
def test_aurc_equals_the_mean_risk_over_the_k_most_confident(correct: list[bool], random: object) -> None:
    n = len(correct)
    confidence = np.linspace(0.1, 0.9, n)
    random.shuffle(confidence)  # type: ignore[attr-defined]
    ranked = [right for _, right in sorted(zip(confidence, correct, strict=True), reverse=True)]
    expected = np.mean([sum(not right for right in ranked[:k]) / k for k in range(1, n + 1)])
    assert risk_coverage(confidence, np.array(correct))["aurc"]["value"] == pytest.approx(expected)


def test_rows_of_equal_confidence_are_answered_together_whatever_their_order() -> None:
    confidence, correct = np.array([0.9, 0.6, 0.6, 0.6, 0.5]), np.array([True, True, False, True, False])
    coverage, accuracy = selective(confidence, correct)
    assert coverage.tolist() == [0.2, 0.8, 1.0]
    assert accuracy.tolist() == [1.0, 0.75, 0.6]
    swapped = [0, 2, 1, 3, 4]
    again = selective(confidence[swapped], correct[swapped])
    assert np.array_equal(again[1], accuracy)
    assert risk_coverage(confidence, correct)["aurc"]["value"] == pytest.approx(0.6 * 0.25 + 0.2 * 0.4)


def test_the_curve_starts_where_it_can_be_believed_and_stays_short() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.random(1000)
    found = risk_coverage(confidence, rng.random(1000) < confidence)
    assert found["coverage"][0] == pytest.approx(0.03)
    assert found["coverage"][-1] == 1.0
    assert len(found["coverage"]) == len(found["accuracy"]) == tested.CURVE_POINTS
    assert risk_coverage(confidence[:20], confidence[:20] > 0.5)["coverage"] == []


def test_one_belongs_to_the_last_interval() -> None:
    bins = reliability_bins(np.array([1.0, 0.0]), np.array([True, False]))
    assert bins[-1].observed.n == bins[0].observed.n == 1


def test_no_rows_are_no_figure() -> None:
    empty = np.array([])
    assert calibration(empty, empty.astype(bool))["brier"] == {
        "n": 0,
        "value": None,
        "low": None,
        "high": None,
    }
    assert risk_coverage(empty, empty.astype(bool))["aurc"]["value"] is None


def test_intervals_cover_the_truth_about_as_often_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brier of p = 0.3 against outcomes of rate 0.3 is 0.21."""
    monkeypatch.setattr(tested, "DRAWS", 200)
    rng, covered = np.random.default_rng(0), 0
    for _ in range(60):
        found = calibration(np.full(300, 0.3), rng.random(300) < 0.3)["brier"]
        covered += found["low"] <= 0.21 <= found["high"]
    assert covered >= 52


def test_drawing_in_pieces_changes_nothing_but_memory() -> None:
    rng = np.random.default_rng(1)
    p = rng.random(5000)
    found = calibration(p, rng.random(5000) < p)["calibration_error"]
    assert found["value"] < 0.03
    assert found["high"] - found["low"] < 0.05
