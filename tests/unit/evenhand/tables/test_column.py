"""The type of a column is seen in its values, and each value has one spelling."""

import numpy as np
import pytest

from evenhand.tables.cells import GONE, GONE_GROUP
from evenhand.tables.column import Column, Type


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["1", "1.0", "2", None], "number", ["1", "2"]),
        (["1", "inf"], "number", ["1", "inf"]),
        (["007", "8"], "text", ["007", "8"]),
        (["true", "FALSE", ""], "boolean", ["True", "False"]),
        (["true", "maybe"], "text", ["true", "maybe"]),
        (["2026-03-01", "2026-03-02T00:00:00"], "moment", ["2026-03-01", "2026-03-02"]),
        ([" a", "a "], "text", ["a"]),
        (["?", None], "text", []),
    ],
)
def test_a_type_needs_every_value(cells: list[str | None], kind: Type, values: list[str]) -> None:
    column = Column.of("x", cells)
    assert (column.type, column.values) == (kind, values)


def test_gaps_and_the_words_for_them_are_counted() -> None:
    column = Column.of("x", ["1", "N/A", None, "N/A", "?"])
    assert column.codes.tolist() == [0, -1, -1, -1, -1]
    assert column.marks == {"N/A": 2, "?": 1}
    assert (column.rows, column.missing) == (1, pytest.approx(0.8))
    assert column.texts() == ["1", None, None, None, None]


def test_a_word_that_is_named_is_a_value() -> None:
    assert Column.of("x", ["None", "some", "?"], GONE_GROUP, values=("None",)).values == ["None", "some"]


def test_spellings_of_one_value_are_named_and_spaces_are_no_spelling() -> None:
    assert Column.of("x", ["f\u00e9minin", "fe\u0301minin", " f\u00e9minin", "m"]).alike == ("f\u00e9minin",)
    assert Column.of("x", ["a", " a ", "b"]).alike == ()
    assert Column.of("x", ["1", "1.0", "2"]).alike == ("1",)


def test_texts_stay_as_they_are() -> None:
    assert Column.of("x", ["1.0", "1"], {""}, words=True).values == ["1.0", "1"]


def test_numbers_and_shares_are_of_the_rows_with_a_value() -> None:
    column = Column.of("x", ["1", "2", "1", None], GONE)
    assert column.numbers.tolist() == [1.0, 2.0]
    assert column.share(column.numbers == 1) == pytest.approx(2 / 3)
    assert column.with_values(np.array([True, False])).tolist() == [True, False, True, False]
