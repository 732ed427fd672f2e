"""The wire format. Items are typed loosely and checked one by one, so that a faulty item fails alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from evenhand.models.bundle.manifest import Mode
from evenhand.service.ids import OWN_ID_CHARACTERS
from evenhand.service.settings import Level

_ITEM = {
    "description": "By the model's task: a text; a pair of texts; an image; or an object of named features, "
    "where one that is null or left out is missing.",
    "anyOf": [
        {"type": "string"},
        {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
        {
            "type": "object",
            "properties": {"text": {"type": "string"}, "text_pair": {"type": "string"}},
            "required": ["text", "text_pair"],
        },
        {
            "type": "object",
            "properties": {"image": {"type": "string", "description": "Base64 of a PNG or JPEG file."}},
            "required": ["image"],
        },
        {"type": "object", "additionalProperties": {"anyOf": [{"type": "number"}, {"type": "string"}]}},
    ],
}
Inputs = Annotated[Any, WithJsonSchema({"anyOf": [_ITEM, {"type": "array", "items": _ITEM, "minItems": 1}]})]


MOST_FIELDS = 64
"""An object with more is refused as a whole. A body may hold millions, and each wrong field would make an
error."""


MOST_WHOLE = 10**300
"""Larger whole numbers are none that a group can be."""


def _few(value: Any) -> Any:  # noqa: ANN401 - anything a client may send
    if isinstance(value, dict) and len(value) > MOST_FIELDS:
        raise PydanticCustomError("extra_forbidden", "too many fields")
    return value


def _group_texts(groups: Any) -> Any:  # noqa: ANN401 - anything a client may send
    if isinstance(groups, dict) and len(groups) <= MOST_FIELDS:
        groups = {name: number_as_text(group) for name, group in groups.items()}
    if groups is not None and not are_texts(groups):
        raise PydanticCustomError("groups", "groups are no texts")
    return groups


def are_texts(value: Any) -> bool:  # noqa: ANN401 - anything a client may send
    """Whether the value is an object of at most ``MOST_FIELDS`` texts by name."""
    if not isinstance(value, dict) or len(value) > MOST_FIELDS:
        return False
    try:
        "".join([*value, *value.values()]).encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return True


def number_as_text(value: Any) -> Any:  # noqa: ANN401 - anything a client may send
    """A number as text, as JSON writes it; anything else as it is, truth values among them."""
    return repr(value) if type(value) is float or (type(value) is int and abs(value) < MOST_WHOLE) else value


Groups = Annotated[
    dict[str, str] | None,
    BeforeValidator(_group_texts),
    WithJsonSchema(TypeAdapter(dict[str, str | float] | None).json_schema()),
]
_OF_ITEMS = TypeAdapter(dict[str, str | float] | list[dict[str, str | float] | None] | None)
# Validated after the items are counted, because a body has room for millions of groups.
GroupsOfItems = Annotated[Any, WithJsonSchema(_OF_ITEMS.json_schema())]
_OWN_ID = {"type": "string", "minLength": 1, "maxLength": OWN_ID_CHARACTERS}
OwnIds = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                _OWN_ID,
                {"type": "array", "items": {"anyOf": [_OWN_ID, {"type": "null"}]}},
                {"type": "null"},
            ]
        }
    ),
]


class _Body(BaseModel):
    """A request body, or a part of one."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _few_fields(cls, value: Any) -> Any:  # noqa: ANN401 - anything a client may send
        return _few(value)


class PredictRequest(_Body):
    """What ``POST /predict`` takes."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"inputs": ["what a lovely day", {"text": "go away"}]}]}
    )

    inputs: Inputs
    """One item, or a list of them."""
    ids: OwnIds = None
    """Your own ids: one for one input, or a list as long as ``inputs``, with null where there is none. The
    reply repeats each as ``own_id``, and ``/feedback`` takes it. The record keeps a keyed pseudonym of it."""
    model: str | None = None
    """Name of the model; may be left out where only one is served."""
    groups: GroupsOfItems = None
    """Groups that the client declares, per attribute: for one item, or a list as long as ``inputs``. Where
    the model has ranges of a number, the number will do. They are counted, and never change the answer."""
    mode: Mode | None = None
    """Lowers the operator's mode for this request (apply > shadow > off); it can never raise it."""


class AnswerOut(BaseModel):
    """A label and its probability."""

    label: str
    score: float = Field(description="Probability of the label.")


class ErrorOut(BaseModel):
    """What is wrong."""

    type: str
    message: str
    detail: Any = None


class ErrorReply(BaseModel):
    """The one shape of every error."""

    error: ErrorOut


BODY_ERRORS = {
    400: "The body is not JSON.",
    408: "The body did not arrive in time.",
    413: "Too many bytes or items.",
    415: "The body is not declared as JSON, or compressed.",
}
"""Errors of any route that takes a body, by status."""


def error_replies(texts: Mapping[int, str]) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's description of error replies, from texts by status."""
    return {status: {"description": text, "model": ErrorReply} for status, text in texts.items()}


class AbstainedOut(BaseModel):
    """Why there is no decision."""

    attribute: str = Field(description="The attribute whose group is decided by people where it is close.")
    why: str


class WarningOut(BaseModel):
    """What is unusual about an item that was answered."""

    kind: Literal["unknown_group", "missing_feature", "unseen_category", "far_number"]
    names: list[str] = Field(description="The model's attributes, or features.")
    message: str


