"""Places in a JSON text: what stands there, and from which character to which.

A reply is changed at such places only, so that every other byte stays the server's. The paths are the plain
part of RFC 9535: ``$.results[*].scores.hate``, ``$['a b'][0]``. Doubled keys are refused, because two readers
may take different ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

SPACE = re.compile(r"[ \t\n\r]*")
STEP = re.compile(r"\.([^.\[\]'\"\s*]+)|\[(\d+)\]|\[(\*)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")
EVERY: Final = "*"
"""The step that takes every element."""
MOST_DIGITS = 6


class PathError(ValueError):
    """Not a path that is understood; the message says why."""


class Unreadable(ValueError):
    """A body does not hold what the path names; the message never repeats the body."""


@dataclass(frozen=True, slots=True)
class Key:
    """A step into an object."""

    name: str


Step = Key | int | str
"""A key, an index, or :data:`EVERY`."""


@dataclass(frozen=True, slots=True)
class Place:
    """One value, and where its text stands."""

    start: int
    end: int
    value: Any


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed path."""

    text: str
    steps: tuple[Step, ...]

    @property
    def has_rows(self) -> bool:
        """Whether it takes every element of some list."""
        return EVERY in self.steps


def parse(text: str) -> Path:
    """Parse a path; the ``$`` in front may be left out.

    Raises:
        PathError: it is none, or it takes every element twice.
    """
    rest = text.removeprefix("$")
    rest = rest if rest.startswith((".", "[")) or not rest else f".{rest}"
    steps: list[Step] = []
    at = 0
    while at < len(rest):
        match = STEP.match(rest, at)
        if match is None or (match[2] and len(match[2]) > MOST_DIGITS):
            raise PathError(f"{text!r} is no path; write one like $.results[*].label")
        key = match[1] or match[4] or match[5]
        steps.append(EVERY if match[3] else int(match[2]) if match[2] else Key(key or ""))
        at = match.end()
    if steps.count(EVERY) > 1:
        raise PathError(f"{text!r} has [*] twice; rows are one list")
    return Path(text, tuple(steps))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise Unreadable("an object has the same key twice")
    return made


def _no_constant(name: str) -> Any:  # noqa: ANN401 - the library's signature
    raise Unreadable("a number is not finite")


DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def places(text: str, path: Path) -> list[Place]:
    """The values at a path, in the order of the text.

    Raises:
        Unreadable: the text is not JSON, or holds nothing there.
    """
    out: list[Place] = []
    try:
        end = _walk(text, _skip(text, 0), path.steps, out, path)
        if _skip(text, end) != len(text):
            raise Unreadable("the body is not one JSON value")
    except Unreadable:
        raise
    except (ValueError, IndexError, RecursionError):
        raise Unreadable("the body is not valid JSON") from None
    return out


def _skip(text: str, at: int) -> int:
    match = SPACE.match(text, at)
    return at if match is None else match.end()


def _walk(text: str, at: int, steps: Sequence[Step], out: list[Place], path: Path) -> int:
    """Collect the places below one value.

    Returns:
        Where the value ends.
    """
    if not steps:
        value, end = DECODER.raw_decode(text, at)
        out.append(Place(at, end, value))
        return end
    step = steps[0]
    if isinstance(step, Key):
        if text[at] != "{":
            raise Unreadable(f"{path.text}: there is no object for {step.name!r}")
        return _object(text, at + 1, steps, out, path)
    if text[at] != "[":
        raise Unreadable(f"{path.text}: there is no list")
    return _list(text, at + 1, steps, out, path)


def _object(text: str, at: int, steps: Sequence[Step], out: list[Place], path: Path) -> int:
    name, keys = steps[0], set[str]()
    assert isinstance(name, Key)
    at = _skip(text, at)
    while text[at] != "}":
        key, at = DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if not isinstance(key, str) or text[at] != ":":
            raise ValueError
        if key in keys:
            raise Unreadable("an object has the same key twice")
        keys.add(key)
        at = _skip(text, at + 1)
        at = _walk(text, at, steps[1:], out, path) if key == name.name else DECODER.raw_decode(text, at)[1]
        at = _next(text, at, "}")
    if name.name not in keys:
        raise Unreadable(f"{path.text}: there is no {name.name!r}")
    return at + 1


def _list(text: str, at: int, steps: Sequence[Step], out: list[Place], path: Path) -> int:
    step, index = steps[0], 0
    at = _skip(text, at)
    while text[at] != "]":
        taken = step in (EVERY, index)
        at = _walk(text, at, steps[1:], out, path) if taken else DECODER.raw_decode(text, at)[1]
        at = _next(text, at, "]")
        index += 1
    if isinstance(step, int) and index <= step:
        raise Unreadable(f"{path.text}: the list has no element {step}")
    return at + 1


def _next(text: str, at: int, closing: str) -> int:
    """The start of the next element, or the closing bracket."""
    at = _skip(text, at)
    if text[at] == ",":
        at = _skip(text, at + 1)
        if text[at] == closing:
            raise ValueError
        return at
    if text[at] != closing:
        raise ValueError
    return at


def replaced(text: str, changes: Sequence[tuple[Place, str]]) -> str:
    """The text with other texts at some places."""
    parts, at = [], 0
    for place, new in sorted(changes, key=lambda change: change[0].start):
        parts += [text[at : place.start], new]
        at = place.end
    return "".join((*parts, text[at:]))
