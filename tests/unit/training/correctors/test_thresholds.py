"""A group whose scores are too low by a known amount gets it back, and no other row is touched."""

import numpy as np
import pytest
from corrector_cases import given_of, logits_of, selected, tiny_split
from fairlearn.metrics import equalized_odds_difference

from evenhand.training.baselines.postprocess import optimised
from evenhand.training.correctors import thresholds
from evenhand.training.correctors.thresholds import SURE, UNCERTAIN
from evenhand.training.learning.config import CorrectionConfig

ROWS = 6000


def rows_of(short: np.ndarray, groups: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truth, and margins that tell it in four rows of five, less by ``short (rows,)`` for group 1."""
    rng = np.random.default_rng(seed)
    fair = rng.choice([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], len(groups))
    truth = (fair > 0) ^ (rng.random(len(groups)) < 0.2)
    return truth.astype(np.int64), fair - short * groups


def learnt(inputs):
    corrector = thresholds.make(tiny_split(), ("team",), config=CorrectionConfig())
    return corrector, thresholds.learn(corrector, inputs)


def case(seed: int = 0):
    rng = np.random.default_rng(seed + 10)
    groups = rng.integers(0, 2, ROWS)
    risk = np.where(groups == 1, rng.uniform(0.5, 1.0, ROWS), rng.uniform(0.0, 0.5, ROWS))
    short = np.where(risk < 0.75, 1.0, 2.0)
    truth, margins = rows_of(short, groups, seed)
    return given_of(truth, groups, groups == 1, logits=logits_of(margins), risk=risk), margins


def answers(corrector, inputs) -> np.ndarray:
    return corrector.correct(selected(inputs, np.arange(ROWS))).numpy().argmax(axis=1)


def gap(inputs, predicted: np.ndarray) -> float:
    rows = inputs.material.rows
    return float(equalized_odds_difference(rows.labels, predicted, sensitive_features=rows.groups["team"]))


def test_sure_and_uncertain_rows_get_what_each_is_short_of() -> None:
    inputs, margins = case()
    corrector, notes = learnt(inputs)
    assert float(corrector.sure[0]) == pytest.approx(0.75, abs=0.02)
    # Any offset between two steps of the margins does the same: the smallest move is taken.
    assert 0.5 <= float(corrector.offsets[0, UNCERTAIN]) <= 1.5
    assert 1.5 <= float(corrector.offsets[0, SURE]) <= 2.5
    assert notes["margins added, uncertain and sure"] == [corrector.offsets[0].numpy().round(3).tolist()]
    moved = answers(corrector, inputs)
    assert np.array_equal(moved[inputs.members[:, 0] == 0], (margins > 0)[inputs.members[:, 0] == 0])
    assert gap(inputs, (margins > 0).astype(int)) > 0.3
    assert gap(inputs, moved) < 0.05
    fresh, _ = case(seed=1)
    assert gap(fresh, answers(corrector, fresh)) < 0.06


def test_where_no_chance_is_needed_fairlearns_thresholds_are_the_same() -> None:
    groups = np.random.default_rng(3).integers(0, 2, ROWS)
    truth, margins = rows_of(np.full(ROWS, 2.0), groups)
    inputs = given_of(truth, groups, groups == 1, logits=logits_of(margins), risk=groups.astype(float))
    corrector, _ = learnt(inputs)
    oracle = optimised(margins, truth, groups, "equalized_odds")
    chance = oracle._pmf_predict(margins[:, None], sensitive_features=groups)[:, 1]
    assert np.minimum(chance, 1 - chance).max() < 0.1  # its own mixing is of neighbours on its grid
    assert np.array_equal(answers(corrector, inputs), (chance > 0.5).astype(int))


def test_an_offset_is_the_smallest_that_meets_the_rates() -> None:
    margins = np.repeat([-3.0, -2.0, -1.0, 1.0], 40).astype(np.float32)
    good = np.repeat([False, True, True, True], 40)
    assert 2.0 < thresholds.offset(margins, good, np.array([1.0, 0.0])) < 2.5
    assert thresholds.offset(margins, good, np.array([1 / 3, 0.0])) == 0.0
    assert thresholds.offset(margins, good, np.array([0.0, 0.0])) == -1.0


def test_too_few_rows_of_a_label_move_nothing() -> None:
    margins, good = np.linspace(-1, 1, 100).astype(np.float32), np.arange(100) < 29
    assert thresholds.offset(margins, good, np.array([1.0, 0.0])) == 0.0


@pytest.mark.parametrize("gates", [np.ones, np.zeros])
def test_where_all_rows_are_flagged_or_none_there_is_nothing_to_meet(gates) -> None:
    inputs, _ = case()
    groups = inputs.members[:, 0]
    logits = inputs.material.features.base_logits
    other = given_of(inputs.material.rows.labels, groups, gates(ROWS, dtype=bool), logits=logits)
    corrector, _ = learnt(other)
    assert not corrector.offsets.any()


def test_rates_are_true_and_false_positives() -> None:
    margins, good = np.array([1.0, -1.0, 2.0, -2.0]), np.array([True, True, False, False])
    rates = thresholds.rates(margins, good, np.array([0.0, 1.5, 3.0]))
    assert rates.tolist() == [[0.5, 0.5], [1.0, 0.5], [1.0, 1.0]]
