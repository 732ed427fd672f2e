"""JSON lines, and JSON files that hold a list of objects, to rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

from evenhand.tables.cells import clean, text_of
from evenhand.tables.delimited import text_stream
from evenhand.tables.table import DataError, Row, Values


def json_lines(file: IO[bytes]) -> Iterator[Row]:
    """One object per line; blank lines are left out."""
    # Lines end with \n alone: a line separator (U+2028) may stand inside a JSON string.
    for line in text_stream(file, newline="\n"):
        if line.strip():
            yield _row(line)


def json_list(file: IO[bytes], name: str) -> Iterator[Row]:
    """A list of objects; a file that begins with an object is read as JSON lines.

    Raises:
        DataError: it is neither.
    """
    text = text_stream(file, newline="\n").read()
    if text.lstrip()[:1] != "[":
        lines = [line for line in text.split("\n") if line.strip()]
        rows = [_row(line) for line in lines]
        if len(rows) == 1 or all(isinstance(row, str) for row in rows):
            raise DataError(
                f"{name}: not a list of objects, [{{...}}, ...]; "
                "pandas writes one with to_json(orient='records')"
            )
        yield from rows
        return
    try:
        members = json.loads(text, object_pairs_hook=_Members)
    except (ValueError, RecursionError) as error:
        where = f"line {error.lineno}: {error.msg}" if isinstance(error, json.JSONDecodeError) else "too deep"
        raise DataError(f"{name}: not readable as JSON ({where})") from error
    for member in members:
        yield _checked(member)


def _row(line: str) -> Row:
    try:
        members = json.loads(line, object_pairs_hook=_Members)
    except (ValueError, RecursionError):
        return "not readable as JSON"
    return _checked(members)


class _Members(list[tuple[str, Any]]):
    """The members of an object, in order, doubled ones included."""


def _checked(members: Any) -> Row:  # noqa: ANN401 - whatever JSON holds
    if not isinstance(members, _Members):
        return "not a JSON object"
    values: Values = {}
    for place, (key, value) in enumerate(members, start=1):
        name = clean(key) or f"column {place}"
        if name in values:
            return "two members of the same name"
        values[name] = text_of(_plain(value))
    return values


def _plain(value: Any) -> Any:  # noqa: ANN401
    """Objects within a value as they were written."""
    if isinstance(value, _Members):
        return {key: _plain(inner) for key, inner in value}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
