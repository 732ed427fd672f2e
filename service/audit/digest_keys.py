"""Secrets of the record: one key for pseudonyms and digests, kept in a file that only the service can read.

Replicas that share a database must share this file: a database that was begun with another key is refused.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from evenhand.service.ids import plain_own_id

KEY_BYTES = 32


class KeyFileError(ValueError):
    """The key cannot be used; the message says which file and what to do."""


class Keys:
    """What is derived from the record's key.

    Args:
        key: 32 random bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._pseudonyms, self._inputs, self._own_ids = (
            # Begun once and copied for each value, which is quicker than a new one.
            hmac.new(hmac.digest(key, purpose, "sha256"), digestmod="sha256")
            for purpose in (b"pseudonyms", b"inputs", b"own ids")
        )
        self.fingerprint = hmac.digest(key, b"fingerprint", "sha256").hex()
        """Identifies the key without revealing it."""

    def pseudonym(self, decision: str) -> str:
        """Under which name a decision's sensitive attributes are kept."""
        return self.pseudonyms((decision,))[0]

    def pseudonyms(self, decisions: Iterable[str]) -> list[str]:
        """:meth:`pseudonym` of many decisions."""
        return _digests(self._pseudonyms, decisions)

    def own_id(self, own_id: str) -> str:
        """Under which name a caller's own id is kept; spellings that look alike (NFC) have the same."""
        return self.own_ids((own_id,))[0]

    def own_ids(self, own_ids: Iterable[str]) -> list[str]:
        """:meth:`own_id` of many own ids."""
        return _digests(self._own_ids, map(plain_own_id, own_ids))

    def digest(self, item: bytes) -> str:
        """Keyed digest of an input: says that two are the same, to whoever has the key, and nothing else."""
        digest = self._inputs.copy()
        digest.update(item)
        return digest.hexdigest()


def _digests(begun: hmac.HMAC, texts: Iterable[str]) -> list[str]:
    """The first half of each text's digest, in hexadecimal."""
    digests = []
    for text in texts:
        digest = begun.copy()
        digest.update(text.encode())
        digests.append(digest.hexdigest()[:32])
    return digests


def load_keys(path: Path) -> Keys:
    """Read the key; make one where there is none.

    Raises:
        KeyFileError: the file is not a key, or cannot be read or written.
    """
    try:
        text = path.read_text() if path.exists() else _make(path)
        key = bytes.fromhex(text.strip())
    except (OSError, ValueError) as error:
        raise KeyFileError(
            f"{path}: no usable key ({type(error).__name__}); restore it from your backup"
        ) from error
    if len(key) != KEY_BYTES:
        raise KeyFileError(f"{path}: a key has {KEY_BYTES} bytes in hexadecimal; restore it from your backup")
    return Keys(key)


def _make(path: Path) -> str:
    make_once(path, secrets.token_hex(KEY_BYTES).encode())
    return path.read_text()


def make_once(path: Path, content: bytes) -> None:
    """Write a file for its owner alone, unless there is one; of several writers at once one wins.

    No reader ever sees half of it.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
