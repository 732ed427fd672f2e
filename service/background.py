"""Supervises background work: the tasks and threads that run as long as the service does.

Work that fails is tried again after a pause. Its first failure is logged and each one is counted. Until the
work succeeds again the service is not ready; if it stays down, the service is not healthy. Only errors are
caught: what ends a process (``SystemExit``, ``KeyboardInterrupt``) ends the work too, and health shows it at
once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar, get_args

from evenhand.service.errors import ServiceError

log = logging.getLogger(__name__)

Name = Literal[
    "bundles",
    "control",
    "engine",
    "evidence",
    "flips",
    "housekeeping",
    "memory",
    "queues",
    "record",
    "record_database",
    "shadow",
    "upstream",
]
NAMES: tuple[Name, ...] = get_args(Name)
"""All background work, by the label of its counter."""
FIRST_PAUSE_S = 0.5
"""Pause after the first failure; each further one doubles it."""
LONGEST_PAUSE_S = 2.0
"""Short, because another process's orders must not wait for long once the fault is over."""
UNHEALTHY_AFTER_S = 120.0
"""Work that is down for this long may need a new process."""
TRIES_WHILE_STOPPING = 3
"""A thread that must finish its work before it ends gives up after this many failures."""
AnyWork = TypeVar("AnyWork", bound="Work")
Pause = float | None
"""Seconds until the next turn; ``None`` if there is none."""


@dataclass(frozen=True, slots=True)
class Outage:
    """Why work is down."""

    began_s: float
    """By the monotonic clock."""
    reason: str
    ended: bool = False
    """Whether it will not be tried again."""


class Work:
    """One piece of background work and whether it is down.

    Args:
        name: Its name.
        count: Called with the name at each failure.
    """

    def __init__(self, name: Name, count: Callable[[Name], None]) -> None:
        self.name = name
        self.outage: Outage | None = None
        self._count = count
        self._failures = 0

    def succeed(self) -> None:
        """Note a turn that succeeded."""
        if self.outage is not None:
            log.warning("%s works again, after %.1f s", self.name, time.monotonic() - self.outage.began_s)
        self.outage, self._failures = None, 0

    def fail(self, error: Exception, effect: str = "the service is not ready until it works") -> float:
        """Count a failure, and log the first one of an outage.

        Args:
            error: What failed.
            effect: The effect on the service, for the log.

        Returns:
            Seconds to wait before the next try.
        """
        self._count(self.name)
        self._failures += 1
        if self.outage is None:
            self.outage = Outage(time.monotonic(), _reason(error))
            # Another library's message may quote an input, so the log has only type and place of such errors.
            unforeseen = None if isinstance(error, OSError | ServiceError) else error
            message = "background work failed: %s (%s); it is tried again, and %s"
            log.error(message, self.name, self.outage.reason, effect, exc_info=unforeseen)
        return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(self._failures - 1, 10))

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Note an exception that ends the work for ever."""
        try:
            yield
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._count(self.name)
            self.outage = Outage(time.monotonic(), _reason(error), ended=True)
            log.critical("background work ended: %s (%s); replace the process", self.name, self.outage.reason)
            raise


class Task(Work):
    """Work on the event loop, turn after turn."""

    def __init__(
        self, name: Name, count: Callable[[Name], None], turn: Callable[[], Awaitable[Pause]]
    ) -> None:
        super().__init__(name, count)
        self._turn = turn
        self._task: asyncio.Task[None] | None = None

    def start(self, first_s: float = 0.0) -> Self:
        """Begin, after a pause."""
        self._task = asyncio.create_task(self._run(first_s), name=self.name)
        return self

    def stop(self) -> None:
        """End it at once."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, pause_s: Pause) -> None:
        with self.ending():
            while pause_s is not None:
                await asyncio.sleep(pause_s)
                try:
                    pause_s = await self._turn()
                except Exception as error:
                    pause_s = self.fail(error)
                else:
                    self.succeed()


