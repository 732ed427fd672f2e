"""Columns become what an encoder takes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from evenhand.models.bundle.encoders.image import ImageEncoder
from evenhand.models.bundle.encoders.table import Categorical, Numeric, TableFeatures
from evenhand.models.bundle.inputs import InputError
from evenhand.models.bundle.row_items import feature_item, image_bytes
from evenhand.tables.frame import frame_table
from evenhand.training.data.columns import Columns
from evenhand.training.data.features import feature_column
from evenhand.training.data.items import encode_all, item_columns, items_of

TABLE = frame_table(
    pd.DataFrame(
        {
            "first": ["a", " ", "c", None],
            "second": ["x", "y", None, "z"],
            "age": ["30", "?", "", "41.5"],
            "zip": ["10", "2b", "nan", "10"],
            "sex": ["m", "w", "w", "m"],
            "income": ["low", "high", "low", "high"],
        }
    )
)
AS_TABLE = Columns("", "income", ("sex",), task="table", features=("age", "zip"))


def test_a_text_or_a_pair_without_words_cannot_be_used() -> None:
    texts, usable = items_of(TABLE, Columns("first", "income", ("sex",)), {})
    assert texts == ["a", None, "c", None]
    assert usable == ["", "no text", "", "no text"]
    pairs, usable = items_of(TABLE, Columns("first", "income", ("sex",), task="pair", text_pair="second"), {})
    assert pairs[0] == {"text": "a", "text_pair": "x"}
    assert usable == ["", *["no text, or no second text"] * 3]


def test_a_column_is_numeric_where_every_value_is_and_gaps_are_none() -> None:
    features = {name: feature_column(TABLE, name) for name in AS_TABLE.features}
    items, usable = items_of(TABLE, AS_TABLE, features)
    assert not any(usable)
    assert [item["age"] for item in items] == [30.0, None, None, 41.5]
    assert [item["zip"] for item in items] == ["10", "2b", None, "10"]


def test_needed_columns_are_those_of_the_kind() -> None:
    assert item_columns(Columns("a", "l", ("s",), task="pair", text_pair="b")) == ["a", "b"]
    assert item_columns(Columns("a", "l", ("s",), features=("b",), task="table")) == ["b"]


def test_images_are_found_in_their_folder_and_read_when_asked_for(tmp_path: Path) -> None:
    Image.new("RGB", (20, 20), "red").save(tmp_path / "a.png")
    table = frame_table(pd.DataFrame({"file": ["a.png", "gone.png"]}))
    paths, usable = items_of(table, Columns("file", "l", ("s",), task="image", images=str(tmp_path)), {})
    assert usable == ["", "no such image file in the folder"]
    encoder = ImageEncoder(b'{"size": 8}')
    encoded, bad = encode_all(encoder, paths[:1])
    assert bad == []
    expected = encoder.encode((tmp_path / "a.png").read_bytes())
    assert np.array_equal(encoded[0].arrays["pixel_values"], expected.arrays["pixel_values"])
    assert encoded[0].tokens == expected.tokens


def test_rows_that_cannot_be_encoded_are_named() -> None:
    class Picky:
        def encode(self, item: str) -> str:
            if item == "bad":
                raise InputError("too bad")
            return item

    encoded, bad = encode_all(Picky(), ["good", "bad", "fine"])  # type: ignore[arg-type]
    assert encoded == ["good", "fine"]
    assert bad == [(1, "too bad")]


FEATURES = TableFeatures(
    numeric=[Numeric(name="age", mean=0, scale=1)], categorical=[Categorical(name="job", categories=["a"])]
)


def test_strings_of_a_row_become_features() -> None:
    assert feature_item({"age": " 3.5 ", "job": "a ", "other": "x"}, FEATURES) == {"age": 3.5, "job": "a"}
    assert feature_item({"age": "?", "job": None}, FEATURES) == {"age": None, "job": None}
    with pytest.raises(InputError, match="'age' is not a number"):
        feature_item({"age": "old"}, FEATURES)


def test_a_picture_is_never_read_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "in/own").write_bytes(b"own")
    for name in ("../secret", str(tmp_path / "secret"), "gone", "own/../../secret"):
        with pytest.raises(InputError, match="no such image"):
            image_bytes(tmp_path / "in", name)
    assert image_bytes(tmp_path / "in", str(tmp_path / "in/own")) == b"own"
    names = ["../secret", str(tmp_path / "secret"), " own "]
    table = frame_table(pd.DataFrame({"file": names}))
    _, reasons = items_of(table, Columns("file", "l", ("s",), task="image", images=str(tmp_path / "in")), {})
    assert [not reason for reason in reasons] == [False, False, True]


def test_truth_values_are_numbers_for_a_model_of_the_user_s_as_they_were_at_fit() -> None:
    numeric = [Numeric(name="member", mean=0.5, scale=1.0)]
    raw = TableFeatures(numeric=numeric, categorical=[], raw=True)
    assert [feature_item({"member": text}, raw)["member"] for text in ("True", "false", "1")] == [1, 0, 1]
    with pytest.raises(InputError, match="'member' is not a number"):
        feature_item({"member": "True"}, TableFeatures(numeric=numeric, categorical=[]))
