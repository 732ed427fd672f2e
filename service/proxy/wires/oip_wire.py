"""The Open Inference Protocol of another server: Triton, KServe, MLServer. Tensors as JSON or as bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any

import numpy as np

from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.inputs import Encoder
from evenhand.service.errors import ServiceError
from evenhand.service.oip import codec, tensors
from evenhand.service.oip.codec import Tensor
from evenhand.service.proxy.answers import Said
from evenhand.service.proxy.wires.json_path import (
    DECODER,
    EVERY,
    Key,
    Path,
    Place,
    Unreadable,
    places,
    replaced,
)
from evenhand.service.proxy.wires.wire import Columns, Headers

HEADER_LENGTH = b"inference-header-content-length"
LABELS = ("label", "predict", "predictions")
"""Outputs that hold labels, unless a setting names another: ours, then those of MLServer's runtimes."""
SCORES = ("scores", "predict_proba", "probabilities", "score")
"""The same for scores; all of a reply are read and written."""


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a reply."""

    index: int
    tensor: Tensor
    offset: int | None
    """Where its bytes begin after the JSON; ``None`` if its data are JSON."""
    size: int = 0
    """How many bytes."""
    dims: int = 1
    """Depth of the lists that hold its data, if they are JSON."""

    def row(self, row: int, rows: int) -> Any:  # noqa: ANN401 - a label or scores
        """What it says of one row: one value, or a list."""
        width = self.tensor.values[row * self.width(rows) : (row + 1) * self.width(rows)]
        return list(map(_plain, width)) if len(self.tensor.shape) > 1 else _plain(width[0])

    def width(self, rows: int) -> int:
        """Values per row."""
        return len(self.tensor.values) // rows


@dataclass(frozen=True, slots=True)
class OipReply:
    """A reply, its tensors read."""

    head: str
    tail: bytes
    outputs: Sequence[Output]
    """All of them, in order."""
    label: Output | None
    scores: Sequence[Output]
    rows: Sequence[Said]

    def written(self, changes: Mapping[int, Said]) -> tuple[bytes, dict[bytes, bytes]]:
        """The reply with other answers for some rows; other values keep their bytes."""
        count = len(self.rows)
        values: dict[int, dict[int, Any]] = {}
        for row, said in changes.items():
            pairs = [
                *([(self.label, said.label)] if self.label else []),
                *zip(self.scores, said.scores, strict=True),
            ]
            for output, new in pairs:
                width = output.width(count)
                listed = new if isinstance(new, list) else [new]
                for place, value in enumerate(listed):
                    values.setdefault(output.index, {})[row * width + place] = value
        texts, blobs = list[tuple[Place, str]](), list[bytes]()
        for output in self.outputs:
            new_values = values.get(output.index, {})
            if output.offset is None:
                texts += _in_json(self.head, output, new_values)
            else:
                blob = self.tail[output.offset : output.offset + output.size]
                blob = _in_bytes(output.tensor, blob, new_values) if new_values else blob
                blobs.append(blob)
                texts += _resized(self.head, output, len(blob))
        head = replaced(self.head, texts).encode()
        changed = {HEADER_LENGTH: str(len(head)).encode()} if blobs else {}
        return b"".join((head, *blobs)), changed


@dataclass(frozen=True, slots=True)
class OipReplies:
    """How one model's replies look."""

    label: str
    """The output that holds labels; empty for one of :data:`LABELS`."""
    scores: tuple[str, ...]
    """Outputs that hold scores; empty for those of :data:`SCORES`."""

    def reply(self, body: bytes, headers: Headers, rows: int | None) -> OipReply:
        """Read a reply.

        Raises:
            Unreadable: it has no output with an answer for every row.
        """
        length = headers.get(HEADER_LENGTH)
        if length is not None and not (length.isdigit() and len(length) < 20 and int(length) <= len(body)):
            raise Unreadable("Inference-Header-Content-Length is no length of the body")
        split = len(body) if length is None else int(length)
        try:
            head = body[:split].decode()
            entries = DECODER.decode(head)["outputs"]
            outputs = _outputs(entries, body[split:])
        except Unreadable:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise Unreadable("the body is no reply of the Open Inference Protocol") from None
        except ServiceError as error:
            raise Unreadable(str(error)) from None
        label, scores = self._chosen(outputs)
        shape = (label or scores[0]).tensor.shape
        rows = (shape[0] if shape else 0) if rows is None else rows
        for output in (*([label] if label else []), *scores):
            if not output.tensor.shape or output.tensor.shape[0] != rows or not output.tensor.values:
                raise Unreadable(f"the output {output.tensor.name} has no answer for each of {rows} rows")
        said = [
            Said(_one(label, row, rows), tuple(output.row(row, rows) for output in scores))
            for row in range(rows)
        ]
        return OipReply(head, body[split:], outputs, label, scores, said)

    def _chosen(self, outputs: Sequence[Output]) -> tuple[Output | None, list[Output]]:
        by_name = {output.tensor.name: output for output in outputs}
        labels = (self.label,) if self.label else LABELS
        label = next((by_name[name] for name in labels if name in by_name), None)
        scores = [by_name[name] for name in self.scores or SCORES if name in by_name]
        if label is None and not scores and len(outputs) == 1:
            is_score = outputs[0].tensor.datatype in codec.FLOATS
            label, scores = (None, [outputs[0]]) if is_score else (outputs[0], [])
        if label is None and not scores:
            raise Unreadable(
                "which output holds the label, and which the scores? EVENHAND_PROXY_LABEL_PATH and "
                "EVENHAND_PROXY_SCORE_PATH name them"
            )
        return label, scores


