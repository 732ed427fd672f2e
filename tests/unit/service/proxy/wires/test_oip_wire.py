"""Requests and replies of another server that speaks the Open Inference Protocol."""

import json
import struct
from typing import Any

import numpy as np
import pytest

from evenhand.models.bundle.encoders.table import Categorical, Numeric, TableEncoder, TableFeatures
from evenhand.service.proxy.answers import Said
from evenhand.service.proxy.wires.json_path import Unreadable
from evenhand.service.proxy.wires.oip_wire import HEADER_LENGTH, OipWire
from evenhand.service.proxy.wires.wire import columns_of

NUMBERS = [Numeric(name="age", mean=0, scale=1), Numeric(name="pay", mean=0, scale=1)]


def wire(features: TableFeatures | None = None, names: tuple[str, ...] = (), **places: Any) -> OipWire:
    encoder = TableEncoder(
        (features or TableFeatures(numeric=NUMBERS, categorical=[])).model_dump_json().encode()
    )
    columns = columns_of(encoder, "table", names)
    return OipWire(
        places.get("label", ""), places.get("scores", ()), columns, encoder, places.get("input", ""), 100
    )


def request(*inputs: dict[str, Any], **more: Any) -> bytes:
    return json.dumps({"inputs": list(inputs), **more}).encode()


def matrix(*rows: list[float], name: str = "x") -> dict[str, Any]:
    return {"name": name, "datatype": "FP64", "shape": [len(rows), 2], "data": list(rows)}


def test_a_matrix_is_rows_of_the_named_columns() -> None:
    body = request(matrix([30.0, 5.0], [40.0, 6.0]), parameters={"theirs": 1})
    assert wire().items(body, {}) == [{"age": 30.0, "pay": 5.0}, {"age": 40.0, "pay": 6.0}]
    assert wire(names=("pay", "age")).items(body, {})[0] == {"pay": 30.0, "age": 5.0}


def test_bytes_after_the_json_are_read() -> None:
    head = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}]
    }
    text = json.dumps(head).encode()
    body = text + np.array([[30, 5]], "<f4").tobytes()
    assert wire().items(body, {HEADER_LENGTH: str(len(text)).encode()}) == [{"age": 30.0, "pay": 5.0}]


def test_one_tensor_per_feature_is_read_by_name() -> None:
    inputs = [
        {"name": name, "datatype": "FP64", "shape": [2, 1], "data": [1.0, 2.0]} for name in ("age", "pay")
    ]
    assert wire().items(request(*inputs), {}) == [{"age": 1.0, "pay": 1.0}, {"age": 2.0, "pay": 2.0}]


def test_columns_that_nobody_names_are_told() -> None:
    mixed = TableFeatures(numeric=NUMBERS[:1], categorical=[Categorical(name="job", categories=["a", "b"])])
    with pytest.raises(Unreadable, match="PROXY_COLUMNS"):
        wire(mixed).items(request(matrix([1.0, 2.0])), {})
    with pytest.raises(Unreadable, match="PROXY_INPUT_PATH"):
        wire().items(request(matrix([1.0, 2.0]), matrix([1.0, 2.0], name="y")), {})
    three = TableFeatures(numeric=[*NUMBERS, Numeric(name="hours", mean=0, scale=1)], categorical=[])
    with pytest.raises(Unreadable, match="not 3 values"):
        wire(three).items(request(matrix([1.0, 2.0])), {})
    with pytest.raises(ValueError, match="no feature"):
        wire(names=("agee",))


def reply(*outputs: dict[str, Any], tail: bytes = b"") -> tuple[bytes, dict[bytes, bytes]]:
    head = json.dumps({"model_name": "m", "id": "7", "outputs": list(outputs)}, indent=1).encode()
    return head + tail, {HEADER_LENGTH: str(len(head)).encode()} if tail else {}


LABEL = {"name": "predict", "datatype": "BYTES", "shape": [2, 1], "data": ["no", "yes"]}
PROBA = {"name": "predict_proba", "datatype": "FP64", "shape": [2, 2], "data": [0.90, 1e-1, 0.2, 0.8]}


def test_json_data_change_only_where_told() -> None:
    body, headers = reply(PROBA | {"parameters": {"a": 1}}, LABEL)
    read = wire().reply(body, headers, 2)
    assert list(read.rows) == [Said("no", ([0.9, 0.1],)), Said("yes", ([0.2, 0.8],))]
    new, changed = read.written({1: Said("no", ([0.75, 0.25],))})
    assert changed == {}
    assert new.decode() == body.decode().replace("0.2", "0.75").replace("0.8", "0.25").replace(
        '"yes"', '"no"'
    )


def test_nested_data_stay_nested() -> None:
    body, headers = reply(PROBA | {"data": [[0.9, 0.1], [0.2, 0.8]]})
    new, _ = wire(scores=("predict_proba",)).reply(body, headers, 2).written({0: Said(None, ([0.5, 0.5],))})
    assert json.loads(new)["outputs"][0]["data"] == [[0.5, 0.5], [0.2, 0.8]]


def test_bytes_change_and_their_sizes_with_them() -> None:
    texts = b"".join(struct.pack("<I", len(text)) + text for text in (b"no", b"yes"))
    numbers = np.array([[0.9, 0.1], [0.2, 0.8]], "<f4").tobytes()
    other = {"name": "other", "datatype": "INT64", "shape": [2], "data": [5, 6]}
    body, headers = reply(
        {"name": "label", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": len(texts)}},
        other,
        {
            "name": "scores",
            "datatype": "FP32",
            "shape": [2, 2],
            "parameters": {"binary_data_size": len(numbers)},
        },
        tail=texts + numbers,
    )
    read = wire().reply(body, headers, 2)
    assert [said.label for said in read.rows] == ["no", "yes"]
    new, changed = read.written({1: Said("no", ([0.75, 0.25],))})
    again = wire().reply(new, headers | changed, 2)
    assert list(again.rows) == [read.rows[0], Said("no", ([0.75, 0.25],))]
    head = json.loads(new[: int(changed[HEADER_LENGTH])])
    assert head["outputs"][0]["parameters"]["binary_data_size"] == len(texts) - 1
    assert head["outputs"][1] == other


@pytest.mark.parametrize(
    ("outputs", "why"),
    [
        (
            [{"name": "a", "datatype": "FP32", "shape": [2], "data": [0.1, 0.2]}, LABEL | {"name": "b"}],
            "PROXY_LABEL_PATH",
        ),
        ([LABEL | {"shape": [3], "data": ["a", "b", "c"]}], "2 rows"),
        ([LABEL | {"shape": [2, 2], "data": ["a", "b", "c", "d"]}], "several values"),
        ([LABEL | {"data": ["a"]}], "as its shape says"),
        ([PROBA | {"data": [None, 0.1, 0.2, 0.8]}], "no number"),
        ([LABEL | {"datatype": "TEXT"}], "datatype"),
        ([7], "no reply"),
    ],
)
def test_what_cannot_be_read_is_told(outputs: list[Any], why: str) -> None:
    body, headers = reply(*outputs)
    with pytest.raises(Unreadable, match=why):
        wire().reply(body, headers, 2)


@pytest.mark.parametrize("length", [b"-1", b"x", b"99999", b"3"])
def test_a_wrong_length_of_the_json_is_told(length: bytes) -> None:
    body, _ = reply(LABEL)
    with pytest.raises(Unreadable):
        wire().reply(body, {HEADER_LENGTH: length}, 2)
