"""What is counted per hour from decisions and their true labels. Pure functions.

A decision is counted once per attribute: under its declared group, or under the detector's flag where none
was declared. A group that is declared later moves it to the declared ones; a true label is counted where its
decision is. An intersection that the target names counts the decisions whose two groups are both
declared, and no others. An abstained decision counts under the model's own answer, and once more under
sources of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evenhand.models.bundle.intersections import groups_of_row
from evenhand.models.bundle.manifest import UNKNOWN_GROUP
from evenhand.service.audit.events import AnsweredRows, p_favourable
from evenhand.service.types import Decision, counted_under
from evenhand.tables.cells import spelled

BINS = 10
NO_BIN = -1
"""Stands for the tenth of a probability that is not known: decisions made elsewhere may come without."""
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
SUMS = {"hourly_decisions": 1, "hourly_outcomes": 1, "hourly_risk": 2}
"""How many sums the hourly tables keep beside the number."""
WITHHELD = {"declared": "declared, abstained", "inferred": "inferred, abstained"}
"""Sources of ``hourly_decisions`` that hold the abstained decisions of another source again."""
ON_ACCOUNT = "abstained"
"""The source that holds each abstained decision once: under the attribute that made it abstain."""
ALL = "all"

Key = tuple[str | int, ...]
Cells = dict[str, dict[Key, list[float]]]
"""By table, by key in the order of the table's columns: how many, and their sums."""


def tenth(share: float) -> int:
    """Which tenth of 0 to 1, from 0 to 9."""
    return min(BINS - 1, int(BINS * share))


def listed(groups: Iterable[str], group: str) -> str:
    """A group as it is counted, spelled as the model does: one that it does not list is unknown."""
    return spelled(groups, group) or UNKNOWN_GROUP


def add(cells: Cells, table: str, key: Key, *sums: float, rows: int = 1) -> None:
    """Count one more in a cell; or one less, where ``rows`` and the sums are negative."""
    of_table = cells.setdefault(table, {})
    if (cell := of_table.get(key)) is None:
        of_table[key] = [rows, *sums]
        return
    cell[0] += rows
    for place, value in enumerate(sums, 1):
        cell[place] += value


def rows_of(cells: Cells) -> dict[str, list[list[Any]]]:
    """Cells as rows of their tables."""
    return {table: [[*key, *totals] for key, totals in rows.items()] for table, rows in cells.items()}


def merge(cells: Cells, table: str, rows: list[list[Any]]) -> None:
    """Add the rows of :func:`rows_of` to cells."""
    places = 1 + SUMS[table]
    for row in rows:
        key, totals = tuple(row[:-places]), row[-places:]
        cell = cells.setdefault(table, {}).setdefault(key, [0] * places)
        cell[:] = [before + more for before, more in zip(cell, totals, strict=True)]


def count(cells: Cells, batch: AnsweredRows) -> None:
    """Count the decisions of a batch; a row that ended with an error does not count."""
    hour = batch.at_ms // HOUR_MS
    manifest = batch.manifest
    groups_of = {attribute.name: attribute.groups for attribute in manifest.attributes}
    intersections = manifest.intersections
    for row in batch.rows:
        decision = row.result
        if not isinstance(decision, Decision):
            continue
        p = p_favourable(decision, manifest)
        base, final = int(decision.base.favourable), int(decision.final.favourable)
        if decision.abstained is not None:
            once = (hour, manifest.name, decision.abstained, ALL, ON_ACCOUNT, base, final, tenth(p))
            add(cells, "hourly_decisions", once, p)
        declared = {name: listed(groups_of[name], group) for name, group in row.declared.items()}
        counted = [
            (name, group, "declared") for name, group in groups_of_row(intersections, declared).items()
        ]
        for verdict in decision.verdicts:
            name, risk = verdict.attribute, verdict.risk
            counted.append((name, *counted_under(declared.get(name), verdict.flagged)))
            of_risk = (hour, manifest.name, name, base, final, tenth(risk))
            add(cells, "hourly_risk", of_risk, risk, risk * risk)
        for name, group, source in counted:
            for each in sources(source, decision.abstained):
                key = (hour, manifest.name, name, group, each, base, final, tenth(p))
                add(cells, "hourly_decisions", key, p)


def sources(source: str, abstained: str | None) -> tuple[str, ...]:
    """The sources under which a decision counts: its own, and if it abstained the abstained ones, too."""
    return (source,) if abstained is None else (source, WITHHELD[source])
