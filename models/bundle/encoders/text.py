"""Texts and pairs of texts to token ids."""

from __future__ import annotations

from typing import Any

import numpy as np
from tokenizers import Tokenizer

from evenhand.models.bundle.inputs import LONGEST_TRIED, Encoded, InputError
from evenhand.models.bundle.manifest import PairInput, TextInput
from evenhand.typing import Array

MAX_CHARACTERS = 100_000
"""Longer texts are refused: the tokenizer reads the whole text before it truncates, which takes seconds."""


class TextEncoder:
    """Turns one text, or one pair of texts, into token ids.

    Args:
        tokenizer: Content of ``tokenizer.json``.
        spec: The bundle's input section.

    Raises:
        ValueError: ``tokenizer`` is not a tokenizer file.
    """

    def __init__(self, tokenizer: bytes, spec: TextInput | PairInput) -> None:
        try:
            self._tokenizer = Tokenizer.from_buffer(tokenizer)
        except Exception as error:  # the library raises bare Exception
            raise ValueError(f"not a tokenizer.json ({error})") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_length=spec.max_tokens, direction=spec.truncation_side)
        self._pair, self._max_tokens = spec.kind == "pair", spec.max_tokens
        self._types = spec.type_ids

    def encode(self, item: Any) -> Encoded:  # noqa: ANN401 - anything a client may send
        """Encode one item: a text or ``{"text": ...}``; for pairs ``{"text": ..., "text_pair": ...}``.

        Raises:
            InputError: it is something else, blank, or not valid Unicode.
        """
        texts = pair_of(item) if self._pair else (text_of(item),)
        for text in texts:
            _check(text)
        encoding = self._tokenizer.encode(*texts)
        arrays: dict[str, Array] = {"input_ids": np.asarray(encoding.ids, dtype=np.int64)}
        if self._types:
            arrays["token_type_ids"] = np.asarray(encoding.type_ids, dtype=np.int64)
        return Encoded(arrays, len(encoding.ids), bool(encoding.overflowing))

    def examples(self) -> list[Any]:
        """Two items of different length."""
        texts = ("ready", "ready to answer the first request")
        return [{"text": text, "text_pair": text} for text in texts] if self._pair else list(texts)

    def longest(self) -> Any:  # noqa: ANN401
        """A text, or the first of a pair, of at least as many tokens as the model reads."""
        text = "ready " * min(self._max_tokens, LONGEST_TRIED)
        return {"text": text, "text_pair": "ready"} if self._pair else text


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


def pair_of(item: Any) -> tuple[str, str]:  # noqa: ANN401 - anything a client may send
    """Take both texts out of a wire item.

    Raises:
        InputError: it is not an object with exactly two texts.
    """
    if isinstance(item, dict) and set(item) == {"text", "text_pair"}:
        first, second = item["text"], item["text_pair"]
        if isinstance(first, str) and isinstance(second, str):
            return first, second
    raise InputError('expected an object {"text": "...", "text_pair": "..."}')


def _check(text: str) -> None:
    if not text.strip():
        raise InputError("text is empty")
    if len(text) > MAX_CHARACTERS:
        raise InputError(f"text is longer than {MAX_CHARACTERS} characters; send less of it, or parts")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"text is not valid Unicode (lone surrogate at character {error.start})") from None
