"""Tables from files and from data sets of the hub's library."""

from pathlib import Path

import datasets
import pandas as pd
import pytest

from evenhand.tables.read import read_table
from evenhand.tables.table import DataError
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import from_table

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


def labelled(texts: list[str], codes: list[int]) -> datasets.Dataset:
    features = datasets.Features(
        text=datasets.Value("string"), label=datasets.ClassLabel(names=["bad", "good"])
    )
    return datasets.Dataset.from_dict({"text": texts, "label": codes}, features=features)


def test_labels_have_their_names_and_a_missing_one_is_missing(tmp_path: Path) -> None:
    labelled(["a", "b", "c"], [0, -1, 1]).save_to_disk(str(tmp_path / "set"))
    table = read_table(f"hub:{tmp_path / 'set'}")
    assert table.cells["label"] == ["bad", None, "good"]
    assert (table.split, table.columns) == (None, ["text", "label"])


def test_a_shuffled_part_is_read_in_its_order(tmp_path: Path) -> None:
    part = labelled(["a", "b", "c"], [0, 1, 0]).select([2, 0])
    part.save_to_disk(str(tmp_path / "set"))
    assert read_table(f"hub:{tmp_path / 'set'}").cells["text"] == ["c", "a"]


def test_its_own_test_rows_are_never_learnt_from(tmp_path: Path) -> None:
    codes = [place % 2 for place in range(400)]
    texts = [f"{place}" for place in range(400)]
    parts = {
        "train": labelled(texts[:300], codes[:300]),
        "validation": labelled(texts[300:350], [-1, *codes[301:350]]),
        "test": labelled(texts[350:], codes[350:]),
    }
    datasets.DatasetDict(parts).save_to_disk(str(tmp_path / "set"))
    table = read_table(f"hub:{tmp_path / 'set'}")
    teams = ["a", "b", "b"] * 133 + ["a"]
    table.cells["team"] = list(teams)
    columns = Columns("text", "label", ("team",), favourable=("good",))
    rows, schema = from_table(table, columns, seed=0)
    assert schema.labels == ("bad", "good")
    assert rows.row[rows.of("test")].tolist() == list(range(350, 400))
    assert rows.row[rows.of("val")].tolist() == list(range(301, 350))
    assert rows.left_out == {"no label": 1}
    assert "'validation' of split is the split val" in schema.notes
