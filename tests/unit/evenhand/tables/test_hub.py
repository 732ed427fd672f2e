"""Tables from files and from data sets of the hub's library."""

from pathlib import Path

import datasets
import pandas as pd
import pytest

from evenhand.tables.read import read_table
from evenhand.tables.table import DataError

TRAIN = pd.DataFrame({"text": ["a", "b"], "label": [0, 1]})
DEV = pd.DataFrame({"text": ["c"], "label": [1]})


def test_splits_of_a_data_set_become_a_column(tmp_path: Path) -> None:
    parts = {name: datasets.Dataset.from_pandas(of) for name, of in (("train", TRAIN), ("validation", DEV))}
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "set"))
    table = read_table(f"hub:{tmp_path / 'set'}")
    assert table.cells == {
        "text": ["a", "b", "c"],
        "label": ["0", "1", "1"],
        "split": ["train", "train", "validation"],
    }
    assert table.split == "split"
    assert table.sha256 == read_table(f"hub:{tmp_path / 'set'}").sha256


def test_a_data_set_with_a_split_column_keeps_it(tmp_path: Path) -> None:
    datasets.Dataset.from_pandas(TRAIN.assign(split=["val", "test"])).save_to_disk(str(tmp_path / "set"))
    table = read_table(f"hub:{tmp_path / 'set'}")
    assert (table.cells["split"], table.split) == (["val", "test"], None)


def test_what_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in (
        "huggingface_hub.constants",
        "datasets.config",
    ):  # the variable is read when they are loaded
        monkeypatch.setattr(f"{library}.HF_HUB_OFFLINE", True)
    (tmp_path / "t.xlsx").write_text("")
    (tmp_path / "t.parquet").write_text("not parquet")
    for source, why in (
        (str(tmp_path / "t.xlsx"), "expected a file ending in .csv, .tsv, .json"),
        (str(tmp_path / "t.parquet"), "not readable"),
        (str(tmp_path / "none.csv"), "not readable"),
        ("hub:nobody/has-such-a-set", "nobody/has-such-a-set"),
    ):
        with pytest.raises(DataError, match=why):
            read_table(source)
