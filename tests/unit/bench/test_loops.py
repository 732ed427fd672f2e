"""The loops against a server that answers what it is told to."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable

import pytest

from bench.loops import Closed, closed, opened
from bench.protocols import Ask
from bench.summary import LOST
from bench.wire import post

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
FULL = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
Answer = Callable[[int], bytes | None]
"""From the number of the request on its connection to what is written; ``None`` hangs up."""


class Server:
    def __init__(self) -> None:
        self.answer: Answer = lambda _: REPLY
        self.requests = self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            for number in itertools.count():
                await reader.readuntil(b"{}")
                self.requests += 1
                await asyncio.sleep(0.005)
                said = self.answer(number)
                if said is None:
                    break
                writer.write(said)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    async with await asyncio.start_server(made.serve, "127.0.0.1", 0) as listening:
        made.port = listening.sockets[0].getsockname()[1]
        yield made


ASK = Ask(post("127.0.0.1", "/", b"{}"), b"ok")


async def test_a_closed_loop_keeps_its_connections_and_records_every_request(server: Server) -> None:
    outcome = await closed(server.port, [ASK], 3, 0.3)
    assert server.connections == 3
    assert len(outcome.records) == server.requests > 30
    assert all(record.status == 200 and record.right for record in outcome.records)
    assert all(0.004 < record.latency_s < 0.3 for record in outcome.records)
    assert outcome.client_cpu_s > 0


async def test_a_list_is_sent_once(server: Server) -> None:
    outcome = await Closed(server.port, iter([ASK] * 20), 10.0).run(4)
    assert len(outcome.records) == server.requests == 20
    assert outcome.seconds < 5


async def test_refusals_are_counted_and_do_not_end_the_loop(server: Server) -> None:
    server.answer = lambda number: FULL if number % 2 else REPLY
    figures = (await closed(server.port, [ASK], 2, 0.2)).figures()
    assert set(figures["statuses"]) == {"200", "429"}
    assert figures["refused"] == figures["refusals_with_retry_after"] > 3


async def test_a_used_connection_that_was_closed_is_replaced_and_a_fresh_one_that_fails_is_lost(
    server: Server,
) -> None:
    server.answer = lambda number: REPLY if number < 3 else None
    outcome = await closed(server.port, [ASK], 2, 0.3)
    assert {record.status for record in outcome.records} == {200}
    server.answer = lambda _: None
    outcome = await closed(server.port, [ASK], 2, 0.2)
    assert {record.status for record in outcome.records} == {LOST}


async def test_at_the_end_nothing_more_is_sent_and_what_is_under_way_is_counted(server: Server) -> None:
    seen: list[tuple[int, float]] = []
    started = time.perf_counter()

    def at_end(busy: int) -> None:
        seen.append((busy, time.perf_counter() - started))

    outcome = await Closed(server.port, itertools.repeat(ASK), 0.2, at_end).run(5)
    ((busy, ended_s),) = seen
    assert busy == 5
    assert all(record.due_s <= ended_s for record in outcome.records)
    assert sum(record.due_s + record.latency_s + 0.002 > ended_s for record in outcome.records) >= 5
    assert len(outcome.records) == server.requests


async def test_an_open_loop_sends_what_is_due_however_slow_the_replies(server: Server) -> None:
    outcome = await opened(server.port, [ASK], 200.0, 0.5)
    assert 60 < len(outcome.records) == server.requests < 140
    assert {record.status for record in outcome.records} == {200}
    assert server.connections < len(outcome.records)
