"""Counterfactual rows that name another group: exchange terms of a text, or replace a column's value.

Training and serving use this same code, without torch. A swap changes words, not the person who wrote them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import TypeAdapter, ValidationError

from evenhand.models.bundle.encoders.table import TableFeatures, present
from evenhand.models.bundle.manifest import Manifest, Name, Value
from evenhand.tables.cells import Vocabulary, text_of
from evenhand.tables.ranges import Ranges, ranges_of

MOST_CHARACTERS = 64
"""The longest that a term may be."""

Terms = Mapping[str, Mapping[str, Sequence[str]]]
"""Terms by attribute and group. Terms at the same place correspond; an empty string has no counterpart."""


class SwapError(ValueError):
    """A list of terms that cannot be used, or a bundle that no swap can be made for; the message says why."""


@dataclass(frozen=True, slots=True)
class Swap:
    """A row in which another group stands in the place of one."""

    attribute: str
    source: str
    """The group that the row named."""
    target: str
    """The one that it names now."""
    item: Any
    """What the encoder takes."""


class Swapper(Protocol):
    """Makes swaps of one item; keeps no state."""

    attributes: tuple[str, ...]
    """Those that it can swap."""

    def swaps(self, item: Any) -> list[Swap]:  # noqa: ANN401 - what an encoder takes
        """Every swap of an item that the encoder takes; none where it names no group."""


class TermSwapper:
    """Exchanges the terms of two groups, whole words of any case.

    Args:
        terms: As :func:`read_terms` gives them.
    """

    def __init__(self, terms: Terms) -> None:
        self.attributes = tuple(terms)
        self._terms = terms
        # A term that is listed twice in its group is read as the first of them.
        self._places = {
            attribute: {
                term.casefold(): (group, place)
                for group, listed in groups.items()
                for place, term in reversed(list(enumerate(listed)))
                if term
            }
            for attribute, groups in terms.items()
        }
        self._patterns = {name: _pattern(places) for name, places in self._places.items()}

    def named(self, text: str, attribute: str) -> list[str]:
        """Groups of an attribute that a text names, in the list's order."""
        groups = {self._place(attribute, match)[0] for match in self._patterns[attribute].finditer(text)}
        return [group for group in self._terms[attribute] if group in groups]

    def swapped(self, text: str, attribute: str, source: str, target: str) -> str | None:
        """The text with the terms of two groups exchanged; ``None`` where a term has no counterpart."""
        other, missing = {source: target, target: source}, False

        def replace(match: re.Match[str]) -> str:
            nonlocal missing
            group, place = self._place(attribute, match)
            if group not in other:
                return match[0]
            listed = self._terms[attribute][other[group]]
            term = listed[place] if place < len(listed) else ""
            missing |= not term
            return _cased(term, match[0])

        exchanged = self._patterns[attribute].sub(replace, text)
        return None if missing else exchanged

    def swaps(self, item: Any) -> list[Swap]:  # noqa: ANN401 - what an encoder takes
        """Every swap of a text, ``{"text": ...}`` or a pair; both texts of a pair are swapped."""
        parts = {"text": item} if isinstance(item, str) else dict(item)
        swaps = []
        for attribute, groups in self._terms.items():
            named = {group for part in parts.values() for group in self.named(part, attribute)}
            for source in (group for group in groups if group in named):
                for target in (group for group in groups if group != source):
                    made = {
                        name: self.swapped(part, attribute, source, target) for name, part in parts.items()
                    }
                    if None not in made.values():
                        whole = made["text"] if isinstance(item, str) else made
                        swaps.append(Swap(attribute, source, target, whole))
        return swaps

    def _place(self, attribute: str, match: re.Match[str]) -> tuple[str, int]:
        # Two Turkish letters match an i but fold to two characters, so such a word is not in the list.
        return self._places[attribute].get(match[0].casefold(), ("", 0))


