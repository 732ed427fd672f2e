"""Selection rates and impact ratios of New York City's Local Law 144 of 2021 (6 RCNY 5-300 to 5-303).

- *Selection rate* (5-300): of the individuals in a category, the share that the tool selects; here, that it
  answers with a favourable label.
- *Impact ratio* (5-300): a category's selection rate over that of the most selected category.
- 5-301(b): by sex, by race or ethnicity, and by their intersections; how many individuals are of unknown
  category.
- 5-301(d): a category under 2 % of the data may be left out of impact ratios; its number and rate are still
  reported.

Single categories come from the hourly counts, which outlast the record's retention. Intersections need the
groups of each decision, which are kept for a shorter time and looked up by its pseudonym.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp, sqrt
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select

from evenhand.models.bundle.manifest import UNKNOWN_GROUP
from evenhand.reports.period.decisions import DecisionQuery, Decisions
from evenhand.service.audit.tables import hourly_decisions, hourly_risk
from evenhand.service.monitoring.disparity import BREACH, INSUFFICIENT, NO_EVIDENCE
from evenhand.stats import Z95, Rate

Plain = dict[str, Any]
SMALL_SHARE = 0.02
FOUR_FIFTHS = 0.8


@dataclass(frozen=True)
class Count:
    """Individuals of one category."""

    n: int
    selected: int


@dataclass(frozen=True)
class Ratio:
    """A category's selection rate over the most selected category's, with a 95 % interval if there is one."""

    value: float
    low: float | None
    high: float | None
    verdict: str
    """Whether the whole interval is below four fifths (29 CFR 1607.4 D); the law itself sets no limit."""


@dataclass(frozen=True)
class CategoryRates:
    """One category."""

    category: str
    share: float
    """Of the individuals whose category is known."""
    selection_rate: Rate
    ratio: Ratio | None
    """None for a category that is left out, and where no category is ever selected."""
    small: bool
    """Under 2 % of the data, and left out of the ratios."""
    ratio_with_small: float | None
    """What its ratio would be if no category were left out."""


@dataclass(frozen=True)
class Categories:
    """One of the tables that the rule asks for."""

    title: str
    lines: Sequence[CategoryRates]
    unknown: int
    """Individuals of unknown category, in none of the lines."""


def categories(title: str, counts: Mapping[str, Count], unknown: int, min_rows: int) -> Categories:
    """Selection rates and impact ratios.

    Args:
        title: What the categories are.
        counts: Individuals by category.
        unknown: Individuals of unknown category.
        min_rows: A category with fewer, or compared with one of fewer, gets no verdict.
    """
    individuals = sum(count.n for count in counts.values())
    present = {name: count for name, count in counts.items() if count.n}
    large = {name: count for name, count in present.items() if count.n >= SMALL_SHARE * individuals}
    best, best_of_all = _most_selected(large), _most_selected(present)
    lines = [
        CategoryRates(
            name,
            count.n / individuals,
            Rate.of_counts(count.selected, count.n),
            _ratio(count, best, min_rows) if name in large else None,
            name not in large,
            _share(count) / _share(best_of_all) if best_of_all else None,
        )
        for name, count in present.items()
    ]
    return Categories(title, lines, unknown)


def _share(count: Count) -> float:
    return count.selected / count.n


def _most_selected(counts: Mapping[str, Count]) -> Count | None:
    best = max(counts.values(), key=_share, default=None)
    return best if best and best.selected else None


def _ratio(count: Count, best: Count | None, min_rows: int) -> Ratio | None:
    """Interval: Katz et al. 1978, on the logarithm; none for the best category, or one never selected."""
    if best is None:
        return None
    value = _share(count) / _share(best)
    if min(count.n, best.n) < min_rows:
        verdict = INSUFFICIENT
    else:
        upper = _upper(count, best)
        verdict = BREACH if upper < FOUR_FIFTHS else NO_EVIDENCE
    if count is best or count.selected == 0:
        return Ratio(value, None, None, verdict)
    spread = exp(Z95 * _spread(count, best))
    return Ratio(value, value / spread, value * spread, verdict)


def _spread(count: Count, best: Count) -> float:
    return sqrt(1 / count.selected - 1 / count.n + 1 / best.selected - 1 / best.n)


def _upper(count: Count, best: Count) -> float:
    """Upper limit of the ratio; of a category never selected, Wilson's limit over the best's lower one."""
    if count.selected:
        return _share(count) / _share(best) * exp(Z95 * _spread(count, best))
    rate, highest = Rate.of_counts(0, count.n), Rate.of_counts(best.selected, best.n)
    assert rate.high is not None
    assert highest.low is not None
    return rate.high / highest.low


@dataclass(frozen=True)
class LawAttributes:
    """Which attributes are the law's."""

    sex: str | None
    race: str | None


def law_tables(
    connection: Connection, decisions: Decisions, query: DecisionQuery, law: LawAttributes, min_rows: int
) -> Plain:
    """The tables that the rule asks for, or those that can be made.

    Args:
        connection: To the record's database.
        decisions: Those of the period.
        query: What they were read by: model and period.
        law: Which attributes are sex, and race or ethnicity; without any, every attribute gets a table.
        min_rows: Fewer rows give no verdict.
    """
    named = {kind: name for kind, name in (("sex", law.sex), ("race or ethnicity", law.race)) if name}
    kinds = named or {name: name for name in decisions.groups}
    tables = [
        categories(
            kind if kind == name else f"{kind} (attribute {name})",
            *_counted(connection, query, name),
            min_rows,
        )
        for kind, name in kinds.items()
    ]
    joint = None
    if law.sex and law.race:
        title = f"sex and race or ethnicity (attributes {law.sex} and {law.race})"
        joint = categories(title, *_joint(decisions, (law.sex, law.race)), min_rows)
    return {
        "named": asdict(law),
        "tables": [asdict(table) for table in tables],
        "intersections": None if joint is None else asdict(joint),
        "not_held": {name: decisions.not_held[name] for name in named.values()},
    }


def _counted(connection: Connection, query: DecisionQuery, attribute: str) -> tuple[dict[str, Count], int]:
    """Individuals by declared group, and how many are of unknown group."""
    hours = query.period.hours
    c, risk = hourly_decisions.c, hourly_risk.c
    ours = (c.model == query.model, c.attribute == attribute, c.hour >= hours.start, c.hour < hours.stop)
    statement = (
        select(c.group, func.sum(c.n), func.sum(c.n * c.final))
        .where(*ours, c.source == "declared", c.group != UNKNOWN_GROUP)
        .group_by(c.group)
        .order_by(c.group)
    )
    counts = {group: Count(int(n), int(selected)) for group, n, selected in connection.execute(statement)}
    everyone = (risk.model == query.model, risk.attribute == attribute)
    inside = (risk.hour >= hours.start, risk.hour < hours.stop)
    total = connection.execute(select(func.sum(risk.n)).where(*everyone, *inside)).scalar() or 0
    return counts, int(total) - sum(count.n for count in counts.values())


def _joint(decisions: Decisions, attributes: Sequence[str]) -> tuple[dict[str, Count], int]:
    first, second = (decisions.groups[name].feature(name) for name in attributes)
    good = ~decisions.unfavourable()
    counts, total = {}, 0
    for a, one in enumerate(first.values):
        for b, other in enumerate(second.values):
            inside = (first.codes == a) & (second.codes == b)
            if UNKNOWN_GROUP not in (one, other) and inside.any():
                counts[f"{one}, {other}"] = Count(int(inside.sum()), int(good[inside].sum()))
                total += int(inside.sum())
    return dict(sorted(counts.items())), int(np.size(good)) - total
