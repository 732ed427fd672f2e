"""Adversarial learning: a second network must not infer a row's group from its answer and true label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from evenhand.training.baselines.base import Context, Sees
from evenhand.training.baselines.group_labels import Groups
from evenhand.training.baselines.penalties import Rising, has_group
from evenhand.training.baselines.retrain import Learning, RetrainedBase, Retraining, fresh, grouped, retrain
from evenhand.training.learning import distributed
from evenhand.typing import Ints

WIDTH, RATE = 32, 1e-2


def against(task: Sequence[Tensor], adversary: Sequence[Tensor | None], strength: float) -> list[Tensor]:
    r"""Zhang, Lemoine and Mitchell's direction, tensor by tensor as in their code.

    .. math:: \nabla L_P - \mathrm{proj}_{\nabla L_A} \nabla L_P - \alpha \nabla L_A

    Without the middle term a step could still help the adversary.

    Args:
        task: Gradients of the task's loss.
        adversary: Of the adversary's loss, by the same weights; ``None`` where it does not depend on one.
        strength: Alpha.
    """
    directions = []
    for own, other in zip(task, adversary, strict=True):
        if other is None:
            directions.append(own)
            continue
        unit = other / other.norm().clamp(min=torch.finfo(other.dtype).tiny)
        directions.append(own - (unit * own).sum() * unit - strength * other)
    return directions


class Adversary:
    """Learns the group from the predicted probabilities and the true label: the adversary of equalized odds.

    Args:
        groups: The group of every row; rows that are left out teach it nothing.
    """

    def __init__(self, groups: Groups) -> None:
        self._codes, self._labels = torch.from_numpy(groups.codes), torch.from_numpy(groups.labels)
        self._classes = groups.classes
        self.net = nn.Sequential(
            nn.Linear(2 * self._classes, WIDTH), nn.ReLU(), nn.Linear(WIDTH, len(groups.names))
        )
        self._optimiser = torch.optim.Adam(self.net.parameters(), lr=RATE)

    def loss(self, logits: Tensor, batch: Ints) -> Tensor:
        """Cross-entropy of its groups over a batch; ``logits (rows, classes)``."""
        codes, labels = self._codes[batch], self._labels[batch]
        truth = functional.one_hot(labels, self._classes).to(logits.dtype)
        at = has_group(codes)
        if not at.any():
            return logits.sum() * 0.0
        said = self.net(torch.cat([torch.softmax(logits, dim=1), truth], dim=1)[at])
        return functional.cross_entropy(said, codes[at])

    def step(self, logits: Tensor, batch: Ints) -> None:
        """Take one step on detached logits: the classifier does not learn from it."""
        self._optimiser.zero_grad()
        loss = self.loss(logits.detach(), batch)
        if loss.requires_grad:  # some row of the batch has a group
            loss.backward()  # type: ignore[no-untyped-call]
        distributed.average_gradients(self.net.parameters())
        self._optimiser.step()


def surrogate(weights: Iterable[Tensor], gradients: Iterable[Tensor], value: Tensor) -> Tensor:
    """A loss of ``value`` whose gradients by ``weights`` are ``gradients``."""
    product = sum(((w * g.detach()).sum() for w, g in zip(weights, gradients, strict=True)), torch.zeros(()))
    return product + (value.detach() - product.detach())


@dataclass(frozen=True)
class Adversarial(Retraining):
    """Adversarial learning for equalized odds (Zhang, Lemoine and Mitchell 2018).

    Alpha rises during training, as they advise. Any number of groups and classes: the adversary is a small
    network over probabilities and true label.
    """

    name: str = "adversarial"
    title: str = "Adversarial"
    source: str = "Zhang et al. 2018"
    sees: Sees = Sees("all", "all", test=False)
    strength: float = 3.0

    def learn(self, context: Context) -> RetrainedBase:
        """Retrain against an adversary."""
        groups, labels = grouped(context), torch.from_numpy(context.rows.labels)
        strength = Rising(context, len(context.train), self.strength)
        model = fresh(context)
        adversary = Adversary(groups)
        weights = [weight for weight in model.parameters() if weight.requires_grad]

        def loss(logits: Tensor, batch: Ints) -> Tensor:
            adversary.step(logits, batch)
            task = functional.cross_entropy(logits, labels[batch])
            of_task = torch.autograd.grad(task, weights, retain_graph=True, materialize_grads=True)
            of_other = torch.autograd.grad(adversary.loss(logits, batch), weights, allow_unused=True)
            return surrogate(weights, against(of_task, of_other, strength()), task)

        learning = Learning(self.name, loss, context.train, context.criterion.value)
        return RetrainedBase(
            retrain(context, learning, model), {"groups": list(groups.names), "strength": self.strength}
        )
