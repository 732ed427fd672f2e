"""The protocol's bytes: what Triton's client writes is read, what we write it reads, and nothing else is."""

import json
import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from evenhand.service.errors import InvalidInput, ServiceError, TooLarge
from evenhand.service.oip.codec import DATATYPES, DTYPES, InferReply, Tensor, decode, encode

LIMIT = 1000
SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4)


@st.composite
def tensors(draw: st.DrawFn) -> tuple[str, np.ndarray]:
    datatype = draw(st.sampled_from(DATATYPES))
    shape = draw(SHAPES)
    if datatype == "BYTES":
        count = math.prod(shape)
        values = np.empty(count, dtype=object)
        # Triton's client and numpy both drop what follows a NUL in other ways than we do: texts have none.
        words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
        values[:] = draw(st.lists(words, min_size=count, max_size=count))
        return datatype, values.reshape(shape)
    return datatype, draw(arrays.arrays(np.dtype(DTYPES[datatype]), shape))


def same(ours: list[Any], theirs: np.ndarray) -> bool:
    actual = [value.decode() if isinstance(value, bytes) else value for value in ours]
    expected = [
        value.decode() if isinstance(value, bytes) else value for value in theirs.reshape(-1).tolist()
    ]
    pairs = zip(actual, expected, strict=True)
    return all(a == b or (a is None and not math.isfinite(b)) or (a != a and b != b) for a, b in pairs)


@given(st.lists(tensors(), min_size=1, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4))
def test_what_tritons_client_writes_is_what_we_read(
    typed_values: list[tuple[str, np.ndarray]], binary: list[bool]
) -> None:
    inputs = []
    for index, (datatype, values) in enumerate(typed_values):
        tensor = InferInput(f"tensor {index}", list(values.shape), datatype)
        # FP16 and numbers that JSON has not go as bytes only.
        plain = datatype != "FP16" and (datatype == "BYTES" or bool(np.isfinite(values).all()))
        tensor.set_data_from_numpy(values, binary_data=binary[index] or not plain)
        inputs.append(tensor)
    body, length = InferenceServerClient.generate_request_body(inputs, request_id="seven")
    request = decode(bytes(body), None if length is None else str(length).encode(), LIMIT)
    assert (request.id, request.binary, request.outputs) == ("seven", True, None)
    for index, (datatype, values) in enumerate(typed_values):
        tensor = request.inputs[f"tensor {index}"]
        assert (tensor.datatype, tensor.shape) == (datatype, values.shape)
        assert same(tensor.values, values)


@given(st.lists(tensors(), min_size=1, max_size=4), st.lists(st.booleans(), min_size=4, max_size=4))
def test_what_we_write_is_what_tritons_client_reads(
    typed_values: list[tuple[str, np.ndarray]], binary: list[bool]
) -> None:
    outputs = [
        Tensor(f"out {i}", kind, values.shape, values.reshape(-1).tolist())
        for i, (kind, values) in enumerate(typed_values)
    ]
    body, length = encode(InferReply("a model", "1", None, outputs), binary[: len(typed_values)])
    response = InferenceServerClient.parse_response_body(body, header_length=length)
    assert response.get_response()["model_name"] == "a model"
    for tensor, (datatype, values) in zip(outputs, typed_values, strict=True):
        theirs = response.as_numpy(tensor.name)
        assert theirs.shape == values.shape
        if datatype == "FP16" and not binary[outputs.index(tensor)]:
            continue
        assert theirs.size == 0 or same(values.reshape(-1).tolist(), theirs) or not np.isfinite(values).all()


def test_wanted_outputs_are_read_as_tritons_client_writes_them() -> None:
    tensor = InferInput("text", [1], "BYTES")
    tensor.set_data_from_numpy(np.array(["a"], dtype=object), binary_data=False)
    requested = [
        InferRequestedOutput("label", binary_data=True),
        InferRequestedOutput("risk", binary_data=False),
    ]
    body, length = InferenceServerClient.generate_request_body(
        [tensor], outputs=requested, parameters={"mode": "off"}
    )
    request = decode(bytes(body), length, LIMIT)
    assert length is None
    assert request.outputs == {"label": True, "risk": False}
    assert (request.mode, request.binary) == ("off", False)


