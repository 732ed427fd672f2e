"""Items from the wire to examples. A faulty item fails here and alone; later stages never fail on content."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from pydantic_core import to_json

from evenhand.models.bundle.inputs import Encoder, InputError
from evenhand.models.bundle.manifest import UNKNOWN_GROUP, Manifest, Mode
from evenhand.models.bundle.runtime_onnx import MODE_CODES
from evenhand.service.errors import InvalidInput
from evenhand.service.http.schemas import are_texts, number_as_text
from evenhand.service.ids import OWN_ID, is_own_id, plain_own_id
from evenhand.service.types import Example, Ints, RunObserver
from evenhand.tables.cells import spelled
from evenhand.tables.ranges import in_range

PER_ITEM = 16
"""The fixed cost of an item, or of one feature, in characters."""
INLINE_CHARACTERS = 512
"""Up to this cost, tokenising on the event loop takes less time than handing the work to a thread."""


def quick(items: Sequence[Any], kind: str) -> bool:
    """Whether tokenising the items is so quick that a thread would cost more than it saves."""
    return kind != "image" and PER_ITEM * len(items) + sum(map(_characters, items)) <= INLINE_CHARACTERS


def _characters(item: Any) -> int:  # noqa: ANN401 - anything a client may send
    if isinstance(item, dict):
        return PER_ITEM * len(item) + sum(len(value) for value in item.values() if isinstance(value, str))
    return len(item) if isinstance(item, str) else 0


def examples(
    encoder: Encoder, items: Sequence[Any], modes: Ints, traced: bool, deadline_s: float
) -> list[Example | InvalidInput]:
    """Check and tokenise items.

    Args:
        encoder: The model's encoder.
        items: What the client sent.
        modes: ``(attributes,)`` the modes of this request.
        traced: Whether each row notes the run of the graph that it was in.
        deadline_s: Time of the monotonic clock after which the request is no longer answered.

    Returns:
        For each item an example, or its error.

    Raises:
        TimeoutError: the deadline passed.
    """
    rows = []
    for item in items:
        rows.append(_example(encoder, item, modes, traced))
        if time.monotonic() > deadline_s:
            raise TimeoutError
    return rows


def _example(encoder: Encoder, item: Any, modes: Ints, traced: bool) -> Example | InvalidInput:  # noqa: ANN401
    try:
        return Example(encoder.encode(item), modes, RunObserver() if traced else None)
    except InputError as error:
        return InvalidInput(str(error))


def plain(item: Any) -> bytes:  # noqa: ANN401 - what the model takes
    """An item as bytes, independent of the order of its features."""
    if isinstance(item, bytes):
        return item
    value = dict(sorted(item.items())) if isinstance(item, dict) else item
    try:
        return to_json(value)
    except ValueError:  # a category that is no valid Unicode; the model treats it as unknown
        return json.dumps(value).encode()


@lru_cache(maxsize=256)
def request_modes(operator: tuple[Mode, ...], requested: Mode | None) -> Ints:
    """The modes of one request: the operator's, lowered to the requested mode where that is lower.

    Returns:
        ``(attributes,)`` codes, read-only.
    """
    codes = np.array([MODE_CODES[mode] for mode in operator], dtype=np.int64)
    lowered = codes if requested is None else np.minimum(codes, MODE_CODES[requested])
    lowered.setflags(write=False)
    return lowered


def declared_groups(groups: Any, items: int, manifest: Manifest) -> list[dict[str, str]]:  # noqa: ANN401 - as it came
    """Line up declared groups with the items.

    Returns:
        One mapping from attribute to group per item, empty where nothing was declared.

    Raises:
        InvalidInput: they are not texts, their number differs from the inputs', or they name an attribute
            that the model does not have.
    """
    if groups is None:
        return [{} for _ in range(items)]
    listed = groups if isinstance(groups, list) else [groups]
    if len(listed) != items:
        raise InvalidInput("groups must be one object for one input, or a list as long as inputs")
    if ranges := {of.name: of.ranges for of in manifest.attributes if of.ranges}:
        listed = [_in_ranges(declared, ranges) for declared in listed]
    if not all(declared is None or are_texts(declared) for declared in listed):
        raise InvalidInput("groups has the wrong type; see /docs")
    names = set(manifest.attribute_names)
    if any(set(declared or {}) - names for declared in listed):
        raise InvalidInput(f"groups names an attribute that this model does not have; it has {sorted(names)}")
    return [dict(declared or {}) for declared in listed]


def _in_ranges(declared: Any, ranges: Mapping[str, Sequence[str]]) -> Any:  # noqa: ANN401 - as it came
    """Declared groups with each number of an attribute as the range that it is in."""
    if not isinstance(declared, dict):
        return declared
    changed = {}
    for name, names in ranges.items():
        value = declared.get(name)
        text = number_as_text(value)
        if isinstance(text, str):
            changed[name] = in_range(names, text)
    return {**declared, **changed} if changed else declared


def own_ids(ids: Any, items: int) -> list[str | None]:  # noqa: ANN401 - as it came
    """Line up a caller's own ids with the items.

    Returns:
        One per item; ``None`` where there is none.

    Raises:
        InvalidInput: one of them cannot be an id, two are the same, or their number differs from the inputs'.
    """
    if ids is None:
        return [None] * items
    each = ids if isinstance(ids, list) else [ids]
    if len(each) != items:
        raise InvalidInput("ids must be one text for one input, or a list as long as inputs")
    places: dict[str, int] = {}
    for place, own_id in enumerate(each):
        if own_id is None:
            continue
        if not is_own_id(own_id):
            raise InvalidInput(f"ids[{place}] cannot be used: {OWN_ID}")
        first = places.setdefault(plain_own_id(own_id), place)
        if first != place:
            raise InvalidInput(f"ids[{first}] and ids[{place}] are the same; an own id names one input")
    return each


def listed(groups: Mapping[str, str], manifest: Manifest) -> dict[str, str]:
    """Declared groups as they are counted: a group that the model does not list is ``unknown``."""
    groups_of = {attribute.name: attribute.groups for attribute in manifest.attributes}
    return {name: spelled(groups_of[name], group) or UNKNOWN_GROUP for name, group in groups.items()}


def unlisted(groups: Mapping[str, str], manifest: Manifest) -> list[str]:
    """Attributes whose declared group the model does not list, other than the group ``unknown`` itself."""
    return [
        name for name, group in listed(groups, manifest).items() if group == UNKNOWN_GROUP != groups[name]
    ]
