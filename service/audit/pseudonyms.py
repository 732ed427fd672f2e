"""What is kept under pseudonyms: declared groups by decision, and decisions by a caller's own id.

The record keeps no own id, for it may name a person: it keeps a keyed pseudonym, in the decision's body,
which the chain covers, and in the table ``own_ids``, by which decisions are looked up. Erasing a decision
removes both. Several decisions may have one own id, where a caller sent it again. Then it means the newest of
them, of each model; to erase, it means all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from evenhand.service.audit.aggregates import DAY_MS
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.tables import attributes, own_ids


@dataclass(frozen=True, slots=True)
class Named:
    """The decision of one model that an own id means."""

    decision: str
    """The newest one."""
    model: str
    decisions: int
    """How many decisions of the model have this own id."""


def newest(connection: Connection, keys: Keys, names: Collection[str]) -> dict[str, list[Named]]:
    """The decisions that own ids mean.

    Args:
        connection: Reads the record; it must have been brought to this version.
        keys: Of the record.
        names: Own ids; a few hundred at most.

    Returns:
        By own id one decision of each model that has decided under it, by name of the model. Own ids that
        name no decision are left out.
    """
    pseudonyms = {name: keys.own_id(name) for name in names}
    query = (
        select(own_ids.c.pseudonym, own_ids.c.model, func.max(own_ids.c.decision), func.count())
        .where(own_ids.c.pseudonym.in_(set(pseudonyms.values())))
        .group_by(own_ids.c.pseudonym, own_ids.c.model)
        .order_by(own_ids.c.model)
    )
    meant: dict[str, list[Named]] = {}
    for pseudonym, model, decision, count in connection.execute(query):
        meant.setdefault(pseudonym, []).append(Named(decision, model, count))
    return {name: meant[pseudonym] for name, pseudonym in pseudonyms.items() if pseudonym in meant}


def declared_groups(
    connection: Connection, keys: Keys, at_ms: Mapping[str, int]
) -> dict[str, dict[str, str]]:
    """Declared groups by decision and attribute, as far as they are kept; decisions without any are left out.

    Args:
        connection: Reads the record; it must have been brought to this version.
        keys: Of the record.
        at_ms: When each decision was made, in milliseconds since 1970; a few hundred at most.
    """
    names = dict(zip(keys.pseudonyms(at_ms), at_ms, strict=True))
    kept = attributes.c
    query = select(kept.pseudonym, kept.attribute, kept.group).where(
        kept.day.in_({moment // DAY_MS for moment in at_ms.values()}), kept.pseudonym.in_(names)
    )
    groups = defaultdict[str, dict[str, str]](dict)
    for pseudonym, attribute, group in connection.execute(query) if names else ():
        groups[names[pseudonym]][attribute] = group
    return dict(groups)


def decisions_of(connection: Connection, keys: Keys, names: Collection[str]) -> dict[str, list[str]]:
    """All decisions of own ids, oldest first; those that name none are left out."""
    of: dict[str, list[str]] = {}
    for name in names:
        query = select(own_ids.c.decision).where(own_ids.c.pseudonym == keys.own_id(name))
        if decisions := list(connection.execute(query.order_by(own_ids.c.decision)).scalars()):
            of[name] = decisions
    return of
