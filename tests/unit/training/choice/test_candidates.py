"""The value that settings are put in order by."""

import numpy as np
import pytest

from evenhand.training.choice.candidates import CellScorer
from evenhand.training.data.dataset import Rows, Schema

SCHEMA = Schema(("no", "yes"), ("yes",), {"team": ("none", "a")})


def test_the_value_is_worst_cell_plus_mean_worst_plus_a_tenth_of_the_accuracy() -> None:
    label, team = np.repeat([0, 1], 100), np.tile([0, 1], 100)
    rows = Rows([""] * 200, label, {"team": team}, np.full(200, "val"), np.arange(200))
    scorer = CellScorer(rows, SCHEMA, rows.all(), label, cost=0.2)
    predicted = label.copy()
    predicted[np.flatnonzero((label == 1) & (team == 1))[:20]] = 0
    assert scorer.worst(predicted == label) == scorer.names.index(("team", "a", "yes"))
    assert scorer.value(predicted) == pytest.approx(0.6 + 0.6 + 0.1 * 0.9)
    assert scorer.value(1 - label) == float("-inf")
