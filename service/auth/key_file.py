"""The key file: one line per key with its name, scopes and SHA-256, never the key itself.

A key is 256 random bits and cannot be guessed, so a salt or a slow hash would add nothing: those protect
passwords that people choose.
"""

from __future__ import annotations

import fcntl
import hmac
import math
import os
import re
import secrets
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from evenhand.service.auth.policy import SCOPES

PREFIX = "evenhand_"
"""Secret scanners recognise a key by this prefix."""
KEY_BYTES = 32
MAX_FILE_BYTES = 2**20
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
HEADER = (
    "# Keys of the service: name, scopes, SHA-256 of the key, "
    "and rate=<requests per second> where it is limited.\n"
)
FORM = "a line is: name scope,scope sha256:<64 digits> [rate=<requests per second>]"


class AccessError(ValueError):
    """Access cannot be set up with these settings; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Key:
    """One line of the key file."""

    name: str
    scopes: frozenset[str]
    digest: bytes
    """SHA-256 of the key."""
    rate_per_s: float | None
    """Requests per second; ``None``: the setting decides."""


def find(keys: Sequence[Key], shown: str) -> Key | None:
    """The key with this secret. It compares all keys, so that the time reveals nothing."""
    digest, match = sha256(shown.encode()).digest(), None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            match = key
    return match


def read_keys(path: Path) -> tuple[Key, ...]:
    """Every key of a file.

    Raises:
        AccessError: there is no such file, others may read it, or a line is not valid.
    """
    try:
        with path.open("rb") as file:
            _check_mode(path, file.fileno())
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise AccessError(
            f"{path}: {error.strerror}; make a key with: evenhand key new NAME --scope predict"
        ) from None
    if len(content) > MAX_FILE_BYTES:
        raise AccessError(f"{path}: larger than {MAX_FILE_BYTES} bytes; is it a file of keys?")
    return _parse(path, content)


def new_key(path: Path, name: str, scopes: Sequence[str], rate_per_s: float | None) -> str:
    """Make a key and append its line to the file, which is created if it does not exist.

    Returns:
        The key. It is stored nowhere.

    Raises:
        AccessError: the file is not valid or cannot be written, or a name, scope or rate is not valid.
    """
    _check_scopes(scopes)
    _check_rate(rate_per_s)
    if not NAME.fullmatch(name):
        raise AccessError("a key's name is up to 64 letters, digits, dots, dashes or underscores")
    shown = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    rate = "" if rate_per_s is None else f" rate={rate_per_s:g}"
    line = f"{name} {','.join(dict.fromkeys(scopes))} sha256:{sha256(shown.encode()).hexdigest()}{rate}\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _append(path, file.fileno(), file.read(MAX_FILE_BYTES), line)
    except OSError as error:
        raise AccessError(f"{path}: {error.strerror}; the key was not made") from None
    return shown


def _append(path: Path, number: int, there: bytes, line: str) -> None:
    _check_mode(path, number)
    if any(key.name == line.split()[0] for key in _parse(path, there)):
        raise AccessError(
            f"{path}: there is a key of this name; take another, or delete its line to revoke it"
        )
    start = HEADER if not there else "" if there.endswith(b"\n") else "\n"
    os.write(
        number, f"{start}{line}".encode()
    )  # one write: a service that reads now sees all of it or nothing
    os.fsync(number)


def _check_mode(path: Path, number: int) -> None:
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        raise AccessError(f"{path}: not a file")
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        raise AccessError(f"{path}: others may read or change it; chmod 600, or 640 for a group of its own")


def _parse(path: Path, content: bytes) -> tuple[Key, ...]:
    keys: dict[str, Key] = {}
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            key = _key(line)
        except ValueError as error:
            raise AccessError(f"{path}, line {number}: {error}") from None
        if key.name in keys or any(key.digest == other.digest for other in keys.values()):
            raise AccessError(
                f"{path}, line {number}: the file has a key of this name, or this same key, already"
            )
        keys[key.name] = key
    return tuple(keys.values())


def _key(line: str) -> Key:
    words = line.split()
    if len(words) not in (3, 4) or not NAME.fullmatch(words[0]) or not (digest := DIGEST.fullmatch(words[2])):
        raise ValueError(FORM)
    scopes = words[1].split(",")
    _check_scopes(scopes)
    rate = None
    if len(words) == 4:
        label, _, value = words[3].partition("=")
        if label != "rate":
            raise ValueError(FORM)
        rate = float(value)
        _check_rate(rate)
    return Key(words[0], frozenset(scopes), bytes.fromhex(digest[1]), rate)


def _check_scopes(scopes: Sequence[str]) -> None:
    if not scopes or not set(scopes) <= set(SCOPES):
        raise AccessError(f"a key needs scopes, and there are {', '.join(SCOPES)}")


def _check_rate(rate_per_s: float | None) -> None:
    if rate_per_s is not None and not (math.isfinite(rate_per_s) and rate_per_s > 0):
        raise AccessError("a rate is a number of requests per second, above 0")
