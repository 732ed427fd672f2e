"""Cross-entropy and a penalty on how groups differ: in their rates, or in their representations within a label."""

from __future__ import annotations

import contextlib
import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenhand.models.network.backbones import family_of
from evenhand.training.baselines.context import Context
from evenhand.training.baselines.group_labels import Groups
from evenhand.training.baselines.method import Sees
from evenhand.training.baselines.penalties import Coral, Mmd, RateGap, known
from evenhand.training.baselines.retrain import Learning, RetrainedBase, Retraining, fresh, grouped, retrain
from evenhand.training.data.dataset import Schema
from evenhand.typing import Ints

Penalty = Callable[[Tensor, Tensor, Tensor], Tensor]
"""What it looks at ``(rows, ...)``, groups ``(rows,)`` and labels ``(rows,)`` to one value."""


class Rising:
    """A strength that rises evenly from nothing to its value in the last step.

    So the epoch that is kept, by the comparison's criterion on validation rows, chooses the strength as well,
    at the cost of one retraining; and a model that has learnt nothing yet is not pulled away from learning.
    """

    def __init__(self, context: Context, rows: int, strength: float) -> None:
        stage = context.config.base_stage
        self._steps, self._done, self._strength = (
            stage.epochs * math.ceil(rows / stage.batch_rows),
            0,
            strength,
        )

    def __call__(self) -> float:
        """The strength of the next step."""
        self._done += 1
        return self._strength * min(1.0, self._done / self._steps)


class HeadInput:
    """Catches the head's input, the representation, while a model learns."""

    def __init__(self, model: nn.Module) -> None:
        self._head = model.get_submodule(family_of(model).head)
        self.caught: Tensor = torch.empty(0)
        """``(rows, width)`` of the batch that was run last."""

    @contextlib.contextmanager
    def around(self, _: Ints) -> Iterator[None]:
        """While it is open, it is caught."""
        handle = self._head.register_forward_pre_hook(self._catch)
        try:
            yield
        finally:
            handle.remove()

    def _catch(self, _: nn.Module, args: tuple[Any, ...]) -> None:
        self.caught = args[0].float().cpu()


@dataclass(frozen=True)
class _Penalised(Retraining):
    """Cross-entropy plus a penalty over the rows whose group is not left out."""

    strength: float = 1.0
    on: Literal["logits", "representation"] = "logits"
    """Whether the penalty looks at logits or at the representation."""

    @abstractmethod
    def penalty(self, groups: Groups, schema: Schema) -> Penalty:
        """The penalty, new for every retraining."""

    def learn(self, context: Context) -> RetrainedBase:
        """Retrain."""
        groups, labels = grouped(context), torch.from_numpy(context.rows.labels)
        codes, penalty = torch.from_numpy(groups.codes), self.penalty(groups, context.schema)
        strength = Rising(context, len(context.train), self.strength)
        model = fresh(context)
        head = HeadInput(model)

        def loss(logits: Tensor, batch: Ints) -> Tensor:
            task = functional.cross_entropy(logits, labels[batch])
            at = known(codes[batch])
            seen = (logits if self.on == "logits" else head.caught)[at]
            return task + strength() * penalty(seen, codes[batch][at], labels[batch][at])

        learning = Learning(self.name, loss, context.train, context.criterion.value, head.around)
        return RetrainedBase(
            retrain(context, learning, model), {"groups": list(groups.names), "strength": self.strength}
        )


@dataclass(frozen=True)
class RegularisedParity(_Penalised):
    """A penalty on gaps in the rate of the favourable label (Kamishima et al. 2012; Buyl et al. 2024)."""

    name: str = "regularised-dp"
    title: str = "Regularised, demographic parity"
    source: str = "Buyl et al. 2024"
    sees: Sees = Sees("all", "all", test=False)
    strength: float = 40.0

    def penalty(self, groups: Groups, schema: Schema) -> Penalty:
        """All labels together."""
        gap = RateGap(favourable(schema), len(groups.names), 1)
        return lambda logits, codes, _: gap(logits, codes, torch.zeros_like(codes))


@dataclass(frozen=True)
class RegularisedOdds(_Penalised):
    """The same within every true label: equalized odds."""

    name: str = "regularised-eo"
    title: str = "Regularised, equalized odds"
    source: str = "Buyl et al. 2024"
    sees: Sees = Sees("all", "all", test=False)
    strength: float = 10.0

    def penalty(self, groups: Groups, schema: Schema) -> Penalty:
        """Label by label."""
        return RateGap(favourable(schema), len(groups.names), groups.classes)


@dataclass(frozen=True)
class MmdPenalty(_Penalised):
    """Representations of a label that do not tell its groups apart, by their maximum mean discrepancy."""

    name: str = "mmd"
    title: str = "MMD within labels"
    source: str = "Gretton et al. 2012, Li et al. 2018"
    sees: Sees = Sees("all", "all", test=False)
    strength: float = 5.0
    on: Literal["logits", "representation"] = "representation"

    def penalty(self, groups: Groups, schema: Schema) -> Penalty:
        """It remembers nothing."""
        return Mmd()


@dataclass(frozen=True)
class CoralPenalty(_Penalised):
    """Representations of a label whose groups have the same means and covariances."""

    name: str = "coral"
    title: str = "CORAL within labels"
    source: str = "Sun and Saenko 2016"
    sees: Sees = Sees("all", "all", test=False)
    strength: float = 30.0
    on: Literal["logits", "representation"] = "representation"

    def penalty(self, groups: Groups, schema: Schema) -> Penalty:
        """Over cells (label x group)."""
        return Coral(len(groups.names), groups.classes)


def favourable(schema: Schema) -> Tensor:
    """``(classes,)`` which labels are good for the person."""
    return torch.tensor([label in schema.favourable for label in schema.labels])
