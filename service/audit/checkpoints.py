"""Signed checkpoints: at this time the chain ended with this link.

Whoever may write to the database can forge a chain: they compute every link anew from the change on. They
cannot do so before a checkpoint whose line or public key is kept where they cannot write.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import IntegrityError

from evenhand.service.audit.digest_keys import make_once
from evenhand.service.audit.events import time_of
from evenhand.service.audit.tables import chain, checkpoints

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

VERSION = 1
KEY_BYTES = 32
END_MS = 253_402_300_800_000
"""The year 10000: no record or checkpoint is later, and a later time cannot be shown."""


class CheckpointError(ValueError):
    """A key or a line of checkpoints cannot be used; the message says which file and what to do."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was signed, by whom."""

    seq: int
    link: bytes
    at_ms: int
    public_key: bytes
    signature: bytes

    @property
    def message(self) -> bytes:
        """The signed bytes."""
        return f"evenhand checkpoint {VERSION}|{self.seq}|{self.link.hex()}|{self.at_ms}".encode()

    def is_valid(self) -> bool:
        """Whether the signature is of this message, by this key, and of a possible time."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(self.signature, self.message)
        except (InvalidSignature, ValueError):
            return False
        return 0 <= self.at_ms < END_MS

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "v": VERSION,
            "seq": self.seq,
            "link": self.link.hex(),
            "at_ms": self.at_ms,
            "time": time_of(self.at_ms),
            "public_key": self.public_key.hex(),
            "signature": self.signature.hex(),
        }

    def line(self) -> str:
        """As one line of JSON, for keeping elsewhere."""
        return json.dumps(self.facts())


def read(facts: dict[str, Any]) -> Checkpoint:
    """A checkpoint from its JSON.

    Raises:
        ValueError: it is not one of this version.
    """
    if not isinstance(facts, dict) or facts.get("v") != VERSION:
        raise ValueError("no checkpoint of this version")
    try:
        link, public_key, signature = (
            bytes.fromhex(facts[name]) for name in ("link", "public_key", "signature")
        )
        return Checkpoint(int(facts["seq"]), link, int(facts["at_ms"]), public_key, signature)
    except (KeyError, TypeError) as error:
        raise ValueError("no checkpoint") from error


def read_lines(path: Path) -> list[Checkpoint]:
    """Checkpoints that were kept elsewhere, one JSON line each.

    Raises:
        CheckpointError: the file cannot be read, or a line is no checkpoint.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: cannot be read ({type(error).__name__})") from error
    kept = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                kept.append(read(json.loads(line)))
            except ValueError as error:
                raise CheckpointError(
                    f"{path}: line {number} is not a checkpoint of version {VERSION}"
                ) from error
    return kept


def load_key(path: Path) -> Ed25519PrivateKey:
    """Read the signing key; make one where there is none.

    Raises:
        CheckpointError: the file is not a key, or cannot be read or written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        if not path.exists():
            make_once(path, _pem(Ed25519PrivateKey.generate()))
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        reason = type(error).__name__
        raise CheckpointError(
            f"{path}: no usable key ({reason}); restore it, or move it away for a new one"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise CheckpointError(f"{path}: not an Ed25519 key; restore it, or move it away for a new one")
    return key


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 bytes of the public key."""
    return key.public_key().public_bytes_raw()


def read_public(key_or_path: str) -> bytes:
    """A public key: 64 hexadecimal digits, or a file with these or in PEM.

    Raises:
        CheckpointError: it is neither.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    path = Path(key_or_path)
    try:
        text = path.read_text().strip() if path.is_file() else key_or_path
        if "PUBLIC KEY" in text:
            key = load_pem_public_key(text.encode())
            key_bytes = key.public_bytes_raw() if isinstance(key, Ed25519PublicKey) else b""
        else:
            key_bytes = bytes.fromhex(text)
    except (OSError, ValueError) as error:
        raise CheckpointError("the public key is neither a file nor 64 hexadecimal digits") from error
    if len(key_bytes) != KEY_BYTES:
        raise CheckpointError(
            f"a public key of Ed25519 has {KEY_BYTES} bytes: 64 hexadecimal digits, or a PEM file"
        )
    return key_bytes


def checkpoint(engine: Engine, key: Ed25519PrivateKey) -> Checkpoint | None:
    """Sign where the chain ends, if it moved since the last checkpoint.

    Args:
        engine: The record's database.
        key: From ``load_key``.

    Returns:
        The checkpoint, to be kept elsewhere; ``None`` if there was nothing new, or another process signed it.
    """
    with engine.connect() as connection:
        head = connection.execute(select(chain.c.seq, chain.c.link)).first()
        last = connection.execute(
            select(checkpoints.c.seq).order_by(checkpoints.c.seq.desc()).limit(1)
        ).scalar()
    if head is None or head.seq == 0 or (last is not None and last >= head.seq):
        return None
    signed = sign(key, head.seq, bytes(head.link), time.time_ns() // 1_000_000)
    row = {name: getattr(signed, name) for name in ("seq", "link", "at_ms", "public_key", "signature")}
    try:
        with engine.begin() as connection:
            connection.execute(insert(checkpoints), row)
    except IntegrityError:
        return None
    return signed


def sign(key: Ed25519PrivateKey, seq: int, link: bytes, at_ms: int) -> Checkpoint:
    """A checkpoint of one place in the chain."""
    blank = Checkpoint(seq, link, at_ms, public_bytes(key), b"")
    return Checkpoint(seq, link, at_ms, blank.public_key, key.sign(blank.message))


def stored(connection: Connection) -> list[Checkpoint]:
    """The database's checkpoints, oldest first."""
    rows: Iterable[Any] = connection.execute(select(checkpoints).order_by(checkpoints.c.seq))
    return [Checkpoint(row.seq, row.link, row.at_ms, row.public_key, row.signature) for row in rows]


def _pem(key: Ed25519PrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
