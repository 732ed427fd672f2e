"""A request's headers to the one credential in them. Pure; knows no key."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_BYTES = 8192
"""A longer one is none of ours."""
TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]{1,%d}=*" % MAX_BYTES)
BEARER = re.compile(rb"bearer[ \t]+", re.IGNORECASE)


class Malformed(ValueError):
    """There is a credential, and it cannot be one of ours."""


def credential(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """What a caller shows: the value of ``X-Api-Key``, or of ``Authorization: Bearer``; ``None`` if nothing.

    Another scheme in ``Authorization`` is somebody else's, such as a proxy's.

    Args:
        headers: Name in lower case, and value, of each.

    Raises:
        Malformed: it has an impossible form, or there are several, and which one counts would be a guess.
    """
    values = []
    for name, value in headers:
        if name == b"x-api-key":
            values.append(value.strip())
        elif name == b"authorization" and (scheme := BEARER.match(value)):
            values.append(value[scheme.end() :].strip())
    if not values:
        return None
    if len(values) > 1 or len(values[0]) > MAX_BYTES or not TOKEN.fullmatch(values[0]):
        raise Malformed
    return values[0].decode("ascii")
