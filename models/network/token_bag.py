"""What the detectors of a text classifier without layers read: which frequent tokens a text holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from evenhand.models.network.backbones import Inputs
from evenhand.models.network.black_box import RowReader
from evenhand.typing import Array, Ints

TOKENS = 2048
"""Tokens that detectors tell apart; the rarer ones are not read."""


@dataclass(frozen=True)
class BagShape:
    """What a text's vector is made of."""

    tokens: Ints
    """``(columns,)`` the ids that have a column each."""
    size: int
    """Ids that the tokenizer can give, the padding token among them."""
    classes: int


class TokenBag(RowReader):
    """Token ids and probabilities to one vector: 1 for every token that is there, 0 for the others.

    Args:
        shape: What it is made of.
    """

    reads = ("input_ids", "attention_mask")

    def __init__(self, shape: BagShape) -> None:
        nn.Module.__init__(self)
        self.columns, self.classes = len(shape.tokens), shape.classes
        self.width = self.columns + shape.classes
        self.column: Tensor
        of_ids = torch.full((shape.size,), self.columns, dtype=torch.int64)
        of_ids[torch.from_numpy(shape.tokens)] = torch.arange(self.columns)
        self.register_buffer("column", of_ids)

    def forward(self, inputs: Inputs, logits: Tensor) -> Tensor:
        """``(batch, columns + classes)`` float32.

        Args:
            inputs: ``input_ids`` and ``attention_mask``, ``(batch, tokens)``.
            logits: ``(batch, classes)`` the model's own answer.
        """
        others = torch.full_like(inputs["input_ids"], self.columns)
        columns = torch.where(inputs["attention_mask"] > 0, self.column[inputs["input_ids"]], others)
        # The last column takes padding and all other tokens, and goes.
        empty = torch.zeros(logits.shape[0], self.columns + 1, dtype=torch.float32, device=logits.device)
        present = empty.scatter(1, columns, 1.0)[:, : self.columns]
        return torch.cat([present, torch.softmax(logits, dim=1)], dim=1)


def frequent_tokens(rows: Sequence[Array], most: int = TOKENS) -> Ints:
    """The ids that most rows hold, ascending; those that all rows hold tell nothing and are left out.

    Args:
        rows: The ids of each row.
        most: At most so many.
    """
    ids, counts = np.unique(np.concatenate([np.unique(row) for row in rows]), return_counts=True)
    telling = counts < len(rows)
    ids, counts = (ids[telling], counts[telling]) if telling.any() else (ids, counts)
    chosen: Ints = np.sort(ids[np.argsort(-counts, kind="stable")[:most]]).astype(np.int64)
    return chosen
