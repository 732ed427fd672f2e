"""The Open Inference Protocol's bytes: requests to named tensors, tensors to replies. Pure; knows no model.

It includes the binary tensor data extension: a JSON object, then the tensors' bytes, little-endian and in
row-major order (https://github.com/kserve/open-inference-protocol). It refuses every mistake of a client, and
allocates nothing from the shape alone.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evenhand.service.errors import InvalidInput, TooLarge
from evenhand.service.http.json_body import parse

INTEGERS = {f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)}
INTEGERS |= {f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)}
FLOATS = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8"}
DTYPES = {"BOOL": "?", **INTEGERS, **FLOATS}
"""numpy's name of every type of fixed size, which excludes ``BYTES``."""
DATATYPES = (*DTYPES, "BYTES")
LIMITS = {name: (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)) for name, dtype in INTEGERS.items()}
"""The least and the largest number of every integer type."""
FIELDS = {"id", "parameters", "inputs", "outputs", "model_name", "model_version"}
"""Fields of a request; KServe's client repeats the model's name."""
PARAMETERS = {"binary_data_output", "mode"}
MAX_DIMS = 8
SIZE = struct.Struct("<I")
JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


@dataclass(slots=True)
class Tensor:
    """A named tensor.

    Not frozen: a request may have one per feature, and so they are made in half the time.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: list[Any]
    """All elements in row-major order; those of ``BYTES`` are strings if they came as JSON, else bytes."""


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request to ``POST .../infer``."""

    id: str | None
    mode: Any
    """The parameter ``mode``, whatever the client sent."""
    inputs: dict[str, Tensor]
    outputs: dict[str, bool] | None
    """By name of a requested output: whether as binary data; ``None`` requests all outputs."""
    binary: bool
    """Whether outputs are binary unless the request says otherwise."""
    model: tuple[str | None, str | None]
    """Name and version, if the body repeats them."""


@dataclass(frozen=True, slots=True)
class InferReply:
    """A reply to ``POST .../infer``."""

    model: str
    version: str
    id: str | None
    outputs: list[Tensor]


def decode(body: bytes, header: bytes | None, max_elements: int) -> InferRequest:
    """Read a request.

    Args:
        body: The whole body.
        header: Value of ``Inference-Header-Content-Length``: bytes of the JSON; ``None`` if the body is all
            JSON.
        max_elements: Largest number of elements of a tensor.

    Raises:
        InvalidJson: the JSON part is not valid.
        InvalidInput: a field is not valid, or a tensor's data does not match its shape and type.
        TooLarge: a tensor has too many elements.
    """
    length = _header_length(header, len(body))
    request = _object(parse(body[:length], FIELDS), "the request", FIELDS)
    parameters = _object(request.get("parameters", {}), "parameters", PARAMETERS)
    inputs = _inputs(request, _Rest(memoryview(body)[length:]), max_elements)
    binary = _flag(parameters, "binary_data_output", otherwise=False)
    return InferRequest(
        id=_text(request, "id"),
        mode=parameters.get("mode"),
        inputs=inputs,
        outputs=_outputs_binary(request.get("outputs"), binary),
        binary=binary,
        model=(_text(request, "model_name"), _text(request, "model_version")),
    )


def decode_inputs(body: bytes, header: bytes | None, max_elements: int) -> dict[str, Tensor]:
    """Read the inputs of a request to another server, whose own fields and parameters are not ours to judge.

    Args:
        body: The whole body.
        header: Value of ``Inference-Header-Content-Length``, as for :func:`decode`.
        max_elements: Largest number of elements of a tensor.

    Raises:
        InvalidJson: the JSON part is not valid.
        InvalidInput: an input is not valid, or another one has its name.
        TooLarge: a tensor has too many elements.
    """
    length = _header_length(header, len(body))
    request = _object(parse(body[:length]), "the request")
    return _inputs(request, _Rest(memoryview(body)[length:]), max_elements)


