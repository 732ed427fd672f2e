"""Hidden states of every row at the cut, computed once by the frozen base and read many times.

Rows are stored without padding, one after another, in a memory-mapped file, which may be larger than memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from evenhand.console import track
from evenhand.models.bundle.inputs import Encoded, collate
from evenhand.models.network.backbones import Inputs, SplitModel, as_inputs
from evenhand.training.data.batches import by_length
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning import distributed
from evenhand.typing import Float32s, Ints


@dataclass(frozen=True)
class Features:
    """The frozen base's hidden states, logits and representations of every row."""

    hidden: Float32s
    """``(tokens of all rows, hidden)``, memory-mapped."""
    starts: Ints
    """``(rows + 1,)`` where each row begins."""
    base_logits: Float32s
    """``(rows, classes)``."""
    representation: Float32s
    """``(rows, width)`` the head's input under the frozen base."""
    encoded: Sequence[Encoded] = ()
    """The rows themselves, which a base that runs whole reads once more."""
    pad_id: int = 0

    @cached_property
    def lengths(self) -> Ints:
        """``(rows,)`` tokens of each row."""
        return np.diff(self.starts)

    def batch(self, rows: Ints) -> tuple[Tensor, Tensor]:
        """Pad some rows.

        Returns:
            Hidden states ``(rows, seq, hidden)`` and mask ``(rows, seq)``, where learning runs.
        """
        lengths, stored = self.lengths[rows], np.asarray(self.hidden)
        positions = np.arange(int(lengths.max()))
        mask = (positions < lengths[:, None]).astype(np.int64)
        if mask.all():  # tables and images need no padding, so all rows are read at once
            hidden = stored[self.starts[rows][:, None] + positions]
        else:
            hidden = np.zeros((*mask.shape, stored.shape[1]), dtype=np.float32)
            for index, (row, length) in enumerate(zip(rows, lengths, strict=True)):
                hidden[index, :length] = stored[self.starts[row] : self.starts[row] + length]
        device = distributed.device()
        return torch.from_numpy(hidden).to(device), torch.from_numpy(mask).to(device)

    def inputs(self, rows: Ints) -> Inputs:
        """Some rows as the base takes them, padded as :meth:`batch` does."""
        return tensors([self.encoded[row] for row in rows], self.pad_id)


@dataclass(frozen=True)
class Material:
    """What every stage after the base learns from."""

    features: Features
    rows: Rows
    schema: Schema
    seed: int


@torch.no_grad()
def extract(
    split: SplitModel, encoded: Sequence[Encoded], pad_id: int, file: Path, key: str = ""
) -> Features:
    """Run the base once over all rows; several processes share them.

    Args:
        split: The frozen base, cut.
        encoded: All rows.
        pad_id: Padding token.
        file: Where to put the hidden states; the base's answers lie beside it.
        key: Names base and rows: what an earlier run left complete under the same key is read instead.
    """
    split.to(distributed.device())
    lengths, width = _sizes(split, encoded, pad_id)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    files = (file, file.with_suffix(".logits.npy"), file.with_suffix(".heads.npy"))
    complete = file.with_suffix(".key")
    if key and complete.is_file() and complete.read_text() == key:
        return _features(files, starts, encoded, pad_id)
    shapes = ((int(starts[-1]), split.hidden_size), (len(encoded), split.classes), (len(encoded), width))
    if distributed.is_main():
        file.parent.mkdir(parents=True, exist_ok=True)
        complete.unlink(missing_ok=True)
        for place, shape in zip(files, shapes, strict=True):
            np.lib.format.open_memmap(place, "w+", np.float32, shape)
    distributed.wait()
    hidden, logits, representation = (np.load(place, mmap_mode="r+") for place in files)
    # A text costs its tokens, even where it has one state.
    costs = [row.tokens for row in encoded] if "input_ids" in encoded[0].arrays else lengths
    order = distributed.own_batches(by_length(costs))
    for rows in track(order, len(order), "reading the base's hidden states"):
        out, states, heads = _base_of(split, [encoded[row] for row in rows], pad_id)
        logits[rows], representation[rows] = out, heads
        for index, row in enumerate(rows):
            hidden[starts[row] : starts[row + 1]] = states[index, : lengths[row]]
    for written in (hidden, logits, representation):
        written.flush()
    distributed.wait()
    if distributed.is_main():
        complete.write_text(key)
    return _features(files, starts, encoded, pad_id)


def tensors(encoded: Sequence[Encoded], pad_id: int) -> Inputs:
    """One padded batch where learning runs."""
    return as_inputs(collate(encoded, pad_id), distributed.device())


def _features(files: Sequence[Path], starts: Ints, encoded: Sequence[Encoded], pad_id: int) -> Features:
    hidden, logits, representation = files
    return Features(
        np.load(hidden, mmap_mode="r"), starts, np.load(logits), np.load(representation), encoded, pad_id
    )


def _base_of(
    split: SplitModel, encoded: Sequence[Encoded], pad_id: int
) -> tuple[Float32s, Float32s, Float32s]:
    """The output of :meth:`evenhand.models.network.backbones.SplitModel.base` for one batch."""
    logits, hidden, heads = (tensor.cpu().numpy() for tensor in split.base(tensors(encoded, pad_id)))
    return logits, hidden, heads


def _sizes(split: SplitModel, encoded: Sequence[Encoded], pad_id: int) -> tuple[Ints, int]:
    """Positions of each row's hidden state ``(rows,)``, and the width of the head's input.

    Positions are a text's tokens, or the number that the base makes of an image or a table; one for a model
    without layers.
    """
    _, hidden, heads = _base_of(split, encoded[:1], pad_id)
    if "input_ids" in encoded[0].arrays and split.per_token:
        return np.array([row.tokens for row in encoded]), heads.shape[1]
    return np.full(len(encoded), hidden.shape[1]), heads.shape[1]
