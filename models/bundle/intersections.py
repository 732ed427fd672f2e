"""Intersections: combinations of two attributes that are counted like an attribute of their own. No torch.

Fitting, validation and the service name their groups alike. The reference of ``sex:race`` is
:data:`NOT_BOTH`, every row in the reference group of at least one of the two; its other groups are the
combinations of the other groups, such as ``female & black``. Nothing is inferred for an intersection: a row
counts where the groups of both attributes are declared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any, Protocol

from evenhand.models.bundle.target import Target

_Described = tuple[str, tuple[str, ...], str]
"""Name, groups and reference of an attribute."""

NOT_BOTH = "not both"
"""The reference group of every intersection."""
UNKNOWN_GROUP = "unknown"
"""Stands for a declared group that the model does not list."""
BETWEEN = ":"
"""Between the names of two attributes; no attribute has it in its name."""
MOST_CHARACTERS = 64
"""Of a name in the record."""
MOST_GROUPS = 128
"""Of all watched intersections of a bundle together: each has some forty series in Prometheus."""


class Grouped(Protocol):
    """What rows are counted by: an attribute, or an intersection."""

    @property
    def name(self) -> str:
        """As counters and the record name it."""

    @property
    def groups(self) -> Sequence[str]:
        """Its groups, the reference among them."""

    @property
    def reference(self) -> str:
        """The group that the others are compared with."""


@dataclass(frozen=True)
class Intersection:
    """An intersection that a target names."""

    name: str
    """``first:second``."""
    of: tuple[str, str]
    """Names of the two attributes."""
    references: tuple[str, str]
    """Their reference groups."""
    combined: Mapping[tuple[str, str], str]
    """Its groups but the reference, by the groups of the two attributes."""

    @property
    def groups(self) -> tuple[str, ...]:
        """Its groups, the reference first."""
        return (NOT_BOTH, *self.combined.values())

    @property
    def reference(self) -> str:
        """:data:`NOT_BOTH`."""
        return NOT_BOTH

    def group_of(self, declared: Mapping[str, str]) -> str | None:
        """The group of a row.

        Args:
            declared: The row's declared groups by attribute: listed ones, and ``unknown``.

        Returns:
            ``None`` unless both groups are declared; ``unknown`` where an unlisted one decides it.
        """
        first, second = (declared.get(name) for name in self.of)
        if first is None or second is None:
            return None
        if first == self.references[0] or second == self.references[1]:
            return NOT_BOTH
        return self.combined.get((first, second), UNKNOWN_GROUP)


def combination(first: str, second: str) -> str:
    """The name of the group of rows that are in both groups."""
    return f"{first} & {second}"


def groups_of_row(intersections: Iterable[Intersection], declared: Mapping[str, str]) -> dict[str, str]:
    """The groups of a row by intersection, of those whose groups are both declared."""
    groups = {each.name: each.group_of(declared) for each in intersections}
    return {name: group for name, group in groups.items() if group is not None}


def watched_intersections(target: Target | None, attributes: Sequence[Grouped]) -> tuple[Intersection, ...]:
    """The intersections that a target names and that are counted in service, in the target's order.

    Args:
        target: The bundle's.
        attributes: The bundle's.
    """
    names = _names(target, attributes)
    return _resolved(names, _described(attributes))[0] if names else ()


def not_watched(target: Target | None, attributes: Sequence[Grouped]) -> dict[str, str]:
    """Why an attribute or intersection that the target names is not counted in service, by its name."""
    return dict(_resolved(_names(target, attributes), _described(attributes))[1])


def recorded(configuration: Mapping[str, Any]) -> tuple[Intersection, ...]:
    """The intersections by which decisions of a recorded configuration are counted.

    Earlier versions counted none, and their configurations name none.
    """
    names = tuple(configuration.get("intersections", ()))
    if not names:
        return ()
    attributes = configuration["attributes"].items()
    return _resolved(names, tuple((name, tuple(of["groups"]), of["reference"]) for name, of in attributes))[0]


def _names(target: Target | None, attributes: Sequence[Grouped]) -> tuple[str, ...]:
    """What the target names beside the attributes."""
    if target is None:
        return ()
    single = {attribute.name for attribute in attributes}
    return tuple(aim.attribute for aim in target.attributes if aim.attribute not in single)


def _described(attributes: Sequence[Grouped]) -> tuple[_Described, ...]:
    return tuple((each.name, tuple(each.groups), each.reference) for each in attributes)


@lru_cache(maxsize=256)
def _resolved(
    names: tuple[str, ...], attributes: tuple[_Described, ...]
) -> tuple[tuple[Intersection, ...], tuple[tuple[str, str], ...]]:
    """The intersections of these names that can be counted, and why others cannot."""
    described = {name: (groups, reference) for name, groups, reference in attributes}
    counted: list[Intersection] = []
    refused: list[tuple[str, str]] = []
    for name in names:
        parts = name.split(BETWEEN)
        if len(parts) != 2 or not {*parts} <= {*described}:
            refused.append((name, f"The service counts by {', '.join(described)} and by pairs of these."))
            continue
        made = _made((parts[0], parts[1]), described)
        why = _unfit(made, sum(len(each.groups) for each in counted))
        if why is None:
            counted.append(made)
        else:
            refused.append((name, why))
    return tuple(counted), tuple(refused)


def _made(of: tuple[str, str], attributes: Mapping[str, tuple[tuple[str, ...], str]]) -> Intersection:
    (first, reference), (second, other) = (attributes[name] for name in of)
    pairs = product(
        (group for group in first if group != reference), (group for group in second if group != other)
    )
    combined = {pair: combination(*pair) for pair in pairs}
    return Intersection(BETWEEN.join(of), of, (reference, other), combined)


def _unfit(intersection: Intersection, others: int) -> str | None:
    """Why the record and Prometheus cannot count by an intersection.

    Args:
        intersection: The intersection.
        others: Number of groups of those before it.
    """
    groups = intersection.groups
    longest = max((intersection.name, *groups), key=len)
    if len(longest) > MOST_CHARACTERS:
        return (
            f"{longest!r} has {len(longest)} characters, and the record keeps names of at most "
            f"{MOST_CHARACTERS}: give the groups shorter names and fit again."
        )
    if len(set(groups)) < len(groups):
        return "Two of its combinations have the same name: give the groups other names and fit again."
    if others + len(groups) > MOST_GROUPS:
        before = f", and the intersections before it {others}" if others else ""
        return (
            f"It has {len(groups)} groups{before}; at most {MOST_GROUPS} are counted: take rare groups "
            "together and fit again."
        )
    return None