def output_tensor(entry: dict[str, Any], content: bytes | None) -> Tensor:
    """An output of another server's reply.

    Args:
        entry: Its entry in the JSON.
        content: Its bytes after the JSON; ``None`` if its data are in the entry.

    Raises:
        InvalidInput: its data do not match its shape and datatype.
    """
    name, datatype, shape = entry.get("name"), entry.get("datatype"), _shape(entry.get("shape"))
    if not isinstance(name, str) or datatype not in DATATYPES:
        raise InvalidInput(f"an output has no name, or a datatype that is none of {', '.join(DATATYPES)}")
    if content is None:
        return Tensor(name, datatype, shape, _from_json(entry.get("data"), datatype, shape))
    return Tensor(name, datatype, shape, _from_bytes(content, datatype, math.prod(shape)))


def encode(reply: InferReply, binary: Sequence[bool]) -> tuple[bytes, int | None]:
    """Write a reply.

    Args:
        reply: The reply.
        binary: Per output: whether its data follow the JSON as bytes.

    Returns:
        The body, and the length of its JSON; ``None`` if all of it is JSON.
    """
    outputs, blobs = [], []
    for tensor, as_bytes in zip(reply.outputs, binary, strict=True):
        entry: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if as_bytes:
            blobs.append(_to_bytes(tensor))
            entry["parameters"] = {"binary_data_size": len(blobs[-1])}
        else:
            entry["data"] = [_json_value(value) for value in tensor.values]
        outputs.append(entry)
    head: dict[str, Any] = {"model_name": reply.model, "model_version": reply.version}
    if reply.id is not None:
        head["id"] = reply.id
    content = JSON.encode({**head, "outputs": outputs}).encode()
    return b"".join((content, *blobs)), len(content) if blobs else None


class _Rest:
    """The bytes after the JSON, taken one tensor at a time."""

    def __init__(self, left: memoryview) -> None:
        self._left = left

    def take(self, size: int) -> bytes:
        if size > len(self._left):
            raise InvalidInput("the inputs' binary_data_size is more than the body holds")
        taken, self._left = bytes(self._left[:size]), self._left[size:]
        return taken

    def must_be_empty(self) -> None:
        if self._left:
            raise InvalidInput(
                "the body is longer than Inference-Header-Content-Length and binary_data_size say"
            )


def _inputs(request: dict[str, Any], rest: _Rest, max_elements: int) -> dict[str, Tensor]:
    inputs: dict[str, Tensor] = {}
    for entry in _list(request.get("inputs"), "inputs"):
        tensor = _tensor(_object(entry, "an input"), rest, max_elements)
        if tensor.name in inputs:
            raise InvalidInput("two inputs have the same name")
        inputs[tensor.name] = tensor
    rest.must_be_empty()
    return inputs


def _header_length(header: bytes | None, size: int) -> int:
    if header is None:
        return size
    if not (header.isdigit() and len(header) < 20 and int(header) <= size):
        raise InvalidInput("Inference-Header-Content-Length is no number of bytes that the body holds")
    return int(header)


def _tensor(entry: dict[str, Any], rest: _Rest, max_elements: int) -> Tensor:
    name, datatype = entry.get("name"), entry.get("datatype")
    if not isinstance(name, str):
        raise InvalidInput("an input has no name")
    if datatype not in DATATYPES:
        raise InvalidInput(f"an input's datatype is none of {', '.join(DATATYPES)}")
    shape = _shape(entry.get("shape"))
    count = math.prod(shape)
    if count > max_elements:
        raise TooLarge(f"an input has more than {max_elements} elements; send several requests")
    parameters = entry.get("parameters")
    size = None
    if parameters is not None or "parameters" in entry:
        size = _object(parameters, "an input's parameters").get("binary_data_size")
    if size is None:
        return Tensor(name, datatype, shape, _from_json(entry.get("data"), datatype, shape))
    if "data" in entry or not _is_count(size):
        raise InvalidInput("an input has data beside binary_data_size, or that is no number of bytes")
    return Tensor(name, datatype, shape, _from_bytes(rest.take(size), datatype, count))


def _shape(shape: Any) -> tuple[int, ...]:  # noqa: ANN401
    if not isinstance(shape, list) or len(shape) > MAX_DIMS or not all(map(_is_count, shape)):
        raise InvalidInput(f"an input's shape is not a list of at most {MAX_DIMS} numbers of 0 or more")
    return tuple(shape)


