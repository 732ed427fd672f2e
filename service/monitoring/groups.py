"""Groups from counts: answers of the base and of the corrected model to the same rows. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from evenhand.models.bundle.manifest import UNKNOWN_GROUP
from evenhand.service.monitoring.cells import Cells, Decided, Labelled
from evenhand.stats import Rate

Side = Literal["base", "final"]
SIDES: tuple[Side, Side] = ("base", "final")
INFERRED = ("unflagged", "flagged")
"""Groups that a detector infers, the reference first."""


@dataclass(frozen=True, slots=True)
class PairCounts:
    """Rows by whether a property is true of the base answer and of the final answer."""

    both: int = 0
    lost: int = 0
    """True of the base answer alone."""
    gained: int = 0
    """True of the final answer alone."""
    neither: int = 0

    @property
    def n(self) -> int:
        """All rows."""
        return self.both + self.lost + self.gained + self.neither

    def rate(self, side: Side) -> Rate:
        """Share of the rows for which it is true on this side."""
        return Rate.of_counts(self.both + (self.lost if side == "base" else self.gained), self.n)

    def opposite(self) -> PairCounts:
        """The same rows by the negated property."""
        return PairCounts(self.neither, self.gained, self.lost, self.both)

    def __add__(self, other: PairCounts) -> PairCounts:
        return PairCounts(
            self.both + other.both,
            self.lost + other.lost,
            self.gained + other.gained,
            self.neither + other.neither,
        )


@dataclass(frozen=True, slots=True)
class Group:
    """One group's rows."""

    name: str
    reference: bool
    answers: PairCounts
    """Every decision, by whether the answer is favourable."""
    positives: PairCounts
    """Rows with a favourable true label, by whether the answer is favourable."""
    negatives: PairCounts
    """Rows with an unfavourable true label, by whether the answer is favourable."""
    decisions: list[Decided] = field(default_factory=list)
    outcomes: list[Labelled] = field(default_factory=list)
    withheld: int = 0
    """Decisions that abstained; ``answers`` includes them."""

    @property
    def correct(self) -> PairCounts:
        """Labelled rows, by whether the answer is correct."""
        return self.positives + self.negatives.opposite()

    @property
    def abstained(self) -> Rate:
        """Share of the decisions that abstained."""
        return Rate.of_counts(self.withheld, self.answers.n)

    def pairs(self, rate: str) -> PairCounts:
        """The rows that a rate covers."""
        return RATES[rate](self)


@dataclass(frozen=True, slots=True)
class LabelKinds:
    """What the two kinds of true labels are called; the record counts no others."""

    good: str = "favourable"
    bad: str = "unfavourable"
    merged: bool = False
    """Whether a kind holds several labels, so that one of them taken for another counts as right."""

    @classmethod
    def of(cls, labels: Sequence[str], favourable: Sequence[str]) -> LabelKinds:
        """The labels themselves where there are two."""
        others = [label for label in labels if label not in favourable]
        if len(favourable) == len(others) == 1:
            return cls(favourable[0], others[0])
        return cls(merged=bool(labels))


@dataclass(frozen=True, slots=True)
class LabelCell:
    """Rows of one group with one kind of true label."""

    group: str
    label: str
    correct: PairCounts
    """By whether the answer is right."""


def label_cells(groups: Sequence[Group], kinds: LabelKinds) -> list[LabelCell]:
    """Both cells of every group: accurate at its true positive rate, and 1 less its false positive rate."""
    return [
        cell
        for group in groups
        for cell in (
            LabelCell(group.name, kinds.good, group.positives),
            LabelCell(group.name, kinds.bad, group.negatives.opposite()),
        )
    ]


RATES: dict[str, Callable[[Group], PairCounts]] = {
    "selection_rate": lambda group: group.answers,
    "true_positive_rate": lambda group: group.positives,
    "false_positive_rate": lambda group: group.negatives,
    "accuracy": lambda group: group.correct,
}


