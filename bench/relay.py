"""The least that a hop can cost: passes the bytes of each connection on to a server, and its bytes back.

    python -m bench.relay <port> <port of the server>

It reads nothing, counts nothing and records nothing. What it adds is the machine's share of what a proxy
adds.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from typing import cast

import uvloop

from bench.wire import HOST


class Side(asyncio.Protocol):
    """One end; what it receives goes to the other one."""

    def __init__(self, other: Side | None = None) -> None:
        self.other = other
        self.transport: asyncio.Transport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; send what has come for it."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass
        for data in self._early:
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        assert self.other is not None
        if self.other.transport is None:
            self.other._early.append(data)
        else:
            self.other.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """End both ends."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.close()


class Client(Side):
    """A client's end."""

    def __init__(self, upstream: int) -> None:
        super().__init__()
        self._upstream = upstream
        self._task: asyncio.Task[object] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the server, too."""
        super().connection_made(transport)
        self.other = Side(self)
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(loop.create_connection(lambda: self.other, HOST, self._upstream))


async def serve(port: int, upstream: int) -> None:
    """Until it is killed."""
    server = await asyncio.get_running_loop().create_server(partial(Client, upstream), HOST, port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
