"""The cheapest possible refusal: answers 429 to every request without reading it.

python -m bench.refuser <port>
"""

from __future__ import annotations

import asyncio
import sys

import uvloop

from bench.wire import HOST

BODY = b'{"error":{"type":"overloaded","message":"too many rows wait; come back later"}}'
REFUSAL = b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 2\r\ncontent-length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)


class Refuser(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep what to answer through."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Refuse; a request is small enough to come in one piece."""
        self._transport.write(REFUSAL)


async def serve(port: int) -> None:
    """Until it is killed."""
    server = await asyncio.get_running_loop().create_server(Refuser, HOST, port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