def _is_count(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _from_json(data: Any, datatype: str, shape: tuple[int, ...]) -> list[Any]:  # noqa: ANN401
    """Elements from a flat list, or from lists that are nested as the shape says."""
    if not isinstance(data, list):
        raise InvalidInput("an input has neither data nor a parameter binary_data_size")
    nested = bool(data) and isinstance(data[0], list)
    values = list(_flattened(data, shape)) if nested else data
    if len(values) != math.prod(shape):
        raise InvalidInput("an input's data are not as many as its shape says")
    if not all([_fits(value, datatype) for value in values]):
        raise InvalidInput(f"an input has data that are no {datatype}")
    return values


def _flattened(data: Any, shape: tuple[int, ...]) -> Iterator[Any]:  # noqa: ANN401
    if not shape:
        yield data
        return
    if not isinstance(data, list) or len(data) != shape[0]:
        raise InvalidInput("an input's data are not nested as its shape says")
    for part in data:
        yield from _flattened(part, shape[1:])


def _fits(value: Any, datatype: str) -> bool:  # noqa: ANN401
    """Whether a JSON value is of a type; null is a missing number."""
    if datatype == "BYTES":
        return isinstance(value, str)
    if datatype == "BOOL" or isinstance(value, bool):
        return datatype == "BOOL" and isinstance(value, bool)
    if datatype in LIMITS:
        least, largest = LIMITS[datatype]
        return isinstance(value, int) and least <= value <= largest
    return value is None or isinstance(value, (int, float))


def _from_bytes(content: bytes, datatype: str, count: int) -> list[Any]:
    if datatype != "BYTES":
        dtype = np.dtype(DTYPES[datatype])
        if len(content) != count * dtype.itemsize:
            raise InvalidInput("an input's binary_data_size is not what its shape and datatype take")
        values: list[Any] = np.frombuffer(content, dtype).tolist()
        return values
    elements: list[Any] = []
    at = 0
    while at + SIZE.size <= len(content) and len(elements) < count:
        (size,) = SIZE.unpack_from(content, at)
        elements.append(content[at + SIZE.size : at + SIZE.size + size])
        at += SIZE.size + size
    if at != len(content) or len(elements) != count:
        raise InvalidInput(
            "an input's binary data are not as many length-prefixed elements as its shape says"
        )
    return elements


def _to_bytes(tensor: Tensor) -> bytes:
    if tensor.datatype != "BYTES":
        return np.array(tensor.values, np.dtype(DTYPES[tensor.datatype])).tobytes()
    encoded = [value.encode() for value in tensor.values]
    return b"".join(SIZE.pack(len(value)) + value for value in encoded)


def _json_value(value: Any) -> Any:  # noqa: ANN401
    """JSON has no NaN, so a missing number is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _outputs_binary(requested: Any, binary: bool) -> dict[str, bool] | None:  # noqa: ANN401
    if requested is None or requested == []:
        return None
    binary_of = {}
    for entry in _list(requested, "outputs"):
        output = _object(entry, "an output")
        if not isinstance(output.get("name"), str):
            raise InvalidInput("an output has no name")
        parameters = _object(output.get("parameters", {}), "an output's parameters", {"binary_data"})
        binary_of[output["name"]] = _flag(parameters, "binary_data", otherwise=binary)
    return binary_of


def _flag(parameters: dict[str, Any], name: str, otherwise: bool) -> bool:
    value = parameters.get(name, otherwise)
    if not isinstance(value, bool):
        raise InvalidInput(f"the parameter {name} is neither true nor false")
    return value


def _object(value: Any, what: str, names: set[str] | None = None) -> dict[str, Any]:  # noqa: ANN401
    if not isinstance(value, dict):
        raise InvalidInput(f"{what} is not an object")
    if names is not None and set(value) - names:
        raise InvalidInput(f"{what} has an unknown entry; known are {', '.join(sorted(names))}")
    return value


def _list(value: Any, what: str) -> list[Any]:  # noqa: ANN401
    if not isinstance(value, list):
        raise InvalidInput(f"{what} is missing, or not a list")
    return value


def _text(request: dict[str, Any], name: str) -> str | None:
    value = request.get(name)
    if value is not None and not isinstance(value, str):
        raise InvalidInput(f"{name} is not a string")
    return value
