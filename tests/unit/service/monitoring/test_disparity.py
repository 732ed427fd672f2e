"""Figures from counts equal Fairlearn's on the same rows; verdicts need enough rows, and say so."""

import warnings
from typing import Any

import fairlearn.metrics as fl
import numpy as np
import pytest
from counted import Answered, cells_of
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from sklearn.metrics import accuracy_score

from evenhand.models.bundle.aims import Aim
from evenhand.models.bundle.target import FIGURES
from evenhand.service.monitoring.disparity import (
    BREACH,
    INSUFFICIENT,
    METRICS,
    NO_EVIDENCE,
    gap,
    metrics_of,
    ratio,
)
from evenhand.service.monitoring.groups import SIDES, LabelKinds, groups_of, unknown_rows
from evenhand.stats import Rate

NAMES = ("none", "a", "b")
MEASURES = {figure: measure for measure, figure in FIGURES.items()}


def metrics_in(rows: list[Answered], aim: Aim | None = None) -> dict[str, dict[str, Any]]:
    groups = groups_of(cells_of(rows), "sex", "declared", NAMES)
    return {metric["metric"]: metric for metric in metrics_of(groups, aim, 100, LabelKinds("high", "low"))}


def target_in(rows: list[Answered], figure: str, limit: float | None = 0.05) -> dict[str, Any]:
    """The metric of this name where it is the target."""
    return metrics_in(rows, Aim(MEASURES[figure], limit, "bundle"))[figure]


def many(
    n: int, group: str, share: float, label: bool | None = None, base: float | None = None
) -> list[Answered]:
    """So many rows of which a share is selected."""
    before = share if base is None else base
    return [Answered(group, place < before * n, place < share * n, label) for place in range(n)]


row = st.builds(Answered, st.sampled_from((*NAMES, "unknown")), st.booleans(), st.booleans(), st.booleans())


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(row, min_size=0, max_size=60))
def test_every_figure_equals_fairlearns_on_the_same_rows(rows: list[Answered]) -> None:
    ours = metrics_in(rows)
    grouped = [row for row in rows if row.group != "unknown"]
    groups = np.array([row.group for row in grouped])
    truth = np.array([bool(row.label) for row in grouped], dtype=bool)
    with_yes = np.isin(groups, groups[truth])
    with_no = np.isin(groups, groups[~truth])
    for side in SIDES:
        answers = np.array([getattr(row, side) for row in grouped], dtype=bool)

        def theirs(metric: Any, inside: np.ndarray, answers: np.ndarray = answers) -> float | None:
            # One group is at no distance from itself, says Fairlearn; we say that there is no gap to speak
            # of.
            if len(set(groups[inside])) < 2:
                return None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                difference = metric(truth[inside], answers[inside], sensitive_features=groups[inside])
            return None if np.isnan(difference) else float(difference)

        everyone = np.ones(len(grouped), dtype=bool)
        # Fairlearn calls the rate of a group without such rows 0; we leave the group out of the gap.
        tpr, fpr = (
            theirs(fl.equal_opportunity_difference, with_yes),
            theirs(fl.false_positive_rate_difference, with_no),
        )
        expected = {
            "demographic_parity_difference": theirs(fl.demographic_parity_difference, everyone),
            "demographic_parity_ratio": theirs(fl.demographic_parity_ratio, everyone),
            "equal_opportunity_difference": tpr,
            "predictive_equality_difference": fpr,
        }
        if (with_yes & with_no).all():
            expected["equalized_odds_difference"] = theirs(fl.equalized_odds_difference, everyone)
        if len(grouped) > 1:  # Fairlearn takes no single row
            frame = fl.MetricFrame(
                metrics=accuracy_score, y_true=truth, y_pred=answers, sensitive_features=groups
            )
            expected["worst_group_accuracy"] = frame.group_min()
        for metric, value in expected.items():
            assert ours[metric][side]["value"] == (
                None if value is None else pytest.approx(value, abs=1e-12)
            ), metric
        larger = None if tpr is None or fpr is None else pytest.approx(max(tpr, fpr), abs=1e-12)
        assert ours["equalized_odds_difference"][side]["value"] == larger


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(row, min_size=0, max_size=60))
def test_rates_of_groups_equal_fairlearns(rows: list[Answered]) -> None:
    metrics = {
        "selection_rate": fl.selection_rate,
        "true_positive_rate": fl.true_positive_rate,
        "false_positive_rate": fl.false_positive_rate,
    }
    for group in groups_of(cells_of(rows), "sex", "declared", NAMES):
        inside = [row for row in rows if row.group == group.name]
        truth = np.array([bool(row.label) for row in inside], dtype=bool)
        for side in SIDES:
            answers = np.array([getattr(row, side) for row in inside], dtype=bool)
            for name, metric in metrics.items():
                rate = group.pairs(name).rate(side)
                supported = {"true_positive_rate": truth.any(), "false_positive_rate": (~truth).any()}
                if not inside or not supported.get(name, True):
                    assert rate == Rate(0, None, None, None)
                else:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        assert rate.value == pytest.approx(metric(truth, answers, pos_label=True), abs=1e-12)


