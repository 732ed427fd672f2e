"""Numbers with words, codes or mistakes among them: said, never guessed in silence."""

import pytest

from evenhand.tables.table import DataError, Table
from evenhand.training.data.columns import Columns
from evenhand.training.data.features import FeatureColumn, feature_column, raw_column
from evenhand.training.data.roles import describe

NUMBERS = [str(value) for value in range(100)]


def column(*more: str, categories: bool = False) -> FeatureColumn:
    cells: list[str | None] = [*NUMBERS, *more]
    return feature_column(table(x=cells), "x", categories=categories)


def table(**cells: list[str | None]) -> Table:
    rows = len(next(iter(cells.values())))
    return Table("t", "", cells, list(range(1, rows + 1)))


def test_a_word_among_numbers_is_missing_and_said() -> None:
    feature = column("not told", "not told", "n.k.")
    assert feature.numeric
    assert feature.words == ("not told", "n.k.")
    assert feature.column.marks == {"not told": 2, "n.k.": 1}
    assert feature.items()[-4:] == [99.0, None, None, None]


@pytest.mark.parametrize("mistake", ["1,234", "12 years", "$40", "1_000", "4O", "1.2.3"])
def test_a_number_that_is_mistaken_is_refused_with_its_row_and_column(mistake: str) -> None:
    with pytest.raises(DataError) as refused:
        column(mistake)
    assert str(refused.value) == (
        f"column x: {mistake!r} in row 101 is no number, and 100 other values are\n"
        "mend the row, or take each value by itself with --category x"
    )
    assert column(mistake, categories=True).items()[-1] == mistake


def test_many_words_or_few_numbers_are_categories_and_said() -> None:
    codes = column("V45", "E11", "V10", "E9")
    assert not codes.numeric
    assert codes.note == "96.2 % are numbers"
    assert column(*["a"] * 50).note == "66.7 % are numbers"


def test_digits_that_begin_with_0_are_codes() -> None:
    feature = column("007")
    assert not feature.numeric
    assert feature.items()[-1] == "007"
    assert feature.note == "digits that begin with 0: codes, no numbers"


def test_numbers_that_no_model_can_take_are_marked_by_row() -> None:
    assert column("inf", "-inf", "1e300", "1e30").unusable.nonzero()[0].tolist() == [100, 101, 102]
    assert not column("inf", categories=True).unusable.any()


def test_categories_that_are_named_have_one_spelling() -> None:
    assert column("1.0", categories=True).items()[-1] == "1"


def test_named_dates_are_refused_unless_they_are_categories() -> None:
    days: list[str | None] = [f"2026-03-{day:02}" for day in range(1, 31)]
    label: list[str | None] = ["a", "b"] * 15
    data = table(joined=days, y=label, sex=label[::-1])
    columns = Columns("", "y", ("sex",), task="table", features=("joined",))
    with pytest.raises(DataError, match=r"--feature joined: it holds dates .*\n.* --category joined"):
        describe(data, columns)
    named = describe(data, Columns("", "y", ("sex",), task="table", categories=("joined",)))
    assert list(named.features) == ["joined"]
    assert named.features["joined"].items() == days


def test_a_column_without_a_name_is_dropped_and_named_by_its_place() -> None:
    data = Table(
        "t", "", {"column 1": ["3", "5"], "y": ["a", "b"], "s": ["c", "d"]}, [1, 2], unnamed=("column 1",)
    )
    roles = describe(data, Columns("", "y", ("s",), task="table")).roles
    assert (roles[0].role, roles[0].why) == ("dropped", "the header has no name for it")


def raw_items(table: Table, *, text: bool = False) -> list[float | str | None]:
    return raw_column(table, "x", text=text).items()


def table_of(cells: list[str | None], *, untyped: bool = True) -> Table:
    return Table("rows", "", {"x": cells}, list(range(1, len(cells) + 1)), untyped=untyped)


def test_a_model_file_gets_texts_as_they_stand() -> None:
    # Spaces, marks of our own and codes are part of the texts that the model was fitted on.
    cells = [" smith", "?", "unknown", "None", "NA", None]
    assert raw_items(table_of(cells)) == [" smith", "?", "unknown", None, None, None]
    # A file with types has missing values of its own; its words are words.
    assert raw_items(table_of(cells, untyped=False)) == [" smith", "?", "unknown", "None", "NA", None]


def test_a_model_file_gets_numbers_as_pandas_reads_them() -> None:
    assert raw_items(table_of(["1.50", "007", "NaN", " 2"])) == [1.5, 7.0, None, 2.0]
    assert raw_items(table_of(["True", "False", None])) == [1.0, 0.0, None]
    assert raw_items(table_of(["1.50", "007"]), text=True) == ["1.50", "007"]
    assert raw_column(table_of(["1", "inf"]), "x", text=False).unusable.tolist() == [False, True]
