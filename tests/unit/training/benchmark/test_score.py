"""Figures of the table: equal to the plain definitions, with intervals that say how sure they are."""

import numpy as np
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from synthetic import SCHEMA, spurious

from evenhand.models.bundle.target import Target
from evenhand.training.baselines.retrain import Erm
from evenhand.training.benchmark.aggregate import summarise
from evenhand.training.benchmark.runner import Result
from evenhand.training.benchmark.score import ScoredRows, score_answers
from evenhand.training.choice.criterion import Criterion
from evenhand.training.choice.scorer import cell_aims
from evenhand.training.data.dataset import Schema

ROWS, _ = spurious(3000)
TEST = ROWS.of("test")
SCORED = ScoredRows(ROWS, SCHEMA, TEST)
BASE = ROWS.groups["place"][TEST]
BETTER = np.where(np.random.default_rng(0).random(len(TEST)) < 0.8, ROWS.labels[TEST], BASE)


def test_the_figures_are_the_plain_definitions() -> None:
    figures = score_answers(SCORED, BASE, BETTER)
    truth, place = ROWS.labels[TEST], ROWS.groups["place"][TEST]
    assert figures["accuracy"]["value"] == pytest.approx((truth == BETTER).mean())
    assert figures["accuracy_difference"]["value"] == pytest.approx(
        (truth == BETTER).mean() - (truth == BASE).mean()
    )
    cells = [(truth == BETTER)[(truth == y) & (place == p)].mean() for y in (0, 1) for p in (0, 1)]
    assert figures["worst_cell"]["accuracy"]["value"] == pytest.approx(min(cells))
    assert figures["worst_cell_difference"]["value"] == pytest.approx(
        min(cells)
    )  # the base's worst cell is all wrong
    oracle = equalized_odds_difference(truth, BETTER, sensitive_features=place)
    assert figures["equalized_odds"]["place"]["value"] == pytest.approx(oracle)
    assert figures["equalized_odds_mean"]["value"] == pytest.approx(oracle)
    oracle = demographic_parity_difference(truth, BETTER, sensitive_features=place)
    assert figures["demographic_parity"]["place"]["value"] == pytest.approx(oracle)
    assert figures["demographic_parity_mean"]["value"] == pytest.approx(oracle)


def test_intervals_hold_the_figure_and_a_bootstrap_is_the_same_each_time() -> None:
    scores = score_answers(SCORED, BASE, BETTER)
    figures = ("worst_cell_difference", "equalized_odds_mean", "demographic_parity_mean")
    for of in (
        *(scores[name] for name in figures),
        scores["equalized_odds"]["place"],
        scores["demographic_parity"]["place"],
    ):
        assert of["low"] < of["value"] < of["high"]
    assert score_answers(SCORED, BASE, BETTER) == scores
    nothing = score_answers(SCORED, BASE, BASE)
    assert nothing["worst_cell_difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_what_too_few_rows_support_is_none() -> None:
    few = ScoredRows(ROWS, SCHEMA, TEST[:40])
    figures = score_answers(few, BASE[:40], BETTER[:40])
    assert figures["worst_cell"] is None
    assert figures["worst_cell_difference"] == {"value": None, "low": None, "high": None}
    assert figures["equalized_odds"]["place"]["value"] is None
    assert figures["equalized_odds_mean"] == {"value": None, "low": None, "high": None}
    assert figures["demographic_parity_mean"] == {"value": None, "low": None, "high": None}


def test_three_classes_are_judged_too() -> None:
    schema = Schema(("a", "b", "c"), ("a", "b"), SCHEMA.groups)
    figures = score_answers(ScoredRows(ROWS, schema, TEST), BASE, np.full(len(TEST), 2))
    assert figures["accuracy"]["value"] == 0
    assert figures["equalized_odds_mean"]["value"] is None  # no row's true label is unfavourable


def test_the_summary_has_mean_spread_and_what_failed() -> None:
    results = [
        Result("erm", seed, {split: score_answers(SCORED, BASE, answer) for split in ("val", "test")})
        for seed, answer in enumerate((BASE, BETTER))
    ]
    method = Erm()
    (line,) = summarise([method], [*results, Result("erm", 2, failed="out of luck")], SCHEMA)
    values = [result.figures["test"]["accuracy"]["value"] for result in results]
    assert line.figures["test"]["accuracy"].mean == pytest.approx(np.mean(values))
    assert line.figures["test"]["accuracy"].spread == pytest.approx(np.std(values, ddof=1))
    assert (line.seeds, line.failed) == (2, ("out of luck",))
    (alone,) = summarise([method], results[:1], SCHEMA)
    assert alone.figures["test"]["accuracy"].spread is None


def test_the_criterion_wants_the_accuracy_first_then_the_worst_cell() -> None:
    validation = ROWS.of("val")
    truth, place = ROWS.labels[validation], ROWS.groups["place"][validation]
    base = truth.copy()
    base[np.flatnonzero((truth == 0) & (place == 1))[:40]] = 1  # one bad cell
    target = Target(attributes=cell_aims(SCHEMA), max_loss=0.01)
    criterion = Criterion.against(base, ROWS, SCHEMA, target)
    spread = truth.copy()  # as many errors, in all cells alike
    spread[np.random.default_rng(0).choice(len(truth), 40, replace=False)] ^= 1
    costly = truth.copy()
    costly[np.random.default_rng(0).choice(len(truth), 60, replace=False)] ^= 1
    assert criterion.value(spread) > criterion.value(base) > criterion.value(costly)
    assert criterion.choose([base, costly, spread], lambda answer: answer) is spread
    worse = 1 - truth
    assert criterion.choose([worse, costly], lambda answer: answer) is costly
