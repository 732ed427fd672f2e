"""The cut is where groups can be told apart."""

import numpy as np

from evenhand.training.learning.layers import lowest_auc


def probe(shift: float, seed: int = 0) -> float:
    """Lowest AUC for two attributes, the second of which is told by a shift of one column."""
    rng = np.random.default_rng(seed)
    members = rng.integers(0, 2, (900, 2))
    states = rng.normal(size=(900, 6)).astype(np.float32)
    states[:, 0] += 4 * members[:, 0]
    states[:, 1] += shift * members[:, 1]
    labels = rng.integers(0, 2, 300)
    return lowest_auc((states[:600], members[:600]), (states[600:], members[600:]), labels)


def test_the_worst_told_attribute_decides() -> None:
    assert probe(0.0) < 0.6
    assert probe(4.0) > 0.95
    assert probe(0.0) < probe(1.0) < probe(4.0)


def test_an_attribute_that_only_the_label_gives_away_is_not_told() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 1200)
    members = np.where(rng.random(1200) < 0.9, labels, 1 - labels)[:, None]
    states = (labels[:, None] + rng.normal(0, 0.1, (1200, 3))).astype(np.float32)
    auc = lowest_auc((states[:600], members[:600]), (states[600:], members[600:]), labels[600:])
    assert auc < 0.65


def test_where_nothing_is_known_nothing_is_said() -> None:
    states, unknown = np.zeros((10, 2), np.float32), np.full((10, 1), -1)
    assert lowest_auc((states, unknown), (states, unknown), np.zeros(10, int)) == 0.5
