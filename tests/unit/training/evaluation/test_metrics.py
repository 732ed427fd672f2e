"""Group metrics equal Fairlearn's; intervals equal published examples; small cells are never the worst."""

import warnings

import fairlearn.metrics as fl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from sklearn.metrics import accuracy_score

from evenhand.stats import Rate, difference, newcombe, paired_difference
from evenhand.training.evaluation.metrics import (
    MIN_CELL,
    against_reference,
    cells,
    group_metrics,
    pooled_name,
    worst,
)

NAMES = ("none", "a", "b")


@st.composite
def outcomes(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rows = st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), min_size=0, max_size=60)
    # One row of each group and label, so that Fairlearn's rates exist for every group.
    whole = [(g, t, s) for g in range(3) for t in (True, False) for s in (True, False)]
    found = np.array(whole[:: draw(st.integers(1, 2))] + whole[1::2] + draw(rows), dtype=int)
    return found[:, 0], found[:, 1].astype(bool), found[:, 2].astype(bool)


@settings(max_examples=examples(60), deadline=None)
@given(outcomes())
def test_disparities_equal_fairlearn(drawn: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    groups, truth, selected = drawn
    ours = group_metrics(NAMES, groups, truth, selected)
    given_ = {"y_true": truth, "y_pred": selected, "sensitive_features": groups}
    assert ours["demographic_parity_difference"] == pytest.approx(
        fl.demographic_parity_difference(**given_), abs=1e-12
    )
    assert ours["demographic_parity_ratio"] == pytest.approx(fl.demographic_parity_ratio(**given_), abs=1e-12)
    assert ours["equal_opportunity_difference"] == pytest.approx(
        fl.equal_opportunity_difference(**given_), abs=1e-12
    )
    assert ours["equalized_odds_difference"] == pytest.approx(
        fl.equalized_odds_difference(**given_), abs=1e-12
    )
    mean = fl.equalized_odds_difference(**given_, agg="mean")
    assert ours["equalized_odds_difference_mean"] == pytest.approx(mean, abs=1e-12)
    frame = fl.MetricFrame(
        metrics={"selection_rate": fl.selection_rate, "accuracy": accuracy_score},
        y_true=truth,
        y_pred=selected,
        sensitive_features=groups,
    )
    for code, name in enumerate(NAMES):
        for metric in ("selection_rate", "accuracy"):
            assert ours["groups"][name][metric].value == pytest.approx(
                frame.by_group[metric][code], abs=1e-12
            )


def test_a_group_that_is_never_selected_counts() -> None:
    groups = np.array([0] * 10 + [1] * 10)
    found = group_metrics(("x", "y"), groups, groups == 0, groups == 0)
    assert found["demographic_parity_difference"] == 1.0
    assert found["demographic_parity_ratio"] == 0.0


def test_a_group_without_rows_or_positives_is_none_and_enters_no_gap() -> None:
    groups = np.array([0, 0, 1, 1, -1])
    truth = np.array([True, False, False, False, True])
    found = group_metrics(NAMES, groups, truth, np.ones(5, dtype=bool))
    assert found["groups"]["b"]["selection_rate"] == Rate(0, None, None, None)
    assert found["groups"]["a"]["true_positive_rate"].value is None
    assert found["equal_opportunity_difference"] is None
    assert found["equalized_odds_difference"] is None
    assert found["demographic_parity_difference"] == 0.0


def test_small_groups_enter_no_gap_when_asked() -> None:
    groups = np.array([0] * 40 + [1] * 40 + [2] * 5)
    selected = groups == 2
    found = group_metrics(NAMES, groups, selected, selected, min_rows=30)
    assert found["demographic_parity_difference"] == 0.0
    assert found["demographic_parity_ratio"] is None
    assert found["groups"]["b"]["selection_rate"].value == 1.0


@settings(max_examples=examples(40), deadline=None)
@given(outcomes())
def test_rates_and_differences_from_the_reference_equal_metric_frame(
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    groups, truth, selected = drawn
    metrics = {
        "selection_rate": fl.selection_rate,
        "true_positive_rate": fl.true_positive_rate,
        "false_positive_rate": fl.false_positive_rate,
        "accuracy": accuracy_score,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = fl.MetricFrame(metrics=metrics, y_true=truth, y_pred=selected, sensitive_features=groups)
    rates = group_metrics(NAMES, groups, truth, selected)["groups"]
    found = against_reference(rates)
    for code, name in enumerate(NAMES):
        for metric in metrics:
            ours, theirs = rates[name][metric].value, frame.by_group[metric][code]
            assert ours == pytest.approx(theirs, abs=1e-12)
            if code:
                apart = found[name][metric]
                assert apart["value"] == pytest.approx(theirs - frame.by_group[metric][0], abs=1e-12)
                assert apart["low"] <= apart["value"] <= apart["high"]
    assert list(found) == ["a", "b"]


def test_a_difference_has_newcombes_interval_and_none_without_rows() -> None:
    a, b = Rate.of(np.arange(70) < 56), Rate.of(np.arange(80) < 48)
    found = difference(a, b)
    assert (found["n"], found["n_reference"]) == (70, 80)
    assert (found["low"], found["high"]) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert difference(a, Rate(0, None, None, None)) == {
        "value": None,
        "low": None,
        "high": None,
        "n": 70,
        "n_reference": 0,
    }


def test_paired_difference_counts_and_covers() -> None:
    base = np.array([True] * 50 + [False] * 50)
    final = np.array([True] * 48 + [False] * 2 + [True] * 10 + [False] * 40)
    found = paired_difference(base, final)
    assert (found["mended"], found["broken"]) == (10, 2)
    assert found["value"] == pytest.approx(0.08)
    assert 0 < found["low"] < 0.08 < found["high"]
    same = paired_difference(base, base)
    assert same["low"] <= 0.0 <= same["high"]
    assert paired_difference(base[:0], base[:0])["value"] is None


def test_a_paired_interval_is_tighter_than_an_unpaired_one() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(500) < 0.8
    final = np.where(rng.random(500) < 0.05, ~base, base)
    paired = paired_difference(base, final)
    low, high = newcombe(Rate.of(final), Rate.of(base)) or (0, 0)
    assert paired["high"] - paired["low"] < 0.6 * (high - low)


def test_cells_are_label_by_group_with_the_others_pooled() -> None:
    groups, truth = np.array([0, 0, 1, 2, 2, -1]), np.array([0, 1, 0, 0, 1, 0])
    found = cells("team", NAMES, ("no", "yes"), groups, truth, np.zeros(6, dtype=int))
    by_name = {(cell.group, cell.label): cell.accuracy for cell in found}
    assert len(found) == 8
    assert by_name["b", "yes"].value == 0.0
    assert by_name[pooled_name("none"), "no"].n == 2
    assert worst(found) is None


def test_the_worst_cell_is_the_lowest_among_large_ones() -> None:
    groups = np.array([0] * 100 + [1] * MIN_CELL + [2] * (MIN_CELL - 1))
    truth = np.zeros(len(groups), dtype=int)
    predicted = np.where(groups == 2, 1, np.where(np.arange(len(groups)) % 4 == 0, 1, 0))
    predicted[groups == 1] = [1] * 20 + [0] * (MIN_CELL - 20)
    found = worst(cells("team", NAMES, ("no", "yes"), groups, truth, predicted))
    assert found is not None
    # The pooled cell holds the 29 wrong rows of group b too; b alone is too small to be named.
    assert found.group == pooled_name("none")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Rate.of(np.array([], dtype=bool)).value is None