def groups_of(cells: Cells, attribute: str, source: str, listed: Sequence[str]) -> list[Group]:
    """Every listed group, with or without rows, then the groups with rows that are not listed (any more).

    Args:
        cells: The counts.
        attribute: The attribute.
        source: ``declared`` or ``inferred``.
        listed: Groups that the model knows, the reference first.
    """
    decisions = [cell for cell in cells.decisions if (cell.attribute, cell.source) == (attribute, source)]
    outcomes = [cell for cell in cells.outcomes if (cell.attribute, cell.source) == (attribute, source)]
    others = sorted({cell.group for cell in decisions} - {*listed, UNKNOWN_GROUP})
    groups = []
    for name in (*listed, *others):
        inside = [cell for cell in decisions if cell.group == name]
        labelled = [cell for cell in outcomes if cell.group == name]
        positives = _pairs(cell for cell in labelled if cell.label)
        negatives = _pairs(cell for cell in labelled if not cell.label)
        withheld = _withheld(cells, attribute, source, name)
        groups.append(
            Group(name, name == listed[0], _pairs(inside), positives, negatives, inside, labelled, withheld)
        )
    return groups


def all_pairs(cells: Cells, attributes: Sequence[str]) -> tuple[PairCounts, PairCounts, str]:
    """Decisions, and labelled rows by whether the answer is right, each once as far as the counts allow it.

    Both sources together are all rows. In a record of an earlier version a row whose group was declared after
    its answer is counted with both. Where an attribute has such a row, the source with more labels stands for
    them.

    Returns:
        The decisions by whether the answer is favourable, the labelled rows, and which rows these are.
    """
    best = (PairCounts(), PairCounts(), "no rows")
    for attribute in attributes:
        decided = [cell for cell in cells.decisions if cell.attribute == attribute]
        labelled = [cell for cell in cells.outcomes if cell.attribute == attribute]
        for over, sources in _apart(attribute, sum(cell.n for cell in decided) == cells.rows).items():
            answers = _pairs(cell for cell in decided if cell.source in sources)
            correct = _right(cell for cell in labelled if cell.source in sources)
            if (correct.n, answers.n) > (best[1].n, best[0].n):
                best = (answers, correct, over)
    return best


def _apart(attribute: str, is_once: bool) -> dict[str, tuple[str, ...]]:
    """Sources that count no row twice, and what these rows are."""
    if is_once:
        return {"all rows": ("declared", "inferred")}
    return {
        f"rows with a declared {attribute}": ("declared",),
        f"rows without a declared {attribute}, or not at first": ("inferred",),
    }


def _right(cells: Iterable[Labelled]) -> PairCounts:
    """By whether the answer is right."""
    labelled = list(cells)
    positives = _pairs(cell for cell in labelled if cell.label)
    return positives + _pairs(cell for cell in labelled if not cell.label).opposite()


def withheld_rows(cells: Cells, attribute: str, source: str) -> int:
    """Decisions of all groups that abstained."""
    return sum(cell.n for cell in cells.withheld if (cell.attribute, cell.source) == (attribute, source))


def unknown_rows(cells: Cells, attribute: str, source: str) -> int:
    """Rows whose declared group the model does not list; they are counted, but in no gap."""
    key = (attribute, source, UNKNOWN_GROUP)
    return sum(cell.n for cell in cells.decisions if (cell.attribute, cell.source, cell.group) == key)


def _withheld(cells: Cells, attribute: str, source: str, group: str) -> int:
    key = (attribute, source, group)
    return sum(cell.n for cell in cells.withheld if (cell.attribute, cell.source, cell.group) == key)


def _pairs(cells: Iterable[Decided | Labelled]) -> PairCounts:
    counts = {(base, final): 0 for base in (True, False) for final in (True, False)}
    for cell in cells:
        counts[cell.base, cell.final] += cell.n
    return PairCounts(counts[True, True], counts[True, False], counts[False, True], counts[False, False])
