"""The frontier and the recommendation: by the rule that is printed, from validation rows only."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenhand.training.baselines.base import Sees
from evenhand.training.baselines.index import METHODS
from evenhand.training.benchmark.aggregate import Figure, MethodRow
from evenhand.training.benchmark.frontier import AXES, dominates, frontier, non_dominated, place
from evenhand.training.benchmark.recommend import WORST_CELL, recommend, rule

COST = 0.01
SERVABLE = [method for method in METHODS[1:] if method.served.how != "no" and not method.sees.test]
BASE = (0.80, 0.50)


def line(
    index_or_method, accuracy: float | None, cell: float | None, half: float = 0.02, seeds: int = 2
) -> MethodRow:
    """A method's line; both splits alike, differences against :data:`BASE`."""
    method = METHODS[index_or_method] if isinstance(index_or_method, int) else index_or_method

    def figure(value: float | None, away: float = half) -> Figure:
        return (
            Figure(value, None, None, None)
            if value is None
            else Figure(value, 0.0, value - away, value + away)
        )

    of = {
        "accuracy": figure(accuracy),
        "accuracy_difference": figure(None if accuracy is None else accuracy - BASE[0]),
        "worst_cell": figure(cell),
        "worst_cell_difference": figure(None if cell is None else cell - BASE[1]),
        "equalized_odds_mean": figure(None if cell is None else 1 - cell),
        "demographic_parity_mean": figure(0.1),
    }
    return MethodRow(method, seeds, {"val": of, "test": of}, (), 1.0)


def base() -> MethodRow:
    return line(0, *BASE)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1))))
def test_a_point_is_on_the_frontier_exactly_if_none_dominates_it(points: list[tuple[float, float]]) -> None:
    on = non_dominated(points)
    for point, kept in zip(points, on, strict=True):
        beaten = any(
            o[0] >= point[0] and o[1] >= point[1] and (o[0] > point[0] or o[1] > point[1]) for o in points
        )
        assert kept is not beaten
    assert any(on) == bool(points)


def test_a_lower_difference_is_the_better_one() -> None:
    cells, odds, parity = AXES
    lines = [line(0, 0.8, 0.5), line(1, 0.7, 0.9), line(2, 0.7, 0.8)]
    assert (
        frontier(lines, "test", cells) == frontier(lines, "test", odds) == {METHODS[0].name, METHODS[1].name}
    )
    assert frontier(lines, "test", parity) == {METHODS[0].name}
    assert place(line(1, None, 0.5), "test", cells) is None
    assert place(replace(lines[0], seeds=0), "test", cells) is None


figures = st.tuples(st.floats(0.7, 0.9), st.floats(0.3, 0.9), st.floats(0.001, 0.3), st.sampled_from([1, 2]))


@given(st.lists(figures, min_size=len(METHODS) - 1, max_size=len(METHODS) - 1))
def test_what_is_recommended_is_servable_affordable_surely_better_and_beaten_by_none(found) -> None:
    lines = [base(), *(line(index + 1, *of) for index, of in enumerate(found))]
    advice = recommend(lines, 2, COST)
    if advice.verdict != "take":
        assert (advice.verdict, advice.method) == ("keep the base", "base")
        return
    (chosen,) = [each for each in lines if each.method.name == advice.method]
    at = place(chosen, "val", WORST_CELL)
    assert at is not None
    assert chosen.method in SERVABLE
    assert chosen.value("val", "accuracy_difference") >= -COST - 1e-9
    assert chosen.figures["val"]["worst_cell_difference"].low > 0
    others = [each for each in lines if (each.method in SERVABLE and each.seeds == 2) or each is lines[0]]
    assert not any(dominates(place(each, "val", WORST_CELL), at) for each in others)


@given(st.lists(st.tuples(st.floats(0.7, 0.9), st.floats(0.0, BASE[1])), min_size=3, max_size=3))
def test_where_nothing_is_better_the_base_stays(found) -> None:
    lines = [base(), *(line(method, *of, 0.0) for method, of in zip(SERVABLE, found, strict=False))]
    advice = recommend(lines, 2, COST)
    assert (advice.verdict, advice.method) == ("keep the base", "base")


def test_the_best_worst_cell_wins_and_equals_go_to_the_more_accurate_then_the_cheaper() -> None:
    first, second, third = SERVABLE[:3]
    assert (
        recommend([base(), line(first, 0.80, 0.6), line(second, 0.795, 0.7)], 2, COST).method == second.name
    )
    assert recommend([base(), line(first, 0.80, 0.7), line(second, 0.795, 0.7)], 2, COST).method == first.name
    dear = replace(line(first, 0.80, 0.7), cost=1.4)
    unknown = replace(line(third, 0.80, 0.7), cost=None)
    assert recommend([base(), unknown, dear, line(second, 0.80, 0.7)], 2, COST).method == second.name
    assert recommend([base(), line(first, 0.80, 0.7), line(second, 0.80, 0.7)], 2, COST).method == first.name


def test_what_costs_too_much_or_needs_the_attribute_or_lacks_a_seed_is_not_taken() -> None:
    needs = replace(SERVABLE[0], sees=Sees("all", "all", test=True))
    shut = next(method for method in METHODS if method.served.how == "no" and not method.sees.test)
    for other in (line(SERVABLE[0], 0.78, 0.9), line(needs, 0.8, 0.9), line(shut, 0.8, 0.9)):
        advice = recommend([base(), other], 2, COST)
        assert advice.method == "base"
        assert "No method that can be served" in advice.why
    assert recommend([base(), line(SERVABLE[0], 0.8, 0.9, seeds=1)], 2, COST).method == "base"


def test_a_gain_that_chance_explains_is_called_insufficient_evidence() -> None:
    advice = recommend([base(), line(SERVABLE[0], 0.80, 0.55, 0.08)], 2, COST)
    assert advice.verdict == "keep the base"
    assert "evidence is insufficient" in advice.why
    assert "5.0 points (-3.0 to +13.0)" in advice.why


def test_nothing_is_said_without_a_cell_that_can_be_judged() -> None:
    for lines in ([line(0, 0.8, None)], [line(0, *BASE, seeds=1)]):
        advice = recommend([*lines, line(SERVABLE[0], 0.8, 0.9)], 2, COST)
        assert (advice.verdict, advice.method) == ("insufficient data", None)


def test_test_rows_play_no_part() -> None:
    good = line(SERVABLE[0], 0.8, 0.6)
    bad_on_test = replace(good, figures={**good.figures, "test": line(1, 0.1, 0.0).figures["test"]})
    assert recommend([base(), good], 2, COST) == recommend([base(), bad_on_test], 2, COST)


@pytest.mark.parametrize(
    "words", ["validation rows", "95 % interval", "at most 1 points", "Test rows play no part"]
)
def test_the_rule_is_said_in_words(words: str) -> None:
    assert words in rule(COST)
