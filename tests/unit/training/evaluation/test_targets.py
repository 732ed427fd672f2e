"""A target's figures equal Fairlearn's, intervals hold what they promise, and cells that pay are listed."""

import json

import fairlearn.metrics as fl
import numpy as np
import pytest

from evenhand.models.bundle.target import MEASURES, AttributeTarget, Measure, Target
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.targets import losing_cells, rate_rows, target_figures, within

SCHEMA = Schema(("no", "yes"), ("yes",), {"place": ("x", "y", "z")})
FAIRLEARN = {
    "equalized-odds": fl.equalized_odds_difference,
    "equal-opportunity": fl.equal_opportunity_difference,
    "demographic-parity": fl.demographic_parity_difference,
}
WRONG = np.array([0.1, 0.2, 0.4])
"""How often the base is wrong in each place."""


def drawn(seed: int, count: int = 900, mended: float = 0.5) -> tuple[Rows, np.ndarray, np.ndarray]:
    """Rows, the base's answers, and answers that mend a share of place z's errors and break 5 % elsewhere."""
    rng = np.random.default_rng(seed)
    labels, groups = rng.integers(0, 2, count), rng.integers(0, 3, count)
    base = np.where(rng.random(count) < WRONG[groups], 1 - labels, labels)
    mends = (groups == 2) & (rng.random(count) < mended)
    breaks = (groups < 2) & (rng.random(count) < 0.05)
    final = np.where(mends, labels, np.where(breaks, 1 - labels, base))
    return (
        Rows([""] * count, labels, {"place": groups}, np.full(count, "test"), np.arange(count)),
        base,
        final,
    )


def aimed(measure: Measure, attribute: str = "place") -> Target:
    return Target(
        attributes=[AttributeTarget(attribute=attribute, measure=measure)], max_loss=0.01, max_cell_loss=0.05
    )


def figures_of(measure: Measure, rows: Rows, base: np.ndarray, final: np.ndarray) -> dict:
    return target_figures(aimed(measure), rows, SCHEMA, rows.all(), base, final)["attributes"][0]


@pytest.mark.parametrize("measure", FAIRLEARN)
@pytest.mark.parametrize("seed", [0, 1])
def test_gaps_equal_fairlearns(measure: Measure, seed: int) -> None:
    rows, base, final = drawn(seed)
    ours = figures_of(measure, rows, base, final)
    for side, predicted in (("base", base), ("final", final)):
        gap = FAIRLEARN[measure](rows.labels, predicted, sensitive_features=rows.groups["place"])
        assert ours[side]["value"] == pytest.approx(gap, abs=1e-12)
    assert ours["difference"]["value"] == pytest.approx(ours["final"]["value"] - ours["base"]["value"])


def test_the_gap_of_false_positive_rates_equals_fairlearns() -> None:
    rows, base, final = drawn(2)
    frame = fl.MetricFrame(
        metrics=fl.false_positive_rate,
        y_true=rows.labels,
        y_pred=base,
        sensitive_features=rows.groups["place"],
    )
    ours = figures_of("predictive-equality", rows, base, final)
    assert ours["base"]["value"] == pytest.approx(frame.difference(), abs=1e-12)


def test_the_worst_cell_is_a_plain_count_and_all_but_the_reference_count_as_one_group() -> None:
    rows, base, final = drawn(3)
    ours = figures_of("worst-cell", rows, base, final)
    groups = rows.groups["place"]
    inside = [groups == 0, groups == 1, groups == 2, groups > 0]
    accuracies = [(base == rows.labels)[of & (rows.labels == c)].mean() for of in inside for c in range(2)]
    assert ours["base"]["value"] == pytest.approx(min(accuracies))
    listed = rate_rows(rows, SCHEMA, rows.all(), aimed("worst-cell").attributes[0])
    assert len(listed) == len(accuracies)


@pytest.mark.parametrize("measure", MEASURES)
def test_unknown_groups_count_nowhere(measure: Measure) -> None:
    rows, base, final = drawn(4)
    hidden = np.where(np.arange(900) < 300, -1, rows.groups["place"])
    unknown = Rows(rows.items, rows.labels, {"place": hidden}, rows.split, rows.row)
    kept = np.flatnonzero(hidden >= 0)
    some = target_figures(aimed(measure), rows, SCHEMA, kept, base[kept], final[kept])
    whole = target_figures(aimed(measure), unknown, SCHEMA, rows.all(), base, final)
    assert some["attributes"] == whole["attributes"]
    assert [cell["difference"] for cell in some["losing"]] == [cell["difference"] for cell in whole["losing"]]


