"""Reads the hourly counts of one model's decisions, outcomes and risks from the database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Table, func, select

from evenhand.service.audit.aggregates import NO_BIN, ON_ACCOUNT, WITHHELD
from evenhand.service.audit.tables import hourly_decisions, hourly_outcomes, hourly_risk


@dataclass(frozen=True, slots=True)
class Window:
    """Whole hours since 1970, because rows are counted by hour."""

    first: int
    end: int
    """The first hour after the window."""

    @classmethod
    def last(cls, hours: int, now: datetime) -> Window:
        """The last hours, including the current one."""
        end = _hour(now) + 1
        return cls(end - hours, end)

    @classmethod
    def between(cls, begin: datetime, end: datetime) -> Window:
        """Every hour that lies between the two times, at least in part; at least one."""
        last = _hour(end - timedelta(microseconds=1))
        return cls(_hour(begin), max(last, _hour(begin)) + 1)

    def facts(self) -> dict[str, str | int]:
        """Begin, end and length, for a reply."""
        return {"from": _iso_hour(self.first), "to": _iso_hour(self.end), "hours": self.end - self.first}


@dataclass(frozen=True, slots=True)
class Decided:
    """Count of decisions with the same keys."""

    attribute: str
    group: str
    source: str
    base: bool
    """Whether the base model's answer is favourable."""
    final: bool
    bin: int
    """Tenth of the served probability of a favourable label."""
    n: int
    score: float
    """Sum of these probabilities."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """Count of abstained decisions with the same keys."""

    attribute: str
    group: str
    source: str
    n: int


@dataclass(frozen=True, slots=True)
class Labelled:
    """Count of labelled decisions with the same keys."""

    attribute: str
    group: str
    source: str
    base: bool
    final: bool
    label: bool
    bin: int
    n: int


@dataclass(frozen=True, slots=True)
class Risked:
    """Count of decisions by the tenth of their risk, with or without a declared group."""

    attribute: str
    base: bool
    final: bool
    bin: int
    n: int
    risk: float
    """Sum of the risks."""
    risk_squared: float
    """Sum of their squares."""


@dataclass(frozen=True, slots=True)
class Cells:
    """All counts of one model in one window."""

    decisions: list[Decided]
    outcomes: list[Labelled]
    risks: list[Risked]
    withheld: list[Withheld] = field(default_factory=list)
    """The abstained ones of the decisions, by group."""
    on_account: dict[str, int] = field(default_factory=dict)
    """The abstained decisions, each once, by the attribute for which no decision was given."""

    without_risk: dict[str, int] = field(default_factory=dict)
    """Decisions by attribute that no detector looked at: they were made elsewhere."""

    @property
    def rows(self) -> int:
        """All decisions, each once: every attribute has a risk for every decision, or none."""
        counts = Counter(self.without_risk)
        for cell in self.risks:
            counts[cell.attribute] += cell.n
        return max(counts.values(), default=0)


def read(engine: Engine, model: str, window: Window) -> Cells:
    """Sum the hourly cells of a window.

    Args:
        engine: The record's database.
        model: Its name; all versions together.
        window: The hours.
    """
    with engine.connect() as connection:
        totals_of: list[Any] = []
        for table, keys, sums in (
            (hourly_decisions, "attribute group source base final bin", "n score"),
            (hourly_outcomes, "attribute group source base final label bin", "n"),
            (hourly_risk, "attribute base final bin", "n risk risk_squared"),
        ):
            columns = [table.c[key] for key in keys.split()]
            totals = [func.sum(table.c[name]) for name in sums.split()]
            query = select(*columns, *totals).where(_inside(table, model, window)).group_by(*columns)
            query = query.having(
                totals[0] != 0
            )  # all that was counted here may have moved to declared groups
            totals_of.append(connection.execute(query.order_by(*columns)).all())
    decisions, outcomes, risks = totals_of
    counted = [
        Decided(a, g, s, bool(b), bool(f), k, int(n), float(p)) for a, g, s, b, f, k, n, p in decisions
    ]
    risked = [Risked(a, bool(b), bool(f), k, int(n), float(r), float(q)) for a, b, f, k, n, r, q in risks]
    without_risk = Counter[str]()
    for cell in risked:
        if cell.bin == NO_BIN:
            without_risk[cell.attribute] += cell.n
    return Cells(
        [cell for cell in counted if cell.source in WITHHELD],
        [Labelled(a, g, s, bool(b), bool(f), bool(t), k, int(n)) for a, g, s, b, f, t, k, n in outcomes],
        [cell for cell in risked if cell.bin != NO_BIN],
        [
            Withheld(cell.attribute, cell.group, _OF[cell.source], cell.n)
            for cell in counted
            if cell.source in _OF
        ],
        _on_account(counted),
        dict(without_risk),
    )


_OF = {abstained: source for source, abstained in WITHHELD.items()}


def _on_account(counted: Sequence[Decided]) -> dict[str, int]:
    counts = Counter[str]()
    for cell in counted:
        if cell.source == ON_ACCOUNT:
            counts[cell.attribute] += cell.n
    return dict(counts)


def _inside(table: Table, model: str, window: Window) -> ColumnElement[bool]:
    hour = table.c.hour
    return (table.c.model == model) & (hour >= window.first) & (hour < window.end)


def _hour(moment: datetime) -> int:
    return int(moment.timestamp() // 3600)


def _iso_hour(hour: int) -> str:
    return datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