class Thread(Work):
    """Work in a thread of its own, turn after turn."""

    def __init__(
        self, name: Name, count: Callable[[Name], None], turn: Callable[[], Pause], finishes: bool
    ) -> None:
        super().__init__(name, count)
        self._turn, self._finishes = turn, finishes
        self._stop = threading.Event()
        self._first_s = 0.0
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self, first_s: float = 0.0) -> None:
        """Begin, after a pause.

        Raises:
            RuntimeError: the machine has no thread left.
        """
        self._first_s = first_s
        self._thread.start()

    def stop(self, within_s: float | None = None) -> None:
        """End it after the turn that is under way, and wait for that."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(within_s)

    def _run(self) -> None:
        pause_s: Pause = self._first_s
        tries = TRIES_WHILE_STOPPING if self._finishes else 0
        with self.ending():
            while pause_s is not None and not (self._stop.wait(pause_s) and not tries):
                try:
                    pause_s = self._turn()
                except Exception as error:
                    pause_s = self.fail(error)
                    tries -= self._stop.is_set()
                else:
                    self.succeed()


class Detached:
    """Tasks that run once each, such as a row for a version in shadow.

    A failure is logged once per outage and counted. The service stays ready: its answers do not need them.
    """

    def __init__(self, name: Name, count: Callable[[Name], None]) -> None:
        self._work = Work(name, count)
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Start one task and return at once."""
        task = asyncio.create_task(self._run(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel the tasks that are not done."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            self._work.fail(error, "answers do not need it")
        else:
            outage = self._work.outage  # rows that fail and rows that succeed alternate
            if outage is not None and time.monotonic() - outage.began_s > LONGEST_PAUSE_S:
                self._work.succeed()


class Background:
    """All background work of one process.

    Args:
        count: Called at each failure with the name of what failed; in any thread.
    """

    def __init__(self, count: Callable[[Name], None] = lambda _: None) -> None:
        self._count = count
        self._work: dict[Name, Work] = {}

    @property
    def problem(self) -> str | None:
        """Why the service is not ready; ``None`` if all work goes on."""
        return next((_sentence(work.name, outage) for work, outage in self._outages()), None)

    @property
    def beyond_repair(self) -> str | None:
        """Why the process must be replaced: work has ended, or is down for ``UNHEALTHY_AFTER_S``."""
        begun_s = time.monotonic() - UNHEALTHY_AFTER_S
        lasting = (pair for pair in self._outages() if pair[1].ended or pair[1].began_s <= begun_s)
        return next((_sentence(work.name, outage) for work, outage in lasting), None)

    def task(self, name: Name, turn: Callable[[], Awaitable[Pause]]) -> Task:
        """Register work on the event loop; start it with ``start``.

        Args:
            name: Its name.
            turn: One turn; returns the seconds until the next one, or ``None`` to end.
        """
        return self._add(Task(name, self._count, turn))

    def thread(self, name: Name, turn: Callable[[], Pause], finishes: bool = False) -> Thread:
        """Register work in a thread; start it with ``start``.

        Args:
            name: Its name.
            turn: One turn; returns the seconds until the next one, or ``None`` to end.
            finishes: Whether turns go on after a stop until one returns ``None``.
        """
        return self._add(Thread(name, self._count, turn, finishes))

    def detached(self, name: Name) -> Detached:
        """Tasks that run once each."""
        return Detached(name, self._count)

    def _add(self, work: AnyWork) -> AnyWork:
        self._work[work.name] = work
        return work

    def _outages(self) -> Iterator[tuple[Work, Outage]]:
        return ((work, outage) for work in list(self._work.values()) if (outage := work.outage) is not None)


def _sentence(name: Name, outage: Outage) -> str:
    if outage.ended:
        return f"background work has ended ({name}: {outage.reason}); the process must be replaced"
    return f"background work fails ({name}: {outage.reason}); it is tried again, and the log says more"


def _reason(error: BaseException) -> str:
    """Type of an error, and its message if it is the system's or ours: other messages may quote an input."""
    name = type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        return f"{name}: {error.strerror}"
    return f"{name}: {error}" if isinstance(error, ServiceError) else name