def test_a_group_that_is_never_selected_counts() -> None:
    metric = target_in(
        many(200, "none", 0.4) + many(200, "a", 0.0) + many(200, "b", 0.4), "demographic_parity_difference"
    )
    assert metric["final"]["value"] == pytest.approx(0.4)
    assert (metric["verdict"], metric["groups"]) == (BREACH, ["none", "a"])
    assert metric["why"].startswith(
        "0.0 % of “a” and 40.0 % of “none” get a favourable answer: a gap of 40.0 points"
    )


def test_a_group_without_positives_enters_no_true_positive_gap_and_is_named() -> None:
    rows = many(200, "none", 0.9, True) + many(200, "a", 0.5, False) + many(200, "b", 0.5, True)
    metric = target_in(rows, "equal_opportunity_difference")
    assert metric["final"]["value"] == pytest.approx(0.4)
    assert "Left out, with fewer than 100 rows with a favourable true label: “a” (0)." in metric["why"]
    assert metrics_in(rows)["equalized_odds_difference"]["final"]["value"] is None


def test_a_single_row_moves_the_figure_as_in_fairlearn_but_decides_nothing() -> None:
    rows = many(200, "none", 0.5) + many(200, "a", 0.5) + many(1, "b", 0.0)
    metric = target_in(rows, "demographic_parity_difference")
    assert metric["final"]["value"] == 0.5
    assert metric["final"]["among"]["value"] == 0.0
    assert metric["verdict"] == NO_EVIDENCE
    assert metric["why"].endswith("Left out, with fewer than 100 rows: “b” (1).")


def test_two_groups_of_which_one_is_small_are_insufficient_data_however_far_apart() -> None:
    metric = target_in(many(1000, "none", 0.9) + many(99, "a", 0.0), "demographic_parity_difference")
    assert metric["final"]["value"] == 0.9
    assert metric["final"]["low"] > 0.05
    assert metric["verdict"] == INSUFFICIENT
    assert metric["why"] == (
        "Fewer than two groups have 100 rows. Left out, with fewer than 100 rows: “a” (99), “b” (0)."
    )


def test_no_rows_at_all_and_unknown_groups_alone_are_insufficient_data() -> None:
    for rows in ([], many(500, "unknown", 0.5, True)):
        for metric in [target_in(rows, name) for name in FIGURES.values()]:
            assert metric["verdict"] == INSUFFICIENT
            assert metric["final"] == {
                "value": None,
                "low": None,
                "high": None,
                "state": INSUFFICIENT,
                "among": {"value": None, "low": None, "high": None},
            }
    assert unknown_rows(cells_of(many(500, "unknown", 0.5)), "sex", "declared") == 500


def test_a_group_that_the_model_does_not_list_is_a_group() -> None:
    groups = groups_of(cells_of(many(3, "gone", 0.5)), "sex", "declared", NAMES)
    assert [group.name for group in groups] == ["none", "a", "b", "gone"]
    assert [group.reference for group in groups] == [True, False, False, False]
    assert groups[3].answers.n == 3


def test_breach_needs_the_lower_limit_and_not_the_figure() -> None:
    thin = target_in(many(150, "none", 0.5) + many(150, "a", 0.6), "demographic_parity_difference")
    thick = target_in(many(15000, "none", 0.5) + many(15000, "a", 0.6), "demographic_parity_difference")
    assert (thin["verdict"], thick["verdict"]) == (NO_EVIDENCE, BREACH)
    assert thin["final"]["low"] < 0.05 < thick["final"]["low"]


def test_limits_of_a_gap_between_two_groups_are_those_of_their_rates() -> None:
    rates = {"none": Rate.of_counts(40, 100), "a": Rate.of_counts(10, 100), "b": Rate.of_counts(30, 100)}
    difference = gap(rates)
    assert difference.groups == ("none", "a")
    assert difference.low == (rates["none"].low or 0) - (rates["a"].high or 0)
    assert difference.high == (rates["none"].high or 0) - (rates["a"].low or 0)
    assert gap({"none": rates["a"], "a": rates["a"]}).low == 0.0


def test_the_ratio_is_none_if_nobody_is_selected() -> None:
    metric = metrics_in(many(2000, "none", 0.6) + many(2000, "a", 0.3))["demographic_parity_ratio"]
    assert metric["final"]["value"] == pytest.approx(0.5)
    nobody = metrics_in(many(2000, "none", 0.0) + many(2000, "a", 0.0))["demographic_parity_ratio"]
    assert nobody["final"]["value"] is None
    assert nobody["why"].startswith("No group was ever selected.")
    assert ratio({"none": Rate.of_counts(0, 3), "a": Rate.of_counts(1, 3)}).value == 0.0


