"""What each column of a file is for; whatever is missing is named before any row is answered."""

from pathlib import Path

import pytest
from places import DEMO, SALARIES

from evenhand.models.bundle.bundle import load
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.service.bulk.columns import ColumnOptions, RowColumns, row_columns
from evenhand.tables.table import DataError

SALARY = load(SALARIES)
ENCODER = make_encoder(SALARY.preprocess, SALARY.manifest.input)
FEATURES = tuple(ENCODER.features.names)  # type: ignore[attr-defined]


def columns(header: tuple[str, ...], **options: object) -> RowColumns:
    return row_columns(Path("a/rows.csv"), header, ColumnOptions(**options), SALARY.manifest, ENCODER)  # type: ignore[arg-type]


def test_what_nobody_reads_is_listed() -> None:
    own = columns(("pid", "note", *FEATURES, "sex"), id="pid", attributes=("sex",))
    assert own.unread == ("note",)
    assert own.read == {"pid", "sex", *FEATURES}


def test_all_that_is_missing_comes_in_one_message() -> None:
    header = tuple(name for name in FEATURES if name not in ("age", "region"))
    with pytest.raises(DataError) as refused:
        columns(header, id="pid", keep=("note",), attributes=("sex=gender",))
    for part in ("no column age, region", "'pid' for --id", "'note' for --keep", "'gender' for --attribute"):
        assert part in str(refused.value)
    assert f"it has {header[0]}" in str(refused.value)


def test_features_may_be_lacking_on_purpose_and_nothing_else() -> None:
    header = tuple(name for name in FEATURES if name != "age")
    assert columns(header, absent=("age",)).features == FEATURES
    with pytest.raises(DataError, match="--absent height is no feature"):
        columns(FEATURES, absent=("height",))


def test_a_column_is_copied_under_another_name_and_never_over_another() -> None:
    header = ("label", "a=b", *FEATURES)
    assert columns(header, keep=("label=truth", "a=b")).keep == {"truth": "label", "a=b": "a=b"}
    with pytest.raises(DataError, match="two columns of the output"):
        columns(header, keep=("label", "a=b", "age=label"))


def test_an_attribute_is_one_of_the_models() -> None:
    with pytest.raises(DataError, match="name one of government-salary's attributes, sex"):
        columns(FEATURES, attributes=("colour",))


def test_texts_come_from_the_column_of_the_fit_unless_another_is_named() -> None:
    demo = load(DEMO)
    encoder = make_encoder(demo.preprocess, demo.manifest.input)

    def of(header: tuple[str, ...], **options: str) -> RowColumns:
        return row_columns(Path("rows.csv"), header, ColumnOptions(**options), demo.manifest, encoder)  # type: ignore[arg-type]

    assert of(("text", "n")).features == ("text",)
    assert of(("comment",), text="comment").features == ("comment",)
    with pytest.raises(DataError, match=r"no column text, which the model reads\nit has comment; .* --text"):
        of(("comment",))