def test_intervals_hold_the_true_figure_and_the_true_change_about_as_often_as_they_say() -> None:
    """Selection does not depend on the label, so the true gap and its true change are known."""
    rates, moved, tries = np.array([0.3, 0.5]), 0.4, 150
    schema = Schema(("no", "yes"), ("yes",), {"place": ("x", "y")})
    true_gap, true_change = 0.2, -moved * rates[1]
    inside = {"base": 0, "difference": 0}
    for seed in range(tries):
        rng = np.random.default_rng(seed)
        groups, labels = rng.integers(0, 2, 600), rng.integers(0, 2, 600)
        base = (rng.random(600) < rates[groups]).astype(int)
        # The answers that are taken back make place y's rate 0.5 x 0.6 = 0.3: no gap is left but by chance.
        final = np.where((groups == 1) & (rng.random(600) < moved), 0, base)
        rows = Rows([""] * 600, labels, {"place": groups}, np.full(600, "test"), np.arange(600))
        figures = target_figures(aimed("demographic-parity"), rows, schema, rows.all(), base, final)
        of = figures["attributes"][0]
        inside["base"] += of["base"]["low"] <= true_gap <= of["base"]["high"]
        inside["difference"] += of["difference"]["low"] <= true_change <= of["difference"]["high"]
    assert 0.90 <= inside["base"] / tries <= 0.99
    # A gap is never below 0, so the change of one that vanishes is biased upwards: an interval still holds it
    # mostly.
    assert inside["difference"] / tries >= 0.85


def test_the_same_answers_differ_by_exactly_nothing_and_nothing_loses() -> None:
    rows, base, _ = drawn(5)
    for measure in MEASURES:
        assert figures_of(measure, rows, base, base)["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert losing_cells(rows, SCHEMA, rows.all(), base, base) == []


def test_where_too_few_rows_support_a_figure_there_is_none() -> None:
    rows, base, final = drawn(6, count=60)
    nothing = {"value": None, "low": None, "high": None}
    for measure in MEASURES:
        figures = figures_of(measure, rows, base, final)
        if measure in ("equal-opportunity", "equalized-odds", "predictive-equality"):
            assert figures["base"] == figures["final"] == figures["difference"] == nothing
    one = Rows(rows.items, rows.labels, {"place": np.zeros(60, int)}, rows.split, rows.row)
    assert figures_of("demographic-parity", one, base, final)["base"] == nothing


def test_cells_that_lose_are_listed_worst_first_and_say_whether_they_surely_do() -> None:
    labels, groups = np.repeat([0, 1, 0, 1, 0, 1], 200), np.repeat([0, 0, 1, 1, 2, 2], 200)
    base, final = labels.copy(), labels.copy()
    final[np.flatnonzero((groups == 1) & (labels == 1))[:40]] = 0
    final[np.flatnonzero((groups == 0) & (labels == 0))[:2]] = 1
    base[np.flatnonzero(groups == 2)[:80]] = 1
    rows = Rows([""] * 1200, labels, {"place": groups}, np.full(1200, "test"), np.arange(1200))
    listed = losing_cells(rows, SCHEMA, rows.all(), base, final)
    cells = [(cell["group"], cell["label"], round(cell["difference"]["value"], 3)) for cell in listed]
    assert cells == [("y", "yes", -0.2), ("any but x", "yes", -0.1), ("x", "no", -0.01)]
    assert [cell["surely"] for cell in listed] == [True, True, False]
    for cell in listed:
        change = cell["difference"]
        assert change["low"] <= change["value"] <= change["high"]
        assert cell["surely"] == (change["high"] < 0)


def test_a_cell_below_the_least_number_of_rows_is_not_listed() -> None:
    labels, groups = np.repeat([0, 1], [100, 29]), np.zeros(129, int)
    rows = Rows([""] * 129, labels, {"place": groups}, np.full(129, "test"), np.arange(129))
    listed = losing_cells(rows, SCHEMA, rows.all(), labels, 1 - labels)
    assert {cell["label"] for cell in listed} == {"no"}


def test_figures_are_plain_json_and_name_the_limits() -> None:
    figures = target_figures(aimed("worst-cell"), *_case())
    assert json.loads(json.dumps(figures)) == figures
    assert (figures["max_loss"], figures["max_cell_loss"]) == (0.01, 0.05)
    bare = target_figures(None, *_case())
    assert bare["attributes"] == []
    assert bare["losing"] == figures["losing"] != []


def _case() -> tuple[Rows, Schema, np.ndarray, np.ndarray, np.ndarray]:
    rows, base, final = drawn(7)
    return rows, SCHEMA, rows.all(), base, final


def test_a_target_is_cut_to_the_attributes_that_data_has() -> None:
    both = Target(
        attributes=[
            AttributeTarget(attribute="place", measure="equalized-odds", limit=0.2),
            AttributeTarget(attribute="age", measure="worst-cell"),
        ],
        max_loss=0.01,
    )
    cut = within(both, SCHEMA)
    assert cut is not None
    assert cut.attributes == both.attributes[:1]
    assert (cut.max_loss, cut.max_cell_loss) == (0.01, None)
    assert within(aimed("worst-cell", "age"), SCHEMA) is None
    assert within(None, Schema(("no", "yes"), ("yes",), {})) is None
    assert within(None, SCHEMA) == Target(
        attributes=[AttributeTarget(attribute="place", measure="worst-cell")], max_loss=1.0
    )
