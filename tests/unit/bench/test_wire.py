import asyncio

import pytest

from bench.process import free_port
from bench.wire import BadReply, Connection, Reply, once, parse, post

PLAIN = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"label":"no"}'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6;x=1\r\nhalf o\r\n5\r\nf it.\r\n0\r\n\r\n"
REFUSED = (
    b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
)


@pytest.mark.parametrize(("data", "body"), [(PLAIN, b'{"label":"no"}'), (CHUNKED, b"half of it.")])
def test_a_reply_is_whole_with_its_last_byte_and_not_before(data: bytes, body: bytes) -> None:
    assert all(parse(data[:end]) is None for end in range(len(data)))
    reply = parse(data)
    assert reply is not None
    assert (reply.status, reply.body, reply.closes, reply.retry_after) == (200, body, False, False)


def test_a_refusal_says_when_to_come_back() -> None:
    reply = parse(REFUSED)
    assert reply is not None
    assert (reply.status, reply.body, reply.closes, reply.retry_after) == (429, b"", True, True)


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_reply_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - BadReply is one, and so is a length that is no number
        parse(data)
    assert issubclass(BadReply, ValueError)


async def test_a_connection_that_is_gone_brings_no_reply_rather_than_an_exception() -> None:
    replies: list[Reply | None] = []
    Connection(lambda _, reply: replies.append(reply)).send(b"")
    assert replies == [None]


async def test_nobody_there_is_no_reply() -> None:
    assert await once(free_port(), post("127.0.0.1", "/", b"{}"), 1.0) is None


async def test_a_request_comes_back_with_its_reply_and_a_hang_up_without_one() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/answer" in head:
            writer.write(PLAIN[:30])
            await writer.drain()
            writer.write(PLAIN[30:])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        answer = await once(port, post("127.0.0.1", "/answer", b"{}"), 5.0)
        assert answer is not None
        assert answer.body == b'{"label":"no"}'
        assert await once(port, post("127.0.0.1", "/other", b"{}"), 5.0) is None


def test_a_request_says_how_long_it_is() -> None:
    head, _, body = post("127.0.0.1", "/predict", '{"inputs": "é"}'.encode()).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /predict HTTP/1.1\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
