"""From the record to evidence: what each record adds to which rate, in the order of the chain.

A row counts for ``demographic_parity`` once its group is known, and for the rates of one label once its true
label is known too; whichever record told the last of it is the moment it counts, so that none counts twice
and none gets lost.
What was known when is read off the chain, never off what the tables say now: reading again finds the same.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic_core import from_json
from sqlalchemy import Connection, select

from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.tables import attributes, configurations, records
from evenhand.service.monitoring.sequential.evidence import METRICS, Seen, planned

log = logging.getLogger(__name__)
DAY_MS = 86_400_000
LATER = ("label", "groups")
PARITY, TRUE_POSITIVES, FALSE_POSITIVES = METRICS

Reading = tuple[str, str, Seen]
"""Model, metric, and the row."""


class _Record(NamedTuple):
    seq: int
    id: str
    kind: str
    at_ms: int
    subject: str | None
    body: str | None


@dataclass(slots=True)
class _Known:
    """What the chain says about one decision, and from which record on."""

    groups: dict[str, int] = field(default_factory=dict)
    """By attribute."""
    good: bool | None = None
    """Whether its true label is favourable."""
    label_seq: int = 0


class Reader:
    """Reads what the record says about declared groups.

    Args:
        keys: Make the pseudonyms under which groups are kept.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._configurations: dict[str, dict[str, Any]] = {}

    def after(self, connection: Connection, seq: int, most: int) -> tuple[int, list[Reading]]:
        """What the next records say.

        Args:
            connection: To the record.
            seq: The last record that was read.
            most: How many records to read at most.

        Returns:
            The last record that was read now, and what they say.
        """
        told = records.c
        asked = select(told.seq, told.id, told.kind, told.at_ms, told.subject, told.body)
        rows = connection.execute(asked.where(told.seq > seq).order_by(told.seq).limit(most))
        found = [_Record(*row) for row in rows]
        if not found:
            return seq, []
        decisions = {one.id: _body(one.body) for one in found if one.kind == "decision"}
        known = self._known(connection, found, decisions)
        self._learn_configurations(connection, decisions.values())
        groups = self._groups(connection, known)
        readings = []
        for one in found:
            subject = one.id if one.kind == "decision" else one.subject
            decision = decisions.get(subject or "")
            if subject in known and decision:
                readings += list(self._say(one, decision, known[subject], groups.get(subject, {})))
        return found[-1].seq, readings

    def _known(
        self, connection: Connection, found: Sequence[_Record], decisions: dict[str, dict[str, Any]]
    ) -> dict[str, _Known]:
        """When what was known about the decisions that these records speak of; adds decisions that are read later."""
        subjects = {one.subject for one in found if one.kind in LATER and one.subject}
        told = records.c
        missing = subjects - decisions.keys()
        if missing:
            asked = select(told.id, told.body).where(told.id.in_(missing), told.kind == "decision")
            decisions |= {name: _body(body) for name, body in connection.execute(asked)}
        known: dict[str, _Known] = defaultdict(_Known)
        for name, decision in decisions.items():
            for attribute in decision.get("declared", ()) if decision.get("error") is None else ():
                known[name].groups[attribute] = 0
        if subjects:
            about_them = select(told.seq, told.kind, told.subject, told.body).where(
                told.subject.in_(subjects)
            )
            later = about_them.where(told.kind.in_(LATER)).order_by(told.seq)
            for seq, kind, subject, text in connection.execute(later):
                body, about = _body(text), known[str(subject)]
                for attribute in body.get("attributes", ()) if kind == "groups" else ():
                    about.groups.setdefault(attribute, seq)
                if kind == "label" and about.good is None:
                    about.good, about.label_seq = body.get("favourable"), seq
        return {name: about for name, about in known.items() if about.groups}

    def _learn_configurations(self, connection: Connection, decisions: Iterable[dict[str, Any]]) -> None:
        named = {decision["configuration"] for decision in decisions if "configuration" in decision}
        if missing := named - self._configurations.keys():
            asked = select(configurations).where(configurations.c.sha256.in_(missing))
            for sha256, body in connection.execute(asked):
                self._configurations[sha256] = from_json(body)

    def _groups(self, connection: Connection, known: dict[str, _Known]) -> dict[str, dict[str, str]]:
        """Declared groups by decision and attribute; those that were erased are not there."""
        names = {self._keys.pseudonym(name): name for name in known}
        asked = select(attributes.c.pseudonym, attributes.c.attribute, attributes.c.group)
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for pseudonym, attribute, group in connection.execute(asked.where(attributes.c.pseudonym.in_(names))):
            found[names[pseudonym]][attribute] = group
        return found

    def _say(
        self, record: _Record, decision: dict[str, Any], known: _Known, groups: dict[str, str]
    ) -> Iterator[Reading]:
        """What one record adds."""
        made_by = self._configurations.get(decision.get("configuration", ""))
        if made_by is None or record.kind not in ("decision", *LATER):
            return
        listed = made_by["attributes"]
        comparisons = planned(len(attribute["groups"]) for attribute in listed.values())
        since = 0 if record.kind == "decision" else record.seq
        for attribute, group in sorted(groups.items()):
            if (
                attribute not in listed
                or group not in listed[attribute]["groups"]
                or attribute not in known.groups
            ):
                continue
            seen = Seen(
                attribute=attribute,
                groups=tuple(listed[attribute]["groups"]),
                reference=listed[attribute]["reference"],
                planned=comparisons,
                group=group,
                favourable=decision["final"]["favourable"],
                day=record.at_ms / DAY_MS,
            )
            from_seq = known.groups[attribute]
            if from_seq == since:
                yield decision["model"], PARITY, seen
            if known.good is not None and since and max(from_seq, known.label_seq) == since:
                yield decision["model"], TRUE_POSITIVES if known.good else FALSE_POSITIVES, seen


def _body(text: str | None) -> dict[str, Any]:
    """A record's body; nothing where it was erased or cannot be read, for that must not stop all that come after."""
    try:
        body = from_json(text) if text else {}
    except ValueError:
        log.warning("a record's body is no JSON and is left out of the evidence; run: evenhand audit verify")
        return {}
    return body if isinstance(body, dict) else {}
