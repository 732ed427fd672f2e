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


TYPED = TableEncoder(
    json.dumps(
        {
            "numeric": [{"name": "\u00e2ge", "mean": 0.0, "scale": 1.0, "words": ["Not told"]}],
            "categorical": [
                {"name": "rooms", "categories": ["1", "2.5", "many"]},
                {"name": "smoker", "categories": ["False", "True"]},
                {"name": "town", "categories": ["Orl\u00e9ans", "007"]},
            ],
        }
    ).encode()
)


@pytest.mark.parametrize(
    ("item", "number", "codes"),
    [
        ({"\u00e2ge": "39.0"}, 39.0, [ABSENT] * 3),
        ({"a\u0302ge": 39}, 39.0, [ABSENT] * 3),
        ({"\u00e2ge": "not told", "smoker": None}, 0.0, [ABSENT] * 3),
        ({"rooms": 1, "smoker": True}, 0.0, [2, 3, ABSENT]),
        ({"rooms": 1.0, "smoker": "false"}, 0.0, [2, 2, ABSENT]),
        ({"rooms": "2.50", "town": "Orle\u0301ans "}, 0.0, [3, ABSENT, 2]),
        ({"rooms": 3, "town": "007"}, 0.0, [UNKNOWN, ABSENT, 3]),
        ({"rooms": "N/A", "town": "7"}, 0.0, [ABSENT, ABSENT, UNKNOWN]),
    ],
)
def test_a_value_means_the_same_in_every_type_and_spelling(
    item: dict[str, object], number: float, codes: list[int]
) -> None:
    encoded = TYPED.encode(item)
    assert encoded.arrays["numeric"].tolist() == [number]
    assert encoded.arrays["codes"].tolist() == codes


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"smoker": 1}, "'smoker' is not a string"),
        ({"rooms": True}, "'rooms' is not a string"),
        ({"town": ["Orl\u00e9ans"]}, "'town' is not a string"),
        ({"\u00e2ge": "1,5"}, "'\u00e2ge' is not a number"),
        ({"\u00e2ge": "inf"}, "'\u00e2ge' is not a finite number"),
        ({"\u00e2ge": 1, "a\u0302ge": 2}, "a feature that the model has not"),
    ],
)
def test_another_type_than_any_value_of_a_feature_is_refused(item: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TYPED.encode(item)


RAW = TableEncoder(
    json.dumps(
        {
            "raw": True,
            "numeric": [{"name": "age", "mean": 40.0, "scale": 10.0}],
            "categorical": [
                {"name": "work", "categories": [" state", "?"]},
                {"name": "code", "categories": ["3.0"]},
            ],
        }
    ).encode()
)


def test_a_model_file_gets_the_values_of_a_request_as_they_stand() -> None:
    arrays = RAW.encode({"age": "50.5", "work": " state", "code": 3}).arrays
    assert arrays["values"].tolist() == [50.5]
    assert arrays["texts"].tolist() == [" state", "3.0"]
    assert arrays["codes"].tolist() == [UNKNOWN + 1, UNKNOWN + 1]
    assert RAW.encode({"age": True, "work": "state", "code": "3"}).arrays["texts"].tolist() == ["state", "3"]
    missing = RAW.encode({"age": " na ", "work": "NA"}).arrays
    assert np.isnan(missing["values"]).all()
    assert missing["codes"].tolist() == [ABSENT, ABSENT]


@pytest.mark.parametrize("item", [{"age": "old"}, {"age": [1]}, {"work": 3}, {"work": True}, {"age": 1e400}])
def test_a_value_that_a_model_file_does_not_take(item: dict[str, object]) -> None:
    with pytest.raises(InputError, match="is not a"):
        RAW.encode(item)
