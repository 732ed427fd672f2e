"""What is flagged where no attribute is known."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import inputs_of, tiny_base

from evenhand.models.network.backbones import SplitModel
from evenhand.training.data.dataset import HELD, TUNE, UNKNOWN, Rows, Schema
from evenhand.training.learning.config import CorrectionConfig
from evenhand.training.learning.features import Features, Material
from evenhand.training.learning.pseudo_labels import benefit, outliers, pooled

ROWS = 240


def material(labels: np.ndarray | None = None) -> Material:
    """Rows of the tiny base; 12 training rows and 12 others have hidden states far from all other rows."""
    inputs = inputs_of("bert", ROWS)
    split = SplitModel(tiny_base(), 2)
    with torch.no_grad():
        logits, hidden, heads = split.base(inputs)
    places = np.array([("train", HELD, TUNE, "val")[index % 4] for index in range(ROWS)])
    lengths = inputs["attention_mask"].sum(dim=1).numpy()
    states = hidden.numpy()
    rng = np.random.default_rng(0)
    states[:24] += 30 * rng.normal(size=(24, 1, 32)).astype(np.float32)
    flat = np.concatenate([states[row, : lengths[row]] for row in range(ROWS)])
    features = Features(flat, np.concatenate([[0], np.cumsum(lengths)]), logits.numpy(), heads.numpy())
    truth = logits.argmax(dim=1).numpy() if labels is None else labels
    rows = Rows([""] * ROWS, truth, {"team": np.full(ROWS, UNKNOWN)}, places, np.arange(ROWS))
    return Material(features, rows, Schema(("no", "yes"), ("yes",), {"team": ("none", "a")}), seed=0)


def test_pooling_is_the_mean_of_a_rows_own_positions() -> None:
    data = material()
    means = pooled(data.features)
    for row in (0, 7, ROWS - 1):
        first, last = data.features.starts[row : row + 2]
        assert np.allclose(means[row], data.features.hidden[first:last].mean(axis=0), atol=1e-4)


def test_rows_far_from_all_others_are_outliers_in_training_and_outside() -> None:
    flags = outliers(material())
    assert set(np.unique(flags)) <= {0, 1}
    assert flags[:24].mean() > 0.9
    assert flags[24:].mean() < 0.15


def test_a_row_is_judged_alone() -> None:
    whole = material()
    one = outliers(whole)
    changed = material()
    far = changed.rows.of("val")[-10:]
    for row in far:
        changed.features.hidden[changed.features.starts[row] : changed.features.starts[row + 1]] += 100
    other = np.setdiff1d(np.arange(ROWS), far)
    assert np.array_equal(one[other], outliers(changed)[other])


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[Material, object]:
    rng = np.random.default_rng(1)
    data = material(rng.integers(0, 2, ROWS))
    config = CorrectionConfig(epochs=2, batch_rows=16)
    split = SplitModel(tiny_base(), 2)
    return data, benefit(split, data, config, tmp_path_factory.mktemp("benefit"))


def test_benefit_is_known_where_it_was_tried_on_rows_not_learnt_from(case: tuple[Material, object]) -> None:
    data, benefits = case
    tried = np.isin(data.rows.split, (HELD, TUNE))
    assert (benefits.mended[tried] >= 0).all()  # type: ignore[attr-defined]
    assert (benefits.mended[~tried] == UNKNOWN).all()  # type: ignore[attr-defined]
    assert benefits.weights[tried].mean() == pytest.approx(1.0, abs=1e-4)  # type: ignore[attr-defined]
    assert (benefits.weights[~tried] == 0).all()  # type: ignore[attr-defined]


def test_benefit_asks_for_no_attribute(case: tuple[Material, object], tmp_path: Path) -> None:
    data, benefits = case
    data.rows.groups["team"][:] = np.random.default_rng(2).integers(0, 2, ROWS)
    again = benefit(SplitModel(tiny_base(), 2), data, CorrectionConfig(epochs=2, batch_rows=16), tmp_path)
    assert np.array_equal(again.mended, benefits.mended)  # type: ignore[attr-defined]
