"""Lines of a body, wherever its pieces end, and what they hold."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenhand.service.elsewhere.lines import LineSplitter, LinesWaiting, read_lines
from evenhand.service.elsewhere.rows import RowError


def split(pieces: Sequence[bytes], max_bytes: int) -> list[bytes | None]:
    splitter = LineSplitter(max_bytes)
    return [line for piece in pieces for line in splitter.feed(piece)] + splitter.end()


@given(st.lists(st.binary(max_size=12)), st.integers(1, 7))
def test_lines_are_those_of_the_whole_body(lines: list[bytes], size: int) -> None:
    body = b"\n".join(line.replace(b"\n", b"x") for line in lines)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    whole = body.split(b"\n")
    expected = whole if whole[-1] else whole[:-1]
    assert split(pieces, 12) == expected


def test_a_line_that_is_too_long_costs_itself_alone_and_no_memory() -> None:
    pieces = [b"ab\n", *[b"x" * 10] * 1000, b"\ncd\n", b"y" * 11 + b"\nef", b"z" * 20]
    assert split(pieces, 10) == [b"ab", None, b"cd", None, None]


@pytest.mark.parametrize("number", [1, 2, 5])
def test_blank_lines_are_left_out_and_counted(number: int) -> None:
    waiting = LinesWaiting()
    lines = [b"a", b"", b" \r", None, b"b", b"c"]
    for start in range(0, len(lines), number):
        waiting.add(lines[start : start + number])
    assert waiting.is_full(4, 10)
    assert waiting.is_full(5, 2)
    assert not waiting.is_full(5, 10)
    first, rest = waiting.take(3), waiting.take(3)
    assert (first.places, first.lines) == ([1, 4, 5], [b"a", None, b"b"])
    assert (rest.places, rest.lines) == ([6], [b"c"])


GOOD = b'{"id":"a","groups":{"sex":"x"}}'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"id":"a"', "not readable as JSON"),
        (b'{"id":"a"},{"id":"b"}', "not readable as JSON"),
        (b'{"id":"a","id":"b"}', "send each key once"),
        (b'{"id":"a","id":"b:c"}', "send each key once"),
        (b'{"id":"a","id":"b\\u003ac"}', "send each key once"),
        (b'{"id":"a","groups":{"a":"x","a":"y:z"}}', "send each key once"),
        (None, "longer than a body may be"),
    ],
)
def test_a_faulty_line_among_others_is_named_alone(line: bytes | None, said: str) -> None:
    first, faulty, last = read_lines([GOOD, line, GOOD])
    assert first == last == {"id": "a", "groups": {"sex": "x"}}
    assert isinstance(faulty, RowError)
    assert said in str(faulty)


@pytest.mark.parametrize("text", ["a:b", "::", "a\\u003ab", '\\"id\\":'])
def test_colons_in_texts_are_no_keys(text: str) -> None:
    lines = [GOOD, f'{{"id":"{text}","features":{{"a:b":1}}}}'.encode()]
    assert [type(one) for one in read_lines(lines)] == [dict, dict]
