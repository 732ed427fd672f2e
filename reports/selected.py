"""Who was selected, by declared category: what Local Law 144's tables are made of.

Single categories come from the hourly counts, which outlast the record's retention. Intersections need the groups of
each decision, which are kept for a shorter time and found by its pseudonym.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select

from evenhand.models.bundle.manifest import UNKNOWN_GROUP
from evenhand.reports.decisions import Decisions
from evenhand.reports.local_law import Count, categories
from evenhand.reports.period import Period
from evenhand.service.audit.tables import hourly_decisions, hourly_risk

Plain = dict[str, Any]


@dataclass(frozen=True)
class Named:
    """Which attributes are the law's."""

    sex: str | None
    race: str | None


def tables(
    connection: Connection, decisions: Decisions, asked: tuple[str, Period], named: Named, min_rows: int
) -> Plain:
    """The tables that the rule asks for, or those that can be made.

    Args:
        connection: To the record's database.
        decisions: Those of the period.
        asked: Model and period.
        named: Which attributes are sex, and race or ethnicity; without any, every attribute gets a table.
        min_rows: Fewer rows give no verdict.
    """
    kinds = {"sex": named.sex, "race or ethnicity": named.race}
    known = {kind: name for kind, name in kinds.items() if name}
    single = known or {name: name for name in decisions.groups}
    found = [
        categories(
            f"{kind}" if kind == name else f"{kind} (attribute {name})", *_counted(connection, asked, name), min_rows
        )
        for kind, name in single.items()
    ]
    joint = None
    if named.sex and named.race:
        title = f"sex and race or ethnicity (attributes {named.sex} and {named.race})"
        joint = categories(title, *_joint(decisions, (named.sex, named.race)), min_rows)
    return {
        "named": asdict(named),
        "tables": [asdict(table) for table in found],
        "intersections": None if joint is None else asdict(joint),
        "not_held": {name: decisions.not_held[name] for name in known.values()},
    }


def _counted(connection: Connection, asked: tuple[str, Period], attribute: str) -> tuple[dict[str, Count], int]:
    """Individuals by declared group, and how many have none that is known."""
    model, period = asked
    c, risk = hourly_decisions.c, hourly_risk.c
    wanted = (c.model == model, c.attribute == attribute, c.hour >= period.hours.start, c.hour < period.hours.stop)
    query = (
        select(c.group, func.sum(c.n), func.sum(c.n * c.final))
        .where(*wanted, c.source == "declared", c.group != UNKNOWN_GROUP)
        .group_by(c.group)
        .order_by(c.group)
    )
    counts = {group: Count(int(n), int(selected)) for group, n, selected in connection.execute(query)}
    everyone = (risk.model == model, risk.attribute == attribute)
    inside = (risk.hour >= period.hours.start, risk.hour < period.hours.stop)
    total = connection.execute(select(func.sum(risk.n)).where(*everyone, *inside)).scalar() or 0
    return counts, int(total) - sum(count.n for count in counts.values())


def _joint(decisions: Decisions, attributes: Sequence[str]) -> tuple[dict[str, Count], int]:
    first, second = (decisions.groups[name].feature(name) for name in attributes)
    good = ~decisions.unfavourable()
    counts, known = {}, 0
    for a, one in enumerate(first.values):
        for b, other in enumerate(second.values):
            inside = (first.codes == a) & (second.codes == b)
            if UNKNOWN_GROUP not in (one, other) and inside.any():
                counts[f"{one}, {other}"] = Count(int(inside.sum()), int(good[inside].sum()))
                known += int(inside.sum())
    return dict(sorted(counts.items())), int(np.size(good)) - known
