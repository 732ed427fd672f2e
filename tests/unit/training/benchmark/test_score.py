"""Figures of the table: equal to the plain definitions, with intervals that say how sure they are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    equalized_odds_difference,
    false_positive_rate,
    true_positive_rate,
)
from synthetic import SCHEMA, spurious

from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.training.baselines.retrain import Erm
from evenhand.training.benchmark.aggregate import summarise
from evenhand.training.benchmark.runner import Result, Task
from evenhand.training.benchmark.score import ScoredRows, differences, score_answers
from evenhand.training.choice.criterion import Criterion
from evenhand.training.choice.scorer import cell_aims
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import Schema
from evenhand.training.evaluation.targets import losing_cells, target_figures
from evenhand.training.learning.config import CorrectionConfig, FitConfig, TargetConfig

ROWS, _ = spurious(3000)
TEST = ROWS.of("test")
SCORED = ScoredRows(ROWS, SCHEMA, TEST)
TARGET = Target(attributes=cell_aims(SCHEMA), max_loss=0.01)
ODDS = Target(
    attributes=[AttributeTarget(attribute="place", measure="equalized-odds")],
    max_loss=0.01,
    max_cell_loss=0.05,
)
CONFIG = FitConfig(
    "made",
    "none",
    Columns("t", "l", ("place",)),
    correction=CorrectionConfig(target=TargetConfig(max_loss=0.01)),
)
RATES = {"equal_opportunity": true_positive_rate, "predictive_equality": false_positive_rate}
BASE = ROWS.groups["place"][TEST]
BETTER = np.where(np.random.default_rng(0).random(len(TEST)) < 0.8, ROWS.labels[TEST], BASE)


def test_the_figures_are_the_plain_definitions() -> None:
    figures = score_answers(SCORED, TARGET, BASE, BETTER)
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
    for gap, rate in RATES.items():
        frame = MetricFrame(metrics=rate, y_true=truth, y_pred=BETTER, sensitive_features=place)
        assert figures[gap]["place"]["value"] == pytest.approx(frame.difference())
        assert figures[f"{gap}_mean"]["value"] == pytest.approx(frame.difference())
    oracle = demographic_parity_difference(truth, BETTER, sensitive_features=place)
    assert figures["demographic_parity"]["place"]["value"] == pytest.approx(oracle)
    assert figures["demographic_parity_mean"]["value"] == pytest.approx(oracle)


@pytest.mark.parametrize("target", [TARGET, ODDS], ids=["worst cell", "equalized odds"])
def test_the_targets_figure_is_that_of_an_evaluation(target: Target) -> None:
    figures = score_answers(SCORED, target, BASE, BETTER)
    (aim,) = target_figures(target, ROWS, SCHEMA, TEST, BASE, BETTER)["attributes"]
    for name, side in (("target", "final"), ("target_difference", "difference")):
        of, evaluated = figures[name], aim[side]
        assert of["value"] == pytest.approx(evaluated["value"])
        # Both bootstraps draw rows, each in its own way.
        assert (of["low"], of["high"]) == pytest.approx((evaluated["low"], evaluated["high"]), abs=0.02)
    assert figures["aims"]["place"]["final"] == figures["target"]
    assert figures["aims"]["place"]["figure"] == aim["figure"]


def test_of_several_aims_the_worst_is_the_targets_figure() -> None:
    names = {"place": SCHEMA.groups["place"], "coin": ("heads", "tails")}
    coin = np.random.default_rng(1).integers(0, 2, len(ROWS))
    rows, schema = replace(ROWS, groups={**ROWS.groups, "coin": coin}), replace(SCHEMA, groups=names)
    scored = ScoredRows(rows, schema, TEST)
    gaps = [AttributeTarget(attribute=name, measure="equalized-odds") for name in names]
    figures = score_answers(scored, Target(attributes=gaps, max_loss=0.0), BASE, BETTER)
    alone = [figures["aims"][name]["final"]["value"] for name in names]
    assert figures["target"]["value"] == max(alone)
    mixed = [gaps[0], AttributeTarget(attribute="coin", measure="worst-cell")]
    figures = score_answers(scored, Target(attributes=mixed, max_loss=0.0), BASE, BETTER)
    gap, cell = (figures["aims"][name]["final"]["value"] for name in names)
    assert figures["target"]["value"] == pytest.approx(min(1 - gap, cell))


def test_the_cell_that_loses_most_is_named_with_its_interval() -> None:
    truth, place = ROWS.labels[TEST], ROWS.groups["place"][TEST]
    worse = truth.copy()
    cell = np.flatnonzero((truth == 1) & (place == 0))
    worse[cell[: len(cell) // 4]] = 0
    other = np.flatnonzero((truth == 0) & (place == 1))
    worse[other[:3]] = 1
    loss = score_answers(SCORED, TARGET, truth, worse)["largest_cell_loss"]
    assert (loss["attribute"], loss["group"], loss["label"], loss["n"]) == ("place", "land", "yes", len(cell))
    assert loss["value"] == pytest.approx((len(cell) // 4) / len(cell))
    assert 0 < loss["low"] < loss["value"] < loss["high"]
    losing = losing_cells(ROWS, SCHEMA, TEST, truth, worse)[0]["difference"]
    assert (loss["low"], loss["high"]) == pytest.approx((-losing["high"], -losing["low"]))
    gained = score_answers(SCORED, TARGET, 1 - truth, truth)["largest_cell_loss"]
    assert gained["value"] == -1


def test_differences_of_two_methods_are_those_of_a_scored_one() -> None:
    scores = score_answers(SCORED, ODDS, BASE, BETTER)
    assert differences(SCORED, ODDS, BASE, BETTER) == {
        name: scores[name] for name in ("accuracy_difference", "target_difference")
    }


def test_intervals_hold_the_figure_and_a_bootstrap_is_the_same_each_time() -> None:
    scores = score_answers(SCORED, TARGET, BASE, BETTER)
    figures = ("worst_cell_difference", "equalized_odds_mean", "demographic_parity_mean", "target")
    for of in (
        *(scores[name] for name in figures),
        scores["equalized_odds"]["place"],
        scores["demographic_parity"]["place"],
    ):
        assert of["low"] < of["value"] < of["high"]
    assert score_answers(SCORED, TARGET, BASE, BETTER) == scores
    nothing = score_answers(SCORED, TARGET, BASE, BASE)
    assert nothing["worst_cell_difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_the_interval_of_a_gap_that_is_closed_holds_it() -> None:
    equal = score_answers(SCORED, ODDS, BASE, np.ones(len(TEST), int))
    assert equal["target"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    rng = np.random.default_rng(3)
    spans = [score_answers(SCORED, ODDS, BASE, rng.integers(0, 2, len(TEST)))["target"] for _ in range(5)]
    assert all(of["low"] <= of["value"] <= of["high"] for of in spans)


def test_what_too_few_rows_support_is_none() -> None:
    few = ScoredRows(ROWS, SCHEMA, TEST[:40])
    figures = score_answers(few, TARGET, BASE[:40], BETTER[:40])
    assert figures["worst_cell"] is None
    assert figures["worst_cell_difference"] == {"value": None, "low": None, "high": None}
    assert figures["equalized_odds"]["place"]["value"] is None
    assert figures["equalized_odds_mean"] == {"value": None, "low": None, "high": None}
    assert figures["demographic_parity_mean"] == {"value": None, "low": None, "high": None}
    assert figures["target"] == figures["target_difference"] == {"value": None, "low": None, "high": None}
    assert set(figures["largest_cell_loss"].values()) == {None}


def test_three_classes_are_judged_too() -> None:
    schema = Schema(("a", "b", "c"), ("a", "b"), SCHEMA.groups)
    figures = score_answers(ScoredRows(ROWS, schema, TEST), TARGET, BASE, np.full(len(TEST), 2))
    assert figures["accuracy"]["value"] == 0
    assert figures["equalized_odds_mean"]["value"] is None  # no row's true label is unfavourable


def test_the_summary_has_mean_spread_and_what_failed() -> None:
    results = [
        Result("erm", seed, {split: score_answers(SCORED, TARGET, BASE, answer) for split in ("val", "test")})
        for seed, answer in enumerate((BASE, BETTER))
    ]
    task = Task(lambda seed: CONFIG, ROWS, SCHEMA, "", (0, 1, 2), [Erm()], Path())
    (line,) = summarise(task, [*results, Result("erm", 2, failed="out of luck")])
    values = [result.figures["test"]["accuracy"]["value"] for result in results]
    assert line.figures["test"]["accuracy"].mean == pytest.approx(np.mean(values))
    assert line.figures["test"]["accuracy"].spread == pytest.approx(np.std(values, ddof=1))
    assert (line.seeds, line.failed) == (2, ("out of luck",))
    (alone,) = summarise(task, results[:1])
    assert alone.figures["test"]["accuracy"].spread is None


def test_the_criterion_wants_the_accuracy_first_then_the_worst_cell() -> None:
    validation = ROWS.of("val")
    truth, place = ROWS.labels[validation], ROWS.groups["place"][validation]
    base = truth.copy()
    base[np.flatnonzero((truth == 0) & (place == 1))[:40]] = 1  # one bad cell
    criterion = Criterion.against(base, ROWS, SCHEMA, TARGET)
    spread = truth.copy()  # as many errors, in all cells alike
    spread[np.random.default_rng(0).choice(len(truth), 40, replace=False)] ^= 1
    costly = truth.copy()
    costly[np.random.default_rng(0).choice(len(truth), 60, replace=False)] ^= 1
    assert criterion.value(spread) > criterion.value(base) > criterion.value(costly)
    assert criterion.choose([base, costly, spread], lambda answer: answer) is spread
    worse = 1 - truth
    assert criterion.choose([worse, costly], lambda answer: answer) is costly
