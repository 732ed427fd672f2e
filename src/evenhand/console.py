"""What a command says while it works, on standard error: its steps, and how far it is."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
Show = Callable[[int, int], None]
"""Takes how much is done, and of how much."""
LINE_EVERY_S = 15.0
MAIN = os.environ.get("RANK", "0") == "0"
"""``accelerate launch`` numbers its processes so."""


@functools.cache
def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True)


def say(message: str) -> None:
    """Tell the user about a step; of several processes one speaks."""
    if MAIN:
        _console().print(message, highlight=False, soft_wrap=True)


def track(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Go through ``items`` under a progress bar, or with a line every now and then in a log file."""
    if not MAIN:
        yield from items
        return
    with bar(what) as show:
        for done, item in enumerate(items):
            show(done, total)
            yield item


@contextlib.contextmanager
def bar(what: str) -> Iterator[Show]:
    """A progress bar, or a line every :data:`LINE_EVERY_S` where there is no terminal."""
    if not sys.stderr.isatty():
        yield _lines(what)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeElapsedColumn(), TimeRemainingColumn(), console=_console(), transient=True
    ) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


def _lines(what: str) -> Show:
    said_s = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal said_s
        if time.monotonic() - said_s > LINE_EVERY_S:
            said_s = time.monotonic()
            say(f"{what}: {done:,} of {total:,}")

    return show
