"""The engine threads: each takes a batch wherever one waits, runs it, and is watched.

A lane that dies or hangs loses its batch, not the service: its rows are answered with an error, a new thread
    takes its
place, and until that has answered a canary the service says that it is not ready. Lanes know no HTTP and no
model.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol

from evenhand.service.background import Background

log = logging.getLogger(__name__)

WATCH_S = 0.2
"""How often the lanes are looked at."""
PROBE_S = 5.0
"""An idle lane runs a canary so often."""
PROBATION_S = 1.0
"""How long a lane that took another's place counts as not ready, at least."""
SLOW_FACTOR = 2.0
"""A run that takes so many times as long as a full batch did at the start shows as not ready."""
LOST_FACTOR = 3.0
"""A run that takes so many times as long as one that shows is given up: a busy machine is slow, not broken."""
MOST_LOST = 4
"""Hung threads cannot be ended; with so many of them, the process must be replaced."""
NICENESS = 5
"""How far an engine thread steps back for the event loop, which has little to do and must do it at once: under
three times the load, 99 of 100 refusals leave within 11 ms instead of 45."""


class Job(Protocol):
    """Work for one lane."""

    def run(self) -> None:
        """Do it."""

    def fail(self) -> None:
        """Answer whoever waits for it: the lane is lost."""


class JobSource(Protocol):
    """Where jobs come from."""

    @property
    def depth(self) -> int:
        """What waits; 0 is nothing."""

    def take(self) -> Job | None:
        """The next job, if there still is one."""


class _Queue:
    """A source, and how much engine time it has had: the one that had least goes first."""

    def __init__(self, source: JobSource, background: bool, used_s: float) -> None:
        self.source = source
        self.background = background
        self.used_s = used_s
        self.idle = True


class _Worker(threading.Thread):
    """One engine thread."""

    def __init__(self, lanes: Workers, number: int, probation_s: float) -> None:
        super().__init__(name=f"engine-{number}", daemon=True)
        self.number = number
        self.trusted_from_s = time.monotonic() + probation_s
        self.proven = False
        self.lost = False
        self.busy_since_s: float | None = None
        self.idle_since_s = -math.inf
        self.probed_s = -math.inf
        self.job: Job | None = None
        self._lanes = lanes

    @property
    def ready(self) -> bool:
        """Whether it runs, has answered a canary, and is not on probation."""
        return self.is_alive() and self.proven and time.monotonic() >= self.trusted_from_s

    @property
    def busy_s(self) -> float:
        """How long the run that is going on has taken."""
        since_s = self.busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def run(self) -> None:
        """Take and run jobs until told to stop."""
        step_back()
        while not self.lost and self._step():
            pass

    def _step(self) -> bool:
        """One job or one canary; a function of its own, so that an idle lane holds on to no model."""
        queue = self._lanes.wait_for_work(self)
        if queue is None:
            return False
        self.busy_since_s = time.monotonic()
        try:
            if isinstance(queue, _Queue):
                self._run_one(queue)
            else:
                self._probe(queue)
        finally:
            self.idle_since_s, self.busy_since_s = time.monotonic(), None
        return True

    def _run_one(self, queue: _Queue) -> None:
        self.job = queue.source.take()
        if self.job is None:
            return
        if queue.source.depth:
            self._lanes.wake()  # one wake-up came for all rows of a request, and more of them wait
        started_s = time.monotonic()
        self.job.run()
        self.job = None
        queue.used_s += time.monotonic() - started_s

    def _probe(self, probe: Callable[[], None]) -> None:
        """Run the canary; a lane that cannot is not ready."""
        self.probed_s = time.monotonic()
        try:
            probe()
        except Exception:
            log.exception("lane %d: the canary failed", self.number)
            self.proven = False
        else:
            self.proven = True


