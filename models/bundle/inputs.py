"""Wire items to arrays: the same code in training and in serving. No torch.

Each row is encoded alone, before it is queued; collating a batch only pads. So an invalid row fails in its
encoder's ``encode`` and never in a batch with other rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel, ValidationError

from evenhand.models.bundle.manifest import Input
from evenhand.typing import Array

M = TypeVar("M", bound=BaseModel)
LONGEST_TRIED = 1024
"""Positions of the longest row that a model is tried with: longer ones take much memory."""


class InputError(ValueError):
    """One row cannot be read; the message never repeats the row."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row, ready for the graph."""

    arrays: dict[str, Array]
    """By name of the graph's input, without the batch axis and without padding."""
    tokens: int
    """Number of positions, which is what budgets count."""
    truncated: bool = False
    """Whether it was longer than the model reads."""


class Encoder(Protocol):
    """Turns one wire item into arrays."""

    def encode(self, item: Any) -> Encoded:  # noqa: ANN401 - anything a client may send
        """Encode one item.

        Raises:
            InputError: the item is not one, or cannot be read.
        """

    def examples(self) -> list[Any]:
        """Two items that can be encoded, to try a model with."""

    def longest(self) -> Any:  # noqa: ANN401
        """An item of as many positions as the model reads, up to :data:`LONGEST_TRIED`."""


def parse_description(kind: type[M], content: bytes, file: str) -> M:
    """Parse the preprocessing file of a bundle.

    Args:
        kind: Its pydantic model.
        content: The file's content.
        file: What the error message calls it.

    Raises:
        ValueError: the content does not fit the model.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise ValueError(f"not {file} ({error.error_count()} errors)") from error


def collate(rows: Sequence[Encoded], pad_id: int) -> dict[str, Array]:
    """Rows to a batch; tokens are padded to the longest row.

    Returns:
        Arrays by name, the batch axis first; for text ``attention_mask`` ``(batch, tokens)`` among them.
    """
    if "input_ids" not in rows[0].arrays:
        return {name: np.stack([row.arrays[name] for row in rows]) for name in rows[0].arrays}
    shape = (len(rows), max(row.tokens for row in rows))
    batch = {name: np.zeros(shape, dtype=np.int64) for name in (*rows[0].arrays, "attention_mask")}
    batch["input_ids"][:] = pad_id
    for index, row in enumerate(rows):
        for name, values in row.arrays.items():
            batch[name][index, : row.tokens] = values
        batch["attention_mask"][index, : row.tokens] = 1
    return batch


def pad_of(spec: Input) -> int:
    """The padding token of inputs that have one."""
    return int(getattr(spec, "pad_id", 0))
