"""A body with a million errors is refused at the first few: each would be an object to build."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from evenhand.service.http.schemas import FeedbackItem, FeedbackRequest, ModeRequest, PredictRequest

MANY = 10_000
GROUPS: list[Any] = [
    [{}] * MANY,
    {"race": [1]},
    {"race": "\ud800"},
    {str(number): "a" for number in range(MANY)},
]


@pytest.mark.parametrize(
    ("model", "body"),
    [
        *[
            (model, {"id": "a", "groups": groups})
            for groups in GROUPS
            for model in (FeedbackItem, FeedbackRequest)
        ],
        *[
            (model, {str(number): 1 for number in range(MANY)})
            for model in (PredictRequest, FeedbackItem, ModeRequest)
        ],
    ],
)
def test_errors_are_few_however_many_there_are(model: type[BaseModel], body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(body)
    assert caught.value.error_count() < 10


def test_groups_in_order_are_taken() -> None:
    assert FeedbackItem.model_validate({"id": "a", "groups": {"race": "a"}}).groups == {"race": "a"}
