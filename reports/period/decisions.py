"""Decisions of a period as columns of small numbers: a million of them in a few tens of megabytes.

Read in batches, so that no more than one batch of records is ever in memory as text.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pydantic_core import from_json
from sqlalchemy import Connection, Row, and_, func, select

from evenhand.console import track
from evenhand.models.bundle.manifest import UNKNOWN_GROUP
from evenhand.reports.period.slices import Bools, Feature
from evenhand.reports.period.source import HOUR_MS, ReportPeriod
from evenhand.service.audit import tables
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.pseudonyms import declared_groups

BATCH_ROWS = 5_000
HOURS_TOGETHER = 3
SCORE = "score of the answer"
NO_LABEL = -1
Record = Row[Any]
Plain = dict[str, Any]


@dataclass
class Column:
    """One value per row, as its number in the order of appearance."""

    numbers: dict[str, int] = field(default_factory=dict)
    codes: array[int] = field(default_factory=lambda: array("h"))

    def add(self, value: str) -> None:
        """Append a row."""
        self.codes.append(self.numbers.setdefault(value, len(self.numbers)))

    def feature(self, name: str) -> Feature:
        """As rows can be sliced by it."""
        return Feature(name, list(self.numbers), np.frombuffer(self.codes, np.int16).copy())


@dataclass
class Decisions:
    """A model's recorded decisions in a period."""

    ids: list[str]
    """Only where the caller asked for them."""
    columns: dict[str, Column]
    """Facts of each answered row."""
    groups: dict[str, Column]
    """Declared group per attribute, or ``unknown``."""
    good: array[int]
    """1 where the served answer is favourable."""
    wrong: array[int]
    """1 where the served answer is not the true label, 0 where it is, -1 where no label is known."""
    delays_ms: array[int]
    """From decision to label, of the labelled rows."""
    configurations: Counter[str]
    """Rows by the hash of the configuration that decided."""
    failed: int = 0
    """Rows that ended with an error: no answer."""
    erased: int = 0
    """Records of any model whose body was erased; the body named the model."""
    not_held: Counter[str] = field(default_factory=Counter)
    """Rows per attribute whose declared group is no longer kept, or cannot be looked up without the key."""

    @property
    def rows(self) -> int:
        """Answered rows."""
        return len(self.good)

    def unfavourable(self) -> Bools:
        """``(rows,)``."""
        unfavourable: Bools = np.frombuffer(self.good, np.int8) == 0
        return unfavourable

    def labelled(self) -> Bools:
        """``(rows,)`` whether the true label is known."""
        labelled: Bools = np.frombuffer(self.wrong, np.int8) != NO_LABEL
        return labelled

    def errors(self) -> Bools:
        """``(rows,)`` whether the answer is known to be wrong."""
        errors: Bools = np.frombuffer(self.wrong, np.int8) == 1
        return errors

    def modes(self, attribute: str) -> dict[str, int]:
        """Rows by the mode that answered them."""
        column = self.columns.get(f"mode for {attribute}", Column())
        counts = Counter(column.codes)
        return {name: counts[number] for name, number in column.numbers.items()}

    def last_mode(self, attribute: str) -> str:
        """The mode that answered the last row."""
        column = self.columns.get(f"mode for {attribute}")
        return list(column.numbers)[column.codes[-1]] if column else "unknown"

    def features(self) -> list[Feature]:
        """The features by which rows can be sliced."""
        facts = [column.feature(name) for name, column in self.columns.items()]
        return facts + [column.feature(f"declared {name}") for name, column in self.groups.items()]


@dataclass(frozen=True)
class DecisionQuery:
    """Which decisions, and what of them."""

    model: str
    period: ReportPeriod
    attributes: Sequence[str]
    keys: Keys | None
    """None where declared groups are not to be read."""
    ids: bool
    """Whether to keep the decisions' ids."""


