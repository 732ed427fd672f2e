"""Tables become rows; what cannot be learnt from is refused by name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_model import tiny_table

from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import UNKNOWN, DataError, from_table
from evenhand.training.data.sources import read

COLUMNS = Columns("text", "label", ("team", "colour"), "split", {"team": "none"}, favourable=("positive",))


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_every_format_reads_the_same(tmp_path: Path, suffix: str) -> None:
    table, file = tiny_table(100), tmp_path / f"data.{suffix}"
    if suffix == "csv":
        table.to_csv(file, index=False)
    elif suffix == "jsonl":
        table.to_json(file, orient="records", lines=True)
    else:
        table.to_parquet(file)
    rows, schema, digest = read(str(file), COLUMNS, seed=0)
    expected, _ = from_table(table, COLUMNS, seed=0)
    assert len(digest) == 64
    assert schema.labels == ("negative", "positive")
    assert schema.groups["team"][0] == "none"
    assert schema.groups["colour"] == ("plain", "red")
    assert rows.items == expected.items
    assert np.array_equal(rows.groups["team"], expected.groups["team"])


def test_missing_groups_are_unknown_and_missing_texts_left_out() -> None:
    table = tiny_table(100)
    table.loc[0, "team"] = None
    table.loc[1, "team"] = ""
    table.loc[2, "text"] = "  "
    table.loc[3, "label"] = None
    table.loc[4, "split"] = "undecided"
    rows, _ = from_table(table, COLUMNS, seed=0)
    assert len(rows) == 97
    assert rows.row[:3].tolist() == [0, 1, 5]
    assert rows.groups["team"][:2].tolist() == [UNKNOWN, UNKNOWN]
    assert rows.groups["colour"][0] != UNKNOWN


def test_rows_are_split_by_label_with_the_seed() -> None:
    columns = Columns("text", "label", ("team",))
    table = tiny_table(400)
    one, two = (from_table(table, columns, seed)[0] for seed in (1, 1))
    other = from_table(table, columns, 2)[0]
    assert np.array_equal(one.split, two.split)
    assert not np.array_equal(one.split, other.split)
    shares = {split: len(one.of(split)) / len(one) for split in ("train", "val", "test")}
    assert shares == pytest.approx({"train": 0.7, "val": 0.15, "test": 0.15}, abs=0.01)
    positives = [one.labels[one.of(split)].mean() for split in shares]
    assert max(positives) - min(positives) < 0.02


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        (Columns("words", "label", ("team",)), "no column words; it has text, label"),
        (
            Columns("text", "label", ("team",), "split", {"team": "gamma"}),
            "attribute 'team' needs two groups",
        ),
        (Columns("text", "label", ("team",), "split", favourable=("neither",)), "favourable labels"),
        (Columns("text", "label", ("team",), "split", favourable=("positive", "negative")), "some, not all"),
        (Columns("text", "label", ("team",), "label"), "no row has an input"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(tmp_path: Path, columns: Columns, why: str) -> None:
    file = tmp_path / "data.csv"
    tiny_table(100).to_csv(file, index=False)
    with pytest.raises(DataError, match=why):
        read(str(file), columns, seed=0)


def test_a_split_without_rows_is_named() -> None:
    table = tiny_table(100)
    table = table[table["split"] != "val"]
    with pytest.raises(DataError, match="split 'val' has 0 rows"):
        from_table(table, COLUMNS, seed=0)


def test_one_label_is_no_classifier(tmp_path: Path) -> None:
    table = tiny_table(100)
    table["label"] = "same"
    with pytest.raises(DataError):
        from_table(table, COLUMNS, seed=0)


def test_too_few_rows_to_split_ask_for_a_column() -> None:
    with pytest.raises(DataError, match="--split"):
        from_table(
            pd.DataFrame({"text": ["a", "b"], "label": ["x", "y"], "team": ["p", "q"]}),
            Columns("text", "label", ("team",)),
            0,
        )


@pytest.mark.parametrize("name", ["data.txt", "missing.csv", "missing.parquet", "missing.jsonl"])
def test_files_that_cannot_be_read_are_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "data.txt").write_text("x")
    with pytest.raises(DataError, match=name):
        read(str(tmp_path / name), COLUMNS, 0)
