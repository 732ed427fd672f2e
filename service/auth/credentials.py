"""Extracts the one credential from a request's headers. Pure; knows no key."""

from __future__ import annotations

import re
from collections.abc import Iterable

MAX_BYTES = 8192
"""A longer credential cannot be valid."""
TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]{1,%d}=*" % MAX_BYTES)
BEARER = re.compile(rb"bearer[ \t]+", re.IGNORECASE)


class Malformed(ValueError):
    """The credential has an impossible form."""


def credential(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The value of ``X-Api-Key`` or ``Authorization: Bearer``; ``None`` if there is neither.

    Other schemes in ``Authorization`` are ignored: they may be for a proxy.

    Args:
        headers: Pairs of name (in lower case) and value.

    Raises:
        Malformed: the credential has an impossible form, or there are several.
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
