"""Estimates against simulations whose truth is known: what they reach, and where they are known to err."""

from typing import Any

import numpy as np
import pytest
from counted import Answered, cells_of

from evenhand.service.monitoring.cells import Risked
from evenhand.service.monitoring.estimates import bounds_of, expected_of, soft_of
from evenhand.service.monitoring.groups import SIDES, Group, groups_of

KINDS = ("true_positive_rate", "false_positive_rate", "accuracy")


def group_of(rows: list[Answered]) -> Group:
    (group,) = groups_of(cells_of(rows), "sex", "declared", ("a",))
    return group


def scored(
    rng: np.random.Generator, n: int, label_share: float, skew: float = 1.0
) -> tuple[list[Answered], dict[str, float]]:
    """Rows whose score is off by ``skew``, of which a share gets its label; and the rates behind them."""
    truth_chance = rng.beta(2, 2, n)
    label = rng.random(n) < truth_chance
    score = np.clip(truth_chance**skew, 0.0, 0.999)
    base, final = score >= 0.6, score >= 0.5
    # Labels come more often for high scores: an estimate that ignores the score would be wrong.
    labelled = rng.random(n) < label_share * (0.5 + score)
    rows = [
        Answered("a", bool(b), bool(f), bool(y) if t else None, float(s))
        for b, f, y, t, s in zip(base, final, label, labelled, score, strict=True)
    ]
    return rows, {
        "true_positive_rate": float(final[label].mean()),
        "false_positive_rate": float(final[~label].mean()),
        "accuracy": float((final == label).mean()),
    }


def test_expected_rates_find_the_truth_although_labels_are_few_and_the_score_is_not_calibrated() -> None:
    rng = np.random.default_rng(0)
    inside = dict.fromkeys(KINDS, 0)
    for _ in range(100):
        rows, truth = scored(rng, 3000, label_share=0.2, skew=1.7)
        estimate = expected_of(group_of(rows), 100)
        for kind in KINDS:
            inside[kind] += estimate[kind]["final"]["low"] <= truth[kind] <= estimate[kind]["final"]["high"]
    assert all(hits >= 90 for hits in inside.values()), inside


def test_rows_with_labels_alone_would_mislead_where_expected_rates_do_not() -> None:
    rows, truth = scored(np.random.default_rng(1), 60_000, label_share=0.3, skew=1.7)
    group = group_of(rows)
    estimate = expected_of(group, 100)["true_positive_rate"]["final"]["value"]
    counted = group.positives.rate("final").value
    assert counted is not None
    assert abs(estimate - truth["true_positive_rate"]) < 0.02 < abs(counted - truth["true_positive_rate"])


def test_where_every_label_is_known_the_estimate_is_the_count() -> None:
    rows, _ = scored(np.random.default_rng(2), 2000, label_share=2.0)
    whole = [row for row in rows if row.label is not None]
    group = group_of(whole)
    estimate = expected_of(group, 100)
    for kind in KINDS:
        for side in SIDES:
            counted, expected = group.pairs(kind).rate(side), estimate[kind][side]
            assert expected["value"] == pytest.approx(counted.value, abs=1e-12)
            assert expected["low"] == pytest.approx(counted.low, abs=0.005)
            assert expected["high"] == pytest.approx(counted.high, abs=0.005)


def test_too_few_labels_and_a_score_without_any_are_said_and_not_guessed() -> None:
    few = [Answered("a", True, True, True, 0.9)] * 99 + [Answered("a", True, True, None, 0.9)]
    estimate = expected_of(group_of(few), 100)
    assert (estimate["accuracy"], estimate["why"]) == (None, "99 labelled rows, and 100 are needed.")
    hole = [Answered("a", True, True, True, 0.9)] * 200 + [Answered("a", False, False, None, 0.31)]
    estimate = expected_of(group_of(hole), 100)
    assert (estimate["accuracy"], estimate["why"]) == (
        None,
        "No label is known where the score is 0.3 to 0.4.",
    )
    assert estimate["estimate"] is True


def test_a_group_without_expected_positives_has_no_true_positive_rate_and_one_never_selected_has_zero() -> (
    None
):
    none = [Answered("a", True, True, False, 0.9)] * 200 + [Answered("a", True, True, None, 0.9)] * 10
    estimate = expected_of(group_of(none), 100)
    assert estimate["true_positive_rate"]["final"] == {"n": 0, "value": None, "low": None, "high": None}
    never = [Answered("a", False, False, place % 2 == 0, 0.2) for place in range(200)]
    rate = expected_of(group_of(never), 100)["true_positive_rate"]["final"]
    assert (rate["n"], rate["value"], rate["low"]) == (100, 0.0, 0.0)
    assert 0.0 < rate["high"] < 0.05


