"""The target over time: its figure before and after correction, per stretch of time. Pure functions.

A figure covers the groups, or cells of group and true label, that have at least :data:`LEAST_ROWS` rows in
its bucket. So one bucket of a few seconds never shows what a single person's group was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evenhand.models.bundle.intersections import BETWEEN, not_watched
from evenhand.models.bundle.manifest import UNKNOWN_GROUP
from evenhand.models.bundle.target import FIGURES, RATES, AttributeTarget
from evenhand.service.audit.events import time_of
from evenhand.service.monitoring.cells import Window
from evenhand.service.monitoring.disparity import NOTHING, Span, gap, lowest
from evenhand.service.monitoring.groups import SIDES, PairCounts, Side
from evenhand.service.types import Described
from evenhand.stats import Rate

LEAST_ROWS = 30
"""As few rows as a cell may have in the evaluation of a bundle."""
SHOWN_STRETCHES = 12
KINDS = ("favourable", "unfavourable")
"""The record counts no other kinds of true labels."""
Key = tuple[str, str, bool | None, bool, bool]
"""Attribute, group, whether the true label is favourable (``None``: every decision, labelled or not), whether
the base model's answer is favourable, whether the served one is."""
Counts = Counter[Key]


@dataclass(frozen=True, slots=True)
class Bucket:
    """Rows with declared groups of a part of the window."""

    from_ms: int
    to_ms: int
    counts: Counts


@dataclass(frozen=True, slots=True)
class Mark:
    """An operation that a reader of the trend needs to know of."""

    at_ms: int
    kind: str
    words: str
    attributes: tuple[str, ...] | None = None
    """Those that it is about; ``None`` for all."""
    is_switch: bool = False
    """Whether answers may differ from here on."""

    def is_about(self, attribute: str) -> bool:
        """Whether it is about an attribute, or one of an intersection."""
        return self.attributes is None or not {attribute, *attribute.split(BETWEEN)}.isdisjoint(
            self.attributes
        )


@dataclass(frozen=True, slots=True)
class TrendCounts:
    """What was read for a window."""

    buckets: Sequence[Bucket]
    """In the order of time; those without rows are left out."""
    source: str
    """``decisions`` of the record, or the ``hourly counts``."""
    width_s: int
    """A bucket's length; a switch of the correction ends one early where they are made from decisions."""
    cut: str | None = None
    """What was left out, in one sentence."""


@dataclass(frozen=True, slots=True)
class TrendFacts:
    """Everything but the counts."""

    manifest: Described
    window: Window
    gap_limit: float
    record: Mapping[str, Any]


def trend(read: TrendCounts, marks: Sequence[Mark], facts: TrendFacts) -> dict[str, Any]:
    """The reply of ``GET /fairness/trend``.

    Args:
        read: The rows of the window.
        marks: In the order of time.
        facts: Everything else.
    """
    return {
        "model": facts.manifest.name,
        "version": facts.manifest.version,
        "window": facts.window.facts(),
        "record": dict(facts.record),
        "source": read.source,
        "bucket_s": read.width_s,
        "least_rows": LEAST_ROWS,
        "cut": read.cut,
        "attributes": [_attribute(aim, read.buckets, marks, facts) for aim in aims(facts.manifest)],
        "marks": [
            {
                "at": time_of(mark.at_ms),
                "kind": mark.kind,
                "words": mark.words,
                "attributes": None if mark.attributes is None else list(mark.attributes),
                "is_switch": mark.is_switch,
            }
            for mark in marks
        ],
    }


def aims(manifest: Described) -> list[AttributeTarget]:
    """What the bundle aims at; one that does not say it aims at every attribute's worst cell."""
    if manifest.target is not None:
        return manifest.target.attributes
    return [AttributeTarget(attribute=name, measure="worst-cell") for name in _names(manifest)]


def _names(manifest: Described) -> list[str]:
    return [attribute.name for attribute in manifest.attributes]


def kinds_of(manifest: Described) -> tuple[str, str]:
    """What favourable and unfavourable true labels are called: the labels themselves, where there are two."""
    others = [label for label in manifest.labels if label not in manifest.favourable]
    both = (*manifest.favourable, *others)
    return (both[0], both[1]) if len(manifest.favourable) == len(others) == 1 else KINDS


def figure(
    counts: Counts, aim: AttributeTarget, side: Side, kinds: tuple[str, str] = KINDS
) -> tuple[Span, int]:
    """The target's figure on one side with its 95 % limits, and the number of rows that it rests on.

    Args:
        counts: Rows; those of other attributes do not matter.
        aim: Attribute and measure.
        side: ``base`` or ``final``.
        kinds: What favourable and unfavourable true labels are called, for the names of cells.
    """
    if aim.measure == "worst-cell":
        cells = {
            f"{group}, {label}": pairs if is_good else pairs.opposite()
            for label, is_good in zip(kinds, (True, False), strict=True)
            for group, pairs in _enough(counts, aim.attribute, is_good).items()
        }
        return lowest(_rates(cells, side)), sum(pairs.n for pairs in cells.values())
    gaps, rows = [], 0
    for rate in RATES[aim.measure]:
        groups = _enough(counts, aim.attribute, _LABEL[rate])
        gaps.append(gap(_rates(groups, side)))
        rows += sum(pairs.n for pairs in groups.values())
    return _largest(gaps), rows


