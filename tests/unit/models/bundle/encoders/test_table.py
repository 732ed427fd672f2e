"""One object of features alone decides its arrays; what is missing is missing, what is wrong is told."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenhand.models.bundle.encoders.table import ABSENT, UNKNOWN, TableEncoder
from evenhand.models.bundle.inputs import InputError

FEATURES = {
    "numeric": [{"name": "age", "mean": 40.0, "scale": 10.0}],
    "categorical": [{"name": "work", "categories": ["state", "private"]}],
}
ENCODER = TableEncoder(json.dumps(FEATURES).encode())


def test_numbers_are_standardised_and_categories_are_codes() -> None:
    encoded = ENCODER.encode({"age": 50, "work": "private"})
    assert encoded.arrays["numeric"].tolist() == [1.0]
    assert encoded.arrays["absent"].tolist() == [0]
    assert encoded.arrays["codes"].tolist() == [UNKNOWN + 2]
    assert encoded.tokens == 3


@pytest.mark.parametrize("item", [{}, {"age": None, "work": None}])
def test_a_missing_feature_is_no_error(item: dict[str, object]) -> None:
    encoded = ENCODER.encode(item)
    assert encoded.arrays["absent"].tolist() == [1]
    assert encoded.arrays["codes"].tolist() == [ABSENT]


def test_a_category_never_seen_has_a_code_of_its_own() -> None:
    assert ENCODER.encode({"work": "pirate"}).arrays["codes"].tolist() == [UNKNOWN]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("text", "expected an object"),
        ({"height": 1}, "a feature that the model has not; it has age, work"),
        ({"age": "secret"}, "'age' is not a number"),
        ({"age": True}, "'age' is not a number"),
        ({"age": float("nan")}, "'age' is not a finite number"),
        ({"age": 10**400}, "'age' is not a finite number"),
        ({"work": 3}, "'work' is not a string"),
    ],
)
def test_a_wrong_value_is_told_and_not_repeated(item: object, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        ENCODER.encode(item)
    assert "secret" not in str(caught.value)
    assert "height" not in str(caught.value)


@given(st.floats(-1e30, 1e30), st.text(max_size=8))
def test_any_number_and_any_string_can_be_encoded(age: float, work: str) -> None:
    assert np.isfinite(ENCODER.encode({"age": age, "work": work}).arrays["numeric"]).all()


@pytest.mark.parametrize("content", [b"{}", b'{"numeric": [], "categorical": []}', b"no"])
def test_what_describes_no_features_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"features\.json"):
        TableEncoder(content)
