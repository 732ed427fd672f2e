"""Intersections and the shared gate follow from what is known of each attribute."""

import numpy as np
import pytest

from evenhand.training.data.attributes import with_intersections, with_shared_gate
from evenhand.training.data.dataset import DataError, Rows, Schema

RACE, GENDER = np.array([0, 1, 1, 2, -1, 0, -1]), np.array([1, 0, 1, 1, 1, -1, 0])
ROWS = Rows(
    [""] * 7, np.zeros(7, int), {"race": RACE, "gender": GENDER}, np.array(["train"] * 7), np.arange(7)
)
SCHEMA = Schema(("no", "yes"), ("yes",), {"race": ("none", "a", "b"), "gender": ("none", "w")})


def test_an_intersection_is_judged_and_has_no_detector() -> None:
    rows, schema = with_intersections(ROWS, SCHEMA, [("race", "gender")])
    assert schema.groups["race:gender"] == ("not both", "a & w", "b & w")
    # In a reference group of either is enough to know; otherwise both must be known.
    assert rows.groups["race:gender"].tolist() == [0, 0, 1, 2, -1, 0, 0]
    assert tuple(schema.gated) == ("race", "gender")
    assert schema.attributes == ("race", "gender", "race:gender")


@pytest.mark.parametrize("pair", [("race", "age"), ("race", "race")])
def test_an_intersection_needs_two_attributes_of_the_table(pair: tuple[str, str]) -> None:
    with pytest.raises(DataError, match="name two of race, gender"):
        with_intersections(ROWS, SCHEMA, [pair])


def test_an_intersection_without_a_row_is_refused() -> None:
    rows = Rows(
        [""] * 2,
        np.zeros(2, int),
        {"race": RACE[:2], "gender": GENDER[:2]},
        np.array(["train"] * 2),
        RACE[:2],
    )
    with pytest.raises(DataError, match="no row is outside"):
        with_intersections(rows, SCHEMA, [("race", "gender")])


def test_a_shared_gate_looks_for_any_member() -> None:
    rows, schema = with_shared_gate(ROWS, SCHEMA)
    assert rows.groups["any"].tolist() == [1, 1, 1, 1, 1, -1, -1]
    assert schema.gated == {"any": ("none", "any")}
    assert schema.attributes == ("race", "gender")
