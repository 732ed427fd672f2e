"""Text to arrays: the same code in training and in serving. No torch.

A row is encoded alone, before any queue; a batch is only padding. Whatever one row's content can break
breaks in :meth:`TextEncoder.encode`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from models.manifest import TextInput

Ints = NDArray[np.int64]


class InputError(ValueError):
    """One row cannot be read; the message never repeats the row."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One row, ready for the graph."""

    ids: Ints
    """``(tokens,)`` token ids, without padding."""
    truncated: bool
    """Whether the text was longer than the model reads."""

    @property
    def tokens(self) -> int:
        """Number of tokens, for budgets."""
        return len(self.ids)


class TextEncoder:
    """Turns one text into token ids.

    Args:
        tokenizer: Content of ``tokenizer.json``.
        spec: The bundle's input section.

    Raises:
        ValueError: ``tokenizer`` is not a tokenizer file.
    """

    def __init__(self, tokenizer: bytes, spec: TextInput) -> None:
        try:
            self._tokenizer = Tokenizer.from_buffer(tokenizer)
        except Exception as error:  # the library raises bare Exception
            raise ValueError(f"not a tokenizer.json ({error})") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length=spec.max_tokens)

    def encode(self, text: str) -> Encoded:
        """Encode one text.

        Raises:
            InputError: the text is blank or not valid Unicode.
        """
        if not text.strip():
            raise InputError("text is empty")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"text is not valid Unicode (lone surrogate at character {error.start})") from None
        encoding = self._tokenizer.encode(text)
        return Encoded(np.asarray(encoding.ids, dtype=np.int64), bool(encoding.overflowing))


def text_of(item: Any) -> str:  # noqa: ANN401 - anything a client may send
    """Take the text out of a wire item: a string, or an object with ``text``.

    Raises:
        InputError: it is neither.
    """
    if isinstance(item, str):
        return item
    if isinstance(item, dict) and set(item) == {"text"} and isinstance(item["text"], str):
        text: str = item["text"]
        return text
    raise InputError('expected a string or an object {"text": "..."}')


def collate(rows: Sequence[Encoded], pad_id: int) -> dict[str, Ints]:
    """Pad rows to the longest of them.

    Returns:
        ``input_ids`` and ``attention_mask``, both ``(batch, tokens)``.
    """
    width = max(row.tokens for row in rows)
    ids = np.full((len(rows), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for index, row in enumerate(rows):
        ids[index, : row.tokens] = row.ids
        mask[index, : row.tokens] = 1
    return {"input_ids": ids, "attention_mask": mask}
