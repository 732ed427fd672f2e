"""A closed loop of connections, and an open loop of Poisson arrivals. One thread, and no task per request."""

from __future__ import annotations

import asyncio
import itertools
import math
import resource
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bench.protocols import Ask
from bench.summary import LOST, UNANSWERED, Record, poisson, rounded, summarise
from bench.wire import HOST, Connection, Reply

RETRY_S = 0.05
IDLE_S = 3.0
"""A connection that is idle for longer is not reused: the server may be closing it."""
STALE_S = 0.5
"""A reused connection that ends this soon after a request was closed before it: the request is sent again."""
PATIENCE_S = 15.0
"""How long to wait for replies after the end."""
MOST_CONNECTIONS = 8192


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run of the load."""

    records: list[Record]
    seconds: float
    """How long requests were sent."""
    client_cpu_s: float
    """Processor time of the load itself."""

    def figures(self) -> dict[str, Any]:
        """Throughput, latencies and counts."""
        each = 1e6 * self.client_cpu_s / max(1, len(self.records))
        return {**summarise(self.records, self.seconds), "client_cpu_us_per_request": rounded(each)}


class _Load(ABC):
    """What both loops share: connections, records and the end."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._connections: set[Connection] = set()
        self._busy: dict[Connection, tuple[float, float, Ask]] = {}
        """When the request was due, when it was sent, and what it is."""
        self._stopped = False
        self._records: list[Record] = []
        self._done = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._started_s, self._cpu_s = time.perf_counter(), _own_cpu_s()

    def _now(self) -> float:
        return time.perf_counter() - self._started_s

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self) -> Connection | None:
        try:
            _, connection = await self._loop.create_connection(
                lambda: Connection(self._replied), HOST, self._port
            )
        except OSError:
            return None
        self._connections.add(connection)
        return connection

    def _send(self, connection: Connection, due_s: float, ask: Ask) -> None:
        self._busy[connection] = (due_s, self._now(), ask)
        connection.send(ask.request)

    async def _send_anew(self, due_s: float, ask: Ask) -> bool:
        """Send on a new connection; whether there was one."""
        try:
            connection = await self._connect()
        except asyncio.CancelledError:
            self._record(due_s, ask, None, UNANSWERED)
            raise
        if connection is None or not connection.open:
            self._record(due_s, ask, None)
            return False
        self._send(connection, due_s, ask)
        return True

    def _record(self, due_s: float, ask: Ask, reply: Reply | None, status: int = LOST) -> None:
        right = None
        if reply is not None:
            status = reply.status
            if status == 200 and ask.marker is not None:
                right = ask.marker in reply.body.replace(b" ", b"")
        retry_after = reply is not None and reply.retry_after
        self._records.append(Record(due_s, self._now() - due_s, status, retry_after, right, ask.kind))

    def _replied(self, connection: Connection, reply: Reply | None) -> None:
        due_s, sent_s, ask = self._busy.pop(connection)
        if not connection.open:
            self._connections.discard(connection)
        if reply is None and connection.replies and self._now() - sent_s < STALE_S and not self._stopped:
            self._again(due_s, ask)
            return
        self._record(due_s, ask, reply)
        self._free(connection)

    @abstractmethod
    def _again(self, due_s: float, ask: Ask) -> None:
        """Send a request on a new connection."""

    @abstractmethod
    def _free(self, connection: Connection) -> None:
        """A connection is idle."""

    async def _end(self, seconds: float) -> Outcome:
        """Wait for outstanding replies, and give up those that do not come."""
        try:
            await asyncio.wait_for(self._done.wait(), max(0.0, seconds - self._now()) + PATIENCE_S)
        except TimeoutError:
            for due_s, _, ask in self._busy.values():
                self._record(due_s, ask, None, UNANSWERED)
        cpu_s, took_s = _own_cpu_s() - self._cpu_s, min(seconds, self._now())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self._connections:
            connection.close()
        return Outcome(self._records, took_s, cpu_s)


