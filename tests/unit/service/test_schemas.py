"""A body with a million errors is refused at the first few: each would be an object to build."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from service.schemas import FeedbackItem, ModeRequest, PredictRequest

MANY = 10_000
GROUPS: list[Any] = [
    [1] * MANY,
    [{"race": 1}] * MANY,
    [{"race": "\ud800"}] * MANY,
    {str(number): 1 for number in range(MANY)},
    [{str(number): "a" for number in range(MANY)}],
]


@pytest.mark.parametrize(
    ("model", "body"),
    [
        *[(PredictRequest, {"inputs": "a", "groups": groups}) for groups in GROUPS],
        (FeedbackItem, {"id": "a", "groups": GROUPS[3]}),
        *[(model, {str(number): 1 for number in range(MANY)}) for model in (PredictRequest, FeedbackItem, ModeRequest)],
    ],
)
def test_errors_are_few_however_many_there_are(model: type[BaseModel], body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    assert caught.value.error_count() < 10


def test_groups_in_order_are_taken() -> None:
    listed = [{"race": "a"}, None] * MANY
    assert PredictRequest.model_validate({"inputs": "a", "groups": listed}).groups == listed