def risked(risk: np.ndarray, base: np.ndarray, final: np.ndarray) -> list[Risked]:
    tenth = np.minimum(9, (10 * risk).astype(int))
    cells = []
    for place in range(10):
        for b in (False, True):
            for f in (False, True):
                inside = risk[(tenth == place) & (base == b) & (final == f)]
                if len(inside):
                    cells.append(Risked("sex", b, f, place, len(inside), inside.sum(), (inside**2).sum()))
    return cells


def situation(
    seed: int, of_group: float, of_risk: float, n: int = 200_000
) -> tuple[list[Risked], float, float]:
    """Answers that depend on the group itself and on the risk; the risk is calibrated.

    Returns:
        Cells, the true gap (reference minus other), and the gap that counting flagged rows shows.
    """
    rng = np.random.default_rng(seed)
    risk = rng.beta(0.6, 0.9, n)
    other = rng.random(n) < risk
    selected = rng.random(n) < 0.7 - of_group * other - of_risk * risk
    base = rng.random(n) < 0.5
    flagged = risk >= 0.5
    truth = float(selected[~other].mean() - selected[other].mean())
    hard = float(selected[~flagged].mean() - selected[flagged].mean())
    return risked(risk, base, selected), truth, hard


@pytest.mark.parametrize(
    ("of_group", "of_risk"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.5), (0.3, 0.3), (-0.2, 0.2)]
)
def test_the_true_gap_lies_within_the_bounds_and_so_does_the_weighted_one(
    of_group: float, of_risk: float
) -> None:
    cells, truth, _ = situation(3, of_group, of_risk)
    bounds, soft = bounds_of(cells), soft_of(cells)
    assert bounds is not None
    assert soft is not None
    assert bounds["final"]["low"] < truth < bounds["final"]["high"]
    assert bounds["final"]["low"] < soft["difference"]["final"]["value"] < bounds["final"]["high"]
    assert -1.0 <= bounds["base"]["low"] < 0.0 < bounds["base"]["high"] <= 1.0


def test_weighing_understates_a_gap_that_the_risk_does_not_see() -> None:
    # Chen, Kallus, Mao, Svacha and Udell 2019: its error is the covariance of group and answer within equal
    # risk.
    cells, truth, _ = situation(4, of_group=0.3, of_risk=0.0)
    assert soft_difference(cells) < truth - 0.05


def test_weighing_is_right_and_counting_flagged_rows_overstates_if_the_answer_leans_on_the_risk_alone() -> (
    None
):
    cells, truth, hard = situation(5, of_group=0.0, of_risk=0.5)
    assert soft_difference(cells) == pytest.approx(truth, abs=0.01)
    assert hard > truth + 0.05


def test_bounds_are_sharp_where_the_risk_is_certain_and_empty_of_meaning_where_it_tells_nothing() -> None:
    rng = np.random.default_rng(6)
    other = rng.random(20_000) < 0.4
    selected = rng.random(20_000) < np.where(other, 0.3, 0.6)
    certain = bounds_of(risked(other.astype(float), selected, selected))
    truth = selected[~other].mean() - selected[other].mean()
    assert certain is not None
    assert certain["final"]["low"] == pytest.approx(truth, abs=1e-12)
    assert certain["final"]["high"] == pytest.approx(truth, abs=1e-12)
    blind = bounds_of(risked(np.full(20_000, 0.4), selected, selected))
    assert blind is not None
    assert blind["final"]["high"] - blind["final"]["low"] > 0.9


def test_bounds_can_be_reached_by_groups_that_the_risk_allows() -> None:
    """Sharp: a world with the same risks and answers has the gap that the bound says."""
    rng = np.random.default_rng(7)
    selected = rng.random(10_000) < 0.5
    bounds = bounds_of(risked(np.full(10_000, 0.3), selected, selected))
    assert bounds is not None
    order = np.argsort(~selected)  # the selected rows are the others, as far as there are so many
    other = np.zeros(10_000, dtype=bool)
    other[order[:3000]] = True
    assert selected[~other].mean() - selected[other].mean() == pytest.approx(bounds["final"]["low"], abs=1e-9)


def test_no_row_and_a_risk_without_doubt_give_nothing_instead_of_a_number() -> None:
    assert soft_of([]) is None
    assert bounds_of([]) is None
    sure = [Risked("sex", True, True, 0, 10, 0.0, 0.0)]
    assert bounds_of(sure) is None
    soft: Any = soft_of(sure)
    assert soft["other"]["final"] == {"n": 0, "value": None, "low": None, "high": None}
    assert soft["difference"]["final"] == {"value": None, "low": None, "high": None}
    assert (soft["estimate"], soft["source"]) == (True, "inferred")


def soft_difference(cells: list[Risked]) -> float:
    soft = soft_of(cells)
    assert soft is not None
    value = soft["difference"]["final"]["value"]
    assert isinstance(value, float)
    return value
