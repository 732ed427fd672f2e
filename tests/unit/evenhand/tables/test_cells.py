"""One meaning for a cell, whichever type or spelling it came in."""

import datetime
import decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenhand.tables.cells import (
    GONE,
    GONE_GROUP,
    GONE_LABEL,
    Vocabulary,
    clean,
    is_code,
    is_gone,
    moment_text,
    number_of,
    number_text,
    spelled,
    text_of,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", None),
        (float("nan"), None),
        (" a ", " a "),
        (True, "True"),
        (np.bool_(False), "False"),
        (7, "7"),
        (2**70, str(2**70)),
        (7.0, "7.0"),
        (np.float32(0.1), "0.1"),
        (float("inf"), "inf"),
        (decimal.Decimal("1.10"), "1.10"),
        (datetime.date(2026, 3, 1), "2026-03-01"),
        (datetime.datetime(2026, 3, 1, 9, 30), "2026-03-01 09:30:00"),
        (datetime.timedelta(days=2, hours=3), "2 days 03:00:00"),
        (b"caf\xc3\xa9", "café"),
        (b"\xff", "\udcff"),
        ([1, None, "é"], '[1, null, "é"]'),
        ({"a": decimal.Decimal("1.5")}, '{"a": "1.5"}'),
    ],
)
def test_a_typed_value_is_the_text_that_a_csv_would_hold(value: object, text: str | None) -> None:
    assert text_of(value) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [("39", 39.0), ("-0.5", -0.5), ("+1e3", 1000.0), (".5", 0.5), ("5.", 5.0), ("inf", float("inf"))],
)
def test_plain_numbers_are_numbers(text: str, number: float) -> None:
    assert number_of(text) == number


@pytest.mark.parametrize(
    "text", ["1_000", "1,234", "0x1f", "\uff13\uff19", "12 years", "nan", "", "-", "1e", "--1"]
)
def test_what_only_python_or_a_person_reads_as_a_number_is_none(text: str) -> None:
    assert number_of(text) is None


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("1.0", "1"),
        ("+1", "1"),
        ("-0", "0"),
        ("1.50", "1.5"),
        ("1e3", "1000"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("12345678901234567890123.0", "12345678901234567890123"),
        ("1e300", "1e+300"),
    ],
)
def test_a_number_has_one_spelling(text: str, spelling: str) -> None:
    assert number_text(text) == spelling


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_spelling_keeps_the_number_and_spells_itself(value: float) -> None:
    spelling = number_text(str(value))
    assert float(spelling) == float(value)
    assert number_text(spelling) == spelling


def test_a_leading_zero_makes_a_code() -> None:
    assert [text for text in ("007", "0", "0.5", "-01", "70", "00") if is_code(text)] == ["007", "-01", "00"]


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("2026-03-01T00:00:00.000", "2026-03-01"),
        ("2026-03-01 09:30", "2026-03-01 09:30:00"),
        ("2026-03-01T09:30:00.500Z", "2026-03-01 09:30:00.5+00:00"),
        ("2026-03-01T00:00:00Z", "2026-03-01 00:00:00+00:00"),
        ("2026-03-01", "2026-03-01"),
    ],
)
def test_a_moment_has_one_spelling(text: str, spelling: str) -> None:
    assert moment_text(text) == spelling


def test_what_is_missing_depends_on_what_it_would_be() -> None:
    for mark in ("?", "N/A", "NULL", "None", "NaN", "<NA>", "NaT", ""):
        assert is_gone(mark, GONE)
        assert is_gone(mark, GONE_GROUP)
    assert is_gone("none", GONE)
    assert not is_gone("none", GONE_GROUP)
    assert not is_gone("none", GONE_LABEL)
    assert is_gone("Unknown", GONE_GROUP)
    assert not is_gone("Unknown", GONE)
    assert not is_gone("0", GONE_LABEL)


def test_what_looks_alike_is_alike() -> None:
    assert clean(" fe\u0301minin\u00a0") == "f\u00e9minin"


def test_a_value_is_recognised_by_what_it_means() -> None:
    vocabulary = Vocabulary(["1", "2.5", "True", "f\u00e9minin", "007", "2026-03-01"])
    for text, value in (
        ("1.0", "1"),
        (" 2.50 ", "2.5"),
        ("TRUE", "True"),
        ("fe\u0301minin", "f\u00e9minin"),
        ("2026-03-01T00:00:00", "2026-03-01"),
        ("007", "007"),
        ("7", None),
        ("other", None),
        ("", None),
    ):
        assert vocabulary.match(text) == value
        assert spelled(("1", "2.5", "True", "f\u00e9minin", "007", "2026-03-01"), text) == value


def test_values_that_mean_the_same_are_told_apart_by_their_spelling_alone() -> None:
    both = Vocabulary(["1", "1.0"])
    assert [both.match(text) for text in ("1", "1.0", "1.00")] == ["1", "1.0", None]
