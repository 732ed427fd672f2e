"""The frontier and the recommendation: by the rule that is printed, from validation rows only."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.training.baselines.base import Sees
from evenhand.training.baselines.index import METHODS
from evenhand.training.benchmark.aggregate import Figure, MethodRow
from evenhand.training.benchmark.controls import control_sentences
from evenhand.training.benchmark.frontier import (
    axes_of,
    dominates,
    frontier,
    non_dominated,
    place,
    target_axis,
)
from evenhand.training.benchmark.recommend import recommend, rule
from evenhand.training.choice.scorer import cell_aims
from evenhand.training.data.dataset import Schema

SCHEMA = Schema(("no", "yes"), ("yes",), {"team": ("none", "a")})
CELL = Target(attributes=cell_aims(SCHEMA), max_loss=0.01)
AIM = AttributeTarget(attribute="team", measure="equalized-odds")
ODDS = Target(attributes=[AIM], max_loss=0.01)
AXIS = target_axis(CELL)
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
        "target": figure(cell),
        "target_difference": figure(None if cell is None else cell - BASE[1]),
        "largest_cell_loss": figure(0.09, 0.05),
        "limited_cell_loss": figure(0.04),
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
    cells, odds, parity = axes_of(CELL, SCHEMA)
    lines = [line(0, 0.8, 0.5), line(1, 0.7, 0.9), line(2, 0.7, 0.8)]
    assert (
        frontier(lines, "test", cells) == frontier(lines, "test", odds) == {METHODS[0].name, METHODS[1].name}
    )
    assert frontier(lines, "test", parity) == {METHODS[0].name}
    assert place(line(1, None, 0.5), "test", cells) is None
    assert place(replace(lines[0], seeds=0), "test", cells) is None


figures = st.tuples(st.floats(0.7, 0.9), st.floats(0.3, 0.9), st.floats(0.001, 0.3), st.sampled_from([1, 2]))


@given(st.lists(figures, min_size=len(METHODS) - 1, max_size=len(METHODS) - 1))
def test_what_is_recommended_is_servable_affordable_surely_better_and_beaten_by_none(points) -> None:
    lines = [base(), *(line(index + 1, *of) for index, of in enumerate(points))]
    advice = recommend(lines, 2, CELL)
    if advice.verdict != "take":
        assert (advice.verdict, advice.method) == ("keep the base", "base")
        return
    (chosen,) = [each for each in lines if each.method.name == advice.method]
    at = place(chosen, "val", AXIS)
    assert at is not None
    assert chosen.method in SERVABLE
    assert chosen.value("val", "accuracy_difference") >= -CELL.max_loss - 1e-9
    assert chosen.figures["val"]["target_difference"].low > 0
    others = [each for each in lines if (each.method in SERVABLE and each.seeds == 2) or each is lines[0]]
    assert not any(dominates(place(each, "val", AXIS), at) for each in others)


@given(st.lists(st.tuples(st.floats(0.7, 0.9), st.floats(0.0, BASE[1])), min_size=3, max_size=3))
def test_where_nothing_is_better_the_base_stays(points) -> None:
    lines = [base(), *(line(method, *of, 0.0) for method, of in zip(SERVABLE, points, strict=False))]
    advice = recommend(lines, 2, CELL)
    assert (advice.verdict, advice.method) == ("keep the base", "base")


def test_the_best_target_wins_and_equals_go_to_the_more_accurate_then_the_cheaper() -> None:
    first, second, third = SERVABLE[:3]
    assert (
        recommend([base(), line(first, 0.80, 0.6), line(second, 0.795, 0.7)], 2, CELL).method == second.name
    )
    assert recommend([base(), line(first, 0.80, 0.7), line(second, 0.795, 0.7)], 2, CELL).method == first.name
    dear = replace(line(first, 0.80, 0.7), cost=1.4)
    unknown = replace(line(third, 0.80, 0.7), cost=None)
    assert recommend([base(), unknown, dear, line(second, 0.80, 0.7)], 2, CELL).method == second.name
    assert recommend([base(), line(first, 0.80, 0.7), line(second, 0.80, 0.7)], 2, CELL).method == first.name


def test_what_costs_too_much_or_needs_the_attribute_or_lacks_a_seed_is_not_taken() -> None:
    needs = replace(SERVABLE[0], sees=Sees("all", "all", test=True))
    shut = next(method for method in METHODS if method.served.how == "no" and not method.sees.test)
    for other in (line(SERVABLE[0], 0.78, 0.9), line(needs, 0.8, 0.9), line(shut, 0.8, 0.9)):
        advice = recommend([base(), other], 2, CELL)
        assert advice.method == "base"
        assert "No method of the table can be served" in advice.why
    assert recommend([base(), line(SERVABLE[0], 0.8, 0.9, seeds=1)], 2, CELL).method == "base"


def test_a_gain_that_chance_explains_is_called_insufficient_evidence() -> None:
    advice = recommend([base(), line(SERVABLE[0], 0.80, 0.55, 0.08)], 2, CELL)
    assert advice.verdict == "keep the base"
    assert "evidence is insufficient" in advice.why
    assert "5.0 points (-3.0 to +13.0)" in advice.why


def test_nothing_is_said_without_a_cell_that_can_be_judged() -> None:
    for lines in ([line(0, 0.8, None)], [line(0, *BASE, seeds=1)]):
        advice = recommend([*lines, line(SERVABLE[0], 0.8, 0.9)], 2, CELL)
        assert (advice.verdict, advice.method) == ("insufficient data", None)


def test_test_rows_play_no_part() -> None:
    good = line(SERVABLE[0], 0.8, 0.6)
    bad_on_test = replace(good, figures={**good.figures, "test": line(1, 0.1, 0.0).figures["test"]})
    assert recommend([base(), good], 2, CELL) == recommend([base(), bad_on_test], 2, CELL)


@pytest.mark.parametrize(
    "words", ["validation rows", "95 % interval", "at most 1 points", "Test rows play no part"]
)
def test_the_rule_is_said_in_words(words: str) -> None:
    assert words in rule(CELL)


def turned(of: MethodRow) -> MethodRow:
    """The same line, where the target is a gap: 1 less the figure."""

    def less(figure: Figure, whole: float) -> Figure:
        mean, low, high = (
            None if value is None else whole - value for value in (figure.mean, figure.high, figure.low)
        )
        return Figure(mean, figure.spread, low, high)

    val = of.figures["val"]
    figures = {
        **val,
        "target": less(val["target"], 1.0),
        "target_difference": less(val["target_difference"], 0.0),
    }
    return replace(of, figures={"val": figures, "test": figures})


@given(st.lists(figures, min_size=4, max_size=4))
def test_a_gap_is_judged_like_an_accuracy_turned_around(points) -> None:
    lines = [base(), *(line(method, *of) for method, of in zip(SERVABLE, points, strict=False))]
    as_cells = recommend(lines, 2, CELL)
    as_gaps = recommend([turned(of) for of in lines], 2, ODDS)
    assert (as_cells.verdict, as_cells.method) == (as_gaps.verdict, as_gaps.method)


def test_the_targets_axis_comes_first_and_none_stands_twice() -> None:
    assert [axis.letter for axis in axes_of(CELL, SCHEMA)] == ["T", "E", "D"]
    assert [axis.letter for axis in axes_of(ODDS, SCHEMA)] == ["T", "W", "E", "D"]
    assert (target_axis(ODDS).sign, AXIS.sign) == (-1, 1)
    assert target_axis(ODDS).title == "target: equalized odds of team, largest difference"
    both = Target(attributes=[*CELL.attributes, AIM], max_loss=0.0)
    assert target_axis(both).sign == 1
    assert "lowest of accuracy and 1 less the difference" in target_axis(both).title


def test_a_method_that_costs_a_cell_too_much_is_not_taken() -> None:
    lines = [base(), line(SERVABLE[0], 0.80, 0.6)]
    for limit, method in ((0.03, "base"), (0.05, SERVABLE[0].name)):
        limited = Target(attributes=CELL.attributes, max_loss=0.01, max_cell_loss=limit)
        assert recommend(lines, 2, limited).method == method
        assert f"rows more than {100 * limit:g} points" in rule(limited)


def test_a_method_that_surely_costs_a_small_cell_too_much_is_not_taken() -> None:
    limited = Target(attributes=CELL.attributes, max_loss=0.01, max_cell_loss=0.05)
    line_of = line(SERVABLE[0], 0.80, 0.6)
    for low, method in ((0.04, SERVABLE[0].name), (0.06, "base")):
        of = {**line_of.figures["val"], "largest_cell_loss": Figure(0.09, 0.0, low, 0.12)}
        harmful = replace(line_of, figures={"val": of, "test": of})
        assert recommend([base(), harmful], 2, limited).method == method


CONTROLS = {method.name: method for method in METHODS if method.control}


def versus(target: float, accuracy: float, half: float = 0.02):
    """Every control differs from every method by so much."""
    of = {
        "target_difference": Figure(target, None, target - half, target + half),
        "accuracy_difference": Figure(accuracy, None, accuracy - half, accuracy + half),
    }
    return lambda control, method: of


def said(against, *controls: MethodRow, lines: tuple[MethodRow, ...] = ()) -> tuple[str, ...]:
    """Sentences about the controls, beside a method that is taken."""
    table = [base(), *(lines or (line(SERVABLE[0], 0.80, 0.6),)), *controls]
    return control_sentences(recommend(table, 2, CELL), table, CELL, against)


def test_a_control_that_is_not_surely_worse_does_as_well_and_its_figures_are_said() -> None:
    control = line(CONTROLS["global-threshold"], 0.81, 0.59)
    (sentence,) = said(versus(-0.01, 0.01), control)
    assert sentence.startswith("A control does as well, within noise: One global threshold, target 59.0")
    assert "the cell that loses most against the base loses 9.0" in sentence
    assert "Against" in sentence
    assert "target -1.0 (-3.0 to +1.0) points, accuracy +1.0 (-1.0 to +3.0) points" in sentence
    assert CONTROLS["global-threshold"].served.why in sentence
    (needy,) = said(versus(0.0, 0.0), line(CONTROLS["thresholds"], 0.8, 0.6))
    assert needy.endswith("It needs the attribute of every row that it answers.")


@pytest.mark.parametrize(("target", "accuracy"), [(-0.03, 0.05), (0.05, -0.03)])
def test_a_control_that_is_surely_worse_in_one_figure_is_not_named(target: float, accuracy: float) -> None:
    assert said(versus(target, accuracy), line(CONTROLS["global-threshold"], 0.8, 0.55)) == ()


def test_a_control_that_breaks_the_limits_does_not_do_as_well() -> None:
    assert said(versus(0.1, 0.0), line(CONTROLS["thresholds"], 0.78, 0.9)) == ()


def test_only_controls_with_a_result_of_every_seed_are_named() -> None:
    lacking = line(CONTROLS["global-threshold"], 0.8, 0.7, seeds=1)
    other = line(SERVABLE[1], 0.8, 0.6)
    assert said(versus(0.1, 0.1), lacking, other) == ()


def test_of_a_gap_less_is_as_good() -> None:
    table = [turned(of) for of in (base(), line(SERVABLE[0], 0.80, 0.6))]
    table.append(turned(line(CONTROLS["global-threshold"], 0.8, 0.6)))
    advice = recommend(table, 2, ODDS)
    assert advice.verdict == "take"
    assert len(control_sentences(advice, table, ODDS, versus(-0.1, 0.0))) == 1
    assert control_sentences(advice, table, ODDS, versus(0.1, 0.0)) == ()


def test_where_the_base_stays_a_control_that_gains_is_named() -> None:
    weak = (line(SERVABLE[0], 0.80, 0.50),)
    better, same = line(CONTROLS["global-threshold"], 0.8, 0.6), line(CONTROLS["global-threshold"], 0.8, 0.51)
    costly = line(CONTROLS["thresholds"], 0.7, 0.6)
    (sentence,) = said(versus(0, 0), better, costly, lines=weak)
    assert sentence.startswith("A control does better than the base: One global threshold, target 60.0")
    assert "target +10.0 ± 0.0 (+8.0 to +12.0) points" in sentence
    assert said(versus(0, 0), same, lines=weak) == ()


def test_without_a_recommendation_nothing_is_said_of_controls() -> None:
    table = [line(0, 0.8, None), line(CONTROLS["global-threshold"], 0.8, 0.9)]
    assert control_sentences(recommend(table, 2, CELL), table, CELL, versus(1, 1)) == ()
