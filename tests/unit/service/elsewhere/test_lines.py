"""Lines of a body, wherever its pieces end."""

from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st

from evenhand.service.elsewhere.lines import lines_of


async def pieces_of(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@given(st.lists(st.binary(max_size=12)), st.integers(1, 7))
async def test_lines_are_those_of_the_whole_body(lines: list[bytes], size: int) -> None:
    body = b"\n".join(line.replace(b"\n", b"x") for line in lines)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    whole = body.split(b"\n")
    expected = whole if whole[-1] else whole[:-1]
    assert [line async for line in lines_of(pieces_of(*pieces), 12)] == expected


async def test_a_line_that_is_too_long_costs_itself_alone_and_no_memory() -> None:
    pieces = pieces_of(b"ab\n", *[b"x" * 10] * 1000, b"\ncd\n", b"y" * 11 + b"\nef", b"z" * 20)
    assert [line async for line in lines_of(pieces, 10)] == [b"ab", None, b"cd", None, None]
