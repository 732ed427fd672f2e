"""Engine threads: each worker pulls a batch from a queue, runs it, and is supervised.

If a worker dies or hangs, its rows are answered with an error and a new thread replaces it. The service is
not ready until the new worker has answered a canary row. Workers know nothing of HTTP or models.
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

SUPERVISE_S = 0.2
"""Seconds between two checks of the workers."""
PROBE_S = 5.0
"""Seconds after which an idle worker runs a canary."""
PROBATION_S = 1.0
"""Seconds for which a replacement counts as not ready, at least."""
SLOW_FACTOR = 2.0
"""A run that takes this many times as long as a full batch at the start makes the service not ready."""
HUNG_FACTOR = 3.0
"""A run that takes this many times as long as the stall limit has failed. A busy machine is slow, not
broken."""
MOST_HUNG = 4
"""A hung thread cannot be ended. With this many of them the process must be replaced."""
NICENESS = 5
"""Added to the niceness of an engine thread. The event loop has little to do and must do it at once: under
three times the load, 99 of 100 refusals leave within 11 ms instead of 45."""


class Job(Protocol):
    """Work for one worker."""

    def run(self) -> None:
        """Do the work."""

    def fail(self) -> None:
        """Answer the waiting requests with an error: the worker died or hangs."""


class JobSource(Protocol):
    """A queue of jobs."""

    @property
    def depth(self) -> int:
        """Number of waiting items."""

    yields: bool
    """Whether other sources go first."""

    def take(self) -> Job | None:
        """The next job; ``None`` if another worker took it."""


class _Queue:
    """A source and the engine time it has used. The source with the least time goes first."""

    def __init__(self, source: JobSource, background: bool, used_s: float) -> None:
        self.source = source
        self.background = background
        self.used_s = used_s
        self.idle = True


class _Worker(threading.Thread):
    """One engine thread."""

    def __init__(self, workers: Workers, number: int, probation_s: float) -> None:
        super().__init__(name=f"engine-{number}", daemon=True)
        self.number = number
        self.trusted_from_s = time.monotonic() + probation_s
        self.proven = False
        self.failed = False
        self.busy_since_s: float | None = None
        self.idle_since_s = -math.inf
        self.probed_s = -math.inf
        self.job: Job | None = None
        self._workers = workers

    @property
    def ready(self) -> bool:
        """Whether it runs, has answered a canary, and its probation is over."""
        return self.is_alive() and self.proven and time.monotonic() >= self.trusted_from_s

    @property
    def busy_s(self) -> float:
        """Seconds since the current run began; 0 if there is none."""
        since_s = self.busy_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def run(self) -> None:
        """Pull and run jobs until :class:`Workers` stops or replaces this worker."""
        lower_priority()
        while not self.failed and self._step():
            pass

    def _step(self) -> bool:
        """Run one job or one canary. After its return an idle worker keeps no reference to a model."""
        queue = self._workers.wait_for_work(self)
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
            self._workers.wake()  # a request wakes one worker for all its rows, and more of them wait
        started_s = time.monotonic()
        self.job.run()
        self.job = None
        queue.used_s += time.monotonic() - started_s

    def _probe(self, probe: Callable[[], None]) -> None:
        """Run the canary; a worker on which it fails is not ready."""
        self.probed_s = time.monotonic()
        try:
            probe()
        except Exception:
            log.exception("engine thread %d: the canary failed", self.number)
            self.proven = False
        else:
            self.proven = True


def lower_priority() -> None:
    """Let the event loop go first where both need a core. Only Linux has a niceness per thread."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a sandbox may forbid it; refusals are then slower
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.nice(0) + NICENESS)