def read_decisions(connection: Connection, query: DecisionQuery) -> Decisions:
    """Read the decisions of a period.

    Args:
        connection: To the record's database.
        query: Which ones.
    """
    decisions = Decisions(
        [], {}, {name: Column() for name in query.attributes}, array("b"), array("b"), array("q"), Counter()
    )
    for batch in _batches(connection, query.period):
        bodies = [(row, from_json(row.body)) for row in batch if row.body is not None]
        decisions.erased += len(batch) - len(bodies)
        ours = [(row, body) for row, body in bodies if body["model"] == query.model]
        answered = [(row, body) for row, body in ours if body["error"] is None]
        decisions.failed += len(ours) - len(answered)
        held = {}
        if query.keys is not None:
            held = declared_groups(connection, query.keys, {row.id: row.at_ms for row, _ in answered})
        for row, body in answered:
            _take(decisions, query, row, body)
            _take_groups(decisions, body["declared"], held.get(row.id, {}))
    return decisions


def _batches(connection: Connection, period: ReportPeriod) -> Iterator[Sequence[Record]]:
    """Decisions with their labels, in the order of the chain, one batch at a time."""
    records, labels = tables.records.c, tables.labels.c
    inside = and_(records.at_ms >= period.from_ms, records.at_ms < period.to_ms)
    first, last, total = connection.execute(
        select(func.min(records.seq), func.max(records.seq), func.count()).where(inside)
    ).one()
    columns = [
        records.seq,
        records.id,
        records.at_ms,
        records.body,
        labels.label,
        labels.at_ms.label("label_at_ms"),
    ]
    statement = (
        select(*columns)
        .select_from(tables.records.outerjoin(tables.labels, labels.decision == records.id))
        .where(inside, records.kind == "decision")
        .order_by(records.seq)
        .limit(BATCH_ROWS)
    )
    after = (first or 0) - 1
    for _ in track(range(-(-total // BATCH_ROWS) + 1), -(-total // BATCH_ROWS), "reading decisions"):
        batch = connection.execute(statement.where(records.seq > after, records.seq <= (last or 0))).all()
        if not batch:
            return
        after = batch[-1].seq
        yield batch


def _take(decisions: Decisions, query: DecisionQuery, row: Record, body: Plain) -> None:
    """Append one answered row."""
    final = body["final"]
    decisions.good.append(final["favourable"])
    decisions.wrong.append(NO_LABEL if row.label is None else row.label != final["label"])
    if row.label is not None:
        decisions.delays_ms.append(max(0, row.label_at_ms - row.at_ms))
    decisions.configurations[body["configuration"]] += 1
    if query.ids:
        decisions.ids.append(row.id)
    hour = row.at_ms // HOUR_MS % 24 // HOURS_TOGETHER * HOURS_TOGETHER
    _add(decisions, "version", body["version"])
    _add(decisions, "hour of day (UTC)", f"{hour:02d} to {hour + HOURS_TOGETHER:02d}")
    _add(decisions, SCORE, _tenth(final["score"]))
    _add(decisions, "corrected", "yes" if body["corrected"] else "no")
    _add(decisions, "abstained", "yes" if body.get("abstained") else "no")
    for attribute in query.attributes:
        _add(decisions, f"flagged for {attribute}", "yes" if attribute in body["flagged"] else "no")
        _add(decisions, f"mode for {attribute}", body["mode"].get(attribute, "none"))


def _add(decisions: Decisions, name: str, value: str) -> None:
    column = decisions.columns.get(name)
    if column is None:
        column = decisions.columns[name] = Column()
    column.add(value)


def _tenth(score: float | None) -> str:
    if score is None:
        return "none"
    tenth = min(9, int(score * 10))
    return f"{tenth / 10:.1f} to {(tenth + 1) / 10:.1f}"


def _take_groups(decisions: Decisions, declared: Sequence[str], held: dict[str, str]) -> None:
    for attribute, column in decisions.groups.items():
        group = held.get(attribute)
        if group is None and attribute in declared:
            decisions.not_held[attribute] += 1
        column.add(group or UNKNOWN_GROUP)
