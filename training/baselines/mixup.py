"""Mixup across groups: a row's embeddings are blended with those of a row of the same label and another group."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from evenhand.models.bundle.inputs import Encoded
from evenhand.models.network.backbones import family_of
from evenhand.training.baselines.context import Context
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups
from evenhand.training.baselines.method import Sees
from evenhand.training.baselines.retrain import Learning, RetrainedBase, Retraining, fresh, grouped, retrain
from evenhand.training.learning.finetune import cross_entropy
from evenhand.typing import Ints


def partners(groups: Groups, batch: Ints, rng: np.random.Generator) -> Ints:
    """For every row of a batch, the place of one of its label and of another group, or its own where there is none.

    The other group is drawn first, every one that is there alike, and then its row: else nearly all rows
        would be
    blended with those of the largest group.

    Args:
        groups: The group of every row; rows that are left out have no partner and are none.
        batch: Rows.
        rng: Draws.
    """
    codes, labels = groups.codes[batch], groups.labels[batch]
    found = np.arange(len(batch))
    for label in np.unique(labels):
        members = {
            code: np.flatnonzero((labels == label) & (codes == code))
            for code in np.unique(codes[labels == label])
            if code != LEFT_OUT
        }
        for code, own in members.items():
            others = [rows for other, rows in members.items() if other != code]
            if others:
                group, place = rng.integers(len(others), size=len(own)), rng.random(len(own))
                found[own] = [others[g][int(p * len(others[g]))] for g, p in zip(group, place, strict=True)]
    return found


class Blend:
    """Blends what enters the first block, with weights drawn from a Beta distribution.

    Args:
        model: The classifier that learns.
        encoded: All rows.
        groups: The group of every row.
        shape: Both parameters of the Beta distribution.
        seed: Decides pairs and weights.
    """

    def __init__(
        self, model: nn.Module, encoded: Sequence[Encoded], groups: Groups, shape: float, seed: int
    ) -> None:
        blocks = model.get_submodule(family_of(model).blocks)
        assert isinstance(blocks, nn.ModuleList)
        self._block, self._encoded, self._groups, self._shape = blocks[0], encoded, groups, shape
        self._rng = np.random.default_rng(seed)

    @contextlib.contextmanager
    def around(self, batch: Ints) -> Iterator[None]:
        """While it is open, the model sees blended rows."""
        order = partners(self._groups, batch, self._rng)
        weights = torch.from_numpy(self._rng.beta(self._shape, self._shape, len(batch))).float()
        shared = self._shared([self._encoded[row] for row in batch], order)

        def enter(
            _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
        ) -> tuple[tuple[Any, ...], dict[str, Any]]:
            if args:
                return (blended(args[0], order, weights, shared), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": blended(kwargs["hidden_states"], order, weights, shared)}

        handle = self._block.register_forward_pre_hook(enter, with_kwargs=True)
        try:
            yield
        finally:
            handle.remove()

    @staticmethod
    def _shared(rows: Sequence[Encoded], order: Ints) -> Ints | None:
        """``(batch,)`` how many first positions a text has in common with its partner; every other kind has all."""
        if "input_ids" not in rows[0].arrays:
            return None
        lengths = np.array([row.tokens for row in rows])
        common: Ints = np.minimum(lengths, lengths[order])
        return common


def blended(hidden: Tensor, order: Ints, weights: Tensor, shared: Ints | None) -> Tensor:
    """Blend rows of a hidden state with others of the batch.

    Args:
        hidden: ``(batch, positions, ...)``, or feature maps.
        order: ``(batch,)`` the other row's place.
        weights: ``(batch,)`` share of the own row.
        shared: ``(batch,)`` how many first positions are blended; all where not given. Beyond them a text
            that is longer than its partner stays as it is: padding means nothing.
    """
    own = weights.to(hidden.device, hidden.dtype).reshape(-1, *[1] * (hidden.dim() - 1))
    if shared is not None:
        inside = torch.arange(hidden.shape[1])[None] < torch.from_numpy(shared)[:, None]
        own = torch.where(inside.to(hidden.device).unsqueeze(2), own, torch.ones_like(own))
    return own * hidden + (1 - own) * hidden[torch.from_numpy(order).to(hidden.device)]


@dataclass(frozen=True)
class Mixup(Retraining):
    """Mixup of the embeddings of rows of one label and different groups (LISA's intra-label mixup, Yao et al. 2022).

    Both rows have the label, so that it needs no mixing, and what tells the groups apart loses its meaning
    for it. Fair mixup (Chuang and Mroueh 2021) puts a penalty on the way between two groups instead; it is
    defined for two groups and one score, and takes a second derivative. Embeddings can be blended for texts,
    tables and images alike.
    """

    name: str = "mixup"
    title: str = "Mixup across groups"
    source: str = "intra-label mixup, Yao et al. 2022"
    sees: Sees = Sees("all", "all", test=False)
    shape: float = 2.0

    def learn(self, context: Context) -> RetrainedBase:
        """Retrain on blended rows."""
        groups = grouped(context)
        model = fresh(context)
        blend = Blend(model, context.base.encoded, groups, self.shape, context.seed)
        loss = cross_entropy(context.rows.labels)
        learning = Learning(self.name, loss, context.train, context.criterion.value, blend.around)
        return RetrainedBase(retrain(context, learning, model), {"groups": list(groups.names)})
