"""What a fit learns, and what it cannot learn from."""

from pathlib import Path

import numpy as np
import pytest

from evenhand.training.choice.learners import Learner, fresh_rows, learners_of
from evenhand.training.correctors import named
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import DataError, Rows, Schema
from evenhand.training.learning.config import BaseConfig, FitConfig
from evenhand.training.learning.detection import Lesson
from evenhand.training.learning.features import Features, Material


def test_without_a_held_out_row_nothing_can_be_learnt(tmp_path: Path) -> None:
    """The base has fitted every row: its errors there are not those it will make."""
    rows = Rows(
        items=["a", "b"],
        labels=np.array([0, 1]),
        groups={"team": np.array([0, 1])},
        split=np.array(["train", "val"]),
        row=np.arange(2),
    )
    states = np.zeros((2, 4), dtype=np.float32)
    features = Features(states, np.arange(3), states[:, :2], states)
    schema = Schema(("bad", "good"), ("good",), {"team": ("none", "a")})
    config = FitConfig(
        "tiny", "base", Columns("text", "label", ("team",)), base_stage=BaseConfig(hold_out=0.0)
    )
    with pytest.raises(DataError, match="hold out a share above 0"):
        learners_of(
            config,
            lambda: pytest.fail("the base is not needed"),
            Material(features, rows, schema, 0),
            tmp_path,
        )


@pytest.mark.parametrize(
    ("method", "taught", "expected"),
    [
        ("offsets", "train", {1, 2}),
        ("lora", "train", {2}),
        ("offsets", "held", {2}),  # a detector of errors learns from held-out labels
    ],
)
def test_rows_that_order_are_those_that_nothing_learnt_from(
    method: str, taught: str, expected: set[int]
) -> None:
    split = np.array(["train", "held", "tune", "val", "test"])
    rows = Rows(["a"] * 5, np.zeros(5, int), {"team": np.zeros(5, int)}, split, np.arange(5))
    schema = Schema(("bad", "good"), ("good",), {"team": ("none", "a")})
    lesson = Lesson(rows.groups["team"][:, None], rows.of(taught), rows.of("tune"))
    learner = Learner("attributes", rows, schema, lesson)
    assert set(fresh_rows(learner, named(method))) == expected
