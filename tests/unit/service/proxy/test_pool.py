"""Connections to a server that writes its bytes as the test says."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from evenhand.service.proxy.pool import Broken, Pool, Request, Response, address_of, passed_on

PLAIN = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class Behind:
    """A server that answers each request with the next of some replies; ``None`` hangs up."""

    def __init__(self, *replies: bytes | None) -> None:
        self.replies = list(replies)
        self.connections = 0
        self.seen: list[bytes] = []
        self.begun, self.held = asyncio.Event(), asyncio.Event()
        self.held.set()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.partition(b"content-length: ")[2].split(b"\r\n")[0]
                self.seen.append(head + await reader.readexactly(int(length or 0)))
                self.begun.set()
                await self.held.wait()
                reply = self.replies.pop(0) if self.replies else PLAIN
                if reply is None:
                    break
                writer.write(reply)
                if b"until the end" in reply or b"1000" in reply:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


@asynccontextmanager
async def pool_of(behind: Behind, most: int = 8, idle_s: float = 60.0) -> AsyncIterator[Pool]:
    server = await asyncio.start_server(behind, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    pool = Pool(address_of(f"http://127.0.0.1:{port}/base"), most, idle_s, 60.0)
    try:
        yield pool
    finally:
        pool.close()
        server.close()
        behind.held.set()


def post(body: bytes = b"{}") -> Request:
    return Request("POST", "/a?b=c", [(b"content-type", b"application/json")], body)


async def rest_of(response: Response) -> bytes:
    assert response.rest is not None
    return response.body + b"".join([part async for part in response.rest])


async def test_a_connection_is_kept_and_the_request_is_what_came() -> None:
    behind = Behind()
    async with pool_of(behind) as pool:
        for _ in range(3):
            response = await pool.send(post(), 1000)
            assert (response.status, response.body, response.rest) == (200, b"ok", None)
    assert behind.connections == 1
    head, _, body = behind.seen[0].partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /base/a?b=c HTTP/1.1"
    assert b"content-type: application/json" in head
    assert body == b"{}"


@pytest.mark.parametrize(
    ("reply", "body"),
    [
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n" + PLAIN, b"ok"),
        (b"HTTP/1.1 204 No Content\r\nx-own: 1\r\n\r\n", b""),
    ],
)
async def test_every_kind_of_body_is_read(reply: bytes, body: bytes) -> None:
    async with pool_of(Behind(reply)) as pool:
        response = await pool.send(post(), 1000)
        assert response.body == body
        assert b"link" not in dict(response.headers)
        assert (await pool.send(post(), 1000)).body == b"ok"


async def test_headers_of_one_connection_stay_there() -> None:
    reply = PLAIN.replace(b"\r\n\r\n", b"\r\nX-Own: 1\r\nConnection: keep-alive, x-hop\r\nX-Hop: 2\r\n\r\n")
    async with pool_of(Behind(reply)) as pool:
        headers = (await pool.send(post(), 1000)).headers
    assert headers == [(b"content-length", b"2"), (b"x-own", b"1")]
    assert passed_on([(b"te", b"a"), (b"x", b"b")], frozenset((b"x",))) == []


async def test_a_reply_to_head_has_no_body_whatever_it_says() -> None:
    behind = Behind(b"HTTP/1.1 200 OK\r\ncontent-length: 70\r\n\r\n", PLAIN)
    async with pool_of(behind) as pool:
        response = await pool.send(Request("HEAD", "/a", [], b""), 1000)
        assert (response.status, response.body) == (200, b"")
        assert (await pool.send(post(), 1000)).body == b"ok"
    assert behind.connections == 1


async def test_a_longer_body_is_a_stream_with_a_bounded_buffer() -> None:
    content = bytes(range(256)) * 40_000
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(content) + content
    behind = Behind(reply)
    async with pool_of(behind) as pool:
        response = await pool.send(post(), 1000)
        assert 1000 < len(response.body) < len(content)
        assert await rest_of(response) == content
        assert (await pool.send(post(), 1000)).body == b"ok"
        assert behind.connections == 1


async def test_a_stream_that_nobody_reads_to_the_end_costs_its_connection() -> None:
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: 9000000\r\n\r\n" + bytes(5_000_000)
    behind = Behind(reply)
    async with pool_of(behind) as pool:
        response = await pool.send(post(), 1000)
        assert response.rest is not None
        response.rest.close()
        assert (await pool.send(post(), 1000)).body == b"ok"
    assert behind.connections == 2


@pytest.mark.parametrize(
    "reply", [None, b"<h1>it works</h1>", b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf"]
)
async def test_no_reply_and_half_of_one_are_broken(reply: bytes | None) -> None:
    async with pool_of(Behind(reply)) as pool:
        with pytest.raises(Broken):
            await pool.send(post(), 1000)
        assert (await pool.send(post(), 1000)).body == b"ok"


async def test_a_stream_that_breaks_off_says_so() -> None:
    async with pool_of(Behind(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nhalf")) as pool:
        response = await pool.send(post(), 0)
        with pytest.raises(Broken):
            await rest_of(response)


async def test_bytes_that_nobody_asked_for_are_nobodys_reply() -> None:
    behind = Behind(PLAIN + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong")
    async with pool_of(behind) as pool:
        assert (await pool.send(post(), 1000)).body == b"ok"
        assert (await pool.send(post(), 1000)).body == b"ok"
    assert behind.connections == 2


async def test_requests_wait_for_a_connection_at_the_limit() -> None:
    behind = Behind()
    async with pool_of(behind, most=2) as pool:
        replies = await asyncio.gather(*(pool.send(post(), 1000) for _ in range(20)))
    assert [reply.body for reply in replies] == [b"ok"] * 20
    assert behind.connections == 2


async def test_one_that_is_cancelled_leaves_its_place_to_the_next() -> None:
    behind = Behind()
    behind.held.clear()
    async with pool_of(behind, most=1) as pool:
        first, second, third = (asyncio.ensure_future(pool.send(post(), 1000)) for _ in range(3))
        await behind.begun.wait()
        first.cancel()
        second.cancel()
        behind.held.set()
        assert (await third).body == b"ok"
    assert behind.connections == 2


async def test_an_unused_connection_is_dropped_in_time() -> None:
    behind = Behind()
    async with pool_of(behind, idle_s=0.01) as pool:
        await pool.send(post(), 1000)
        await asyncio.sleep(0.05)
        await pool.send(post(), 1000)
    assert behind.connections == 2


async def test_nobody_there_is_an_error_and_harms_no_later_request() -> None:
    pool = Pool(address_of("http://127.0.0.1:9"), 1, 1.0, 5.0)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            await pool.send(post(), 1000)


def test_a_line_break_in_a_header_begins_no_request() -> None:
    request = Request("GET", "/", [(b"x", b"1\r\nx-evil: 2")], b"")
    with pytest.raises(ValueError, match="line break"):
        request.to_bytes(address_of("http://a:1"))


def test_addresses() -> None:
    address = address_of("https://user@host.example/base/")
    assert (address.host, address.port, address.prefix) == ("host.example", 443, "/base")
    assert address.name == b"host.example"
    assert address.tls is not None
    assert address_of("http://[::1]:8000").host == "::1"