class Closed(_Load):
    """A number of connections, each of which sends its next request when it has its reply.

    Args:
        port: Where the server listens.
        asks: What to send, in this order; the run ends when it does.
        seconds: The run ends by then.
        at_end: Called once no more is sent, with the number of requests under way.
    """

    def __init__(
        self, port: int, asks: Iterator[Ask], seconds: float, at_end: Callable[[int], None] | None = None
    ) -> None:
        super().__init__(port)
        self._asks = asks
        self._seconds = seconds
        self._at_end = at_end
        # Where the run has a last action, only that action may end it.
        self._last_s = seconds if at_end is None else math.inf
        self._active = 0

    async def run(self, connections: int) -> Outcome:
        """Drive the server with that many connections."""
        self._active = connections
        if self._at_end is not None:
            self._loop.call_later(self._seconds, self._stop, self._at_end)
        for _ in range(connections):
            self._spawn(self._begin())
        return await self._end(self._seconds)

    def _stop(self, at_end: Callable[[int], None]) -> None:
        self._stopped = True
        at_end(len(self._busy))

    async def _begin(self) -> None:
        """A new connection, and its first request."""
        while not self._over():
            connection = await self._connect()
            if connection is not None and connection.open:
                self._free(connection)
                return
            await asyncio.sleep(RETRY_S)
        self._leave()

    def _again(self, due_s: float, ask: Ask) -> None:
        self._spawn(self._retry(due_s, ask))

    async def _retry(self, due_s: float, ask: Ask) -> None:
        if not await self._send_anew(due_s, ask):
            self._leave()

    def _free(self, connection: Connection) -> None:
        if self._over():
            self._leave()
        elif not connection.open:
            self._spawn(self._begin())
        elif (ask := next(self._asks, None)) is None:
            self._leave()
        else:
            self._send(connection, self._now(), ask)

    def _over(self) -> bool:
        return self._stopped or self._now() >= self._last_s

    def _leave(self) -> None:
        self._active -= 1
        if self._active == 0:
            self._done.set()


class Open(_Load):
    """Sends requests when they are due, whether or not earlier ones have been answered.

    Args:
        port: Where the server listens.
        asks: What to send.
        due_s: When, in order.
    """

    def __init__(self, port: int, asks: Iterator[Ask], due_s: Sequence[float]) -> None:
        super().__init__(port)
        self._asks = asks
        self._due_s = due_s
        self._idle: list[tuple[float, Connection]] = []
        self._backlog: deque[tuple[float, Ask]] = deque()
        self._opening = 0
        self._all_sent = False

    async def run(self, seconds: float) -> Outcome:
        """Send everything; the figures are over ``seconds``."""
        for due_s in self._due_s:
            if due_s > self._now():
                await asyncio.sleep(due_s - self._now())
            self._dispatch(due_s, next(self._asks))
        self._all_sent = True
        self._settle()
        outcome = await self._end(seconds)
        for due_s, ask in self._backlog:
            self._record(due_s, ask, None, UNANSWERED)
        return outcome

    def _dispatch(self, due_s: float, ask: Ask) -> None:
        now = self._now()
        while self._idle:
            since_s, connection = self._idle.pop()
            if connection.open and now - since_s < IDLE_S:
                self._send(connection, due_s, ask)
                return
            connection.close()
            self._connections.discard(connection)
        if len(self._connections) + self._opening < MOST_CONNECTIONS:
            self._again(due_s, ask)
        else:
            self._backlog.append((due_s, ask))

    def _again(self, due_s: float, ask: Ask) -> None:
        self._opening += 1
        self._spawn(self._begin(due_s, ask))

    async def _begin(self, due_s: float, ask: Ask) -> None:
        sent = await self._send_anew(due_s, ask)
        self._opening -= 1
        if not sent:
            self._settle()

    def _free(self, connection: Connection) -> None:
        if self._backlog and connection.open:
            self._send(connection, *self._backlog.popleft())
            return
        if connection.open:
            self._idle.append((self._now(), connection))
        self._settle()

    def _settle(self) -> None:
        if self._all_sent and not self._busy and not self._opening:
            self._done.set()


async def closed(port: int, asks: Sequence[Ask], connections: int, seconds: float) -> Outcome:
    """A closed loop over ``asks`` again and again."""
    return await Closed(port, itertools.cycle(asks), seconds).run(connections)


async def opened(port: int, asks: Sequence[Ask], rate: float, seconds: float) -> Outcome:
    """An open loop of Poisson arrivals over ``asks`` again and again."""
    raise_file_limit()
    return await Open(port, itertools.cycle(asks), poisson(rate, seconds, seed=0)).run(seconds)


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def raise_file_limit() -> None:
    """Room for every connection of an open loop; a server that is started afterwards inherits it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < MOST_CONNECTIONS + 512 <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (MOST_CONNECTIONS + 512, hard))