class ColumnSwapper:
    """Replaces an attribute's own column, where that is a feature of the model.

    A number of declared ranges becomes the middle of another range.

    Args:
        manifest: Says which groups there are.
        features: Says which columns the model reads.
    """

    def __init__(self, manifest: Manifest, features: TableFeatures) -> None:
        numeric = {column.name for column in features.numeric}
        categories = {column.name: set(column.categories) for column in features.categorical}
        self._values: dict[str, dict[str, float | str]] = {}
        self._ranges: dict[str, Ranges] = {}
        for attribute in manifest.attributes:
            values: dict[str, float | str]
            if attribute.name in numeric and attribute.ranges:
                ranges = self._ranges[attribute.name] = ranges_of(tuple(attribute.ranges))
                values = {group: ranges.middle(group) for group in attribute.groups}
            elif attribute.name in numeric:
                values = _numbers(attribute.groups)
            else:
                values = {
                    group: group for group in attribute.groups if group in categories.get(attribute.name, ())
                }
            if len(values) > 1:
                self._values[attribute.name] = values
        self.attributes = tuple(self._values)
        self._groups = {name: Vocabulary(values) for name, values in self._values.items()}

    def swaps(self, item: Any) -> list[Swap]:  # noqa: ANN401 - what an encoder takes
        """Every swap of an object of named features; none where its group is missing or not known."""
        swaps = []
        for attribute, values in self._values.items():
            text = text_of(present(item.get(attribute))) or ""
            text = self._ranges[attribute].match(text) if attribute in self._ranges else text
            source = self._groups[attribute].match(text)
            if source is not None:
                swaps += [
                    Swap(attribute, source, target, {**item, attribute: value})
                    for target, value in values.items()
                    if target != source
                ]
        return swaps


def read_terms(content: bytes) -> Terms:
    """Read a list of terms: ``{"attribute": {"group": ["term", ...]}}``.

    Raises:
        SwapError: it is not such a list; the message never repeats a term.
    """
    try:
        terms = TypeAdapter(dict[Name, dict[Value, list[str]]]).validate_json(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise SwapError(
            f"not a list of terms ({first['msg']}): {{attribute: {{group: [term, ...]}}}}"
        ) from None
    if not terms:
        raise SwapError("the list of terms names no attribute")
    for attribute, groups in terms.items():
        _check(attribute, groups)
    return terms


def make_swapper(manifest: Manifest, features: TableFeatures | None, terms: Terms | None) -> Swapper | None:
    """The swapper for a bundle.

    Args:
        manifest: The bundle's.
        features: Of a table's encoder, ``None`` for texts.
        terms: For texts and pairs; tables need none.

    Returns:
        The swapper, or ``None`` where nothing of a row can be swapped.
    """
    if features is not None:
        columns = ColumnSwapper(manifest, features)
        return columns if columns.attributes else None
    return TermSwapper(terms) if terms and manifest.task in ("text", "pair") else None


def _check(attribute: str, groups: Mapping[str, Sequence[str]]) -> None:
    if len(groups) < 2:
        raise SwapError(f"attribute {attribute!r} of the list of terms needs two groups")
    seen: dict[str, str] = {}
    for group, listed in groups.items():
        if not any(listed) or any(term != term.strip() or len(term) > MOST_CHARACTERS for term in listed):
            raise SwapError(
                f"group {group!r} of {attribute!r} needs terms without spaces around them, of at most "
                f"{MOST_CHARACTERS} characters"
            )
        for term in filter(None, listed):
            if seen.setdefault(term.casefold(), group) != group:
                raise SwapError(
                    f"groups {seen[term.casefold()]!r} and {group!r} of {attribute!r} share a term"
                )


def _pattern(places: Mapping[str, tuple[str, int]]) -> re.Pattern[str]:
    """Whole words; of two terms that begin alike the longer one."""
    longest_first = sorted(places, key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)", re.IGNORECASE)


def _cased(term: str, like: str) -> str:
    """A term in capitals, with a capital or as listed, as the word it replaces."""
    if len(like) > 1 and like.isupper():
        return term.upper()
    return term[:1].upper() + term[1:] if like[:1].isupper() else term


def _numbers(groups: Sequence[str]) -> dict[str, float | str]:
    """Groups that are numbers, with their number."""
    numbers: dict[str, float | str] = {}
    for group in groups:
        try:
            numbers[group] = float(group)
        except ValueError:
            continue
    return numbers
