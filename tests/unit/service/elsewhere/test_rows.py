"""What a decision may say, and what is wrong with one that cannot be recorded."""

from typing import Any

import pytest
from reporting import DECLARATION, MODEL

from evenhand.service.catalog.declaration import DeclaredAttribute
from evenhand.service.catalog.observed import ObservedModel
from evenhand.service.elsewhere.lines import read_line
from evenhand.service.elsewhere.rows import Checked, RowError, RowReader, fields_of

READER = RowReader(MODEL, lambda item: item.decode())
SECRET = "Erika Mustermann"


def read(**sent: Any) -> Checked:
    return READER.read("name", fields_of(sent))


def test_a_prediction_alone_is_enough() -> None:
    row = read(prediction="hire").row
    assert (row.label, row.favourable, row.score, row.p, row.truth, row.is_good) == (
        "hire", True, None, None, None, None,
    )  # fmt: skip
    assert (row.groups, row.digest, row.own_id) == ({}, "", None)


@pytest.mark.parametrize(
    ("sent", "label", "score", "p"),
    [
        ({"scores": {"hire": 0.3, "reject": 0.7}}, "reject", 0.7, 0.3),
        ({"scores": [0.9, 0.1]}, "hire", 0.9, 0.9),
        ({"scores": {"hire": 0.25}}, "reject", 0.75, 0.25),  # the other one follows
        ({"scores": {"hire": 0.5, "reject": 0.5}, "prediction": "reject"}, "reject", 0.5, 0.5),
        ({"prediction": "reject", "score": 0.8}, "reject", 0.8, 0.19999999999999996),
        ({"prediction": "hire", "score": 1}, "hire", 1.0, 1.0),
    ],
)
def test_scores_give_label_and_probability(sent: dict[str, Any], label: str, score: float, p: float) -> None:
    row = read(**sent).row
    assert (row.label, row.score, row.p) == (label, score, p)


def test_a_score_of_one_of_many_labels_says_nothing_of_the_favourable_ones() -> None:
    many = DECLARATION.model_copy(update={"labels": ["hire", "wait", "reject"]})
    reader = RowReader(ObservedModel("hiring", many), lambda _: "")
    assert reader.read("name", {"prediction": "reject", "score": 0.5}).row.p is None
    assert reader.read("name", {"scores": {"hire": 0.2, "wait": 0.3}}).row.p == 0.2


def test_values_are_read_as_they_are_everywhere_else() -> None:
    """Numbers and truth values are labels of the same meaning; spaces around a group are none of it."""
    binary = DECLARATION.model_copy(update={"labels": ["1", "0"], "favourable": ["1"]})
    reader = RowReader(ObservedModel("hiring", binary), lambda _: "")
    assert [reader.read("name", {"prediction": value}).row.label for value in (1, "1", 1.0, 0)] == [
        "1", "1", "1", "0",
    ]  # fmt: skip
    assert read(prediction="hire", groups={"sex": " female "}).row.groups == {"sex": "female"}
    assert read(prediction="hire", id=17).row.own_id == "17"


def test_nothing_is_said_by_null() -> None:
    row = read(prediction="hire", label=None, groups={"sex": None, "origin": float("nan")}, id=None).row
    assert (row.truth, row.groups, row.own_id) == (None, {}, None)


def test_a_group_that_is_not_listed_counts_as_unknown_and_is_told() -> None:
    reader = RowReader(MODEL, lambda _: "")
    assert reader.read("name", {"prediction": "hire", "groups": {"sex": SECRET}}).row.groups == {
        "sex": "unknown"
    }
    assert reader.unlisted == {"sex": 1}


def test_flat_columns_are_gathered() -> None:
    row = read(**{"scores.hire": 0.1, "scores.reject": 0.9, "groups.sex": "male", "features.age": 3}).row
    assert (row.label, row.groups) == ("reject", {"sex": "male"})
    assert row.digest == '{"age":3}'


