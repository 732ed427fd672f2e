"""Reads the rows that each record adds to the rates, in the order of the chain.

A row counts for ``demographic_parity`` once its group is known, and for the rates of one label once its true
label is known too. It counts with the record that completes it, so that no row counts twice and none is
missed. The order of the chain decides what was known when, not the current tables, so a second read gives the
same rows.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pydantic_core import from_json
from sqlalchemy import Connection, select

from evenhand.models.bundle.aims import Aim
from evenhand.models.bundle.intersections import groups_of_row, recorded
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.pseudonyms import declared_groups
from evenhand.service.audit.tables import configurations, records
from evenhand.service.monitoring.sequential.evidence import METRICS, Seen, planned, tested_gap

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
class _Subject:
    """Group and label of one decision, and the records from which on they are known."""

    groups: dict[str, int] = field(default_factory=dict)
    """By attribute."""
    good: bool | None = None
    """Whether its true label is favourable; ``None`` if it is not known."""
    label_seq: int = 0
    """0 if it came with the decision."""


class Reader:
    """Reads rows with declared groups from the record.

    Args:
        keys: Make the pseudonyms under which groups are stored.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._configurations: dict[str, dict[str, Any]] = {}

    def after(self, connection: Connection, seq: int, most: int) -> tuple[int, list[Reading]]:
        """Read the next records.

        Args:
            connection: To the record's database.
            seq: Number of the last record that was read.
            most: Largest number of records to read.

        Returns:
            Number of the last record read now, and the readings.
        """
        columns = records.c
        query = select(columns.seq, columns.id, columns.kind, columns.at_ms, columns.subject, columns.body)
        rows = connection.execute(query.where(columns.seq > seq).order_by(columns.seq).limit(most))
        batch = [_Record(*row) for row in rows]
        if not batch:
            return seq, []
        decisions = {one.id: _body(one.body) for one in batch if one.kind == "decision"}
        at_ms = {one.id: one.at_ms for one in batch}
        about = self._subjects(connection, batch, decisions, at_ms)
        self._learn_configurations(connection, decisions.values())
        groups = declared_groups(connection, self._keys, {name: at_ms[name] for name in about})
        readings = []
        for one in batch:
            subject = one.id if one.kind == "decision" else one.subject
            decision = decisions.get(subject or "")
            if subject in about and decision:
                readings += list(self._readings(one, decision, about[subject], groups.get(subject, {})))
        return batch[-1].seq, readings

    def _subjects(
        self,
        connection: Connection,
        batch: Sequence[_Record],
        decisions: dict[str, dict[str, Any]],
        at_ms: dict[str, int],
    ) -> dict[str, _Subject]:
        """Groups and labels of the decisions of these records; adds decisions that are missing."""
        subjects = {one.subject for one in batch if one.kind in LATER and one.subject}
        columns = records.c
        missing = subjects - decisions.keys()
        if missing:
            query = select(columns.id, columns.at_ms, columns.body).where(
                columns.id.in_(missing), columns.kind == "decision"
            )
            for name, moment, body in connection.execute(query):
                decisions[name], at_ms[name] = _body(body), moment
        by_decision: dict[str, _Subject] = defaultdict(_Subject)
        for name, decision in decisions.items():
            for attribute in decision.get("declared", ()) if decision.get("error") is None else ():
                by_decision[name].groups[attribute] = 0
            if (truth := decision.get("truth")) is not None:  # one made elsewhere may know it at once
                by_decision[name].good = truth["favourable"]
        if subjects:
            about_them = select(columns.seq, columns.kind, columns.subject, columns.body).where(
                columns.subject.in_(subjects)
            )
            later = about_them.where(columns.kind.in_(LATER)).order_by(columns.seq)
            for seq, kind, subject, text in connection.execute(later):
                body, about = _body(text), by_decision[str(subject)]
                for attribute in body.get("attributes", ()) if kind == "groups" else ():
                    about.groups.setdefault(attribute, seq)
                if kind == "label" and about.good is None:
                    about.good, about.label_seq = body.get("favourable"), seq
        return {name: about for name, about in by_decision.items() if about.groups}

    def _learn_configurations(self, connection: Connection, decisions: Iterable[dict[str, Any]]) -> None:
        named = {decision["configuration"] for decision in decisions if "configuration" in decision}
        if missing := named - self._configurations.keys():
            query = select(configurations).where(configurations.c.sha256.in_(missing))
            for sha256, body in connection.execute(query):
                self._configurations[sha256] = from_json(body)

    def _readings(
        self, record: _Record, decision: dict[str, Any], about: _Subject, groups: dict[str, str]
    ) -> Iterator[Reading]:
        """The rows that one record adds."""
        configuration = self._configurations.get(decision.get("configuration", ""))
        if configuration is None or record.kind not in ("decision", *LATER):
            return
        listed = _listed(configuration)
        comparisons = planned(len(groups_of) for groups_of, _ in listed.values())
        since = 0 if record.kind == "decision" else record.seq
        stated = _stated(configuration)
        for attribute, (group, from_seq) in sorted(_counted(configuration, about, groups).items()):
            if attribute not in listed or group not in listed[attribute][0]:
                continue
            seen = Seen(
                attribute=attribute,
                groups=listed[attribute][0],
                reference=listed[attribute][1],
                planned=comparisons,
                group=group,
                favourable=decision["final"]["favourable"],
                day=record.at_ms / DAY_MS,
            )
            if from_seq == since:
                yield decision["model"], PARITY, _tested(seen, stated, PARITY)
            if about.good is not None and max(from_seq, about.label_seq) == since:
                metric = TRUE_POSITIVES if about.good else FALSE_POSITIVES
                yield decision["model"], metric, _tested(seen, stated, metric)


def _listed(configuration: dict[str, Any]) -> dict[str, tuple[tuple[str, ...], str]]:
    """Groups and reference of every attribute and intersection that decisions are counted by."""
    of = {
        name: (tuple(each["groups"]), each["reference"]) for name, each in configuration["attributes"].items()
    }
    return {**of, **{each.name: (each.groups, each.reference) for each in recorded(configuration)}}


def _counted(
    configuration: dict[str, Any], about: _Subject, groups: dict[str, str]
) -> dict[str, tuple[str, int]]:
    """The decision's groups, and from which record on each is known.

    That of an intersection is known once those of both of its attributes are.
    """
    counted = {name: (group, about.groups[name]) for name, group in groups.items() if name in about.groups}
    declared = {name: group for name, (group, _) in counted.items()}
    intersections = recorded(configuration)
    crossed = groups_of_row(intersections, declared)
    seqs = {
        each.name: max(about.groups[name] for name in each.of)
        for each in intersections
        if each.name in crossed
    }
    return {**counted, **{name: (group, seqs[name]) for name, group in crossed.items()}}


def _stated(configuration: dict[str, Any]) -> dict[str, Aim]:
    """The target with the limits that the bundle states, by attribute."""
    return {
        of["attribute"]: Aim(of["measure"], of["limit"], "bundle")
        for of in configuration.get("target", {}).get("attributes", ())
    }


def _tested(seen: Seen, stated: dict[str, Aim], metric: str) -> Seen:
    gap = tested_gap(stated.get(seen.attribute), metric)
    return seen if gap is None else seen._replace(gap=gap)


def _body(text: str | None) -> dict[str, Any]:
    """A record's body; empty if it was erased or cannot be read, so that later records are still read."""
    try:
        body = from_json(text) if text else {}
    except ValueError:
        log.warning("a record's body is no JSON and is left out of the evidence; run: evenhand audit verify")
        return {}
    return body if isinstance(body, dict) else {}
