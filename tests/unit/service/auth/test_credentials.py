"""Headers to a credential, whatever a client sends."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evenhand.service.auth.credentials import MAX_BYTES, Malformed, credential
from evenhand.service.auth.key_file import find

NAMES = st.sampled_from([b"authorization", b"x-api-key", b"cookie", b"host"])
VALUES = st.one_of(
    st.binary(max_size=60),
    st.from_regex(rb"[Bb]earer +[A-Za-z0-9._-]{0,20}", fullmatch=True),
    st.from_regex(rb"(Basic|Bearer|Digest)[ \t]*[!-~]{0,20}", fullmatch=True),
)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        ([(b"authorization", b"Bearer abc")], "abc"),
        ([(b"authorization", b"bearer  abc ")], "abc"),
        ([(b"authorization", b"BEARER\tabc")], "abc"),
        ([(b"x-api-key", b"abc")], "abc"),
        ([(b"authorization", b"Basic YTpi")], None),
        ([(b"authorization", b"Basic YTpi"), (b"x-api-key", b"abc")], "abc"),
        ([(b"authorization", b"Bearerabc")], None),
        ([(b"x-api-key", b"abc=")], "abc="),
        ([(b"cookie", b"x-api-key=abc")], None),
    ],
)
def test_where_a_credential_is(headers: list[tuple[bytes, bytes]], expected: str | None) -> None:
    assert credential(headers) == expected


@pytest.mark.parametrize(
    "headers",
    [
        [(b"x-api-key", b"")],
        [(b"authorization", b"Bearer ")],
        [(b"authorization", b"Bearer a b")],
        [(b"authorization", b"Bearer a,Bearer b")],
        [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer a")],
        [(b"authorization", b"Bearer a"), (b"x-api-key", b"a")],
        [(b"x-api-key", b"a"), (b"x-api-key", b"b")],
        [(b"x-api-key", "é".encode())],
        [(b"x-api-key", b"a\n")] * 2,
        [(b"x-api-key", b"a" * (MAX_BYTES + 1))],
    ],
)
def test_what_is_ambiguous_or_impossible_is_refused(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Malformed):
        credential(headers)


@settings(deadline=None)
@given(st.lists(st.tuples(NAMES, VALUES), max_size=4))
def test_whatever_is_sent_there_is_a_plain_word_or_nothing(headers: list[tuple[bytes, bytes]]) -> None:
    try:
        word = credential(headers)
    except Malformed:
        return
    if word is None:
        assert not any(name == b"x-api-key" for name, _ in headers)
        return
    assert word.isascii()
    assert not set(word) & set(" \t\r\n,;\"'")
    assert sum(word.encode() in value for _, value in headers) >= 1
    assert find([], word) is None
