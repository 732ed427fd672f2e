"""Items to examples, and no longer than anybody waits."""

import time
from pathlib import Path
from typing import Any

import pytest

from evenhand.models.bundle.bundle import load, read_manifest
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.service.audit import aggregates
from evenhand.service.errors import InvalidInput
from evenhand.service.inference import preprocess


def test_nobody_is_worked_for_who_waits_no_more(demo: Path) -> None:
    bundle = load(demo)
    encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
    modes = preprocess.request_modes(("off",), None)
    with pytest.raises(TimeoutError):
        preprocess.examples(encoder, ["a"] * 1000, modes, False, time.monotonic() - 1)
    assert len(preprocess.examples(encoder, ["a"] * 10, modes, False, time.monotonic() + 60)) == 10


def test_an_item_has_bytes_whatever_it_is() -> None:
    assert preprocess.plain({"b": 1, "a": "x"}) == preprocess.plain({"a": "x", "b": 1}) == b'{"a":"x","b":1}'
    assert preprocess.plain(b"\x89PNG") == b"\x89PNG"  # an image as a Triton client sends it
    assert preprocess.plain({"school": "\ud800"}) == b'{"school": "\\ud800"}'


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (1, "wrong type"),
        ("race", "wrong type"),
        ({"race": 1}, "wrong type"),
        ({"race": "\ud800"}, "wrong type"),
        ({str(number): "a" for number in range(10_000)}, "wrong type"),
        ([[]], "wrong type"),
        ([{"race": None}], "wrong type"),
        ({"team": "a"}, "an attribute that this model does not have"),
        ([{}, {}], "as long as inputs"),
        ([1] * 10_000, "as long as inputs"),
    ],
)
def test_groups_that_are_none_are_refused(demo: Path, groups: Any, said: str) -> None:
    manifest, _ = read_manifest(demo)
    with pytest.raises(InvalidInput, match=said):
        preprocess.declared_groups(groups, 1, manifest)


@pytest.mark.parametrize(
    ("groups", "lined_up"),
    [
        (None, [{}, {}]),
        ([None, {"race": "mentioned"}], [{}, {"race": "mentioned"}]),
    ],
)
def test_groups_in_order_are_lined_up_with_the_items(demo: Path, groups: Any, lined_up: list[Any]) -> None:
    manifest, _ = read_manifest(demo)
    assert preprocess.declared_groups(groups, 2, manifest) == lined_up
    assert preprocess.declared_groups({"race": "mentioned"}, 1, manifest) == [{"race": "mentioned"}]


def test_a_group_in_another_spelling_is_counted_as_the_models(demo: Path) -> None:
    manifest, _ = read_manifest(demo)
    first = manifest.attributes[0].model_copy(update={"groups": ["1", "f\u00e9minin"], "reference": "1"})
    coded = manifest.model_copy(update={"attributes": [first]})
    for sent, counted in (
        ("1.0", "1"),
        (" fe\u0301minin", "f\u00e9minin"),
        ("01", "unknown"),
        ("2", "unknown"),
    ):
        assert preprocess.listed({first.name: sent}, coded) == {first.name: counted}
        assert aggregates.listed(first.groups, sent) == counted
    assert preprocess.unlisted({first.name: "2"}, coded) == [first.name]
    assert preprocess.unlisted({first.name: "1.0"}, coded) == []
