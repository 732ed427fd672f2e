"""Figures in words claim no more than their interval allows."""

import pytest

from evenhand.reports.html.wording import KEPT, count, duration, few, moment, number, percent, points, verdict

NONE = {"n": 0, "value": None, "low": None, "high": None}
CHANGE = {"n": 100, "value": 0.02, "low": -0.01, "high": 0.05}


def test_a_verdict_goes_by_the_interval() -> None:
    assert verdict(CHANGE) == "shows no clear change: +2.0 points (-1.0 to +5.0)"
    assert verdict({**CHANGE, "low": 0.005}) == "rose by 2.0 points (0.5 to 5.0)"
    assert (
        verdict({**CHANGE, "value": -0.02, "low": -0.04, "high": -0.01}) == "fell by 2.0 points (1.0 to 4.0)"
    )
    assert verdict({**CHANGE, "n": 29}) == "too few rows to say (29)"
    assert verdict(NONE) == "too few rows to say (0)"


def test_figures_come_with_their_interval_or_as_missing() -> None:
    rate = {"value": 0.475, "low": 0.329, "high": 0.625}
    assert percent(rate).replace(KEPT, " ") == "47.5 % (32.9 to 62.5)"
    assert number(rate).replace(KEPT, " ") == "0.475 (0.329 to 0.625)"
    assert points(rate) == "+47.5 points (+32.9 to +62.5)"
    assert {percent(NONE), number(NONE), points(NONE)} == {"no rows"}
    assert number(NONE, "too few rows") == "too few rows"


def test_numbers_and_times_are_written_for_people() -> None:
    assert count(1234567) == "1,234,567"
    assert (few(29), few(30)) == ("29 (too few)", "30")
    assert moment("2026-03-01T05:06:07Z") == "2026-03-01 05:06 UTC"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "not known"),
        (1.0, "1.0 seconds"),
        (150.0, "2.5 minutes"),
        (7200.0, "2.0 hours"),
        (200_000.0, "2.3 days"),
    ],
)
def test_durations_have_a_unit_that_suits_them(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words
