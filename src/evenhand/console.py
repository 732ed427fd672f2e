"""Messages and progress of a command, on standard error."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
Show = Callable[[int, int], None]
"""Called with how much is done, and of how much; 0 where that is not known."""
FIRST_LINE_S = 5.0
"""Work that takes less says nothing."""
LINE_EVERY_S = 15.0
MAIN = os.environ.get("RANK", "0") == "0"
"""Whether this is the first process of ``accelerate launch``, which sets ``RANK``."""


@functools.cache
def _console() -> Console:
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            """Whoever read the messages is gone: the work goes on without them."""
            self.quiet = True
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())

    return Quiet(stderr=True)


_SINK: ContextVar[Callable[[str], None] | None] = ContextVar("sink", default=None)


@contextlib.contextmanager
def messages_to(sink: Callable[[str], None]) -> Iterator[None]:
    """Hand messages to ``sink`` instead of printing them, and show no progress: for use as a library."""
    token = _SINK.set(sink)
    try:
        yield
    finally:
        _SINK.reset(token)


def say(message: str) -> None:
    """Print a message as it is; of several processes only the first one prints."""
    sink = _SINK.get()
    if sink is not None:
        sink(message)
    else:
        show(message)


def show(message: str) -> None:
    """Print a message, wherever messages go otherwise."""
    if MAIN:
        _console().print(message, highlight=False, soft_wrap=True, markup=False)


def say_error(error: object, what: str = "error") -> None:
    """Print an error, its beginning in red; names of files, columns and extras may contain brackets."""
    from rich.text import Text

    if MAIN:
        _console().print(Text.assemble((f"{what}:", "red"), f" {error}"), soft_wrap=True)


def track(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Yield ``items`` with a progress bar, or with a line now and then where there is no terminal."""
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
    if _SINK.get() is not None:
        yield lambda done, total: None
        return
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
        yield lambda done, total: bars.update(task, completed=done, total=total or None)


def _lines(what: str) -> Show:
    next_s = time.monotonic() + FIRST_LINE_S
    first: tuple[int, float] | None = None
    """How much was done when, at the first call: an interrupted run goes on somewhere."""

    def show(done: int, total: int) -> None:
        nonlocal next_s, first
        now_s = time.monotonic()
        before, since_s = first = first or (done, now_s)
        if now_s >= next_s:
            next_s = now_s + LINE_EVERY_S
            speed = f"; {(done - before) / (now_s - since_s):,.0f} per second" if done > before else ""
            say(f"{what}: {done:,}{f' of {total:,}' if total else ''}{speed}")

    return show
