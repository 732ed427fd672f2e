"""The key file: one line per key with its name, scopes and SHA-256, never the key itself.

A file that is changed while the service runs may hold a mistake, perhaps in the very edit that revokes a key.
So what cannot be read counts as revoked: a line, or the whole file. Every such place is named.

A key is 256 random bits and cannot be guessed, so a salt or a slow hash would add nothing: those protect
passwords that people choose.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import math
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from io import FileIO
from pathlib import Path

from evenhand.service.auth.policy import SCOPES

PREFIX = "evenhand_"
"""Secret scanners recognise a key by this prefix."""
KEY_BYTES = 32
MAX_FILE_BYTES = 2**20
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
HEADER = (
    "# Keys of the service: name, scopes, SHA-256 of the key, rate=<requests per second> where it is "
    "limited, and until=<last day, UTC> where it ends.\n"
)
FORM = "a line is: name scope,scope sha256:<64 digits> [rate=<requests per second>] [until=<YYYY-MM-DD>]"


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
    until: date | None = None
    """Its last day (UTC); ``None``: it does not end."""

    def has_ended(self, today: date) -> bool:
        """Whether its last day is over."""
        return self.until is not None and today > self.until


@dataclass(frozen=True, slots=True)
class KeyFile:
    """What a file of keys says."""

    keys: tuple[Key, ...] = ()
    problems: tuple[str, ...] = ()
    """Each place that cannot be read, which counts as revoked, in a sentence."""


def find(keys: Sequence[Key], shown: str, today: date | None = None) -> Key | None:
    """The key with this secret, if it has not ended. It compares all, so that the time reveals nothing."""
    digest, match = sha256(shown.encode()).digest(), None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            match = key
    if match is not None and match.until and match.has_ended(today or datetime.now(UTC).date()):
        return None
    return match


def read_keys(path: Path) -> KeyFile:
    """Every key of a file, line by line.

    Raises:
        AccessError: there is no such file, or others may read or change it.
    """
    content, mode = _content(path)
    if mode:
        raise AccessError(f"{path}: {mode}")
    return _parse(path, content)


def read_keys_again(path: Path, before: KeyFile) -> KeyFile:
    """What a file says that has changed while it is in use; ``before`` is what it said until now.

    A file that cannot be read has no key. One that others may read or change can take keys away, and give
    none: its new lines may be theirs.
    """
    try:
        content, mode = _content(path)
    except AccessError as error:
        return KeyFile((), (f"{error}. Every key counts as revoked",))
    read = _parse(path, content)
    if not mode:
        return read
    kept = tuple(key for key in read.keys if key in before.keys)
    return KeyFile(kept, (f"{path}: {mode}. Until then new keys do not count", *read.problems))


def _content(path: Path) -> tuple[bytes, str]:
    """What is in a file, and what is wrong with its mode."""
    try:
        with path.open("rb") as file:
            mode = _wrong_mode(path, file.fileno())
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise AccessError(
            f"{path}: {error.strerror}; put it back, or make one: evenhand key new NAME --scope predict"
        ) from None
    if len(content) > MAX_FILE_BYTES:
        raise AccessError(f"{path}: larger than {MAX_FILE_BYTES} bytes; is it a file of keys?")
    return content, mode


def new_key(
    path: Path, name: str, scopes: Sequence[str], rate_per_s: float | None, until: date | None = None
) -> str:
    """Make a key and append its line to the file, which is created if it does not exist.

    Returns:
        The key. It is stored nowhere.

    Raises:
        AccessError: the file cannot be read or written, or a name, scope or rate is not valid.
    """
    _check_scopes(scopes)
    _check_rate(rate_per_s)
    if not NAME.fullmatch(name):
        raise AccessError("a key's name is up to 64 letters, digits, dots, dashes or underscores")
    shown = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    line = f"{name} {','.join(dict.fromkeys(scopes))} sha256:{sha256(shown.encode()).hexdigest()}"
    line += "" if rate_per_s is None else f" rate={rate_per_s:g}"
    line += "" if until is None else f" until={until.isoformat()}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path, os.O_CREAT | os.O_APPEND) as file:
            there = file.read(MAX_FILE_BYTES)
            if any(key.name == name for key in _parse(path, there).keys):
                raise AccessError(f"{path}: there is a key of this name; take another, or revoke it first")
            start = HEADER if not there else "" if there.endswith(b"\n") else "\n"
            # One write: a service that reads now sees all of it or nothing.
            os.write(file.fileno(), f"{start}{line}\n".encode())
            os.fsync(file.fileno())
    except OSError as error:
        raise AccessError(f"{path}: {error.strerror}; the key was not made") from None
    return shown


def revoke(path: Path, name: str) -> None:
    """Take every line of a key's name out of the file, whatever else the lines say.

    Raises:
        AccessError: the file has none, or cannot be read or written.
    """
    try:
        with _locked(path) as file:
            lines = file.read(MAX_FILE_BYTES).splitlines(keepends=True)
            kept = [line for line in lines if line.split()[:1] != [name.encode()]]
            if len(kept) == len(lines):
                raise AccessError(f"{path}: no key {name}; evenhand key list says which there are")
            _replace(path, file, b"".join(kept))
    except OSError as error:
        raise AccessError(f"{path}: {error.strerror}; the key is not revoked") from None


def _replace(path: Path, old: FileIO, content: bytes) -> None:
    """Another content in one step, with the old file's mode and owner."""
    number, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with open(number, "wb") as file:
            was = os.fstat(old.fileno())
            os.fchmod(number, stat.S_IMODE(was.st_mode))
            if (was.st_uid, was.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(number, was.st_uid, was.st_gid)
            file.write(content)
            file.flush()
            os.fsync(number)
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(path: Path, flags: int = 0) -> Iterator[FileIO]:
    """The file of this path, which no other command changes meanwhile.

    Raises:
        AccessError: others may read or change it.
    """
    while True:
        with open(os.open(path, os.O_RDWR | flags, 0o600), "r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(path, file.fileno()):
                continue  # another command put its own in this place
            if mode := _wrong_mode(path, file.fileno()):
                raise AccessError(f"{path}: {mode}")
            yield file
            return


def _is_at(path: Path, number: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(number))
    except FileNotFoundError:
        return False


def _wrong_mode(path: Path, number: int) -> str:
    """Why a file's mode is refused; empty where it is not.

    Raises:
        AccessError: it is no file.
    """
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        raise AccessError(f"{path}: not a file")
    if mode & (stat.S_IRWXO | stat.S_IWGRP):
        return "others may read or change it; chmod 600, or 640 for a group of its own"
    return ""


def _parse(path: Path, content: bytes) -> KeyFile:
    keys: dict[str, Key] = {}
    problems = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            key = _key(line)
            if key.name in keys or any(key.digest == other.digest for other in keys.values()):
                raise ValueError("the file has a key of this name, or this same key, above")
        except ValueError as error:
            problems.append(f"{path}, line {number}: {error}; the line counts as revoked")
        else:
            keys[key.name] = key
    return KeyFile(tuple(keys.values()), tuple(problems))


def _key(line: str) -> Key:
    words = line.split()
    if len(words) < 3 or not NAME.fullmatch(words[0]) or not (digest := DIGEST.fullmatch(words[2])):
        raise ValueError(FORM)
    scopes = words[1].split(",")
    _check_scopes(scopes)
    options = dict(word.partition("=")[::2] for word in words[3:])
    if len(options) < len(words) - 3 or not options.keys() <= {"rate", "until"}:
        raise ValueError(FORM)
    rate = float(options["rate"]) if "rate" in options else None
    _check_rate(rate)
    until = date.fromisoformat(options["until"]) if "until" in options else None
    return Key(words[0], frozenset(scopes), bytes.fromhex(digest[1]), rate, until)


def _check_scopes(scopes: Sequence[str]) -> None:
    if not scopes or not set(scopes) <= set(SCOPES):
        raise AccessError(f"a key needs scopes, and there are {', '.join(SCOPES)}")


def _check_rate(rate_per_s: float | None) -> None:
    if rate_per_s is not None and not (math.isfinite(rate_per_s) and rate_per_s > 0):
        raise AccessError("a rate is a number of requests per second, above 0")