class Workers:
    """Engine threads that serve any number of sources.

    Args:
        count: Threads.
        probe: The canary: runs a row with a known answer and raises if the answer differs. Called in a
            worker.
        stall_s: Seconds after which a run makes the service not ready; after three times as long the worker
            has failed and is replaced. :meth:`allow` raises it for slow models.
        background: Supervises the task that checks the workers; a new one if ``None``.
    """

    def __init__(
        self, count: int, probe: Callable[[], None], stall_s: float, background: Background | None = None
    ) -> None:
        self._count = count
        self._probe = probe
        self._stall_s = stall_s
        self._condition = threading.Condition()
        self._queues: list[_Queue] = []
        self._workers: list[_Worker] = []
        self._hung: list[_Worker] = []
        self._started = 0
        self._stopping = False
        self._supervision = (background or Background()).task("engine", self._supervise)

    @property
    def is_alone(self) -> bool:
        """Whether at most one worker runs and nothing waits: a run may then use all cores."""
        busy = sum(worker.busy_since_s is not None for worker in self._workers)
        return busy <= 1 and not any(queue.source.depth for queue in self._queues)

    def add(self, source: JobSource, background: bool = False) -> None:
        """Serve a source. A background source runs only while no other source waits."""
        with self._condition:
            used_s = min((queue.used_s for queue in self._queues), default=0.0)
            self._queues.append(_Queue(source, background, used_s))
            source.yields = background

    def in_background(self, source: JobSource) -> bool:
        """Whether this is a background source."""
        return any(queue.source is source and queue.background for queue in self._queues)

    def defer(self, source: JobSource, background: bool) -> None:
        """Make a source a background source, or a normal one."""
        with self._condition:
            for queue in self._queues:
                if queue.source is source:
                    queue.background = source.yields = background

    def remove(self, source: JobSource) -> None:
        """Stop serving a source."""
        with self._condition:
            self._queues = [queue for queue in self._queues if queue.source is not source]

    def allow(self, full_batch_s: float) -> None:
        """Raise the stall limit for a model whose full batch takes this many seconds."""
        self._stall_s = max(self._stall_s, SLOW_FACTOR * full_batch_s)

    def wake(self) -> None:
        """Wake one worker: work has arrived."""
        with self._condition:
            self._condition.notify()

    async def start(self) -> None:
        """Start the threads; wait until each has answered its canary, at most ten times the stall limit."""
        self._workers = [self._new_worker(number, 0.0) for number in range(self._count)]
        self._started = self._count - 1
        deadline_s = time.monotonic() + 10 * self._stall_s
        while self.problem and time.monotonic() < deadline_s:  # noqa: ASYNC110 - threads change it
            await asyncio.sleep(0.01)
        self._supervision.start(SUPERVISE_S)

    async def stop(self) -> None:
        """Finish the running jobs and end the threads."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        self._supervision.stop()
        for worker in self._workers:
            await asyncio.to_thread(worker.join, self._stall_s)

    @property
    def problem(self) -> str | None:
        """Why the service is not ready; ``None`` if it is."""
        if self.beyond_repair:
            return f"{len(self._hung)} engine threads hang; the process must be replaced"
        if not self._workers:
            return "the engine has not been started"
        if any(worker.busy_s > self._stall_s for worker in self._workers):
            return "an engine thread hangs"
        if not all(worker.ready for worker in self._workers):
            return "an engine thread failed, or has not answered its canary yet"
        return None

    @property
    def beyond_repair(self) -> bool:
        """Whether only a new process helps."""
        return len(self._hung) >= MOST_HUNG

    def wait_for_work(self, worker: _Worker) -> _Queue | Callable[[], None] | None:
        """Block until a row waits or the worker's canary is due; returns ``None`` if the worker must end."""
        with self._condition:
            while not self._stopping and not worker.failed:
                now = time.monotonic()
                idle_s = now - worker.idle_since_s
                # Under load a worker is never idle; one whose canary failed must still try again.
                if (not worker.proven and now - worker.probed_s > SUPERVISE_S) or idle_s > PROBE_S:
                    return self._probe
                queue = self._next()
                if queue is not None:
                    return queue
                self._condition.wait(SUPERVISE_S if not worker.proven else PROBE_S - idle_s)
        return None

    def _next(self) -> _Queue | None:
        """The waiting source with the least engine time. A source gets no credit for the time it was idle."""
        waiting = [queue for queue in self._queues if queue.source.depth]
        busy_s = [queue.used_s for queue in waiting if not queue.idle]
        for queue in self._queues:
            if queue.source.depth and queue.idle and busy_s:
                queue.used_s = max(queue.used_s, min(busy_s))
            queue.idle = not queue.source.depth
        return min(waiting, key=lambda queue: (queue.background, queue.used_s), default=None)

    def _new_worker(self, number: int, probation_s: float) -> _Worker:
        worker = _Worker(self, number, probation_s)
        worker.start()
        return worker

    async def _supervise(self) -> float:
        """Replace failed workers; returns the seconds until the next check."""
        self._hung = [worker for worker in self._hung if worker.is_alive()]
        for worker in list(self._workers):
            if worker.busy_s > HUNG_FACTOR * self._stall_s or not worker.is_alive():
                self._fail(worker)
        while len(self._workers) < self._count and not self.beyond_repair:
            self._started += 1
            self._workers.append(self._new_worker(self._started, PROBATION_S))
        return SUPERVISE_S

    def _fail(self, worker: _Worker) -> None:
        """Answer the rows of a failed worker with an error."""
        what = "hangs" if worker.is_alive() else "died"
        log.error("engine thread %d %s; its rows get an error", worker.number, what)
        worker.failed = True
        if worker.is_alive():
            self._hung.append(worker)
        self._workers.remove(worker)
        if worker.job is not None:
            worker.job.fail()
