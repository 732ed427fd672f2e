"""A file that is read again when it changes, and says what in it cannot be read."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

log = logging.getLogger(__name__)
LOOK_EVERY_S = 1.0
Stamp = tuple[int, ...] | None


class Content(Protocol):
    """What a file says."""

    @property
    def problems(self) -> tuple[str, ...]:
        """Each place that cannot be read, in a sentence."""


Value = TypeVar("Value", bound=Content)


class ReloadableFile(Generic[Value]):
    """The value of a file, at most one second old.

    Args:
        path: The file.
        read: Reads the file at the start, and may refuse it.
        read_again: Reads it when it has changed; gets what it said before, and never fails.
        watch: Is called with the number of problems, at the start and whenever the file was read.

    Raises:
        AccessError: ``read`` refuses the file.
    """

    def __init__(
        self,
        path: Path,
        read: Callable[[Path], Value],
        read_again: Callable[[Path, Value], Value],
        watch: Callable[[int], None],
    ) -> None:
        self._path, self._read_again, self._watch = path, read_again, watch
        self._stamp = _stamp(path)
        self._value = read(path)
        self._next_s = 0.0
        self._tell()

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
        self._stamp = stamp  # problems are logged once
        self._value = self._read_again(self._path, self._value)
        log.info("read %s again", self._path)
        self._tell()

    def _tell(self) -> None:
        for problem in self._value.problems:
            log.error("%s", problem)
        self._watch(len(self._value.problems))


def _stamp(path: Path) -> Stamp:
    """Changes whenever the file does."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
