"""How far a command is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import typer

Progress = Callable[[int, int], None]
"""Told how much is done, of how much."""
LINE_EVERY_S = 15.0


@contextlib.contextmanager
def bar(what: str) -> Iterator[Progress]:
    """A progress bar on standard error, or a line now and then where that is no terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(what)
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(what, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


class _Lines:
    """Progress for a log."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._said_s = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        if time.monotonic() - self._said_s > LINE_EVERY_S:
            self._said_s = time.monotonic()
            typer.echo(f"{self._what}: {done:,} of {total:,}", err=True)
