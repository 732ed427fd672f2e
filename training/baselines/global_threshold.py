"""One offset per class on the base's logits: the same for every row, or by the row's declared group.

The first is what a sceptic tries first: whether the base's own threshold is off, which no correction of
groups should be praised for mending; once within the target's limits, and once at the correction's own cost.
The second is what offsets could do if every row's group were known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from evenhand.training.baselines.base import Beside, Context, Method, MethodAnswer, Sees, Served
from evenhand.training.baselines.group_labels import LEFT_OUT, merge
from evenhand.training.baselines.ours import OURS
from evenhand.training.baselines.postprocess import DECLARED
from evenhand.training.choice.criterion import Criterion
from evenhand.training.correctors.interface import NotApplicableError
from evenhand.typing import Bools, Float64s, Ints

CUTS_BINARY, CUTS = 1000, 200
"""Places between rows' margins that are tried for one class: of two, and of more."""
ROUNDS = 5
"""At most so many times every offset is moved while the others stay."""
CUTS_AT_ONCE = 128
"""Bounds the memory of the search."""
ANYWHERE = Served(
    "no",
    "No command writes it into a bundle; your own code can add the offset to the scores of a reply.",
    1.0,
)

Values = Callable[[Ints], Float64s]
"""The criterion: ``(settings, rows)`` classes to ``(settings,)``."""


def best_offsets(logits: Float64s, sets: Sequence[Bools], values: Values) -> Float64s:
    """Offsets by coordinate ascent: one class of one set of rows after another, while the value grows.

    Args:
        logits: ``(rows, classes)``.
        sets: Each ``(rows,)``, the rows that are moved together.
        values: What is to be high.

    Returns:
        ``(sets, classes)``; of two classes only the second's are moved.
    """
    classes = logits.shape[1]
    offsets = np.zeros((len(sets), classes))
    moved = logits.copy()
    best = float(values(logits.argmax(axis=1)[None])[0])
    for _ in range(ROUNDS):
        before = best
        for index, inside in enumerate(sets):
            for label in (1,) if classes == 2 else range(classes):
                move, value = _best_move(moved, inside, label, values)
                if value > best:
                    best = value
                    offsets[index, label] += move
                    moved[inside, label] += move
        if best <= before:
            break
    return offsets


def _best_move(logits: Float64s, inside: Bools, label: int, values: Values) -> tuple[float, float]:
    """What to add to one class of some rows, and the value that it brings."""
    others = np.delete(logits, label, axis=1)
    margin = logits[:, label] - others.max(axis=1)
    rival = np.delete(np.arange(logits.shape[1]), label)[others.argmax(axis=1)]
    plain = logits.argmax(axis=1)
    best = (0.0, float("-inf"))
    for cuts in _cuts(margin[inside], CUTS_BINARY if logits.shape[1] == 2 else CUTS):
        predicted = np.tile(plain, (len(cuts), 1))
        predicted[:, inside] = np.where(margin[inside] > cuts[:, None], label, rival[inside])
        of_cuts = values(predicted)
        index = int(of_cuts.argmax())
        if of_cuts[index] > best[1]:
            best = (-float(cuts[index]), float(of_cuts[index]))
    return best


def _cuts(margin: Float64s, most: int) -> Iterator[Float64s]:
    """Places between the margins of rows, at even ranks, a few at a time."""
    distinct = np.unique(margin)
    between = (distinct[1:] + distinct[:-1]) / 2
    if len(between) > most:
        between = between[np.linspace(0, len(between) - 1, most).astype(int)]
    for start in range(0, len(between), CUTS_AT_ONCE):
        yield between[start : start + CUTS_AT_ONCE]


@dataclass(frozen=True)
class GlobalThreshold(Method):
    """One offset per class, the same for every row, chosen on validation rows."""

    name: str = "global-threshold"
    title: str = "One global threshold"
    source: str = "one offset per class"
    sees: Sees = Sees("none", "all", test=False)
    served: Served = ANYWHERE
    control: ClassVar[bool] = True

    def answer(self, context: Context) -> MethodAnswer:
        """Choose the offsets on validation rows, add them to every scored row."""
        return _threshold(context, context.criterion.values)