class PredictionOut(BaseModel):
    """The answer to one item."""

    id: str = Field(description="Name of this decision; keep it for feedback.")
    own_id: str | None = Field(description="Your own id of it, where you sent one.")
    label: str
    score: float
    scores: dict[str, float]
    flagged: dict[str, bool] = Field(description="Per attribute: whether the risk reaches the threshold.")
    corrected: bool = Field(description="Whether a correction was applied to this answer.")
    risk: dict[str, float] = Field(
        description="Per attribute: probability that the item does not belong to the reference group. "
        "It is an inference about a sensitive attribute."
    )
    base: AnswerOut = Field(description="What the uncorrected model says.")
    shadow: AnswerOut | None = Field(
        description="What would be said if attributes in shadow mode were applied."
    )
    abstained: AbstainedOut | None = Field(
        description="Set where the service gives no decision: label and score are then what the model says, "
        "for the person who decides instead."
    )
    truncated: bool = Field(description="Whether the text was longer than the model reads.")
    warnings: list[WarningOut]


class ItemError(BaseModel):
    """An item that could not be answered."""

    id: str
    own_id: str | None
    error: ErrorOut


class PredictReply(BaseModel):
    """What ``POST /predict`` answers; predictions are in the order of the inputs."""

    model: str
    version: str
    predictions: list[PredictionOut | ItemError]


class FeedbackItem(_Body):
    """What became known about one decision."""

    id: str = Field(
        max_length=OWN_ID_CHARACTERS,
        description="The decision's id, from its prediction, or your own id of it.",
    )
    label: str | None = Field(default=None, description="The true label; one of the model's labels.")
    groups: Groups = Field(default=None, description="Groups per attribute, from whoever knows them.")
    model: str | None = Field(
        default=None, description="The model that decided, where several did under the same own id."
    )


class FeedbackRequest(_Body):
    """What ``POST /feedback`` takes: one item, or a list of them in ``feedback``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "01K0000000000000000000000A", "label": "hate"}]}
    )

    id: str | None = None
    label: str | None = None
    groups: Groups = None
    model: str | None = None
    feedback: Annotated[
        list[Any] | None,
        WithJsonSchema({"type": "array", "items": FeedbackItem.model_json_schema(), "minItems": 1}),
    ] = None


class FeedbackResultOut(BaseModel):
    """What came of one item."""

    index: int
    id: str | None = Field(default=None, description="The decision, where it is on record.")
    result: Literal["joined", "duplicate", "conflict", "orphan", "expired", "error"]
    message: str | None = None


class FeedbackReply(BaseModel):
    """What ``POST /feedback`` answers; results are in the order of the items."""

    results: list[FeedbackResultOut]
    counts: dict[str, int]


class OverrideRequest(_Body):
    """What ``POST /decisions/{id}/override`` takes."""

    label: str = Field(description="What was decided instead; one of the model's labels.")
    by: str = Field(min_length=1, max_length=100, description="Who decided; a role or a pseudonym will do.")
    reason: str = Field(default="", max_length=500, description="Why. Stays on record: no personal data.")


class ModeRequest(_Body):
    """What ``PUT /models/{name}/mode`` takes."""

    mode: Mode
    attribute: str | None = Field(default=None, description="All attributes where left out.")


class LogLevelRequest(_Body):
    """What ``PUT /log-level`` takes, and what it answers."""

    level: Level = Field(description="Least severe log lines that are written.")


class VersionRequest(_Body):
    """What ``POST /models/{name}/promote`` takes."""

    version: str


class ShadowRequest(_Body):
    """What ``PUT /models/{name}/shadow`` takes."""

    version: str | None


class ReloadReply(BaseModel):
    """What ``POST /models/{name}/reload`` answers: the version that answers now."""

    model: str
    version: str
    bundle: str
    changed: bool


class V2Error(BaseModel):
    """The Open Inference Protocol's shape of an error."""

    error: str


def _shape(required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required.split()}


_V2_INPUT = _shape(
    "name shape datatype",
    name={"type": "string"},
    shape={"type": "array", "items": {"type": "integer"}, "description": "[rows] or [rows, 1]."},
    datatype={
        "type": "string",
        "description": "BOOL, UINT8 to UINT64, INT8 to INT64, FP16, FP32, FP64 or BYTES.",
    },
    parameters=_shape(
        "", binary_data_size={"type": "integer", "description": "So many bytes after the JSON."}
    ),
    data={
        "type": "array",
        "items": {},
        "description": "Flat, or nested as the shape says; null is a missing number.",
    },
)
_V2_OUTPUT = _shape("name", name={"type": "string"}, parameters=_shape("", binary_data={"type": "boolean"}))
_V2_PARAMETERS = _shape(
    "",
    mode={"enum": ["off", "shadow", "apply"], "description": "Lowers the operator's mode for this request."},
    binary_data_output={"type": "boolean", "description": "Outputs come as bytes after the JSON."},
)
_V2_REQUEST = _shape(
    "inputs",
    id={"type": "string"},
    parameters=_V2_PARAMETERS,
    inputs={"type": "array", "items": _V2_INPUT},
    outputs={"type": "array", "items": _V2_OUTPUT, "description": "All outputs where this is left out."},
)
V2_INFER: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _V2_REQUEST},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
"""What ``/docs`` says of a body that FastAPI does not read: JSON, or JSON and then bytes."""
