"""The proxy as a process, in front of a server that is killed, restarted, and sent faulty rows."""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import upstreams
from serving import EVENHAND, Server, counted
from upstreams import HATE, free_port
from waiting import until

from evenhand.service.proxy.proxy import IDS

GOOD = 620
OPTIONS = (
    *("--protocol", "json", "--route", "/v1/moderations", "--input-path", "$.input"),
    *("--label-path", "$.results[*].flagged", "--score-path", "$.results[*].category_scores.hate"),
    *("--score-of", "hate", "--label-value", "true=hate"),
)


class Behind:
    """The server behind the proxy, as a process that can be killed."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, upstreams.__file__, str(self.port)])
        until(lambda: _status(self.port, b'{"input": "a"}')[0] == 200)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def _status(port: int, body: bytes) -> tuple[int, bytes, str]:
    """Status, body and ids of one reply; 0 if there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    try:
        connection.request("POST", "/v1/moderations", body, {"content-type": "application/json"})
        reply = connection.getresponse()
        return reply.status, reply.read(), reply.getheader(IDS.decode(), "")
    except OSError:
        return 0, b"", ""
    finally:
        connection.close()


@pytest.fixture
def behind() -> Iterator[Behind]:
    server = Behind()
    yield server
    server.kill()


@pytest.fixture
def proxy(behind: Behind, demo: Path, tmp_path: Path) -> Iterator[Server]:
    address = f"http://127.0.0.1:{behind.port}"
    running = Server(
        *(str(EVENHAND), "proxy", str(demo), "--upstream", address, "--port", "PORT", *OPTIONS),
        EVENHAND_STATE=str(tmp_path / "state"),
        EVENHAND_DURABILITY="request",
        EVENHAND_PROXY_TIMEOUT_S="5",
        EVENHAND_PROXY_BREAKER_S="0.2",
        EVENHAND_MAX_WAIT_S="600",
        EVENHAND_DEADLINE_S="600",
        EVENHAND_PROXY_WAIT_S="600",
    )
    yield running
    running.process.kill()
    running.process.wait()


def test_good_rows_are_unharmed_by_faulty_ones(proxy: Server) -> None:
    faulty = [
        b'{"input": ""}',
        b"no json",
        b'{"input": 7}',
        b"{}",
        b'{"input": "\\ud800"}',
        b'{"input": [[]]}',
    ]
    bodies = [json.dumps({"input": f"row {number} is a lovely day"}).encode() for number in range(GOOD)]
    replies: dict[bytes, Any] = {}

    def send(part: list[bytes]) -> None:
        for body in part:
            replies[body] = _status(proxy.port, body)

    mixed = [
        body for at, body in enumerate(bodies) for body in ([body, faulty[at % 6]] if at % 5 == 0 else [body])
    ]
    threads = [threading.Thread(target=send, args=(mixed[at::8],)) for at in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [replies[body][0] for body in bodies] == [200] * GOOD
    for body in bodies:
        row = json.loads(replies[body][1])["results"][0]
        assert row["category_scores"]["hate"] == HATE  # none of them mentions a group
    assert proxy.get("/readyz")[0] == 200


def test_a_server_that_is_killed_and_restarted_costs_no_recorded_answer(
    behind: Behind, proxy: Server
) -> None:
    replies: list[tuple[int, bytes, str]] = []
    stopped = threading.Event()

    def ask() -> None:
        while not stopped.is_set():
            replies.append(_status(proxy.port, b'{"input": ["a lovely day", "my sister is a doctor"]}'))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        many = len(replies) + 60
        until(lambda many=many: len(replies) > many)  # type: ignore[misc]
        behind.kill()
        until(lambda: replies[-1][0] in (502, 503))
        behind.start()
        until(lambda: replies[-1][0] == 200)
    stopped.set()
    for thread in threads:
        thread.join()  # none hangs
    assert {status for status, _, _ in replies} <= {200, 502, 503, 504}
    ids = [name for status, _, names in replies if status == 200 for name in names.split(",")]
    assert len(ids) == 2 * sum(status == 200 for status, _, _ in replies)
    for name in ids[:: max(1, len(ids) // 50)]:
        assert proxy.get(f"/decisions/{name}")[0] == 200
    until(lambda: counted(proxy, 'evenhand_proxy_rows_total{model="hate-speech",result="same"}') >= len(ids))
    assert proxy.get("/readyz")[0] == 200


def test_a_proxy_that_cannot_start_says_why_in_a_line(demo: Path, tmp_path: Path) -> None:
    wrong = [
        ([], "--upstream"),
        (["--upstream", "triton:8000"], "proxy_upstream"),
        (["--upstream", "http://a:1", "--protocol", "grpc"], "proxy_protocol"),
        (["--upstream", "http://a:1", "--protocol", "json"], "proxy_route"),
        (["--upstream", "http://a:1", *OPTIONS, "--score-of", "spite"], "spite"),
    ]
    for options, word in wrong:
        ended = subprocess.run(
            [str(EVENHAND), "proxy", str(demo), *options],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 2
        assert word in ended.stderr
        assert "Traceback" not in ended.stderr
        assert len(ended.stderr.strip().splitlines()) <= 2, ended.stderr


def test_it_stops_without_losing_what_it_accepted(proxy: Server) -> None:
    replies: list[int] = []
    threads = [
        threading.Thread(target=lambda: replies.append(_status(proxy.port, b'{"input": "a"}')[0]))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    assert proxy.stop() == 0
    for thread in threads:
        thread.join()
    assert set(replies) <= {200, 0}
