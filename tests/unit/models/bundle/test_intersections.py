"""An intersection's group follows from two declared groups, as in fitting; absurd ones are not counted."""

from typing import Any

import numpy as np
import pytest
from recording import CONFIGURATION, MANIFEST

from evenhand.models.bundle.intersections import MOST_GROUPS, groups_of_row, recorded
from evenhand.models.bundle.manifest import Attribute, Manifest
from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.service.audit.events import configuration
from evenhand.training.data.attributes import with_intersections
from evenhand.training.data.dataset import Rows, Schema


def of(*names: str, attributes: list[Attribute] | None = None) -> Manifest:
    """A manifest whose target names these."""
    aims = [AttributeTarget(attribute=name, measure="worst-cell") for name in names]
    more: dict[str, Any] = {} if attributes is None else {"attributes": attributes}
    return MANIFEST.model_copy(update={"target": Target(attributes=aims, max_loss=0.01), **more})


def attribute(name: str, *groups: str) -> Attribute:
    return Attribute(name=name, groups=list(groups), reference=groups[0], threshold=0.5, mode="off", why="")


def test_a_row_with_both_groups_is_in_one_and_one_with_less_is_in_none() -> None:
    (crossed,) = of("race:gender").intersections
    assert (crossed.name, crossed.of, crossed.reference) == ("race:gender", ("race", "gender"), "not both")
    assert crossed.groups[:3] == ("not both", "African & Women", "African & Men")
    assert len(crossed.groups) == 1 + 4 * 2
    rows = {
        "African & Women": {"race": "African", "gender": "Women", "religion": "none"},
        "not both": {"race": "none", "gender": "Women"},
        "unknown": {"race": "African", "gender": "unknown"},
        None: {"gender": "Women"},
    }
    for group, declared in rows.items():
        assert crossed.group_of(declared) == group
    # As in fitting, one reference group decides it, whatever the other is.
    assert crossed.group_of({"race": "none", "gender": "unknown"}) == "not both"
    assert groups_of_row([crossed], {"race": "African"}) == {}


def test_its_groups_are_those_that_fitting_names() -> None:
    manifest = of("race:gender")
    groups = {
        each.name: tuple(each.groups) for each in manifest.attributes if each.name in ("race", "gender")
    }
    pairs = [(r, g) for r in range(len(groups["race"])) for g in range(len(groups["gender"]))]
    columns = dict(zip(("race", "gender"), np.array(pairs).T, strict=True))
    rows = Rows(
        [""] * len(pairs),
        np.zeros(len(pairs), int),
        columns,
        np.array(["val"] * len(pairs)),
        np.arange(len(pairs)),
    )
    fitted, schema = with_intersections(rows, Schema(("no", "yes"), ("yes",), groups), [("race", "gender")])
    (crossed,) = manifest.intersections
    assert schema.groups["race:gender"] == crossed.groups
    for (r, g), code in zip(pairs, fitted.groups["race:gender"], strict=True):
        declared = {"race": groups["race"][r], "gender": groups["gender"][g]}
        assert crossed.group_of(declared) == schema.groups["race:gender"][code]


def test_the_record_says_what_decisions_are_counted_by_and_earlier_ones_keep_their_hash() -> None:
    manifest = of("race", "race:gender")
    body = {"attributes": {each.name: each.model_dump() for each in manifest.attributes}}
    assert recorded(body) == ()
    assert recorded({**body, "intersections": ["race:gender"]}) == manifest.intersections
    assert '"intersections":["race:gender"]' in configuration(manifest, "b" * 64).body
    assert "intersections" not in configuration(of("race"), "b" * 64).body
    assert configuration(MANIFEST, "b" * 64) == CONFIGURATION


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ([attribute("a", "x", "y")], "The service counts by a and by pairs of these."),
        (
            [attribute("a", "x", "y" * 40), attribute("b", "x", "z" * 40)],
            "has 83 characters, and the record keeps",
        ),
        (
            [attribute("a", *"abcdefghijklm"), attribute("b", *"abcdefghijklm")],
            f"It has 145 groups; at most {MOST_GROUPS} are counted",
        ),
        (
            [attribute("a", "x", "k & l", "k"), attribute("b", "x", "m", "l & m")],
            "Two of its combinations have the same name",
        ),
    ],
)
def test_what_cannot_be_counted_says_why(attributes: list[Attribute], why: str) -> None:
    manifest = of("a:b", attributes=attributes)
    assert manifest.intersections == ()
    assert [each.name for each in manifest.counted] == [each.name for each in attributes]
    assert list(manifest.not_counted) == ["a:b"]
    assert why in manifest.not_counted["a:b"]


def test_the_bound_is_on_all_intersections_together() -> None:
    attributes = [attribute(name, *"abcdefghi") for name in ("a", "b", "c")]
    manifest = of("a:b", "a:c", "a", attributes=attributes)
    assert [each.name for each in manifest.intersections] == ["a:b"]
    assert "It has 65 groups, and the intersections before it 65" in manifest.not_counted["a:c"]
