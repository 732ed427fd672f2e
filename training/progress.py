"""Progress bars for everything that takes over five seconds, and plain lines where there is no terminal."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

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
T = TypeVar("T")
LINE_EVERY_S = 15.0
MAIN = os.environ.get("RANK", "0") == "0"
"""``accelerate launch`` numbers its processes so."""


def say(message: str) -> None:
    """Tell the user about a step, on standard error; of several processes one speaks."""
    if MAIN:
        console.print(message, highlight=False, soft_wrap=True)


def track(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Go through ``items`` under a progress bar, or with a line every now and then in a log file."""
    if not MAIN:
        yield from items
        return
    if not sys.stderr.isatty():
        yield from _lines(items, total, what)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(what, total=total)
        for item in items:
            yield item
            bars.advance(task)


def _lines(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    said = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - said > LINE_EVERY_S:
            said = time.monotonic()
            say(f"{what}: {done}/{total}")
        yield item
