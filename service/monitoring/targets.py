"""The target of one attribute: its figure before and after correction, against its limit. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evenhand.models.bundle.aims import Aim
from evenhand.models.bundle.target import RATES
from evenhand.service.monitoring.disparity import Span, among_of, figures_of, judge, points
from evenhand.service.monitoring.groups import SIDES, Group, LabelCell, LabelKinds, PairCounts, label_cells
from evenhand.stats import percentile_limits
from evenhand.typing import Floats

DRAWS = 1000
IN_WORDS = {
    "worst-cell": "lowest accuracy of a cell",
    "equalized-odds": "gap in true or false positive rates",
    "equal-opportunity": "gap in true positive rates",
    "predictive-equality": "gap in false positive rates",
    "demographic-parity": "gap in favourable answers",
}


def target_of(groups: Sequence[Group], aim: Aim, rows: int, kinds: LabelKinds) -> dict[str, Any]:
    """Evaluate the target over the groups, or cells, that have enough rows.

    Args:
        groups: Declared groups of the attribute.
        aim: The measure and its limit.
        rows: Smallest number of rows.
        kinds: What true labels are called.

    Returns:
        ``base`` and ``final`` with limits, their paired ``change``, the verdict on the final one and why;
        ``behind``: see :func:`behind`.
    """
    base, final = (figures_of(aim.figure, groups, side, rows, kinds) for side in SIDES)
    judged = judge(final, aim)
    among = among_of(final, judged)
    return {
        "measure": aim.measure,
        "figure": aim.figure,
        "words": IN_WORDS[aim.measure],
        "limit": aim.limit,
        "limit_from": aim.limit_from,
        "base": among_of(base, judge(base, aim)).facts(),
        "final": among.facts(),
        "change": change_of(groups, aim, rows, kinds).facts(),
        "verdict": judged.state,
        "why": judged.why,
        "groups": list(among.groups),
        "behind": behind(groups, aim, rows, kinds),
    }


def change_of(groups: Sequence[Group], aim: Aim, rows: int, kinds: LabelKinds) -> Span:
    """The figure of the final answers minus that of the base ones, on the same rows.

    Limits are 95 %, by the percentile bootstrap over the rows of each group. Before rows are drawn, one more
    row that the correction mends and one that it breaks are counted, as Bonett and Price do, so that a few
    changed rows are not taken for certain.
    """
    rng = np.random.default_rng(0)
    drawn: list[tuple[Floats, Floats]] = []
    for pairs in _parts(groups, aim, rows, kinds):
        shares = [_draw(each, rng) for each in pairs]
        if len(shares) < (2 if aim.is_gap else 1):
            return Span(None, None, None)
        base, final = (np.stack([share[side] for share in shares]) for side in (0, 1))
        drawn.append((_spread(base, aim), _spread(final, aim)))
    before, after = (np.max([side[place] for side in drawn], axis=0) for place in (0, 1))
    moved = after - before
    low, high = percentile_limits(moved[1:])
    value = float(moved[0])
    return Span(value, min(low, value), max(high, value))


def is_worse(change: Span, aim: Aim) -> bool:
    """Whether the correction surely made the target worse."""
    if change.low is None or change.high is None:
        return False
    return change.low > 0 if aim.is_gap else change.high < 0


def worsening(groups: Sequence[Group], aim: Aim, rows: int, kinds: LabelKinds) -> str | None:
    """A sentence if the correction surely made the target worse."""
    if not is_worse(change_of(groups, aim, rows, kinds), aim):
        return None
    base, final = (among_of(figures_of(aim.figure, groups, side, rows, kinds)).value or 0.0 for side in SIDES)
    unit = "points" if aim.is_gap else "%"
    return f"It made the {IN_WORDS[aim.measure]} worse: {points(base)} {unit} became {points(final)}."


def behind(groups: Sequence[Group], aim: Aim, rows: int, kinds: LabelKinds) -> list[str]:
    """Groups that are surely worse off than the limit allows, each once.

    For a gap, those whose rate of favourable answers is below the highest one's by more than the limit; for
    the worst cell, those with a cell below the limit.
    """
    if aim.limit is None:
        return []
    if not aim.is_gap:
        low = [cell for cell in _enough(label_cells(groups, kinds), rows) if _high(cell.correct) < aim.limit]
        return list(dict.fromkeys(cell.group for cell in low))
    names: list[str] = []
    for rate in RATES[aim.measure]:
        pairs = {group.name: group.pairs(rate) for group in groups if group.pairs(rate).n >= max(1, rows)}
        best = max(((each.rate("final").low or 0.0) for each in pairs.values()), default=0.0)
        names += [name for name, each in pairs.items() if best - _high(each) > aim.limit]
    return list(dict.fromkeys(names))


def _high(pairs: PairCounts) -> float:
    high = pairs.rate("final").high
    return 1.0 if high is None else high


def _enough(cells: Sequence[LabelCell], rows: int) -> list[LabelCell]:
    return [cell for cell in cells if cell.correct.n >= max(1, rows)]


def _parts(groups: Sequence[Group], aim: Aim, rows: int, kinds: LabelKinds) -> list[list[PairCounts]]:
    """By rate, the rows of every group, or cell, with enough of them."""
    if not aim.is_gap:
        return [[cell.correct for cell in _enough(label_cells(groups, kinds), rows)]]
    return [
        [group.pairs(rate) for group in groups if group.pairs(rate).n >= max(1, rows)]
        for rate in RATES[aim.measure]
    ]


def _draw(pairs: PairCounts, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Base and final share ``(1 + draws,)``: of the rows as they are, then of every draw."""
    counts = np.array([pairs.both, pairs.lost, pairs.gained, pairs.neither])
    chances = (counts + np.array([0, 1, 1, 0])) / (pairs.n + 2)
    drawn = np.vstack([counts, rng.multinomial(pairs.n, chances, size=DRAWS)])
    return (drawn[:, 0] + drawn[:, 1]) / pairs.n, (drawn[:, 0] + drawn[:, 2]) / pairs.n


def _spread(shares: Floats, aim: Aim) -> Floats:
    """``(1 + draws,)`` the figure of rates ``(groups, 1 + draws)``."""
    figure: Floats = shares.max(axis=0) - shares.min(axis=0) if aim.is_gap else shares.min(axis=0)
    return figure
