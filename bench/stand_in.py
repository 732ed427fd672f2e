"""A stand-in for a model server on another machine: a fixed reply, so much later, to so many at a time.

    python -m bench.stand_in <port> --reply reply.json --milliseconds 20 --at-once 32

Costs this machine almost nothing, as a server elsewhere does. A real one is busy with so many requests at a
time as it has instances, and lets the others wait.
"""

from __future__ import annotations

import argparse
import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import uvloop

from bench.wire import HEAD_END, HOST

LENGTH = b"\r\ncontent-length:"


class Model:
    """Answers after a time, a number of requests at once.

    Args:
        reply: What it answers.
        seconds: After how long.
        at_once: How many requests at a time.
    """

    def __init__(self, reply: bytes, seconds: float, at_once: int) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self._reply = head % len(reply) + reply
        self._seconds, self._free = seconds, at_once
        self._waiting: deque[Callable[[bytes], None]] = deque()
        self._loop = asyncio.get_running_loop()

    def ask(self, answer: Callable[[bytes], None]) -> None:
        """Call back with the reply."""
        if self._free:
            self._free -= 1
            self._loop.call_later(self._seconds, self._done, answer)
        else:
            self._waiting.append(answer)

    def _done(self, answer: Callable[[bytes], None]) -> None:
        self._free += 1
        if self._waiting:
            self.ask(self._waiting.popleft())
        answer(self._reply)


class Server(asyncio.Protocol):
    """One connection."""

    def __init__(self, model: Model) -> None:
        self._model, self._data = model, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to answer through."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Collect one request; the next comes after its reply."""
        self._data += data
        head, end, body = self._data.partition(HEAD_END)
        lower = head.lower()
        at = lower.find(LENGTH)
        length = int(lower[at + len(LENGTH) :].split(b"\r\n")[0]) if at >= 0 else 0
        if end and len(body) >= length:
            self._data = b""
            self._model.ask(self._transport.write)


async def serve(port: int, reply: bytes, seconds: float, at_once: int) -> None:
    """Until it is killed."""
    model = Model(reply, seconds, at_once)
    server = await asyncio.get_running_loop().create_server(partial(Server, model), HOST, port)
    await server.serve_forever()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--reply", type=Path, required=True, help="file with the body of every reply")
    parser.add_argument("--milliseconds", type=float, default=20.0, help="how long an answer takes")
    parser.add_argument("--at-once", type=int, default=10**6, help="requests that are answered at a time")
    options = parser.parse_args()
    uvloop.run(serve(options.port, options.reply.read_bytes(), options.milliseconds / 1000, options.at_once))


if __name__ == "__main__":
    main()
