"""A number is in the range that a reader would put it in, or in none."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenhand.tables.ranges import Ranges, RangesError, in_range, suggested

AGES = ("0-24", "25-39", "40-59", "60+")


@pytest.mark.parametrize(
    ("number", "name"),
    [
        *((0, "0-24"), (24, "0-24"), (24.99, "0-24"), (25, "25-39"), (39.5, "25-39"), (40, "40-59")),
        *((59.999, "40-59"), (60, "60+"), (1e300, "60+"), (-0.0, "0-24")),
        *((-1, None), (-0.001, None), (math.nan, None), (math.inf, None), (-math.inf, None)),
    ],
)
def test_edges_of_ages_in_years(number: float, name: str | None) -> None:
    assert Ranges(AGES).of(number) == name


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        # Ranges that touch: the edge is in the second.
        (("0-1.5", "1.5-3"), {1.5: "1.5-3", 1.4999: "0-1.5", 3: "1.5-3", 3.01: None}),
        # A gap of more than the step of whole numbers belongs to no range.
        (("0-10", "20-30"), {10: "0-10", 10.5: None, 15: None, 20: "20-30", 30: "20-30", 30.5: None}),
        (("<18", "18-64", "65+"), {17.99: "<18", -5: "<18", 18: "18-64", 64.5: "18-64", 65: "65+"}),
        (("<18", "25+"), {18: None, 24.9: None, 25: "25+"}),
        (("-10--1", "0-10"), {-10: "-10--1", -0.5: "-10--1", -11: None, 0: "0-10"}),
        (("0.5-1", "2-3"), {1: "0.5-1", 1.5: "0.5-1", 2: "2-3"}),
        (("5-5", "6-6"), {5: "5-5", 5.5: "5-5", 6: "6-6", 6.5: None}),
    ],
)
def test_edges_of_other_ranges(names: tuple[str, ...], numbers: dict[float, str | None]) -> None:
    ranges = Ranges(names)
    assert {number: ranges.of(number) for number in numbers} == numbers


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("0-24",), "2 to 16 ranges"),
        ((), "2 to 16 ranges"),
        (tuple(f"{n}-{n}" for n in range(17)), "2 to 16 ranges"),
        (("0-24", "20-39"), "0-24 and 20-39 overlap"),
        (("25-39", "0-24"), "not in ascending order"),
        (("0-24", "0-24"), "overlap"),
        (("60+", "70-80"), "overlap"),
        (("0-9", "<18"), "overlap"),
        (("24-0", "25+"), "24-0 ends before it begins"),
        (("young", "60+"), "'young' is no range; a range is 25-39, 60+ or <18"),
        (("0-1e3", "2000+"), "is no range"),
        (("0-24", ""), "is no range"),
    ],
)
def test_what_are_no_ranges_is_said(names: tuple[str, ...], said: str) -> None:
    with pytest.raises(RangesError, match=said.replace("+", r"\+").replace("(", r"\(")):
        Ranges(names)


def test_texts_are_numbers_names_or_left_as_they_are() -> None:
    ranges = Ranges(["0-24", "25 \u2013 39", "40+"])
    assert ranges.names == ("0-24", "25-39", "40+")
    cells = {
        "31": "25-39",
        " 31.0 ": "25-39",
        "25-39": "25-39",
        "40+": "40+",
        "-1": None,
        "old": None,
        "": None,
    }
    assert {cell: ranges.group(cell) for cell in cells} == cells
    assert ranges.group(None) is None
    assert in_range(ranges.names, "-1") == "-1"
    assert in_range((), "31") == "31"


@given(st.lists(st.integers(-200, 200), min_size=2, max_size=17, unique=True), st.floats(-300, 300))
def test_ranges_of_whole_numbers_leave_no_gap_and_share_no_number(edges: list[int], number: float) -> None:
    edges.sort()
    names = [f"{low}-{high - 1}" for low, high in pairwise(edges)]
    if len(names) < 2:
        return
    name = Ranges(names).of(number)
    places = [place for place, low in enumerate(edges) if low <= number]
    inside = places and (number < edges[-1] - 1 or number == edges[-1] - 1)
    assert name == (names[min(places[-1], len(names) - 1)] if inside else None)


@given(st.lists(st.floats(-1e6, 1e6) | st.integers(0, 90).map(float), min_size=1, max_size=60))
def test_what_is_suggested_are_ranges_of_the_numbers(numbers: list[float]) -> None:
    numbers = sorted(round(number, 3) for number in numbers)
    text = suggested(numbers)
    if text:
        ranges = Ranges(text.split(","))
        assert {ranges.of(number) for number in numbers} <= {*ranges.names}
    else:
        assert len(set(numbers)) == 1 or numbers[len(numbers) * 3 // 4] == numbers[0]


def test_the_middle_of_a_range_is_in_it() -> None:
    for names in (AGES, ("<18", "18-64", "65+"), ("<0", "0+"), ("0-0.1", "0.1-0.2"), ("5-5", "6+")):
        ranges = Ranges(names)
        for name in ranges.names:
            assert ranges.of(ranges.middle(name)) == name
    assert Ranges(AGES).middle("25-39") == 32
