"""Lines of a body that arrives in pieces. Memory holds one piece and one line, however long the body is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from pydantic_core import from_json

from evenhand.service.elsewhere.fields import Fields, gather
from evenhand.service.elsewhere.rows import FIELDS, Faulty, RowError
from evenhand.service.errors import ServiceError
from evenhand.service.http.json_body import parse

NEWLINE = b"\n"
TOO_LONG = "no decision: a line longer than a body may be"


@dataclass(frozen=True, slots=True)
class LineChunk:
    """Some lines of a body."""

    places: Sequence[int]
    """Number of each one, from 1."""
    lines: Sequence[bytes | None]

    def read(self) -> tuple[Fields, list[Faulty]]:
        """The decisions by field, and those that are none."""
        return gather(self.places, read_lines(self.lines))


class LineSplitter:
    """Splits a body into lines, without their ends.

    Args:
        max_bytes: Of one line; ``None`` stands for each that is longer.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest, self._is_long = b"", False

    def feed(self, piece: bytes) -> list[bytes | None]:
        """The lines that end in the next piece of the body."""
        size = len(self._rest) + len(piece)
        lines: list[bytes | None] = [*(self._rest + piece).split(NEWLINE)]
        self._rest = lines.pop() or b""
        if size > self._max_bytes:
            lines = [None if line is None or len(line) > self._max_bytes else line for line in lines]
        if lines and self._is_long:
            lines[0], self._is_long = None, False
        if len(self._rest) > self._max_bytes:  # what comes of it until its end is dropped as it comes
            self._rest, self._is_long = b"", True
        return lines

    def end(self) -> list[bytes | None]:
        """The line that the body ends with, if its last byte ends none."""
        if self._is_long:
            return [None]
        return [self._rest] if self._rest else []


class LinesWaiting:
    """Lines that are not in a chunk yet, without blank ones."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self.lines: list[bytes | None] = []
        self._bytes = self._number = 0

    def add(self, lines: Sequence[bytes | None]) -> None:
        """Add the next lines of the body."""
        for number, line in enumerate(lines, self._number + 1):
            if line is None or (line and not line.isspace()):
                self.places.append(number)
                self.lines.append(line)
        self._number += len(lines)
        self._bytes += sum([len(line) for line in lines if line is not None])

    def is_full(self, rows: int, size: int) -> bool:
        """Whether there are so many lines, or bytes."""
        return len(self.lines) >= rows or self._bytes > size

    def take(self, rows: int) -> LineChunk:
        """So many of them at most."""
        chunk = LineChunk(self.places[:rows], self.lines[:rows])
        del self.places[:rows], self.lines[:rows]
        self._bytes = sum([len(line) for line in self.lines if line is not None])
        return chunk


def read_lines(lines: Sequence[bytes | None]) -> list[object]:
    """What lines hold, with the :class:`RowError` of each that is no JSON or has a key twice.

    All of them are read in one go, and one by one only if that shows that one of them is faulty.
    """
    try:
        contents = [from_json(line) for line in lines]  # type: ignore[arg-type]  # None is a TypeError
    except (ValueError, TypeError, RecursionError):
        return list(map(_read, lines))
    if set(map(type, contents)) == {dict} and _keep_all_keys(lines, contents):
        return contents
    return list(map(_read, lines))


def _keep_all_keys(lines: Sequence[bytes | None], contents: Sequence[dict[str, object]]) -> bool:
    """Whether no object surely has a key twice: all colons are of keys and texts that were kept."""
    colons = sum([line.count(b":") for line in lines if line is not None])
    values = list(chain.from_iterable(map(dict.values, contents)))
    objects = [value for value in values if type(value) is dict]
    keys = sum(map(len, contents)) + sum(map(len, objects))
    if colons == keys:
        return True
    if any(b"\\" in line for line in lines if line is not None):  # an escaped colon is none in the line
        return False
    return colons == keys + sum([value.count(":") for value in values if type(value) is str])


def _read(line: bytes | None) -> object:
    try:
        return read_line(line)
    except RowError as error:
        return error


def read_line(line: bytes | None) -> object:
    """What a line of JSON holds.

    Raises:
        RowError: it is no JSON, has a key twice, or is too long.
    """
    if line is None:
        raise RowError(TOO_LONG)
    try:
        content = from_json(line)
    except (ValueError, RecursionError):
        raise RowError("not readable as JSON") from None
    if isinstance(content, dict) and _keep_all_keys([line], [content]):
        return content
    try:
        return parse(line, FIELDS)
    except ServiceError as error:
        raise RowError(str(error)) from None
