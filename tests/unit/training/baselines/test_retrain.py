"""Weights, draws and losses of the retrained baselines; the retraining itself runs in ``test_compare.py``."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic import SCHEMA, spurious
from torch.nn import functional

from evenhand.training.baselines.group_labels import LEFT_OUT, merge
from evenhand.training.baselines.resampling import balanced
from evenhand.training.baselines.retrain import RobustLoss, inverse_frequency, weighted_cross_entropy

ROWS, _ = spurious()
TRAIN = ROWS.of("train", "held")
GROUPS = merge(ROWS, SCHEMA, TRAIN)


def with_unknown():
    """The same rows, a tenth of them without a known place."""
    unknown = np.arange(len(ROWS)) % 10 == 0
    rows = replace(ROWS, groups={"place": np.where(unknown, -1, ROWS.groups["place"])})
    return unknown, merge(rows, SCHEMA, TRAIN)


def test_weights_equalise_the_mass_of_cells_with_mean_one() -> None:
    weights = inverse_frequency(GROUPS, TRAIN)[TRAIN]
    mass = [weights[GROUPS.cells[TRAIN] == cell].sum() for cell in range(4)]
    assert mass == pytest.approx([len(TRAIN) / 4] * 4)
    assert len(set(np.bincount(GROUPS.cells[TRAIN]).tolist())) > 1


def test_rows_with_an_unknown_group_keep_their_weight_and_the_others_a_mean_of_one() -> None:
    unknown, groups = with_unknown()
    weights = inverse_frequency(groups, TRAIN)
    assert (weights[unknown] == 1).all()
    assert weights[TRAIN][~unknown[TRAIN]].mean() == pytest.approx(1)


def test_a_draw_has_equal_cells_about_as_many_rows_and_is_seeded() -> None:
    drawn = balanced(GROUPS, TRAIN, seed=1)
    counts = np.bincount(GROUPS.cells[drawn])
    assert len(set(counts.tolist())) == 1
    assert abs(len(drawn) - len(TRAIN)) <= 4
    assert set(drawn) <= set(TRAIN)
    assert (balanced(GROUPS, TRAIN, 1) == drawn).all()
    assert (balanced(GROUPS, TRAIN, 2) != drawn).any()


def test_a_draw_keeps_rows_with_an_unknown_group_once() -> None:
    unknown, groups = with_unknown()
    drawn = balanced(groups, TRAIN, 0)
    expected = TRAIN[unknown[TRAIN]]
    assert sorted(drawn[groups.cells[drawn] == LEFT_OUT]) == sorted(expected)


def test_the_weighted_loss_is_the_weighted_mean_over_batches() -> None:
    labels, weights = np.array([0, 1, 1, 0]), np.array([0.5, 2.0, 1.0, 0.5])
    loss = weighted_cross_entropy(labels, weights)
    logits = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    each = functional.cross_entropy(logits, torch.from_numpy(labels), reduction="none") * torch.from_numpy(
        weights
    )
    halves = (loss(logits[:2], np.array([0, 1])) + loss(logits[2:], np.array([2, 3]))) / 2
    assert float(halves) == pytest.approx(float(each.mean()), abs=1e-6)


def test_groupdro_weights_rise_on_the_worst_group_and_stay_on_the_simplex() -> None:
    loss = RobustLoss(GROUPS, TRAIN, eta=0.1)
    rng = np.random.default_rng(0)
    # A model that believes the place: wrong in the cells where place and label disagree.
    logits = torch.from_numpy(np.eye(2)[ROWS.groups["place"]] * 4)
    for _ in range(100):
        batch = rng.choice(TRAIN, 32)
        loss(logits[batch], batch)
    disagree = [cell for cell in range(4) if cell // 2 != cell % 2]
    assert float(loss.weights.sum()) == pytest.approx(1)
    assert float(loss.weights[disagree].sum()) > 0.99
    agree = [cell for cell in range(4) if cell not in disagree]
    assert float(loss.weights[disagree].min()) > float(loss.weights[agree].max())


def test_groupdros_loss_is_the_weighted_sum_of_group_losses_over_all_rows() -> None:
    loss = RobustLoss(GROUPS, TRAIN, eta=0.0)
    logits = torch.randn(len(ROWS), 2, generator=torch.Generator().manual_seed(0)).double()
    each = functional.cross_entropy(logits, torch.from_numpy(ROWS.labels), reduction="none").numpy()
    means = [each[TRAIN][GROUPS.cells[TRAIN] == cell].mean() for cell in range(4)]
    assert float(loss(logits[TRAIN], TRAIN)) == pytest.approx(float(np.mean(means)))


def test_groupdro_gives_rows_with_an_unknown_group_their_plain_loss() -> None:
    unknown, groups = with_unknown()
    loss = RobustLoss(groups, TRAIN, eta=0.01)
    before = loss.weights.clone()
    batch = TRAIN[unknown[TRAIN]][:16]
    logits = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
    plain = functional.cross_entropy(logits, torch.from_numpy(ROWS.labels[batch]))
    assert float(loss(logits, batch)) == pytest.approx(float(plain), abs=1e-6)
    assert torch.allclose(loss.weights, before)
