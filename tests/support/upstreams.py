"""Model servers of other makers, as small real ones: what a proxy stands in front of."""

import asyncio
import gzip
import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from waiting import until

HATE = 0.12345678901


def moderated(texts: Any) -> dict[str, Any]:
    """What an OpenAI-like moderation route says; a text is hate if it says so."""
    listed = texts if isinstance(texts, list) else [texts]
    return {
        "id": "modr-1",
        "results": [
            {
                "flagged": "vermin" in str(text),
                "category_scores": {"hate": 0.9 if "vermin" in str(text) else HATE},
            }
            for text in listed
        ],
    }


class Upstream:
    """An ASGI application that answers as its ``mode`` says."""

    def __init__(self) -> None:
        self.mode = "good"
        self.seen: list[tuple[str, str, dict[bytes, bytes], bytes]] = []
        """Method, path, headers and body of every request."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while (message := await receive()).get("more_body"):
            body += message["body"]
        body += message.get("body", b"")
        self.seen.append((scope["method"], scope["path"], dict(scope["headers"]), body))
        if scope["path"] == "/stream":
            await self._stream(send)
        elif scope["path"] == "/v1/moderations":
            await self._moderate(body, send)
        elif scope["path"] == "/v1/models/income:predict":
            rows = json.loads(body)["instances"]  # KServe's first protocol
            classes = json.dumps({"predictions": [int(row[0] > 40) for row in rows]})
            await _reply(send, 200, classes.encode())
        else:
            await _reply(send, 418, b'{"teapot":  true}', (b"x-tea", b"green"))

    async def _moderate(self, body: bytes, send: Any) -> None:
        if self.mode == "slow":
            await asyncio.sleep(600)
        try:
            texts = json.loads(body)["input"]
        except (ValueError, KeyError, TypeError):
            await _reply(send, 400, b'{"error": "no input"}')
            return
        good = json.dumps(moderated(texts), indent=1).encode()
        replies: dict[str, tuple[int, bytes]] = {
            "good": (200, good),
            "broken": (500, b"<h1>out of memory</h1>"),
            "nonsense": (200, b"<h1>it works</h1>"),
            "few": (200, b'{"results": []}'),
            "nan": (200, good.replace(str(HATE).encode(), b"NaN")),
            "doubled": (200, good.replace(b'"flagged"', b'"flagged": true, "flagged"')),
            "empty": (204, b""),
        }
        if self.mode == "gzip":
            await _reply(send, 200, gzip.compress(good), (b"content-encoding", b"gzip"))
        elif self.mode == "breaks":
            head = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": b'{"results":', "more_body": True})
            raise RuntimeError("the connection breaks")
        else:
            await _reply(send, *replies[self.mode])

    async def _stream(self, send: Any) -> None:
        head = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        for word in (b"data: a\n\n", b"data: b\n\n"):
            await send({"type": "http.response.body", "body": word, "more_body": True})
            await asyncio.sleep(0.01)
        await send({"type": "http.response.body", "body": b""})


async def _reply(send: Any, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    own = [(b"content-type", b"application/json"), (b"x-own", b"1"), *headers]
    if status != 204:
        own.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": body})


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


@contextmanager
def listening(application: Any, port: int = 0) -> Iterator[str]:
    """The address of an application that listens on a real socket, in a thread."""
    port = port or free_port()
    server = uvicorn.Server(
        uvicorn.Config(application, port=port, log_config=None, timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


if __name__ == "__main__":
    uvicorn.run(Upstream(), port=int(sys.argv[1]), log_config=None)


@pytest.fixture(scope="module")
def upstream() -> Iterator[tuple[Upstream, str]]:
    """A server that listens, and its address."""
    application = Upstream()
    with listening(application) as address:
        yield application, address


@pytest.fixture
def server(upstream: tuple[Upstream, str]) -> Upstream:
    """The same, in order and with nothing seen."""
    upstream[0].mode = "good"
    upstream[0].seen.clear()
    return upstream[0]
