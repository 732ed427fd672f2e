"""Hostile traffic to a real server: bad heads, paths and bodies, sent slowly or in masses."""

import json
import logging
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from places import DEMO
from serving import Server

START = "from evenhand.cli.main import main; main()"
BODY = json.dumps({"inputs": "what a lovely day"}).encode()
CROWD = 10_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    demo = DEMO
    state = str(tmp_path_factory.mktemp("state"))
    more = {"EVENHAND_BODY_S": "1", "EVENHAND_STATE": state, "EVENHAND_LOG_LEVEL": "error"}
    running = Server(sys.executable, "-c", START, "serve", str(demo), "--port", "PORT", **more)
    yield running
    running.process.kill()
    running.process.wait()


def send(server: Server, content: bytes, patience_s: float = 600) -> bytes:
    """All that the server replies to some bytes, until it closes the connection or is silent for a while."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=patience_s) as client:
        said = b""
        try:
            client.sendall(content)
            while more := client.recv(65536):
                said += more
        except ConnectionError:  # it need not listen to the end
            pass
        return said


def statuses(said: bytes) -> list[int]:
    return [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]]


def head(*lines: str, path: str = "/predict", method: str = "POST") -> bytes:
    first = (f"{method} {path} HTTP/1.1", "host: localhost", "connection: close")
    return "\r\n".join((*first, *lines, "", "")).encode("latin-1")


JSON = "content-type: application/json"
SMUGGLED = b"GET /models HTTP/1.1\r\nhost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    "content",
    [
        head(JSON, f"content-length: {len(BODY)}", "content-length: 0") + BODY,
        head(JSON, f"content-length: {len(BODY)}", f"content-length: {len(BODY)}") + BODY,
        head(JSON, "content-length: -1") + BODY,
        head(JSON, "content-length: +28") + BODY,
        head(JSON, "content-length: 99999999999999999999999999") + BODY,
        head(JSON, "content-length: 5", "transfer-encoding: chunked") + b"0\r\n\r\n" + SMUGGLED,
        head(JSON, "transfer-encoding: chunked, identity") + b"0\r\n\r\n" + SMUGGLED,
        head(JSON, "transfer-encoding: xchunked") + b"0\r\n\r\n" + SMUGGLED,
        head(JSON, "transfer-encoding : chunked") + b"0\r\n\r\n" + SMUGGLED,
        head(JSON, "transfer-encoding: chunked") + b"fffffffffffffffff\r\n" + BODY,
        head(JSON, "transfer-encoding: chunked") + b"-1\r\n" + BODY,
        head(JSON, "transfer-encoding: chunked") + b"5;\n\nhello\r\n0\r\n\r\n" + SMUGGLED,
        head(JSON, "x: a\rb") + BODY,
        head(JSON, "x: a\0b") + BODY,
        head("x y: a") + BODY,
        head(path="/a b") + BODY,
        head(path="/predict\r\nx: y HTTP/1.1\r\n\r\nGET /models") + BODY,
        head(path="http://[") + BODY,
        head(JSON, "host: evil.example", f"content-length: {len(BODY)}") + BODY,
        head(JSON, f"content-length: {len(BODY)}").replace(b"host: localhost\r\n", b"") + BODY,
        head(path="*", method="OPTIONS"),
        head(path="a:1", method="CONNECT"),
        head(method="PRI", path="*"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0" * 1000,
        b"GET / HTTP/9.9\r\n\r\n",
    ],
)
def test_what_can_be_read_in_two_ways_gets_one_refusal_and_the_end(server: Server, content: bytes) -> None:
    said = send(server, content)
    assert [status // 100 for status in statuses(said)] == [4], said
    assert b"hatexplain" not in said


@pytest.mark.parametrize("pause_s", [0.0, 0.3])
def test_a_field_after_the_body_is_no_header(server: Server, pause_s: float) -> None:
    start = head(JSON, "transfer-encoding: chunked") + b"%x\r\n%s\r\n" % (len(BODY), BODY)
    with socket.create_connection(("127.0.0.1", server.port), timeout=600) as client:
        client.sendall(start)
        time.sleep(pause_s)
        client.sendall(b"0\r\nx-request-id: spoofed\r\n\r\n")
        said = b"".join(iter(lambda: client.recv(65536), b""))
    assert statuses(said) == [200]
    assert b"x-request-id: " in said
    assert b"spoofed" not in said


@pytest.mark.parametrize(
    "path",
    [
        "//predict", "/predict/", "/./predict", "/../predict", "/predict/..", "/%2e%2e/etc/passwd",
        "/models/../metrics",
        "/decisions/%2e%2e", "/decisions/%00", "/decisions/%0d%0aset-cookie:a", "/decisions/%ff",
        "/decisions/" + "a" * 60000,
        "/v2/models/a%2fb/infer", "/v2/models/%0a/infer", "/v2/models//infer", "/docs/../../etc/passwd",
        "/%F0%9F%92%A9",
        "/fairness?hours=" + "9" * 5000, "/fairness?" + "&".join(f"a{i}=1" for i in range(5000)),
        "/fairness?model=%00%ed%a0%80",
        "/fairness?from=0001-01-01T00:00:00%2B14:00", "/fairness?from=9999-12-31T23:59:59-14:00",
    ],
)  # fmt: skip
def test_a_path_leads_to_a_route_or_nowhere(server: Server, path: str) -> None:
    for method in ("GET", "POST", "DELETE", "BREW"):
        said = send(server, head(path=path, method=method))
        (status,) = statuses(said)
        assert 300 <= status < 500, said
        assert b"passwd" not in said.partition(b"\r\n\r\n")[2]
        assert b"\nset-cookie" not in said


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"inputs": ' + b'{"text":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
        b"{" + b",".join(b'"%d": 1' % number for number in range(200_000)) + b"}",
        b'{"inputs": "a", "inputs": 1e400}',
        b'{"inputs": ' + b"9" * 5000 + b"}",
        b'{"inputs": -1e400}',
        b'{"inputs": NaN}',
        b'{"inputs": "\\ud800"}',
        b'{"inputs": {"text": "\\udfff\\u0000"}}',
        b'{"inputs": "a", "groups": {"\\ud800": "a"}}',
        b'{"inputs": "a", "groups": {"gender": "\\ud800"}}',
        b'{"inputs": "a", "model": "\\ud800"}',
        b'{"inputs": "\xff"}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'{"inputs": ["' + b"\\u0000" * 100 + b'", null, true, 1, [], {}]}',
        b"null",
        b"",
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/v2/models/hate-speech/infer", "/feedback"])
def test_a_body_that_is_none_is_refused_and_not_repeated(server: Server, path: str, body: bytes) -> None:
    said = send(server, head(JSON, f"content-length: {len(body)}", path=path) + body)
    (status,) = statuses(said)
    assert status in (400, 404, 413, 422) or (status == 200 and b"inputs" in body), said[:500]
    assert len(said) < 5000


def test_a_head_without_end_is_cut_off(server: Server) -> None:
    for line in (b"GET /" + b"a" * 5_000_000, b"GET / HTTP/1.1\r\nx: " + b"a" * 5_000_000):
        assert statuses(send(server, line)) in ([400], [])  # it need not wait until all was sent
    many = b"GET /healthz HTTP/1.1\r\n" + b"".join(b"x%d: a\r\n" % number for number in range(500_000))
    assert statuses(send(server, many)) in ([400], [])


def test_a_slow_client_is_cut_off_and_holds_nobody_up(server: Server) -> None:
    slow = head(JSON, "content-length: 1000").replace(b"connection: close\r\n", b"")
    with ExitStack() as stack:
        crowd = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port))) for _ in range(200)
        ]
        for client in crowd:
            client.sendall(slow + b"{")
        status, _ = server.get("/predict", {"inputs": "what a lovely day"})
        assert status == 200
        for client in crowd:
            client.settimeout(20)
            assert statuses(b"".join(iter(lambda one=client: one.recv(65536), b""))) == [
                408
            ]  # and the connection ends


def resident_bytes(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def test_many_who_send_nearly_all_of_a_large_body_fill_no_memory_and_shut_nobody_out(tmp_path: Path) -> None:
    demo, room, body = DEMO, 8 * 2**20, b"[" * (2**20 - 1)
    limits = {"EVENHAND_MAX_BODY_BYTES": str(2**20), "EVENHAND_MAX_BODIES_BYTES": str(room)}
    others = {"EVENHAND_BODY_S": "20", "EVENHAND_STATE": str(tmp_path), "EVENHAND_LOG_LEVEL": "error"}
    own = Server(sys.executable, "-c", START, "serve", str(demo), "--port", "PORT", **limits, **others)
    try:
        before, refused, waiting = resident_bytes(own), 0, 0
        with ExitStack() as stack:
            for _ in range(100):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", own.port), timeout=600))
                try:
                    client.sendall(head(JSON, f"content-length: {2**20}") + body)
                except ConnectionError:  # it was refused before it was all sent
                    refused += 1
                    continue
                client.settimeout(0.2)
                try:
                    assert statuses(client.recv(65536)) in ([429], [])
                    refused += 1
                except ConnectionError:
                    refused += 1
                except TimeoutError:
                    waiting += 1
            assert 7 <= waiting <= 9
            assert refused == 100 - waiting
            assert own.get("/predict", {"inputs": "what a lovely day"})[0] == 200
            assert own.get("/predict", {"inputs": "word " * 12_000})[0] == 429
            more_bytes = resident_bytes(own) - before
            logging.info("%.0f MB more for 100 clients of 1 MB each", more_bytes / 1e6)
            assert more_bytes < 4 * room
        for _ in range(100):  # once they have left, there is room
            if own.get("/predict", {"inputs": "word " * 12_000})[0] == 200:
                break
            time.sleep(0.1)
        else:
            pytest.fail("the room is not free again")
    finally:
        own.process.kill()
        own.process.wait()


@pytest.mark.parametrize("groups", [b"{}", b"null", b'{"gender":"a"}', b"1", b'{"gender":1}'])
def test_a_million_groups_are_counted_before_they_are_looked_at(server: Server, groups: bytes) -> None:
    many = b"[" + b",".join([groups] * (8 * 2**20 // (len(groups) + 2))) + b"]"
    for path, field in (("/predict", b"inputs"), ("/feedback", b"id")):
        body = b'{"%s": "a", "groups": %s}' % (field, many)
        (status,) = statuses(send(server, head(JSON, f"content-length: {len(body)}", path=path) + body))
        assert status == 422


@pytest.mark.slow
def test_ten_thousand_idle_connections_hold_nobody_up_and_end(server: Server) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if most < CROWD + 1000:
        pytest.skip(f"a process may open {most} files here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as stack:
        crowd = []
        for number in range(CROWD):
            client = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            client.sendall(b"GET /healthz HT"[: number % 16])
            crowd.append(client)
        took = []
        for _ in range(20):
            started = time.monotonic()
            assert server.get("/predict", {"inputs": "what a lovely day"})[0] == 200
            took.append(time.monotonic() - started)
        logging.info(
            "%.4f s, at most %.4f s, beside %d connections", statistics.median(took), max(took), CROWD
        )
        for client in crowd:
            client.settimeout(600)
            assert client.recv(1) == b""
    assert server.get("/healthz")[0] == 200


@pytest.mark.slow
@pytest.mark.parametrize("command", [("bench.attack", "--cases", "300"), ("bench.fuzz", "--minutes", "0.02")])
def test_nothing_unannounced_comes_out(command: tuple[str, ...]) -> None:
    ended = subprocess.run((sys.executable, "-m", *command), capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stdout[-5000:] + ended.stderr[-2000:]