def test_base_and_final_are_judged_apart() -> None:
    rows = many(2000, "none", 0.6, base=0.6) + many(2000, "a", 0.6, base=0.2)
    metric = target_in(rows, "demographic_parity_difference")
    assert (metric["base"]["state"], metric["final"]["state"]) == (BREACH, NO_EVIDENCE)
    assert metric["verdict"] == NO_EVIDENCE


def test_one_gap_in_breach_is_enough_for_equalized_odds_and_one_unknown_gap_leaves_it_open() -> None:
    apart = many(2000, "none", 0.9, True) + many(2000, "a", 0.3, True)
    together = many(2000, "none", 0.9, True) + many(2000, "a", 0.9, True)
    some = many(10, "none", 0.5, False) + many(10, "a", 0.5, False)
    one_known = target_in(apart + some, "equalized_odds_difference")
    assert (one_known["verdict"], one_known["final"]["among"]["value"]) == (BREACH, pytest.approx(0.6))
    assert target_in(together + some, "equalized_odds_difference")["verdict"] == INSUFFICIENT
    enough = many(2000, "none", 0.5, False) + many(2000, "a", 0.5, False)
    assert target_in(together + enough, "equalized_odds_difference")["verdict"] == NO_EVIDENCE


def test_information_has_figures_and_no_limit_and_no_verdict_however_wide_a_gap() -> None:
    rows = many(2000, "none", 0.9, True) + many(2000, "a", 0.1, False)
    for aim, name in (
        (None, ""),
        (Aim("predictive-equality", 0.05, "bundle"), "predictive_equality_difference"),
    ):
        metrics = metrics_in(rows, aim)
        assert list(metrics) == list(METRICS)
        for metric in metrics.values():
            if metric["metric"] == name:
                assert (metric["role"], metric["limit"]) == ("target", 0.05)
                continue
            assert (metric["role"], metric["limit"], metric["verdict"]) == ("information", None, None)
            assert {metric[side]["state"] for side in SIDES} == {None}
            assert "allowed" not in metric["why"]
    assert metrics["demographic_parity_difference"]["final"]["value"] == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("figure", "groups"),
    [
        ("equal_opportunity_difference", ["none", "a"]),
        ("equalized_odds_difference", ["none", "a"]),
        ("predictive_equality_difference", ["a", "none"]),
        ("demographic_parity_difference", ["a", "none"]),
    ],
)
def test_the_target_is_judged_by_its_own_measure(figure: str, groups: list[str]) -> None:
    """True positive rates 30 points apart, false ones 20 the other way, favourable answers 10."""
    rows = (
        many(1000, "none", 0.9, True) + many(1000, "a", 0.6, True)
        + many(4000, "none", 0.1, False) + many(4000, "a", 0.3, False)
    )  # fmt: skip
    assert target_in(rows, figure)["verdict"] == BREACH
    assert target_in(rows, figure)["groups"] == groups
    assert target_in(rows, figure, 0.35)["verdict"] == NO_EVIDENCE


def test_the_worst_cell_is_the_lowest_accuracy_of_label_and_group() -> None:
    rows = (
        many(1000, "none", 0.9, True) + many(1000, "a", 0.7, True) + many(20, "b", 0.1, True)
        + many(1000, "none", 0.4, False) + many(1000, "a", 0.1, False)
    )  # fmt: skip
    metric = target_in(rows, "worst_cell_accuracy", 0.7)
    assert metric["final"]["value"] == pytest.approx(0.1)  # two of the 20 rows of “b”
    assert metric["final"]["among"]["value"] == pytest.approx(0.6)
    assert (metric["verdict"], metric["groups"]) == (BREACH, ["none"])
    assert metric["why"].startswith("Of “none” with true label “low” 60.0 % are answered right, the fewest")
    assert "surely below the 70.0 % asked for" in metric["why"]
    assert "“b” with true label “high” (20)" in metric["why"]
    assert target_in(rows, "worst_cell_accuracy", 0.6)["verdict"] == NO_EVIDENCE
    silent = target_in(rows, "worst_cell_accuracy", None)
    assert (silent["verdict"], silent["limit"]) == (INSUFFICIENT, None)
    assert "the bundle does not say what to expect" in silent["why"]


def test_of_more_than_two_labels_cells_are_those_of_favourable_ones() -> None:
    assert LabelKinds.of(["low", "high"], ["high"]) == LabelKinds("high", "low")
    kinds = LabelKinds.of(["low", "middle", "high"], ["high"])
    assert kinds == LabelKinds("favourable", "unfavourable", merged=True)
    groups = groups_of(cells_of(many(200, "none", 0.5, False)), "sex", "declared", NAMES)
    metric = metrics_of(groups, Aim("worst-cell", 0.1, "bundle"), 100, kinds)[
        METRICS.index("worst_cell_accuracy")
    ]
    assert "not which label it is" in metric["why"]
