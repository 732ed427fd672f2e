"""The direction is the groups' mean difference within classes, added to every position of open rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from corrector_cases import given_of, selected, tiny_split

from evenhand.training.correctors import steering
from evenhand.training.correctors.interface import NotApplicableError
from evenhand.training.learning.config import CorrectionConfig
from evenhand.training.learning.features import Features

GROUP, CLASS = np.eye(32, dtype=np.float32)[:2]


def states(labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The group moves the first axis by 3 away from the reference, the class the second by 5."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, (len(labels), 32))
    return (noise - 3 * groups[:, None] * GROUP + 5 * labels[:, None] * CLASS).astype(np.float32)


@pytest.fixture
def inputs():
    # The class and the group go together: a plain mean difference would hold much of the class's direction.
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 2, 4000)
    groups = np.where(rng.random(4000) < 0.85, labels, 1 - labels)
    return given_of(labels, groups, groups == 1, hidden=states(labels, groups))


def learnt(inputs):
    corrector = steering.make(tiny_split(), ("team",), config=CorrectionConfig())
    return corrector, steering.learn(corrector, inputs)


def test_the_groups_difference_stays_and_the_classes_cancels(inputs) -> None:
    corrector, notes = learnt(inputs)
    direction = corrector.directions[0].numpy()
    assert direction == pytest.approx(3 * GROUP, abs=0.01)
    assert notes == {"length of each direction": [pytest.approx(3.0, abs=0.01)]}
    hidden, groups = inputs.material.features.hidden, inputs.material.rows.groups["team"]
    plain = hidden[groups == 0].mean(axis=0) - hidden[groups == 1].mean(axis=0)
    assert abs(plain[1]) > 1.0


def test_a_class_without_both_groups_and_rows_of_unknown_group_do_not_count() -> None:
    labels, members = np.array([0, 0, 1, 1, 0]), np.array([0, 1, 1, 1, -1])
    means = np.array([[4.0], [1.0], [50.0], [70.0], [1000.0]], dtype=np.float32)
    assert steering.difference(means, labels, members).tolist() == [3.0]
    assert steering.difference(means, labels, np.ones(5, dtype=int)).tolist() == [0.0]


def test_open_rows_are_finished_from_the_moved_state(inputs) -> None:
    corrector, _ = learnt(inputs)
    rows = np.arange(40)
    batch = selected(inputs, rows)
    assert 0 < batch.gates.sum() < 40
    with torch.no_grad(), corrector.at_strength(0.5):
        logits = corrector.correct(batch)
        moved = batch.hidden + 0.5 * corrector.directions[0] * batch.gates[:, :, None]
        assert torch.allclose(logits, corrector.split.finish(moved, batch.mask)[0], atol=1e-6)


def test_a_rows_state_is_the_mean_over_its_own_positions() -> None:
    hidden = np.array([[1.0], [3.0], [10.0], [2.0], [4.0], [6.0]], dtype=np.float32)
    features = Features(hidden, np.array([0, 2, 3, 6]), np.zeros((3, 2)), np.zeros((3, 1)))
    assert steering.mean_states(features, np.array([2, 0, 1])).ravel().tolist() == [4.0, 2.0, 10.0]


def test_without_both_groups_there_is_no_direction(inputs) -> None:
    alone = replace(inputs, members=np.full_like(inputs.members, -1))
    with pytest.raises(
        NotApplicableError, match="team: no class has held-out rows both in the reference group"
    ):
        learnt(alone)
