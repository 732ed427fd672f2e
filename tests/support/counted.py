"""Rows to the cells that the record counts them in."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from evenhand.service.monitoring.cells import Cells, Decided, Labelled


@dataclass(frozen=True)
class Answered:
    """One row of one attribute."""

    group: str
    base: bool
    final: bool
    label: bool | None = None
    score: float = 0.5


def cells_of(rows: Sequence[Answered], attribute: str = "sex", source: str = "declared") -> Cells:
    decided = Counter((row.group, row.base, row.final, min(9, int(10 * row.score))) for row in rows)
    labelled = Counter(
        (row.group, row.base, row.final, row.label, min(9, int(10 * row.score)))
        for row in rows
        if row.label is not None
    )
    return Cells(
        [
            Decided(attribute, group, source, base, final, tenth, n, n * (tenth + 0.5) / 10)
            for (group, base, final, tenth), n in decided.items()
        ],
        [
            Labelled(attribute, group, source, base, final, bool(label), tenth, n)
            for (group, base, final, label, tenth), n in labelled.items()
        ],
        [],
    )
