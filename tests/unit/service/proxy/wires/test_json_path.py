"""Places in a JSON text, against the library's own reading of the same text."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenhand.service.proxy.wires.json_path import PathError, Unreadable, parse, places, replaced

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES, st.text(), VALUES, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_a_place_is_the_value_and_its_text(
    value: Any, key: str, other: Any, indent: Any, plain: bool
) -> None:
    key = key.replace("'", "").replace('"', "")
    text = json.dumps(
        {"before": other, "rows": [{key: value}, {key: other}]}, indent=indent, ensure_ascii=plain
    )
    both = places(text, parse(f"$.rows[*]['{key}']"))
    assert [place.value for place in both] == [value, other]
    assert [json.loads(text[place.start : place.end]) for place in both] == [value, other]
    changed = json.loads(replaced(text, [(both[1], '"new"')]))
    assert changed == {"before": other, "rows": [{key: value}, {key: "new"}]}


def test_steps_of_every_kind() -> None:
    text = '{"a b": [[1, {"c": [2, 3]}]], "d": 4}'
    assert [place.value for place in places(text, parse("$['a b'][0][1].c[1]"))] == [3]
    assert [place.value for place in places(text, parse('["a b"][0][1].c[*]'))] == [2, 3]
    assert [place.value for place in places(text, parse("d"))] == [4]
    assert [place.value for place in places(text, parse("$"))] == [json.loads(text)]
    assert parse("$.a[*]").has_rows
    assert not parse("$.a[0]").has_rows


@pytest.mark.parametrize(
    "wrong", ["$.", "$..a", "$.a[", "$[-1]", "$[?(@.a)]", "a b.c", "$.a[*][*]", "$[12345678]"]
)
def test_what_is_no_path_is_refused(wrong: str) -> None:
    with pytest.raises(PathError):
        parse(wrong)


@pytest.mark.parametrize(
    ("text", "path", "why"),
    [
        ('{"a": 1, "a": 2}', "$.a", "twice"),
        ('{"b": {"a": 1, "a": 2}, "a": 1}', "$.a", "twice"),
        ('{"a": [{"x": 1, "x": 1}]}', "$.a", "twice"),
        ('{"a": NaN}', "$.a", "not finite"),
        ('{"b": Infinity, "a": 1}', "$.a", "not finite"),
        ('{"a": 1', "$.a", "valid JSON"),
        ('{"a": 1,}', "$.a", "valid JSON"),
        ('{"a" 1}', "$.a", "valid JSON"),
        ("[1 2]", "$[*]", "valid JSON"),
        ("[1,]", "$[0]", "valid JSON"),
        ('{"a": 1} x', "$.a", "one JSON value"),
        ("", "$.a", "valid JSON"),
        ("[" * 100_000, "$.a", ""),
        ('{"a":' + "[" * 100_000, "$.a", "valid JSON"),
        ('{"b": 1}', "$.a", "there is no 'a'"),
        ("[1]", "$.a", "no object"),
        ('{"a": 1}', "$[0]", "no list"),
        ("[1]", "$[1]", "no element 1"),
    ],
)
def test_what_is_not_there_is_told_without_the_text(text: str, path: str, why: str) -> None:
    with pytest.raises(Unreadable, match=why):
        places(text, parse(path))