@dataclass(frozen=True)
class ThresholdAtCost(Method):
    """One offset per class that loses no more accuracy on validation rows than Evenhand's correction does.

    A correction that has to be certified spends less than the limit; a threshold that may spend all of it
    looks better for that alone.
    """

    name: str = "threshold-at-cost"
    title: str = "One global threshold at Evenhand's cost"
    source: str = "one offset per class"
    sees: Sees = Sees("none", "all", test=False)
    served: Served = ANYWHERE
    control: ClassVar[bool] = True
    beside: ClassVar[tuple[str, ...]] = tuple(
        method.name for method in sorted(OURS, key=lambda method: not method.certificate)
    )
    other: Beside | None = None
    """The line that it is held to."""

    def held_to(self, other: Beside | None) -> ThresholdAtCost:
        """The same control at another line's cost."""
        return replace(self, other=other)

    def answer(self, context: Context) -> MethodAnswer:
        """Choose the offsets on validation rows within that cost, add them to every scored row.

        Raises:
            NotApplicableError: no line of Evenhand's has an answer to be held to.
        """
        if self.other is None:
            raise NotApplicableError(f"no method is there whose cost it could keep: {', '.join(self.beside)}")
        base = context.features.base_logits[context.validation].argmax(axis=1)
        accuracy = float((base == context.rows.labels[context.validation]).mean())
        loss = max(0.0, accuracy - self.other.accuracy)
        target = context.target.model_copy(update={"max_loss": min(loss, context.target.max_loss)})
        criterion = Criterion.against(base, context.rows, context.schema, target)
        answer = _threshold(context, criterion.values)
        return replace(
            answer, notes={**answer.notes, "beside": self.other.method, "may_lose": round(loss, 6)}
        )


def _threshold(context: Context, values: Values) -> MethodAnswer:
    """Every scored row with the offsets of highest value on validation rows."""
    logits = context.features.base_logits.astype(np.float64)
    everyone = np.ones(len(context.validation), bool)
    (offsets,) = best_offsets(logits[context.validation], [everyone], values)
    named = dict(zip(context.schema.labels, offsets.round(4).tolist(), strict=True))
    return MethodAnswer.of_logits(logits[context.scored] + offsets, offsets=named)


@dataclass(frozen=True)
class DeclaredOffsets(Method):
    """One offset per class and declared group, chosen on validation rows: what offsets could do at best.

    All groups are moved together first, then each alone. A row whose group is left out (unknown, or too rare
    on validation rows) keeps the base's answer.
    """

    name: str = "declared-offsets"
    title: str = "Offsets by the declared group"
    source: str = "one offset per class and group"
    sees: Sees = Sees("none", "all", test=True)
    served: Served = DECLARED
    control: ClassVar[bool] = True

    def answer(self, context: Context) -> MethodAnswer:
        """Choose the offsets on validation rows, add them by the group of every scored row."""
        groups = merge(context.rows, context.schema, context.validation)
        if len(groups.names) < 2:
            raise NotApplicableError("fewer than two groups have enough validation rows of every label")
        logits = context.features.base_logits.astype(np.float64)
        on_validation = groups.codes[context.validation]
        sets = [on_validation != LEFT_OUT, *(on_validation == code for code in range(len(groups.names)))]
        together, *own = best_offsets(logits[context.validation], sets, context.criterion.values)
        of_group = np.array([together + offsets for offsets in own] + [np.zeros_like(together)])
        # The last is of rows without a group: LEFT_OUT is -1.
        scored = logits[context.scored] + of_group[groups.codes[context.scored]]
        named = {
            name: dict(zip(context.schema.labels, offsets.round(4).tolist(), strict=True))
            for name, offsets in zip(groups.names, of_group, strict=False)
        }
        return MethodAnswer.of_logits(scored, offsets=named)
