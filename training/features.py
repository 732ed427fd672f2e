"""Hidden states of every row at the cut, computed once by the frozen base and read many times.

Rows are stored without padding, one after another, in a file that is memory-mapped: it may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.backbones import SplitModel
from models.inputs import Encoded, collate
from training.data import Rows, Schema
from training.progress import track

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
BATCH_ROWS = 64


@dataclass(frozen=True)
class Features:
    """What the frozen base says about every row."""

    hidden: Floats
    """``(tokens of all rows, hidden)``, memory-mapped."""
    starts: Ints
    """``(rows + 1,)`` where each row begins."""
    base_logits: Floats
    """``(rows, classes)``."""
    representation: Floats
    """``(rows, width)`` the head's input under the frozen base."""

    @property
    def lengths(self) -> Ints:
        """``(rows,)`` tokens of each row."""
        return np.diff(self.starts)

    def batch(self, rows: Ints) -> tuple[Tensor, Tensor]:
        """Pad some rows.

        Returns:
            Hidden states ``(rows, seq, hidden)`` and mask ``(rows, seq)``.
        """
        lengths = self.lengths[rows]
        hidden = np.zeros((len(rows), int(lengths.max()), self.hidden.shape[1]), dtype=np.float32)
        mask = np.zeros(hidden.shape[:2], dtype=np.int64)
        for index, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            hidden[index, :length] = self.hidden[self.starts[row] : self.starts[row] + length]
            mask[index, :length] = 1
        return torch.from_numpy(hidden), torch.from_numpy(mask)


@dataclass(frozen=True)
class Material:
    """What every stage after the base learns from."""

    features: Features
    rows: Rows
    schema: Schema
    seed: int


def by_length(lengths: Sequence[int] | Ints, rows: int = BATCH_ROWS) -> list[Ints]:
    """Batches of rows of like length, for inference."""
    order = np.argsort(np.asarray(lengths), kind="stable")
    return [order[start : start + rows] for start in range(0, len(order), rows)]


@torch.no_grad()
def extract(split: SplitModel, encoded: Sequence[Encoded], pad_id: int, file: Path) -> Features:
    """Run the base once over all rows.

    Args:
        split: The frozen base, cut.
        encoded: All rows.
        pad_id: Padding token.
        file: Where to put the hidden states.
    """
    lengths = _positions(split, encoded, pad_id)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    file.parent.mkdir(parents=True, exist_ok=True)
    hidden = np.lib.format.open_memmap(file, "w+", np.float32, (int(starts[-1]), split.hidden_size))
    logits = np.zeros((len(encoded), split.classes), dtype=np.float32)
    representation: Floats | None = None
    order = by_length(lengths)
    for rows in track(order, len(order), "reading the base's hidden states"):
        arrays = collate([encoded[row] for row in rows], pad_id)
        out, states, heads = split.base({name: torch.from_numpy(array) for name, array in arrays.items()})
        if representation is None:
            representation = np.zeros((len(encoded), heads.shape[1]), dtype=np.float32)
        logits[rows], representation[rows] = out.numpy(), heads.numpy()
        for index, row in enumerate(rows):
            hidden[starts[row] : starts[row + 1]] = states[index, : lengths[row]].numpy()
    assert representation is not None
    hidden.flush()
    return Features(np.load(file, mmap_mode="r"), starts, logits, representation)


def _positions(split: SplitModel, encoded: Sequence[Encoded], pad_id: int) -> Ints:
    """Positions of each row's hidden state, ``(rows,)``: its tokens, or what the base makes of an image or a table."""
    first = {name: torch.from_numpy(array) for name, array in collate(encoded[:1], pad_id).items()}
    if "attention_mask" in first:
        return np.array([row.tokens for row in encoded])
    return np.full(len(encoded), split.base(first)[1].shape[1])
