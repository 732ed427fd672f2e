"""Integrity of the part of the chain with a period's records."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, func, select

from evenhand.console import track
from evenhand.reports.period.source import ReportPeriod
from evenhand.service.audit import checkpoints
from evenhand.service.audit.maintenance.checker import Bounds, Checker, Report
from evenhand.service.audit.maintenance.tampering import Place
from evenhand.service.audit.maintenance.verify import bounds_of, snapshot, stream
from evenhand.service.audit.tables import configurations, records

Plain = dict[str, Any]


def integrity(engine: Engine, period: ReportPeriod) -> Plain:
    """Check the chain from the first of a period's records to the last.

    Returns:
        ``state`` (``holds``, ``does not hold``, ``no records``), a ``sentence``, and the ``findings``.
    """
    with snapshot(engine) as connection:
        first, last = _ends(connection, period)
        if first is None or last is None:
            sentence = (
                "The records of this time were deleted, as their retention says; only hourly counts are left."
            )
            return {"state": "no records", "sentence": sentence, "findings": []}
        report = _check(connection, first, last)
    part = f"records {report.first:,} to {report.last:,}"
    if report.findings:
        number = len(report.findings) + report.more
        sentence = (
            f"The record does not hold: {number} finding{'' if number == 1 else 's'} in {part}, the first: "
            f"{report.findings[0]}. Do not rely on figures of single decisions before this is explained; "
            "`evenhand audit verify` names every one."
        )
    else:
        signed = (
            f"signed checkpoints in it ({report.held}) agree"
            if report.held
            else "no signed checkpoint is in it"
        )
        sentence = f"The record of this time holds: {part} are one unbroken chain, and {signed}."
    return {
        "state": "does not hold" if report.findings else "holds",
        "sentence": sentence,
        "findings": [str(finding) for finding in report.findings],
    }


def _ends(connection: Connection, period: ReportPeriod) -> tuple[int | None, int | None]:
    inside = (records.c.at_ms >= period.from_ms, records.c.at_ms < period.to_ms)
    first, last = connection.execute(
        select(func.min(records.c.seq), func.max(records.c.seq)).where(*inside)
    ).one()
    return first, last


def _check(connection: Connection, first: int, last: int) -> Report:
    whole = bounds_of(connection)
    links = dict(
        connection.execute(
            select(records.c.seq, records.c.link).where(records.c.seq.in_([first - 1, last]))
        ).all()
    )
    before = whole.before if first - 1 <= whole.before.seq else Place(first - 1, links.get(first - 1, b""))
    bounds = Bounds(before, Place(last, links[last]), pruned=False, later=last < whole.head.seq)
    signed = [each for each in checkpoints.stored(connection) if first <= each.seq <= last]
    bodies = {row.sha256: row.body for row in connection.execute(select(configurations))}
    checker = Checker(bounds, signed, frozenset(), bodies)
    for record in track(stream(connection, first, last), last - first + 1, "checking the chain"):
        checker.take(record)
    return checker.end()
