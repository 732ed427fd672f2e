"""Local Law 144's figures against a table worked out by hand."""

import math

import pytest

from evenhand.reports.period.bias_audit import Count, categories
from evenhand.service.monitoring.disparity import BREACH, INSUFFICIENT, NO_EVIDENCE

# 1,000 known individuals: selected 240 of 400, 150 of 300, 84 of 280, 9 of 15, 0 of 5; and 37 of
# unknown category.
BY_HAND = {
    "white": Count(400, 240),  # 0.60, the most selected that is large enough
    "black": Count(300, 150),  # 0.50, ratio 5/6
    "hispanic": Count(280, 84),  # 0.30, ratio 1/2
    "asian": Count(15, 9),  # 1.5 % of the data: left out
    "native": Count(5, 0),  # 0.5 %: left out
}


def test_rates_ratios_and_the_unknown_are_those_worked_out_by_hand() -> None:
    table = categories("race", BY_HAND, 37, min_rows=100)
    lines = {line.category: line for line in table.lines}
    assert table.unknown == 37
    assert {name: line.selection_rate.value for name, line in lines.items()} == pytest.approx(
        {"white": 0.6, "black": 0.5, "hispanic": 0.3, "asian": 0.6, "native": 0.0}, abs=1e-12
    )
    assert {name: line.share for name, line in lines.items()} == pytest.approx(
        {"white": 0.4, "black": 0.3, "hispanic": 0.28, "asian": 0.015, "native": 0.005}, abs=1e-12
    )
    ratios = {name: line.ratio.value for name, line in lines.items() if line.ratio}
    assert ratios == pytest.approx({"white": 1.0, "black": 5 / 6, "hispanic": 0.5}, abs=1e-12)
    assert [name for name, line in lines.items() if line.small] == ["asian", "native"]
    assert lines["native"].ratio_with_small == 0.0


def test_the_interval_of_a_ratio_is_katzs() -> None:
    ratio = next(
        line.ratio for line in categories("race", BY_HAND, 0, 100).lines if line.category == "hispanic"
    )
    assert ratio is not None
    spread = 1.959963984540054 * math.sqrt(1 / 84 - 1 / 280 + 1 / 240 - 1 / 400)
    assert (ratio.low, ratio.high) == pytest.approx(
        (0.5 * math.exp(-spread), 0.5 * math.exp(spread)), abs=1e-12
    )


def test_four_fifths_has_three_states() -> None:
    def verdicts(min_rows: int) -> dict[str, str]:
        return {
            line.category: line.ratio.verdict
            for line in categories("race", BY_HAND, 0, min_rows).lines
            if line.ratio
        }

    assert verdicts(100) == {"white": NO_EVIDENCE, "black": NO_EVIDENCE, "hispanic": BREACH}
    assert verdicts(290) == {"white": NO_EVIDENCE, "black": NO_EVIDENCE, "hispanic": INSUFFICIENT}


def test_a_category_left_out_is_not_what_others_are_compared_with() -> None:
    table = categories("sex", {"a": Count(985, 197), "b": Count(15, 15)}, 0, 100)
    a, b = table.lines
    assert a.ratio is not None
    assert a.ratio.value == 1.0
    assert b.ratio is None
    assert a.ratio_with_small == pytest.approx(0.2, abs=1e-12)


def test_a_category_at_two_per_cent_is_in() -> None:
    table = categories("sex", {"a": Count(98, 49), "b": Count(2, 1)}, 0, 100)
    assert [line.small for line in table.lines] == [False, False]


def test_a_category_that_is_never_selected_is_not_lost() -> None:
    never = categories("sex", {"a": Count(500, 250), "b": Count(500, 0)}, 0, 100).lines[1].ratio
    assert never is not None
    assert (never.value, never.low, never.verdict) == (0.0, None, BREACH)
    nobody = categories("sex", {"a": Count(500, 0), "b": Count(500, 0)}, 0, 100)
    assert [line.ratio for line in nobody.lines] == [None, None]


def test_without_any_known_category_there_is_an_empty_table() -> None:
    assert categories("sex", {}, 12, 100).lines == []
    assert categories("sex", {"a": Count(0, 0)}, 12, 100).unknown == 12