_LABEL = {"selection_rate": None, "true_positive_rate": True, "false_positive_rate": False}


def pooled(buckets: Iterable[Bucket]) -> Counts:
    """The rows of several buckets together."""
    total: Counts = Counter()
    for bucket in buckets:
        total.update(bucket.counts)
    return total


def _attribute(
    aim: AttributeTarget, buckets: Sequence[Bucket], marks: Sequence[Mark], facts: TrendFacts
) -> dict[str, Any]:
    uncounted = not_watched(facts.manifest.target, facts.manifest.attributes).get(aim.attribute)
    kinds = kinds_of(facts.manifest)
    own = [bucket for bucket in buckets if _rows(bucket.counts, aim)] if uncounted is None else []
    limit = aim.limit if aim.limit is not None or not aim.is_gap else facts.gap_limit
    return {
        "attribute": aim.attribute,
        "measure": aim.measure,
        "figure": FIGURES[aim.measure],
        "limit": limit,
        "why": _why(aim, own) if uncounted is None else uncounted,
        "whole": _entry(own, aim, kinds) if own else None,
        "buckets": [_entry([bucket], aim, kinds) for bucket in own],
        "stretches": _stretches(own, aim, kinds, marks),
    }


def _why(aim: AttributeTarget, own: Sequence[Bucket]) -> str | None:
    """Why there is no figure, where there is none."""
    if own:
        return None
    what = "row has" if aim.measure == "demographic-parity" else "row with a true label has"
    groups = " and ".join(f"a declared {part}" for part in aim.attribute.split(BETWEEN))
    return f"No {what} {groups if BETWEEN in aim.attribute else 'a declared group'} in this window."


def _stretches(
    own: Sequence[Bucket], aim: AttributeTarget, kinds: tuple[str, str], marks: Sequence[Mark]
) -> list[dict[str, Any]]:
    """The figures between two switches each, over the buckets that lie between them as a whole."""
    switches = [mark for mark in marks if mark.is_switch and mark.is_about(aim.attribute)]
    begins = [(0, None), *((mark.at_ms, mark.words) for mark in switches)]
    ends = [*(mark.at_ms for mark in switches), None]
    stretches = []
    for (from_ms, words), to_ms in zip(begins, ends, strict=True):
        inside = [
            bucket for bucket in own if bucket.from_ms >= from_ms and (to_ms is None or bucket.to_ms <= to_ms)
        ]
        if inside:
            stretches.append({"after": words, **_entry(inside, aim, kinds)})
    return stretches[-SHOWN_STRETCHES:]


def _entry(buckets: Sequence[Bucket], aim: AttributeTarget, kinds: tuple[str, str]) -> dict[str, Any]:
    """The figures of some buckets, at least one, together."""
    counts = pooled(buckets)
    sides = {side: figure(counts, aim, side, kinds) for side in SIDES}
    return {
        "from": time_of(buckets[0].from_ms),
        "to": time_of(buckets[-1].to_ms),
        "rows": _rows(counts, aim),
        "n": sides["final"][1],
        **{side: {**span.facts(), "groups": list(span.groups)} for side, (span, _) in sides.items()},
    }


def _rows(counts: Counts, aim: AttributeTarget) -> int:
    """Rows of listed groups: labelled ones, unless the measure needs no label."""
    needs_label = aim.measure != "demographic-parity"
    return sum(
        n
        for (attribute, group, label, _, _), n in counts.items()
        if attribute == aim.attribute and group != UNKNOWN_GROUP and (label is not None) == needs_label
    )


def _enough(counts: Counts, attribute: str, label: bool | None) -> dict[str, PairCounts]:
    """Rows of each group by whether both answers are favourable, of the groups with enough rows."""
    of: dict[str, dict[tuple[bool, bool], int]] = {}
    for (name, group, is_good, base, final), n in counts.items():
        if name == attribute and is_good is label and group != UNKNOWN_GROUP:
            answers = of.setdefault(group, {})
            answers[base, final] = answers.get((base, final), 0) + n
    pairs = {
        group: PairCounts(*(answers.get(key, 0) for key in _BOTH_LOST_GAINED_NEITHER))
        for group, answers in sorted(of.items())
    }
    return {group: rows for group, rows in pairs.items() if rows.n >= LEAST_ROWS}


_BOTH_LOST_GAINED_NEITHER = ((True, True), (True, False), (False, True), (False, False))


def _rates(groups: Mapping[str, PairCounts], side: Side) -> dict[str, Rate]:
    return {group: pairs.rate(side) for group, pairs in groups.items()}


def _largest(gaps: Sequence[Span]) -> Span:
    """The largest gap; none if one of them is not known, for a line must not change what it means."""
    if any(each.value is None for each in gaps):
        return NOTHING
    top = max(gaps, key=lambda each: each.value or 0.0)
    low, high = max(each.low or 0.0 for each in gaps), max(each.high or 0.0 for each in gaps)
    return Span(top.value, low, high, top.groups)
