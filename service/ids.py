"""Ids of decisions: our ULIDs, which sort by time (https://github.com/ulid/spec), and a caller's own ids."""

from __future__ import annotations

import os
import time
import unicodedata

import numpy as np

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26
PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
"""Two characters are ten bits; ids are made in steps of ten bits because every row needs one."""
HEAD = 10
"""Characters of an id that are its time; the others are chance."""
_PAIRS = np.array(PAIRS, "S2")
OWN_ID_CHARACTERS = 128
OWN_ID = f"an own id is a text of 1 to {OWN_ID_CHARACTERS} printable characters without a space at either end"
"""What a caller's own id must be, as messages say it."""


def ulid() -> str:
    """A new id: 48 bits of Unix milliseconds and 80 random bits, in 26 characters."""
    return ulid_of(time.time_ns() // 1_000_000, os.urandom(10))


def ulid_of(at_ms: int, random: bytes) -> str:
    """The id of these Unix milliseconds and 10 bytes."""
    value = at_ms << 80 | int.from_bytes(random)
    return "".join([PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


def ulids(number: int) -> list[str]:
    """So many new ids in ascending order, which an index takes as its end; quicker than one by one."""
    head = ulid_of(time.time_ns() // 1_000_000, bytes(10))[:HEAD]
    chance = np.frombuffer(os.urandom(16 * number), np.uint16) & 1023  # ten bits of each
    tails = _PAIRS[chance].tobytes().decode()
    size = LENGTH - HEAD
    return sorted([head + tails[start : start + size] for start in range(0, size * number, size)])


def ulid_ms(text: str) -> int | None:
    """Unix milliseconds of an id; ``None`` if the text is no id."""
    if len(text) != LENGTH or not set(text) <= set(ALPHABET) or text[0] > "7":
        return None
    value = 0
    for character in text[:10]:
        value = value << 5 | ALPHABET.index(character)
    return value


def is_own_id(value: object) -> bool:
    """Whether a value can be a caller's own id; see ``OWN_ID``."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= OWN_ID_CHARACTERS
        and value.isprintable()
        and value[0] != " " != value[-1]
    )


def plain_own_id(own_id: str) -> str:
    """An own id in the one spelling (NFC) by which two of them are compared."""
    return own_id if own_id.isascii() else unicodedata.normalize("NFC", own_id)
