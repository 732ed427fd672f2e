"""Tensors of a table and of images to items: what one row's content can break, breaks that row alone."""

import json
import math
from typing import Any

import pytest

from evenhand.models.bundle.encoders.image import ImageEncoder
from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.inputs import InputError
from evenhand.service.errors import InvalidInput
from evenhand.service.inference.preprocess import quick
from evenhand.service.oip.codec import Tensor
from evenhand.service.oip.tensors import input_types, to_items

FEATURES = {
    "numeric": [{"name": "age", "mean": 40.0, "scale": 10.0}],
    "categorical": [{"name": "job", "categories": ["clerk", "smith"]}],
}


@pytest.fixture
def table() -> TableEncoder:
    return TableEncoder(json.dumps(FEATURES).encode())


def columns(**typed_values: tuple[str, list[Any]]) -> dict[str, Tensor]:
    return {name: Tensor(name, kind, (len(values),), values) for name, (kind, values) in typed_values.items()}


def test_a_table_has_one_tensor_per_feature(table: TableEncoder) -> None:
    assert input_types(table, "table") == {"age": "FP64", "job": "BYTES"}
    tensors = columns(age=("FP32", [50.0, math.nan, None]), job=("BYTES", [b"smith", "", b"sm\xffth"]))
    items = to_items(tensors, table, "table")
    assert items == [
        {"age": 50.0, "job": "smith"},
        {"age": None, "job": ""},
        {"age": None, "job": "sm\udcffth"},
    ]
    first, second = (table.encode(item) for item in items[:2])
    assert (first.arrays["numeric"][0], first.arrays["codes"][0]) == (1.0, 3)
    assert (second.arrays["absent"][0], second.arrays["codes"][0]) == (1, 0)


def test_integers_are_numbers_and_a_feature_without_a_tensor_is_missing(table: TableEncoder) -> None:
    (item,) = to_items(columns(age=("INT64", [60])), table, "table")
    assert table.encode(item).arrays["numeric"][0] == 2.0
    assert table.encode(item).arrays["codes"][0] == 0


def test_a_value_of_another_type_fails_alone(table: TableEncoder) -> None:
    items = to_items(columns(age=("BYTES", ["many", ""])), table, "table")
    with pytest.raises(InputError, match="'age' is not a number"):
        table.encode(items[0])
    assert table.encode(items[1]).arrays["absent"][0] == 1


def test_tensors_of_different_length_are_refused(table: TableEncoder) -> None:
    with pytest.raises(InvalidInput, match="differ in their number of rows"):
        to_items(columns(age=("FP64", [1.0, 2.0]), job=("BYTES", ["clerk"])), table, "table")


def test_an_image_is_a_file_or_its_base64_text() -> None:
    values = [b"\x89PNG rest", b"\xff\xd8 rest", b"aGVsbG8=", "aGVsbG8="]
    items = to_items(columns(image=("BYTES", values)), ImageEncoder(b'{"size": 8}'), "image")
    assert items == [*values[:2], {"image": "aGVsbG8="}, {"image": "aGVsbG8="}]


def test_only_little_work_is_done_at_once() -> None:
    assert quick(["a text", {"text": "a", "text_pair": "b"}], "text")
    assert quick([{"age": 3, "job": "clerk"}], "table")
    assert not quick(["word " * 200], "text")
    assert not quick(["a"] * 64, "text")
    assert not quick([{str(name): 1 for name in range(100)}], "table")
    assert not quick([{"image": "aGVsbG8="}], "image")
    assert not quick([b"\x89PNG"], "image")
