"""The split of a fit is found again in its own table, and in no other."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from tiny_model import tiny_table, write_tiny_bundle

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.bundle import Bundle
from evenhand.tables.read import read_table
from evenhand.tables.table import Table
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import DataError, from_table, hold_out
from evenhand.training.data.fit_split import split_file, splits_of_fit
from evenhand.training.data.select_rows import RowSelection, input_columns, of_split, select_rows

COLUMNS = Columns("text", "label", ("team",), favourable=("positive",))
TEST = RowSelection(attributes=("team",), split="test")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, and the table that it says it was fitted on; the table has a gap and a broken line."""
    folder = tmp_path_factory.mktemp("split")
    write_tiny_bundle(folder / "tiny")
    table = tiny_table(300).drop(columns="split")
    table["team"] = table["team"].replace({"alpha": "some", "beta": "some"})
    table.loc[7, "label"] = ""
    table.to_csv(folder / "data.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def table(place: Path) -> Table:
    return read_table(place / "data.csv")


@pytest.fixture(scope="module")
def bundle(place: Path, table: Table) -> Bundle:
    loaded = bundles.load(place / "tiny")
    frame = pd.read_csv(place / "data.csv", dtype=str, keep_default_na=False)
    rows, _ = from_table(frame, COLUMNS, seed=0)
    settings = {"columns": {"text": "text", "label": "label", "attributes": ["team"]}}
    provenance = loaded.manifest.provenance.model_copy(
        update={"data_sha256": table.sha256, "settings": settings}
    )
    manifest = loaded.manifest.model_copy(update={"provenance": provenance})
    return replace(loaded, manifest=manifest, split=split_file(hold_out(rows, 0.3, seed=0)))


def test_the_file_names_every_row_and_nothing_else(bundle: Bundle) -> None:
    lines = bundle.split.decode().splitlines()
    assert lines[0] == "row,split"
    assert [line.split(",")[0] for line in lines[1:]] == [str(row) for row in range(300)]
    assert lines[8] == "7,left out"
    assert {line.split(",")[1] for line in lines[1:]} == {"train", "held", "tune", "val", "test", "left out"}


def test_the_rows_of_a_split_are_found_again(bundle: Bundle, table: Table) -> None:
    splits = splits_of_fit(bundle, table)
    assert splits[8] == "left out"
    assert set(splits.values()) == {"train", "val", "test", "left out"}
    selected = select_rows(table, bundle, TEST)
    assert (selected.rows.row + 1).tolist() == [row for row, split in splits.items() if split == "test"]
    assert sum(selected.left_out.values()) == 300 - len(selected.rows)
    assert selected.selection.split is None
    assert selected.selection.only == ("test",)
    for name in ("train", "val"):
        chosen, _ = of_split(table, input_columns(table, bundle, RowSelection(split=name)))
        assert [row for row, _ in chosen] == [row for row, split in splits.items() if split == name]


def test_another_table_is_refused(bundle: Bundle, table: Table) -> None:
    other = replace(table, name="other.csv", sha256="1" * 64)
    with pytest.raises(
        DataError, match=r"other\.csv is not the table that tiny was fitted on .*SHA-256 differ"
    ):
        select_rows(other, bundle, TEST)


def test_a_bundle_that_does_not_know_its_split_is_refused(bundle: Bundle, table: Table) -> None:
    with pytest.raises(DataError, match=r"has no evaluation/split\.csv: an earlier version fitted it"):
        select_rows(table, replace(bundle, split=b""), TEST)


def test_rows_that_are_counted_otherwise_are_refused(bundle: Bundle, table: Table) -> None:
    with pytest.raises(DataError, match="the fit read 300 rows, and 299 are read here"):
        select_rows(replace(table, numbers=table.numbers[:-1]), bundle, TEST)


def test_a_column_and_a_split_of_one_name_are_told_apart(bundle: Bundle, table: Table) -> None:
    both = replace(table, cells={**table.cells, "test": [str(number % 2) for number in table.numbers]})
    with pytest.raises(
        DataError, match=r"--split test: data\.csv has a column of this name, and the fit a split"
    ):
        select_rows(both, bundle, TEST)
    chosen = select_rows(both, bundle, replace(TEST, only=("1",)))
    assert set(chosen.rows.row % 2) == {0}
