"""Bodies as JSON. An object that has a key twice is refused: parsers differ in which value counts.

Looking at each object's pairs makes parsing slower by three quarters. So a body is parsed plainly first, and
its colons are counted: if there are as many as keys and colons in strings that were kept, no key was lost.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from evenhand.service.errors import InvalidInput, InvalidJson

ESCAPED_COLON = "\\u003"
"""How an escaped colon begins."""


class _Pairs(list[tuple[str, Any]]):
    """An object as its pairs, in their order."""


def parse(raw: bytes, names: Collection[str] = ()) -> Any:  # noqa: ANN401 - any JSON value
    """Parse a body.

    Args:
        raw: The bytes.
        names: Fields that an error may name; a client's own keys are never repeated.

    Raises:
        InvalidJson: they are not JSON.
        InvalidInput: an object in it, at any depth, has a key twice; the message says where.
    """
    try:
        text = raw.decode(json.detect_encoding(raw), "surrogatepass")
        content = json.loads(text)
        if _keeps_all_keys(text, content):
            return content
        where = _first_doubled(json.loads(text, object_pairs_hook=_Pairs), names)
    except (ValueError, RecursionError):
        raise InvalidJson from None
    if where is not None:
        raise InvalidInput(where)
    return content


def _keeps_all_keys(text: str, content: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether no object surely has a key twice; ``False`` where this cannot be seen from the colons."""
    colons, keys = text.count(":"), _keys(content)
    if colons == keys:
        return True
    return ESCAPED_COLON not in text and colons == keys + _colons(content)


def _keys(content: Any) -> int:  # noqa: ANN401 - any JSON value
    """Keys of all objects; not by recursion, for a body may be nested deeply."""
    keys = 0
    left: list[Any] = [[content]]
    while left:
        part = left.pop()
        if type(part) is dict:
            keys += len(part)
            part = part.values()
        left += [value for value in part if type(value) is dict or type(value) is list]
    return keys


def _colons(content: Any) -> int:  # noqa: ANN401 - any JSON value
    """Colons in all keys and texts."""
    colons = 0
    left: list[Any] = [[content]]
    while left:
        part = left.pop()
        values = [*part, *part.values()] if type(part) is dict else part
        colons += sum([value.count(":") for value in values if type(value) is str])
        left += [value for value in values if type(value) is dict or type(value) is list]
    return colons


def _first_doubled(content: Any, names: Collection[str]) -> str | None:  # noqa: ANN401 - any JSON value
    """A sentence about the first object that has a key twice; ``None`` if there is none."""
    left = [("", content)]
    while left:
        path, part = left.pop()
        if isinstance(part, _Pairs):
            if (places := _doubled(part)) is not None:
                at = f"{path}: the" if path else "the body's"
                return f"{at} keys {places[0]} and {places[1]} of the object are the same; send each key once"
            inside = [(_named(path, key, place, names), value) for place, (key, value) in enumerate(part, 1)]
        else:
            inside = [(f"{path}[{place}]", value) for place, value in enumerate(part)]
        left += [(at, value) for at, value in reversed(inside) if isinstance(value, list)]
    return None


def _doubled(pairs: _Pairs) -> tuple[int, int] | None:
    """Places, from 1 on, of the first key that an object has twice."""
    places: dict[str, int] = {}
    for place, (key, _) in enumerate(pairs, 1):
        if key in places:
            return places[key], place
        places[key] = place
    return None


def _named(path: str, key: str, place: int, names: Collection[str]) -> str:
    """The path of a value: by its key where that is a field of ours, else by its place."""
    name = key if not path and key in names else f"value {place}"
    return f"{path}.{name}" if path else name


class _Parsed(Request):
    """A request whose body is parsed already."""

    content: Any = None

    async def json(self) -> Any:  # noqa: ANN401 - any JSON value
        """The body."""
        return self.content


class JsonRoute(APIRoute):
    """A route of FastAPI's that refuses a body with doubled keys."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """The handler that answers each request."""
        answer = super().get_route_handler()
        names = {
            name for body in self.dependant.body_params for name in fields_of(body.field_info.annotation)
        }

        async def handle(request: Request) -> Response:
            parsed = _Parsed(request.scope, request.receive)
            if raw := await parsed.body():
                parsed.content = parse(raw, names)
            return await answer(parsed)

        return handle


def fields_of(kind: Any) -> tuple[str, ...]:  # noqa: ANN401 - a pydantic model, or another annotation
    """The names of a body's fields."""
    return tuple(getattr(kind, "model_fields", ()))
