"""The events of KServe's payload logger: a request and its response, two events of one id, in any order.

The response holds the decisions. The request may hold groups: features that are called like an attribute of
the model. Where it comes first, its groups wait in the record's database until the response comes. No other
part of a request is kept.

Either side looks for the other before it writes, and again afterwards. So of two replicas that get the two
events at the same moment, one sees both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from evenhand.service.audit.elsewhere.waiting import Groups
from evenhand.service.errors import InvalidInput

PREFIX = "org.kubeflow.serving.inference."
KINDS: dict[str, Literal["request", "response"]] = {"request": "request", "response": "response"}
STRUCTURED = b"application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class InferenceEvent:
    """One event."""

    id: str
    kind: Literal["request", "response"]
    service: str | None
    """The inference service that it is of."""
    data: Any

    def own_ids(self, rows: int) -> list[str]:
        """The own id of each of the rows of a request: the event's, with a number where there are several."""
        return [self.id] if rows == 1 else [f"{self.id}/{place}" for place in range(rows)]


def is_event(headers: Mapping[bytes, bytes], kind: bytes) -> bool:
    """Whether a body is an event, in the binary or the structured mode of HTTP."""
    return b"ce-id" in headers or kind == STRUCTURED


def event_of(headers: Mapping[bytes, bytes], kind: bytes, body: Any) -> InferenceEvent:  # noqa: ANN401 - JSON
    """An event from its headers and its body.

    Raises:
        InvalidInput: it is none of an inference.
    """
    if kind == STRUCTURED:
        said, data = (body, body.get("data")) if isinstance(body, dict) else ({}, None)
        name, type_, service = (said.get(key) for key in ("id", "type", "inferenceservicename"))
    else:
        name, type_, service = (_text(headers, key) for key in (b"id", b"type", b"inferenceservicename"))
        data = body
    of = (
        KINDS.get(type_.removeprefix(PREFIX)) if isinstance(type_, str) and type_.startswith(PREFIX) else None
    )
    if of is None or not isinstance(name, str) or not isinstance(service, str | None) or len(name) > 100:
        raise InvalidInput(f"an event has an id, and the type {PREFIX}request or {PREFIX}response")
    return InferenceEvent(name, of, service, data)


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(b"ce-" + name)
    return None if value is None else value.decode("latin-1")


def decisions_of(event: InferenceEvent, labels: Sequence[str]) -> list[dict[str, Any]]:
    """The decisions of a response, as ``POST /decisions`` takes them.

    Args:
        event: With ``predictions`` of KServe's first protocol, or ``outputs`` of the Open Inference Protocol.
        labels: Of the model; a whole number that is none of them is a place in this list.

    Raises:
        InvalidInput: it holds no label, and no probability of every label.
    """
    data = event.data if isinstance(event.data, dict) else {}
    rows: list[Any] | None = None
    if isinstance(data.get("predictions"), list):
        rows = data["predictions"]
    elif isinstance(data.get("outputs"), list):
        tensors = [rows_of(tensor) for tensor in data["outputs"] if isinstance(tensor, dict)]
        # Labels say what was decided; of several outputs they are preferred.
        rows = next((each for each in tensors if each and not isinstance(each[0], list | float)), None)
        rows = rows or next((each for each in tensors if each), None)
    if not rows:
        raise InvalidInput("the response holds neither predictions nor outputs")
    decided = [_decision(row, labels) for row in rows]
    return [{**one, "id": name} for one, name in zip(decided, event.own_ids(len(rows)), strict=True)]


def _decision(row: Any, labels: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401 - anything a model answers
    if isinstance(row, list) and len(row) == 1:
        row = row[0]
    if isinstance(row, list):
        return {"scores": row}
    if isinstance(row, dict):
        return {key: row[key] for key in ("prediction", "scores", "score") if key in row} or {
            "prediction": row.get("label")
        }
    is_place = isinstance(row, int) and not isinstance(row, bool) and str(row) not in labels
    if is_place and 0 <= row < len(labels):
        return {"prediction": labels[row]}
    return {"prediction": row}


def rows_of(tensor: Mapping[str, Any]) -> list[Any]:
    """The rows of a tensor in JSON; none if its data does not match its shape."""
    shape, data = tensor.get("shape"), tensor.get("data")
    if not isinstance(shape, list) or not isinstance(data, list) or not shape:
        return []
    while data and isinstance(data[0], list):  # nested, as the protocol allows
        data = list(chain.from_iterable(data))
    rows = shape[0]
    if not isinstance(rows, int) or rows < 1 or len(data) % rows:
        return []
    width = len(data) // rows
    return data if width == 1 else [data[start : start + width] for start in range(0, len(data), width)]


def groups_of(event: InferenceEvent, attributes: Sequence[str]) -> list[Groups]:
    """The groups of a request's rows: features that are called like an attribute of the model."""
    data = event.data if isinstance(event.data, dict) else {}
    instances = data.get("instances")
    if isinstance(instances, list):
        return [
            {name: row[name] for name in attributes if name in row} if isinstance(row, dict) else {}
            for row in instances
        ]
    columns = {
        tensor["name"]: rows_of(tensor)
        for tensor in data.get("inputs", ())
        if isinstance(tensor, dict) and tensor.get("name") in attributes
    }
    rows = max((len(column) for column in columns.values()), default=0)
    return [
        {name: column[place] for name, column in columns.items() if len(column) == rows}
        for place in range(rows)
    ]
