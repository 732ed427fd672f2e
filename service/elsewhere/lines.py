"""Lines of a body that arrives in pieces. Memory holds one piece and one line, however long the body is."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pydantic_core import from_json

from evenhand.service.elsewhere.rows import FIELDS, RowError
from evenhand.service.errors import ServiceError
from evenhand.service.http.json_body import parse

NEWLINE = b"\n"


async def lines_of(pieces: AsyncIterator[bytes], max_bytes: int) -> AsyncIterator[bytes | None]:
    """The lines of a body, without their ends.

    Args:
        pieces: The body.
        max_bytes: Of one line; ``None`` stands for each that is longer.
    """
    rest, is_long = b"", False
    async for piece in pieces:
        *lines, last = (rest + piece).split(NEWLINE)
        for line in lines:
            yield None if is_long or len(line) > max_bytes else line
            is_long = False
        rest = last
        if len(rest) > max_bytes:  # what comes of it until its end is dropped as it comes
            rest, is_long = b"", True
    if rest or is_long:
        yield None if is_long else rest


def read_line(line: bytes) -> object:
    """What a line of JSON holds.

    Raises:
        RowError: it is no JSON, or has a key twice.
    """
    try:
        content = from_json(line)
    except (ValueError, RecursionError):
        raise RowError("not readable as JSON") from None
    if _keeps_all_keys(line, content):
        return content
    try:
        return parse(line, FIELDS)
    except ServiceError as error:
        raise RowError(str(error)) from None


def _keeps_all_keys(line: bytes, content: object) -> bool:
    """Whether no object surely has a key twice: there are as many colons as keys that were kept."""
    if not isinstance(content, dict):
        return True
    return line.count(b":") == len(content) + sum(
        [len(value) for value in content.values() if isinstance(value, dict)]
    )
