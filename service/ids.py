"""ULIDs, ids that sort by time (https://github.com/ulid/spec)."""

from __future__ import annotations

import os
import time

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid() -> str:
    """A new id: 48 bits of Unix milliseconds and 80 random bits, in 26 characters."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10))
    return "".join(ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))