def request(**changes: Any) -> dict[str, Any]:
    tensor = {"name": "x", "shape": [2], "datatype": "FP32", "data": [1.0, 2.0]} | changes
    return {"inputs": [{name: value for name, value in tensor.items() if value is not ...}]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "the request is not an object"),
        ({}, "inputs is missing"),
        ({"inputs": {}}, "not a list"),
        ({"inputs": [3]}, "an input is not an object"),
        ({"inputs": [], "sesame": 1}, "unknown entry"),
        ({"inputs": [], "id": 3}, "id is not a string"),
        ({"inputs": [], "parameters": {"sesame": 1}}, "unknown entry"),
        ({"inputs": [], "parameters": {"binary_data_output": "yes"}}, "neither true nor false"),
        ({"inputs": [], "outputs": [{"name": 3}]}, "an output has no name"),
        ({"inputs": [], "outputs": [{"name": "a", "parameters": {"classification": 3}}]}, "unknown entry"),
        ({"inputs": request()["inputs"] * 2}, "same name"),
        (request(name=...), "no name"),
        (request(datatype="FP8"), "datatype"),
        (request(datatype=["FP32"]), "datatype"),
        (request(shape=...), "shape"),
        (request(shape=[-1]), "shape"),
        (request(shape=[True]), "shape"),
        (request(shape=[1.0]), "shape"),
        (request(shape=[2**63]), "shape"),
        (request(shape=[1] * 9), "shape"),
        (request(shape=[3]), "not as many"),
        (request(shape=[2, 2], data=[[1, 2, 3], [4]]), "not nested"),
        (request(shape=[2, 2], data=[[1, 2], 3]), "not nested"),
        (request(shape=[2], data=[[1], [2]]), "FP32"),
        (request(data=...), "neither data"),
        (request(data="sesame"), "neither data"),
        (request(data=["sesame", 1.0]), "FP32"),
        (request(data=[True, 1.0]), "FP32"),
        (request(datatype="INT8", data=[1, 128]), "INT8"),
        (request(datatype="UINT8", data=[1, -1]), "UINT8"),
        (request(datatype="INT64", data=[1, 1.5]), "INT64"),
        (request(datatype="BOOL", data=[1, 0]), "BOOL"),
        (request(datatype="BYTES", data=["a", 1]), "BYTES"),
        (request(parameters={"binary_data_size": 8}), "data beside"),
        (request(data=..., parameters={"binary_data_size": -8}), "no number"),
        (request(data=..., parameters={"binary_data_size": 8}), "more than the body holds"),
    ],
)
def test_what_is_no_request_is_refused_without_an_echo(body: Any, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as refused:
        decode(json.dumps(body).encode(), None, LIMIT)
    assert "sesame" not in str(refused.value)


@pytest.mark.parametrize(
    ("datatype", "content", "message"),
    [
        ("FP32", b"\0" * 7, "what its shape and datatype take"),
        ("FP32", b"\0" * 12, "what its shape and datatype take"),
        ("BYTES", struct.pack("<I", 1) + b"a", "length-prefixed"),
        ("BYTES", struct.pack("<I", 9) + b"a" + struct.pack("<I", 0), "length-prefixed"),
        ("BYTES", (struct.pack("<I", 1) + b"a") * 3, "length-prefixed"),
        ("BYTES", struct.pack("<I", 2**32 - 1) * 2, "length-prefixed"),
    ],
)
def test_bytes_that_do_not_match_the_shape_are_refused(datatype: str, content: bytes, message: str) -> None:
    head = json.dumps(
        request(datatype=datatype, data=..., parameters={"binary_data_size": len(content)})
    ).encode()
    with pytest.raises(InvalidInput, match=message):
        decode(head + content, str(len(head)).encode(), LIMIT)
    with pytest.raises(InvalidInput, match="longer than"):
        decode(json.dumps(request()).encode() + b"x", str(len(json.dumps(request()))).encode(), LIMIT)


@pytest.mark.parametrize("length", [b"", b"-1", b"x", b"1e2", b"9" * 30, b"1000"])
def test_a_wrong_header_length_is_refused(length: bytes) -> None:
    with pytest.raises(InvalidInput, match="Inference-Header-Content-Length"):
        decode(json.dumps(request()).encode(), length, LIMIT)


def test_more_elements_than_allowed_are_too_large_before_any_is_made() -> None:
    for shape in ([1001], [2**62, 2**62], [10, 101]):
        with pytest.raises(TooLarge):
            decode(json.dumps(request(shape=shape)).encode(), None, LIMIT)


@given(st.binary(max_size=200), st.none() | st.integers(0, 200))
def test_no_bytes_whatever_raise_anything_but_a_refusal(body: bytes, length: int | None) -> None:
    with pytest.raises(ServiceError):
        decode(body, None if length is None else str(length).encode(), LIMIT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([*DATATYPES, "data"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "data"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.sampled_from(["name", "shape", "datatype", "parameters", "data"]), JSON, st.binary(max_size=40))
def test_a_request_with_one_entry_changed_is_read_or_refused(name: str, value: Any, rest: bytes) -> None:
    head = json.dumps(request(**{name: value})).encode()
    try:
        infer_request = decode(head + rest, str(len(head)).encode(), LIMIT)
    except ServiceError:
        return
    assert all(math.prod(tensor.shape) == len(tensor.values) for tensor in infer_request.inputs.values())
