"""Detectors learn what can be learnt, are calibrated, and see no more labels than they may."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from evenhand.models.network.detector import BiasDetectors
from evenhand.training.data.dataset import Rows, Schema, hold_out
from evenhand.training.learning import detection
from evenhand.training.learning.config import DetectorConfig
from evenhand.training.learning.features import Features, Material

SCHEMA = Schema(("no", "yes"), ("yes",), {"team": ("none", "a", "b")})


def material(rows: int = 1500, signal: float = 2.0) -> Material:
    """Hidden states that carry the group in one direction, for a fifth of the rows."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 6, rows)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    groups = rng.choice([0, 1, 2], rows, p=[0.8, 0.15, 0.05])
    hidden = rng.normal(size=(starts[-1], 8)).astype(np.float32)
    hidden[:, 0] += signal * np.repeat(groups > 0, lengths)
    split = np.array(
        ["train"] * (rows // 2) + ["held"] * (rows // 4) + ["test"] * (rows - rows // 2 - rows // 4)
    )
    data = Rows([""] * rows, rng.integers(0, 2, rows), {"team": groups}, split, np.arange(rows))
    features = Features(hidden, starts, np.zeros((rows, 2), np.float32), np.zeros((rows, 8), np.float32))
    return Material(features, data, SCHEMA, seed=0)


def learnt(made: Material, membership: np.ndarray, folder: Path) -> BiasDetectors:
    torch.manual_seed(0)
    detectors = BiasDetectors(1, 8)
    half = made.rows.of("train")
    lesson = detection.Lesson(membership, half[::2], half[1::2])
    detection.learn(detectors, made, lesson, DetectorConfig(epochs=16), folder)
    detection.calibrate(detectors, made, membership, made.rows.of("held"))
    return detectors


def test_a_detector_finds_the_group_and_its_risk_is_a_frequency(tmp_path: Path) -> None:
    made = material()
    membership = detection.members(made.rows, SCHEMA)
    detectors = learnt(made, membership, tmp_path)
    test = made.rows.of("test")
    risk, truth = detection.risks_of(detectors, made.features, test)[:, 0], membership[test, 0]
    assert detection.mean_auc(risk[:, None], membership[test]) > 0.9
    assert risk.mean() == pytest.approx(truth.mean(), abs=0.05)
    middle = (risk > 0.3) & (risk < 0.7)
    assert truth[middle].mean() == pytest.approx(risk[middle].mean(), abs=0.2)


def test_calibration_uses_no_row_that_certifies_or_tests(tmp_path: Path) -> None:
    made = material()
    places = made.rows.split.copy()
    places[made.rows.of("test")[::2]] = "val"
    made = replace(made, rows=replace(made.rows, split=places))
    membership = detection.members(made.rows, SCHEMA)
    other = membership.copy()
    other[made.rows.of("val", "test")] = 1
    risks = [
        detection.risks_of(learnt(made, of, tmp_path / name), made.features, made.rows.all())
        for name, of in (("as it is", membership), ("other", other))
    ]
    assert np.array_equal(*risks)


def test_without_signal_the_risk_is_the_prevalence(tmp_path: Path) -> None:
    made = material(signal=0.0)
    membership = detection.members(made.rows, SCHEMA)
    risk = detection.risks_of(learnt(made, membership, tmp_path), made.features, made.rows.of("test"))
    assert risk.mean() == pytest.approx(0.2, abs=0.06)
    assert risk.std() < 0.12


def test_members_are_outside_the_reference_inside_or_unknown() -> None:
    rows = Rows(
        ["a"] * 4, np.zeros(4, int), {"team": np.array([0, 1, 2, -1])}, np.array(["train"] * 4), np.arange(4)
    )
    assert detection.members(rows, SCHEMA)[:, 0].tolist() == [0, 1, 1, -1]


@pytest.mark.parametrize("share", [1.0, 0.5, 0.1])
def test_the_partial_setting_hides_training_rows_only(share: float) -> None:
    made = material()
    rows = hold_out(made.rows, 0.4, 0)
    membership = detection.members(detection.hide(rows, share, seed=1), SCHEMA)
    learnt, val = rows.of("train", "held", "tune"), rows.of("val", "test")
    assert (membership[learnt] >= 0).mean() == pytest.approx(share, abs=0.01)
    assert (membership[val] >= 0).all()
    assert np.array_equal(membership, detection.members(detection.hide(rows, share, seed=1), SCHEMA))


def test_rows_that_weigh_nothing_teach_nothing(tmp_path: Path) -> None:
    made = material()
    membership = detection.members(made.rows, SCHEMA)
    lie = membership.copy()
    lie[::2] = 1 - lie[::2]
    weights = np.ones(membership.shape, np.float32)
    weights[::2] = 0.0
    torch.manual_seed(0)
    detectors = BiasDetectors(1, 8)
    train, held = made.rows.of("train"), made.rows.of("held")
    lesson = detection.Lesson(lie, train, train[1::2], weights)
    detection.learn(detectors, made, lesson, DetectorConfig(epochs=12), tmp_path)
    assert detection.mean_auc(detection.logits_of(detectors, made.features, held), membership[held]) > 0.85


def test_auc_over_nothing_is_a_coin() -> None:
    assert detection.mean_auc(np.ones((3, 1), np.float32), np.full((3, 1), -1)) == 0.5
    assert detection.mean_auc(np.ones((3, 1), np.float32), np.ones((3, 1), int)) == 0.5


def test_one_kind_of_row_cannot_be_calibrated_and_is_left_alone() -> None:
    made = material()
    torch.manual_seed(0)
    detectors = BiasDetectors(1, 8)
    before = detection.logits_of(detectors, made.features, made.rows.of("held"))
    detection.calibrate(detectors, made, np.zeros((len(made.rows), 1), int), made.rows.of("held"))
    assert np.array_equal(before, detection.logits_of(detectors, made.features, made.rows.of("held")))
