"""A known miscalibration of flagged rows is found and taken back."""

import numpy as np
import pytest
from corrector_cases import given_of, logits_of, selected, tiny_split

from evenhand.training.correctors import group_calibration as module
from evenhand.training.evaluation.calibration import calibration
from evenhand.training.learning.config import CorrectionConfig

ROWS = 12000
SLOPE, INTERCEPT = 0.5, 0.8


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def case(seed: int, flagged: np.ndarray | None = None):
    """Unflagged rows' probabilities hold; of flagged ones the margin is twice too large, and too low."""
    rng = np.random.default_rng(seed)
    flagged = rng.random(ROWS) < 0.5 if flagged is None else flagged
    margins = rng.normal(0, 2, ROWS)
    true = np.where(flagged, SLOPE * margins + INTERCEPT, margins)
    truth = (rng.random(ROWS) < sigmoid(true)).astype(np.int64)
    return given_of(truth, flagged.astype(np.int64), flagged, logits=logits_of(margins))


def learnt(data):
    corrector = module.make(tiny_split(), ("team",), config=CorrectionConfig())
    return corrector, module.learn(corrector, data)


def error(data, logits: np.ndarray) -> float:
    """Calibration error of flagged rows."""
    rows = data.gates[:, 0]
    happened = data.material.rows.labels[rows] == 1
    return float(
        calibration(sigmoid(logits[rows, 1] - logits[rows, 0]), happened)["calibration_error"]["value"]
    )


def test_slope_and_intercept_are_found_and_the_error_falls_on_other_rows() -> None:
    corrector, notes = learnt(case(0))
    assert notes["slope and intercept"] == [
        [pytest.approx(SLOPE, abs=0.04), pytest.approx(INTERCEPT, abs=0.08)]
    ]
    other = case(1)
    before = other.material.features.base_logits
    after = corrector.correct(selected(other, np.arange(ROWS))).numpy()
    assert error(other, before) > 0.1
    assert error(other, after) < 0.02
    assert np.allclose(after[~other.gates[:, 0]], before[~other.gates[:, 0]], atol=1e-6)


def test_half_strength_goes_half_the_way() -> None:
    data = case(0)
    corrector, _ = learnt(data)
    rows = np.flatnonzero(data.gates[:, 0])[:50]
    margins = data.material.features.base_logits[rows] @ [-1, 1]
    with corrector.at_strength(0.5):
        corrected = corrector.correct(selected(data, rows)).numpy() @ [-1, 1]
    slope, intercept = float(corrector.slopes[0]), float(corrector.intercepts[0])
    assert corrected == pytest.approx(margins + 0.5 * ((slope - 1) * margins + intercept), abs=1e-5)


def test_too_few_rows_of_a_label_stay_as_they_are() -> None:
    corrector, _ = learnt(case(0, np.arange(ROWS) < 40))
    assert (corrector.slopes.item(), corrector.intercepts.item()) == (1.0, 0.0)
