"""Every pair of ``bench.references`` on a table made for it: our side answers as the library itself does."""

from dataclasses import replace

import pytest
from synthetic import SCHEMA, spurious

from bench.reference_use import figures, lines, within
from bench.references import PAIRS
from bench.references.pair import Pair
from evenhand.training.baselines.base import Context, prepare
from evenhand.training.data.columns import Columns
from evenhand.training.learning.config import BaseConfig, FitConfig

ROWS, X = spurious(3000, agree=0.8)
ROWS = replace(ROWS, items=[{"core": float(row[0]), "shortcut": float(row[1])} for row in X])
BY_NAME = {pair.name: pair for pair in PAIRS}
SAME = {"thresholds": 1.0, "group-calibration": 0.99, "leace": 0.95, "reweighting": 0.99}
"""Least share of equal answers; 0.9 if random numbers differ. The library's LEACE shrinks the covariance."""


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    stage = BaseConfig(epochs=3, learning_rate=3e-3, batch_rows=64, hold_out=0.0)
    config = FitConfig("made", "tabular", Columns("", "label", ("place",), task="table"), base_stage=stage)
    return prepare(config, ROWS, SCHEMA, "made", tmp_path_factory.mktemp("references"))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_both_sides_answer_alike(context: Context, pair: Pair) -> None:
    rows = [line.split(" | ") for line in lines(context, pair)]
    assert [line[1] for line in rows] == ["accuracy", "worst cell", "equalized odds difference, place"]
    assert {line[-2] for line in rows} <= {"the same", "draws", "rows"}
    assert float(rows[0][-1]) >= SAME.get(pair.name, 0.9)


def test_a_side_draws_again_with_the_seed_and_only_then(context: Context) -> None:
    for pair in PAIRS:
        if pair.draws > 1:
            for side in (pair.ours, pair.theirs):
                drawn = side(context)
                first, again, other = drawn(0), drawn(0), drawn(1)
                assert (first == again).all(), pair.name
                assert (first != other).any(), pair.name


def test_figures_know_a_base_that_is_always_right(context: Context) -> None:
    rows = ROWS.of("test")
    assert figures(context, rows, ROWS.labels[rows]).tolist() == [1.0, 1.0, 0.0]
    wrong = figures(context, rows, 1 - ROWS.labels[rows])
    assert wrong[:2].tolist() == [0.0, 0.0]


def test_within_says_the_nearest_noise() -> None:
    assert [within(*of) for of in ((0.0, 0.0, 0.0), (-0.1, 0.2, 0.0), (0.1, 0.0, 0.2), (-0.3, 0.1, 0.2))] == [
        "the same",
        "draws",
        "rows",
        "no",
    ]
