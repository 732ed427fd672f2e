"""``evenhand doctor``: the files of keys."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from evenhand.service.auth.key_file import AccessError, Key, read_keys
from evenhand.service.doctor.findings import Finding
from evenhand.service.settings import Settings

SOON = timedelta(days=14)
"""Before its last day a key is worth a word."""


def check_access(chosen: Settings) -> Iterator[Finding]:
    """Look at the key file and at the issuer's key set, where they are set."""
    if chosen.keys_file is not None:
        try:
            read = read_keys(chosen.keys_file)
        except AccessError as error:
            yield Finding("access", "problem", str(error))
        else:
            yield from (Finding("access", "problem", said) for said in read.problems)
            yield from _of_keys(read.keys)
    if chosen.jwt_jwks is not None:
        yield from _key_set(chosen)


def _of_keys(keys: tuple[Key, ...]) -> Iterator[Finding]:
    today = datetime.now(UTC).date()
    ended = [key.name for key in keys if key.has_ended(today)]
    soon = [key for key in keys if key.until and today <= key.until < today + SOON]
    said = f"{len(keys) - len(ended)} keys count"
    yield Finding("access", "ok", said + (f"; ended: {', '.join(ended)}" if ended else ""))
    for key in soon:
        said = f"the key {key.name} ends on {key.until}"
        yield Finding("access", "warning", said, "Make another with evenhand key new, and hand it out before")


def _key_set(chosen: Settings) -> Iterator[Finding]:
    from evenhand.service.auth.jwt import read_key_set

    assert chosen.jwt_jwks is not None
    try:
        key_set = read_key_set(chosen.jwt_jwks)
    except ImportError:
        yield Finding("access", "problem", "tokens need PyJWT", "Install evenhand with the extra jwt")
    except AccessError as error:
        yield Finding("access", "problem", str(error))
    else:
        yield Finding("access", "ok", f"{len(key_set.keys)} public keys of the issuer")