def step_back() -> None:
    """Let the event loop go first where both want a core; only Linux has a niceness per thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a sandbox may forbid it; then it is slower, not wrong
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.nice(0) + NICENESS)


class Workers:
    """Engine threads over any number of sources.

    Args:
        count: Threads.
        probe: A canary: runs a known row, raises if the answer is wrong. Called in a lane.
        stall_s: A run that takes longer hangs: the service is not ready; after three times as long the lane
            is given up. Models that need more are made known by :meth:`allow`.
        background: Supervises who watches the threads; their own where none is passed.
    """

    def __init__(
        self, count: int, probe: Callable[[], None], stall_s: float, background: Background | None = None
    ) -> None:
        self._count = count
        self._probe = probe
        self._stall_s = stall_s
        self._condition = threading.Condition()
        self._queues: list[_Queue] = []
        self._lanes: list[_Worker] = []
        self._lost: list[_Worker] = []
        self._started = 0
        self._stopping = False
        self._watcher = (background or Background()).task("engine", self._watch)

    @property
    def is_alone(self) -> bool:
        """Whether whoever runs now has the engine for itself: no other lane runs, and nothing waits."""
        busy = sum(lane.busy_since_s is not None for lane in self._lanes)
        return busy <= 1 and not any(queue.source.depth for queue in self._queues)

    def add(self, source: JobSource, background: bool = False) -> None:
        """Serve a source; one in the background only gets what the others leave."""
        with self._condition:
            used_s = min((queue.used_s for queue in self._queues), default=0.0)
            self._queues.append(_Queue(source, background, used_s))

    def in_background(self, source: JobSource) -> bool:
        """Whether a source only gets what the others leave."""
        return any(queue.source is source and queue.background for queue in self._queues)

    def defer(self, source: JobSource, background: bool) -> None:
        """Let a source wait for the others from now on, or no longer."""
        with self._condition:
            for queue in self._queues:
                if queue.source is source:
                    queue.background = background

    def remove(self, source: JobSource) -> None:
        """Serve it no longer."""
        with self._condition:
            self._queues = [queue for queue in self._queues if queue.source is not source]

    def allow(self, full_batch_s: float) -> None:
        """Be patient with a model whose full batch takes so long."""
        self._stall_s = max(self._stall_s, SLOW_FACTOR * full_batch_s)

    def wake(self) -> None:
        """Work has arrived."""
        with self._condition:
            self._condition.notify()

    async def start(self) -> None:
        """Start the threads, and wait until each has answered its canary or failed to."""
        self._lanes = [self._new_lane(number, 0.0) for number in range(self._count)]
        self._started = self._count - 1
        deadline_s = time.monotonic() + 10 * self._stall_s
        while self.problem and time.monotonic() < deadline_s:  # noqa: ASYNC110 - threads change it
            await asyncio.sleep(0.01)
        self._watcher.start(WATCH_S)

    async def stop(self) -> None:
        """End the threads; jobs that are running are finished first."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        self._watcher.stop()
        for lane in self._lanes:
            await asyncio.to_thread(lane.join, self._stall_s)

    @property
    def problem(self) -> str | None:
        """Why the service is not ready; ``None`` if it is."""
        if self.beyond_repair:
            return f"{len(self._lost)} engine threads hang; the process must be replaced"
        if not self._lanes:
            return "the engine has not been started"
        if any(lane.busy_s > self._stall_s for lane in self._lanes):
            return "an engine thread hangs"
        if not all(lane.ready for lane in self._lanes):
            return "an engine thread was lost, or has not answered its canary yet"
        return None

    @property
    def beyond_repair(self) -> bool:
        """Whether only a new process helps."""
        return len(self._lost) >= MOST_LOST

    def wait_for_work(self, lane: _Worker) -> _Queue | Callable[[], None] | None:
        """Block until something waits, or the lane's canary is due; ``None`` tells it to end."""
        with self._condition:
            while not self._stopping and not lane.lost:
                now = time.monotonic()
                idle_s = now - lane.idle_since_s
                # Under load a lane is never idle; one that failed its canary must still get to try again.
                if (not lane.proven and now - lane.probed_s > WATCH_S) or idle_s > PROBE_S:
                    return self._probe
                queue = self._next()
                if queue is not None:
                    return queue
                self._condition.wait(WATCH_S if not lane.proven else PROBE_S - idle_s)
        return None

    def _next(self) -> _Queue | None:
        """The waiting source that had least engine time; one that was idle does not make up for its idleness."""
        waiting = [queue for queue in self._queues if queue.source.depth]
        busy_s = [queue.used_s for queue in waiting if not queue.idle]
        for queue in self._queues:
            if queue.source.depth and queue.idle and busy_s:
                queue.used_s = max(queue.used_s, min(busy_s))
            queue.idle = not queue.source.depth
        return min(waiting, key=lambda queue: (queue.background, queue.used_s), default=None)

    def _new_lane(self, number: int, probation_s: float) -> _Worker:
        lane = _Worker(self, number, probation_s)
        lane.start()
        return lane

    async def _watch(self) -> float:
        """Replace lost lanes; returns the seconds until the next look."""
        self._lost = [lane for lane in self._lost if lane.is_alive()]
        for lane in list(self._lanes):
            if lane.busy_s > LOST_FACTOR * self._stall_s or not lane.is_alive():
                self._give_up(lane)
        while len(self._lanes) < self._count and not self.beyond_repair:
            self._started += 1
            self._lanes.append(self._new_lane(self._started, PROBATION_S))
        return WATCH_S

    def _give_up(self, lane: _Worker) -> None:
        """Answer the rows of a lost lane."""
        what = "hangs" if lane.is_alive() else "died"
        log.error("engine thread %d %s; its rows get an error", lane.number, what)
        lane.lost = True
        if lane.is_alive():
            self._lost.append(lane)
        self._lanes.remove(lane)
        if lane.job is not None:
            lane.job.fail()
