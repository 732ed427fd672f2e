"""Tensors of the Open Inference Protocol to items, and outcomes to tensors, for every kind of input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.inputs import Encoder
from evenhand.models.bundle.manifest import Manifest
from evenhand.service.errors import InvalidInput, ServiceError
from evenhand.service.ids import is_own_id
from evenhand.service.oip.codec import Tensor
from evenhand.service.pipeline import Outcome
from evenhand.service.types import Decision

OutputTypes = dict[str, tuple[str, tuple[str, ...]]]
NAMES = {"text": ("text",), "pair": ("text", "text_pair"), "image": ("image",)}
SIGNATURES = (b"\x89PNG", b"\xff\xd8")
"""First bytes of a PNG and a JPEG file; no base64 text begins with them."""
SOME_NAMES = 40
OWN_ID = "own_id"


def input_types(encoder: Encoder, kind: str) -> dict[str, str]:
    """The datatype of every input by name; other numeric types are accepted for numbers too."""
    if isinstance(encoder, TableEncoder):
        return encoder.datatypes
    return dict.fromkeys(NAMES[kind], "BYTES")


def to_items(tensors: dict[str, Tensor], encoder: Encoder, kind: str) -> list[Any]:
    """Tensors to items as the encoder takes them, one per row.

    Raises:
        InvalidInput: a tensor is missing or unknown, or has another shape or number of rows.
    """
    types = input_types(encoder, kind)
    if not tensors or not tensors.keys() <= types.keys() or (kind in NAMES and len(tensors) < len(types)):
        names = ", ".join([*list(types)[:SOME_NAMES], *(["..."] if len(types) > SOME_NAMES else [])])
        raise InvalidInput(f"inputs are missing, or not known; this model's are {names}")
    shapes = {tensor.shape for tensor in tensors.values()}
    if any(len(shape) not in (1, 2) or shape[1:] not in ((), (1,)) for shape in shapes):
        raise InvalidInput("every input's shape must be [rows] or [rows, 1]")
    if len({shape[0] for shape in shapes}) != 1:
        raise InvalidInput("the inputs differ in their number of rows")
    if kind == "text":
        return [_text(value) for value in tensors["text"].values]
    if kind == "image":
        return [_image(value) for value in tensors["image"].values]
    columns = [map(value_of, tensor.values) for tensor in tensors.values()]
    return [dict(zip(tensors, row, strict=True)) for row in zip(*columns, strict=True)]


def take_own_ids(tensors: dict[str, Tensor], request_id: str | None, encoder: Encoder, kind: str) -> Any:  # noqa: ANN401
    """Take the client's own ids out of a request: the input ``own_id``, else the id of a request of one row.

    Args:
        tensors: The inputs; ``own_id`` is removed, unless the model has a feature of that name.
        request_id: The id of the request; one that cannot be an own id is not one.
        encoder: The model's encoder.
        kind: Of the model's input.

    Returns:
        One per row, not validated yet; ``None`` where the request has none.

    Raises:
        InvalidInput: the input ``own_id`` holds no texts.
    """
    if OWN_ID in tensors and OWN_ID not in input_types(encoder, kind):
        tensor = tensors.pop(OWN_ID)
        if tensor.datatype != "BYTES" or tensor.shape not in ((n := len(tensor.values),), (n, 1)):
            raise InvalidInput(f"the input {OWN_ID} must be of BYTES, and its shape [rows] or [rows, 1]")
        return [_text(value) or None for value in tensor.values]
    if is_own_id(request_id) and all(len(tensor.values) == 1 for tensor in tensors.values()):
        return [request_id]
    return None


def _text(value: Any) -> Any:  # noqa: ANN401 - the encoder checks it, so a faulty row fails alone
    """Bytes that are no UTF-8 become surrogates, which the encoder refuses."""
    return value.decode(errors="surrogateescape") if isinstance(value, bytes) else value


def _image(value: Any) -> Any:  # noqa: ANN401
    """A file's bytes, or its base64 text."""
    return value if isinstance(value, bytes) and value.startswith(SIGNATURES) else {"image": _text(value)}


def value_of(value: Any) -> Any:  # noqa: ANN401
    """A feature's value; NaN is a missing value."""
    return None if isinstance(value, float) and math.isnan(value) else _text(value)


def output_types(manifest: Manifest) -> OutputTypes:
    """By name of an output: its datatype, and the names of its columns, if it has any."""
    labels, attributes = tuple(manifest.labels), tuple(manifest.attribute_names)
    return {
        "id": ("BYTES", ()),
        "label": ("BYTES", ()),
        "score": ("FP64", ()),
        "scores": ("FP64", labels),
        "flagged": ("BOOL", attributes),
        "corrected": ("BOOL", ()),
        "risk": ("FP64", attributes),
        "base_label": ("BYTES", ()),
        "base_score": ("FP64", ()),
        "shadow_label": ("BYTES", ()),
        "shadow_score": ("FP64", ()),
        "abstained": ("BOOL", ()),
        "truncated": ("BOOL", ()),
        "error": ("BYTES", ()),
        "own_id": ("BYTES", ()),
        "warnings": ("BYTES", ()),
    }


OF_DECISION: dict[str, Callable[[Decision], list[Any]]] = {
    "label": lambda decision: [decision.final.label],
    "score": lambda decision: [decision.final.score],
    "scores": lambda decision: list(decision.final.scores.values()),
    "flagged": lambda decision: [verdict.flagged for verdict in decision.verdicts],
    "corrected": lambda decision: [decision.corrected],
    "abstained": lambda decision: [decision.abstained is not None],
    "risk": lambda decision: [verdict.risk for verdict in decision.verdicts],
    "base_label": lambda decision: [decision.base.label],
    "base_score": lambda decision: [decision.base.score],
    "shadow_label": lambda decision: [decision.shadow.label if decision.shadow else ""],
    "shadow_score": lambda decision: [decision.shadow.score if decision.shadow else math.nan],
}
OF_OUTCOME: dict[str, Callable[[Outcome], Any]] = {
    "id": lambda outcome: outcome.id,
    "own_id": lambda outcome: outcome.own_id or "",
    "error": lambda outcome: str(outcome.result) if isinstance(outcome.result, ServiceError) else "",
    "truncated": lambda outcome: outcome.truncated,
    "warnings": lambda outcome: "; ".join(warning.message for warning in outcome.warnings),
}
NOTHING: dict[str, Any] = {"BYTES": "", "FP64": math.nan, "BOOL": False}
"""The value of every other output of a row with an error."""


def to_tensor(name: str, outcomes: list[Outcome], types: OutputTypes) -> Tensor:
    """One output of all rows, of shape ``(rows,)`` or ``(rows, columns)``."""
    datatype, columns = types[name]
    width = (len(columns),) if columns else ()
    values: list[Any] = []
    for outcome in outcomes:
        if name in OF_OUTCOME:
            values.append(OF_OUTCOME[name](outcome))
        elif isinstance(outcome.result, Decision):
            values += OF_DECISION[name](outcome.result)
        else:
            values += [NOTHING[datatype]] * max(1, len(columns))
    return Tensor(name, datatype, (len(outcomes), *width), values)