@dataclass(frozen=True, slots=True)
class OipWire(OipReplies):
    """One model's requests and replies."""

    columns: Columns
    encoder: Encoder
    input: str
    """The input tensor that holds the rows; empty for the bundle's own names, or the only one."""
    max_items: int

    def items(self, body: bytes, headers: Headers) -> list[Any]:
        """The rows of a request.

        Raises:
            Unreadable: its tensors are not what the bundle takes.
        """
        most = self.max_items * max(1, len(self.columns.names))
        try:
            inputs = codec.decode_inputs(body, headers.get(HEADER_LENGTH), most)
            return self._items(inputs)
        except ServiceError as error:
            raise Unreadable(str(error)) from None

    def _items(self, inputs: dict[str, Tensor]) -> list[Any]:
        own = tensors.input_types(self.encoder, self.columns.kind)
        if not self.input and inputs.keys() <= own.keys():
            flat = {name: _flat(tensor) for name, tensor in inputs.items()}
            return tensors.to_items(flat, self.encoder, self.columns.kind)
        tensor = inputs.get(self.input) if self.input else next(iter(inputs.values()), None)
        if tensor is None or (not self.input and len(inputs) > 1):
            raise Unreadable(f"which input holds the rows? EVENHAND_PROXY_INPUT_PATH names it; {_said(own)}")
        if isinstance(self.encoder, TableEncoder):
            return self._lines(tensor)
        if len(own) > 1:
            raise Unreadable(f"a row is made of several inputs; {_said(own)}")
        name = next(iter(own))
        return tensors.to_items({name: _flat(replace(tensor, name=name))}, self.encoder, self.columns.kind)

    def _lines(self, tensor: Tensor) -> list[Any]:
        """The lines of a matrix as rows of a table."""
        if len(tensor.shape) != 2:
            raise Unreadable("the input is no matrix of rows and features")
        width = tensor.shape[1]
        lines = [tensor.values[at * width : (at + 1) * width] for at in range(tensor.shape[0])]
        return [self.columns.row([tensors.value_of(value) for value in line]) for line in lines]


def _outputs(entries: list[dict[str, Any]], tail: bytes) -> list[Output]:
    sizes = [entry.get("parameters", {}).get("binary_data_size") for entry in entries]
    ends = list(accumulate(size or 0 for size in sizes))
    if (ends[-1] if ends else 0) != len(tail):
        raise Unreadable("binary_data_size of the outputs is not what the body holds")
    outputs = []
    for index, (entry, size, end) in enumerate(zip(entries, sizes, ends, strict=True)):
        offset = None if size is None else end - size
        content = b"" if offset is None else tail[offset:end]
        tensor = codec.output_tensor(entry, None if size is None else content)
        outputs.append(Output(index, tensor, offset, size or 0, _depth(entry.get("data"))))
    return outputs


def _depth(data: Any) -> int:  # noqa: ANN401 - lists in lists
    depth = 0
    while isinstance(data, list):
        depth, data = depth + 1, data[0] if data else None
    return max(1, depth)


def _one(label: Output | None, row: int, rows: int) -> Any:  # noqa: ANN401 - a label
    """The label of one row; some servers give each a list of its own."""
    value = None if label is None else label.row(row, rows)
    if isinstance(value, list):
        if len(value) != 1:
            raise Unreadable("the output of labels has several values per row")
        return value[0]
    return value


def _in_json(head: str, output: Output, values: Mapping[int, Any]) -> list[tuple[Place, str]]:
    """What changes in the data of an output that is JSON."""
    if not values:
        return []
    data = Path("outputs", (Key("outputs"), output.index, Key("data")))
    (whole,) = places(head, data)
    spots = elements(head, whole.start, output.dims)
    return [
        (spots[at], json.dumps(value, ensure_ascii=False))
        for at, value in values.items()
        if spots[at].value != value
    ]


def elements(text: str, at: int, depth: int) -> list[Place]:
    """The places of the values in lists of lists that begin here."""
    inner = [Place(at, at, None)]
    for _ in range(depth):
        inner = [place for outer in inner for place in places_from(text, outer.start)]
    return inner


def places_from(text: str, at: int) -> list[Place]:
    """The elements of the list that begins here."""
    end = DECODER.raw_decode(text, at)[1]
    part = places(text[at:end], Path("", (EVERY,)))
    return [Place(place.start + at, place.end + at, place.value) for place in part]


def _in_bytes(tensor: Tensor, blob: bytes, values: Mapping[int, Any]) -> bytes:
    """The bytes of an output with other values."""
    if tensor.datatype != "BYTES":
        array = np.frombuffer(blob, codec.DTYPES[tensor.datatype]).copy()
        for at, value in values.items():
            array[at] = value
        return array.tobytes()
    texts = [values[at].encode() if at in values else value for at, value in enumerate(tensor.values)]
    return b"".join(codec.SIZE.pack(len(text)) + text for text in texts)


def _resized(head: str, output: Output, size: int) -> list[tuple[Place, str]]:
    if size == output.size:
        return []
    keys = (Key("outputs"), output.index, Key("parameters"), Key("binary_data_size"))
    (place,) = places(head, Path("outputs", keys))
    return [(place, str(size))]


def _plain(value: Any) -> Any:  # noqa: ANN401 - an element
    """A text is bytes if it came as bytes."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise Unreadable("a label is not UTF-8") from None
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        raise Unreadable("a score is no number")
    return value


def _flat(tensor: Tensor) -> Tensor:
    """A tensor of one value per row, whatever the number of its axes."""
    if len(tensor.shape) == 1:
        return tensor
    values = tensor.shape[0] if tensor.shape else 0
    return replace(tensor, shape=(values,)) if math.prod(tensor.shape) == values else tensor


def _said(own: Mapping[str, str]) -> str:
    return f"the bundle's inputs are {', '.join(list(own)[: tensors.SOME_NAMES])}"
