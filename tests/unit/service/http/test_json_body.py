"""A body is parsed as it is, or refused because some object in it has a key twice, wherever it is."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenhand.service.errors import InvalidInput, InvalidJson
from evenhand.service.http.json_body import parse

NAMES = ("inputs", "groups")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(
    ["a:b", ":", '":', "\\u003a", "\n:"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(TEXTS, inside, max_size=4),
    max_leaves=20,
)


@given(VALUES, st.booleans(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-le"]))
def test_what_json_reads_is_read_the_same(value: Any, escaped: bool, encoding: str) -> None:
    assert parse(json.dumps(value, ensure_ascii=escaped).encode(encoding), NAMES) == value


@given(VALUES, TEXTS, VALUES, st.booleans(), st.sampled_from(["utf-8", "utf-16"]))
def test_a_doubled_key_is_refused_whatever_is_around_it(
    outer: Any, key: str, inner: Any, escaped: bool, encoding: str
) -> None:
    def said(content: Any) -> str:
        return json.dumps(content, ensure_ascii=escaped)

    doubled = f"{{{said(key)}: {said(inner)}, {said(key)}:{said(outer)}}}"
    for text in (doubled, f"[{said(outer)}, {doubled}]", f'{{"inputs":[[{doubled}]],"more":{said(outer)}}}'):
        with pytest.raises(InvalidInput, match="are the same; send each key once"):
            parse(text.encode(encoding), NAMES)


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ('{"inputs":["a"],"inputs":["b"]}', "the body's keys 1 and 2"),
        ('{"inputs":[{"a":1},{"b":1,"c":2,"b":3}]}', "inputs[1]: the keys 1 and 3"),
        ('{"groups":[null,{"sex":"F","sex":"M"}],"inputs":[]}', "groups[1]: the keys 1 and 2"),
        ('{"inputs":[{"secret":{"x":1,"x":2}}]}', "inputs[0].value 1: the keys 1 and 2"),
        ('{"secret":{"inputs":{"x":1,"x":2}}}', "value 1.value 1: the keys 1 and 2"),
        # An escaped colon in another string does not make up for the colon that was lost.
        ('{"a":1,"a":2,"b":"\\u003a"}', "the body's keys 1 and 2"),
        ('{"a":1,"\\u0061":2}', "the body's keys 1 and 2"),
        ('[{"a":{"b":1,"b":2}},{"c":1,"c":2}]', "[0].value 1: the keys 1 and 2"),
    ],
)
def test_the_message_says_where_and_never_what(body: str, where: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(body.encode(), NAMES)
    assert str(refused.value) == f"{where} of the object are the same; send each key once"


@pytest.mark.parametrize(
    "body", [b'{"a":1,"a":2', b"{", b"\xff", b"", b"[" * 100_000, b'{"a":1,"a":2}' + b"[" * 100_000]
)
def test_what_is_no_json_is_refused_as_such(body: bytes) -> None:
    with pytest.raises(InvalidJson):
        parse(body, NAMES)


def test_deep_nesting_is_read_or_refused_and_never_breaks() -> None:
    for depth in (50, 500, 900, 5000, 100_000):
        for inside in ("{}", '{"a":1,"a":2}', '"x:y"'):
            body = '{"a":' * depth + inside + "}" * depth
            with suppress(InvalidInput, InvalidJson):
                parse(body.encode(), NAMES)
