"""A file that is read again when it changes. Invalid content leaves the old value in force."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from evenhand.service.auth.key_file import AccessError

log = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0
Value = TypeVar("Value")
Stamp = tuple[int, ...] | None


class ReloadableFile(Generic[Value]):
    """The value of a file, at most one second old.

    Args:
        path: The file.
        read: Parses the file.

    Raises:
        AccessError: the file is not valid at the start.
    """

    def __init__(self, path: Path, read: Callable[[Path], Value]) -> None:
        self._path, self._read = path, read
        self._stamp = _stamp(path)
        self._value = read(path)
        self._next_s = 0.0

    def get(self, now_s: float) -> Value:
        """The current value.

        Args:
            now_s: Time of the monotonic clock.
        """
        if now_s >= self._next_s:
            self._next_s = now_s + LOOK_EVERY_S
            self._look()
        return self._value

    def _look(self) -> None:
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        self._stamp = stamp  # an error is logged once
        try:
            self._value = self._read(self._path)
        except AccessError as error:
            log.error("%s; what it said before stays in force", error)
        else:
            log.info("read %s again", self._path)


def _stamp(path: Path) -> Stamp:
    """Changes whenever the file does."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