def test_the_input_is_digested_whatever_its_order() -> None:
    one = read(prediction="hire", features={"a": 1, "b": "x"})
    other = read(prediction="hire", features={"b": "x", "a": 1})
    assert one.row.digest == other.row.digest != ""
    assert one.item == {"a": 1, "b": "x"}
    assert read(prediction="hire", text="abc", text_pair="d").item == {"text": "abc", "text_pair": "d"}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "send a prediction, scores, or both"),
        ({"score": 0.5}, "score is the probability of the prediction, which is missing"),
        ({"prediction": SECRET}, "prediction is none of the model's labels, hire, reject"),
        ({"prediction": ["hire"]}, "prediction is none of the model's labels, hire, reject"),
        ({"prediction": "hire", "label": SECRET}, "label is none of the model's labels, hire, reject"),
        ({"scores": {SECRET: 1.0}}, "scores are by label, once each: hire, reject"),
        ({"scores": {"hire": 1.0, " hire": 0.0}}, "scores are by label, once each: hire, reject"),
        ({"scores": {"hire": 0.6, "reject": 0.6}}, "scores must be there for hire, reject, and add up to 1"),
        ({"scores": {}}, "scores must be there for hire, reject, and add up to 1"),
        ({"scores": {"hire": 1.5}}, "scores: a probability is a number from 0 to 1"),
        ({"scores": {"hire": float("nan")}}, "scores: a probability is a number from 0 to 1"),
        ({"scores": {"hire": True}}, "scores: a probability is a number from 0 to 1"),
        ({"scores": [1.0]}, "scores are an object by label, or a list in the order of the model's labels"),
        ({"prediction": "hire", "groups": [SECRET]}, "groups is an object of groups by attribute"),
        (
            {"prediction": "hire", "groups": {SECRET: "x"}},
            "groups names an attribute that is not the model's; sex, origin are",
        ),
        ({"prediction": "hire", SECRET: 1}, "unknown field; the fields are model, id, prediction"),
        ({"prediction": "hire", "label.x": 1}, "unknown field; the fields are model, id, prediction"),
        ({"groups": 1, "groups.sex": "male"}, "groups is there as a whole and in parts"),
        ({"prediction": "hire", "id": ""}, "an own id is a text of 1 to 128 printable characters"),
        ({"prediction": "hire", "id": "a\nb"}, "an own id is a text of 1 to 128 printable characters"),
        ({"prediction": "hire", "id": 1.5}, "an own id is a text of 1 to 128 printable characters"),
        ({"prediction": "hire", "id": "x" * 129}, "an own id is a text of 1 to 128 printable characters"),
        ({"prediction": "hire", "features": [1]}, "features is an object of values by name"),
        ({"prediction": "hire", "features": {}, "text": "a"}, "send features or text, not both"),
        ({"prediction": "hire", "text": 5}, "text, and text_pair where there is one, are texts"),
        ({"prediction": "hire", "text_pair": "a"}, "text, and text_pair where there is one, are texts"),
    ],
)
def test_what_is_wrong_is_said_without_what_was_sent(sent: dict[str, Any], said: str) -> None:
    with pytest.raises(RowError) as raised:
        read(**sent)
    assert str(raised.value).startswith(said)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"prediction":"hire"', "not readable as JSON"),
        (b"\xff\xfe", "not readable as JSON"),
        (b"[" * 5000, "not readable as JSON"),
        (b'{"prediction":"hire","prediction":"reject"}', "send each key once"),
        (b'{"groups":{"sex":"male","sex":"female"}}', "send each key once"),
    ],
)
def test_a_line_that_is_no_decision_is_named(line: bytes, said: str) -> None:
    with pytest.raises(RowError) as raised:
        read_line(line)
    assert said in str(raised.value)


def test_colons_in_texts_are_no_keys() -> None:
    assert read_line(b'{"text":"a:b","groups":{"sex":"x"},"features":{"a":{"b":[{"c":1}]}}}') == {
        "text": "a:b",
        "groups": {"sex": "x"},
        "features": {"a": {"b": [{"c": 1}]}},
    }


AGES = ["0-24", "25-39", "40-59", "60+"]
OF_AGES = ObservedModel(
    "hiring",
    DECLARATION.model_copy(
        update={
            "attributes": [DeclaredAttribute(name="age", groups=AGES, reference="25-39", ranges=AGES)],
        }
    ),
)


@pytest.mark.parametrize(
    ("age", "group"),
    [(31, "25-39"), (39.5, "25-39"), ("31", "25-39"), ("60+", "60+"), (101, "60+"), (-1, "unknown"),
     ("old", "unknown"), (True, "unknown"), (float("nan"), None), (None, None)],
)  # fmt: skip
def test_a_number_counts_under_its_range(age: Any, group: str | None) -> None:
    reader = RowReader(OF_AGES, lambda _: "")
    groups = reader.read("name", {"prediction": "hire", "groups": {"age": age}}).row.groups
    assert groups.get("age") == group
    assert reader.unlisted == ({"age": 1} if group == "unknown" else {})


def test_a_declaration_without_ranges_keeps_its_hash() -> None:
    """The record names what made a decision by it."""
    assert "ranges" not in DECLARATION.model_dump_json()
    assert DECLARATION.sha256 == "aef594fdf3184266a4fbbc497344b914cd337932db894de579e507c90c8627dd"
    assert '"ranges":["0-24","25-39","40-59","60+"]' in OF_AGES.declaration.model_dump_json()
    assert '"ranges":["0-24","25-39","40-59","60+"]' in OF_AGES.configuration.body
