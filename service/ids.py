"""ULIDs, ids that sort by time (https://github.com/ulid/spec)."""

from __future__ import annotations

import os
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 26
PAIRS = [first + second for first in ALPHABET for second in ALPHABET]
"""Two characters are ten bits; ids are made in steps of ten bits because every row needs one."""


def ulid() -> str:
    """A new id: 48 bits of Unix milliseconds and 80 random bits, in 26 characters."""
    return ulid_of(time.time_ns() // 1_000_000, os.urandom(10))


def ulid_of(at_ms: int, random: bytes) -> str:
    """The id of these Unix milliseconds and 10 bytes."""
    value = at_ms << 80 | int.from_bytes(random)
    return "".join([PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


def ulid_ms(text: str) -> int | None:
    """Unix milliseconds of an id; ``None`` if the text is no id."""
    if len(text) != LENGTH or not set(text) <= set(ALPHABET) or text[0] > "7":
        return None
    value = 0
    for character in text[:10]:
        value = value << 5 | ALPHABET.index(character)
    return value
