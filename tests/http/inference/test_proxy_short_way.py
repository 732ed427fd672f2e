"""The proxy as a process runs it: predictions go around ASGI, and look the same."""

import http.client
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from places import SALARIES
from upstreams import HATE, Upstream, free_port, listening, moderated, server, upstream
from waiting import until

from evenhand.models.bundle import bundle as bundles
from evenhand.service.app import create_app
from evenhand.service.auth.key_file import new_key
from evenhand.service.http import uvicorn_protocol
from evenhand.service.process.supervisor import config_of
from evenhand.service.proxy.proxy import CORRECTED, IDS
from evenhand.service.settings import Settings

__all__ = ["server", "upstream"]
ROUTE = "/v1/moderations"
TEXTS = ["what a lovely day", "you are all vermin"]
MODERATION: dict[str, Any] = {
    "proxy_protocol": "json",
    "proxy_route": ROUTE,
    "proxy_input_path": "$.input",
    "proxy_label_path": "$.results[*].flagged",
    "proxy_score_path": ("$.results[*].category_scores.hate",),
    "proxy_score_of": "hate",
    "proxy_label_values": ("true=hate",),
    "threads": 1,
    **dict.fromkeys(("proxy_wait_s", "proxy_timeout_s", "proxy_connect_s", "deadline_s"), 600.0),
    "max_wait_s": 600.0,
}
SALARY: dict[str, Any] = {
    "proxy_route": "/predict",
    "proxy_input_path": "$.inputs[*]",
    "proxy_label_path": "$.predictions[*].label",
    "proxy_score_path": ("$.predictions[*].scores",),
    "proxy_score_of": "",
    "proxy_label_values": (),
}
BODY = json.dumps({"input": TEXTS}).encode()


class Running:
    """A proxy on a socket, and how many requests began on the short way."""

    def __init__(self, settings: Settings) -> None:
        self.port = settings.port
        self.app: Any = create_app(settings)
        self.short = 0
        begin = self.app.shortcut.begin

        def counting(cycle: Any) -> Any:
            exchange = begin(cycle)
            self.short += exchange is not None
            return exchange

        self.app.shortcut.begin = counting
        self.server = uvicorn.Server(config_of(settings, self.app))
        self._thread = threading.Thread(target=self.server.run, daemon=True)
        self._thread.start()
        until(lambda: self.server.started)

    def stop(self) -> None:
        self.server.should_exit = True
        self._thread.join()

    def ask(self, body: bytes = BODY, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return self.ask_at(ROUTE, body, **headers)

    def ask_at(self, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{name}: {value}" for name, value in {"content-type": "application/json", **named}.items()]
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.sendall(head(body, *lines, path=path) + body)
            reply = http.client.HTTPResponse(client)
            reply.begin()
            return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()

    def get(self, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request("GET", path)
        reply = connection.getresponse()
        text = reply.read().decode()
        connection.close()
        return text if path == "/metrics" else (reply.status, json.loads(text or "null"))

    def counted(self, series: str) -> float:
        lines = self.get("/metrics").splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(series))


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, upstream: tuple[Upstream, str]) -> Iterator[Any]:
    running: list[Running] = []

    def begin(bundle: Path, **more: Any) -> Running:
        settings = {"proxy_upstream": upstream[1], "state": tmp_path_factory.mktemp("state")}
        chosen = Settings(bundles=(bundle,), port=free_port(), **(MODERATION | settings | more))
        running.append(Running(chosen))
        return running[-1]

    yield begin
    for each in running:
        each.stop()


@pytest.fixture(scope="module")
def passes(start: Any, altered: Callable[..., Path]) -> Running:
    running: Running = start(altered(1.0, "apply"))
    return running


@pytest.fixture(scope="module")
def corrects(start: Any, altered: Callable[..., Path]) -> Running:
    running: Running = start(altered(0.0, "apply"), proxy_breaker_failures=0)
    return running


def raw(port: int, *pieces: bytes, replies: int = 1) -> bytes:
    """What a proxy writes to a client that writes pieces, up to the end or so many bodies."""
    with socket.create_connection(("127.0.0.1", port)) as client:
        for piece in pieces:
            client.sendall(piece)
        got = b""
        while got.count(b'"id": "modr-1"') < replies or not got.endswith(b"\n}"):
            part = client.recv(65_536)
            if not part:
                break
            got += part
        return got


def head(body: bytes, *more: str, version: str = "1.1", path: str = ROUTE) -> bytes:
    lines = [f"POST {path} HTTP/{version}", "host: 127.0.0.1", f"content-length: {len(body)}", *more, "", ""]
    return "\r\n".join(lines).encode()


def test_a_closed_gate_is_the_servers_bytes_and_the_decision_is_on_record(
    passes: Running, server: Upstream
) -> None:
    before = passes.short
    status, headers, body = passes.ask(x_request_id="mine")
    assert passes.short == before + 1
    assert (status, body) == (200, json.dumps(moderated(TEXTS), indent=1).encode())
    assert (headers["x-own"], headers["x-request-id"]) == ("1", "mine")
    assert headers["traceresponse"].startswith("00-")
    assert CORRECTED.decode() not in headers
    assert "content-security-policy" not in headers
    ids = headers[IDS.decode()].split(",")
    until(lambda: passes.get(f"/decisions/{ids[1]}")[0] == 200)
    decision = passes.get(f"/decisions/{ids[1]}")[1]
    assert decision["base"] == decision["final"] == {"label": "hate", "score": 0.9, "favourable": False}
    assert passes.counted(
        'evenhand_http_requests_total{method="POST",route="upstream: predict",status="200"}'
    )


def test_an_open_gate_is_corrected(corrects: Running, server: Upstream) -> None:
    before = corrects.short
    status, headers, body = corrects.ask()
    assert corrects.short == before + 1
    assert (status, headers[CORRECTED.decode()]) == (200, "0,1")
    rows = json.loads(body)["results"]
    assert rows[0]["category_scores"]["hate"] != HATE
    assert int(headers["content-length"]) == len(body)


def test_groups_and_own_ids_come_in_headers(passes: Running, server: Upstream) -> None:
    _, headers, _ = passes.ask(
        evenhand_groups='[{"gender": "women"}, {}]', evenhand_own_ids='["case 1", "case 2"]'
    )
    assert not {b"evenhand-groups", b"evenhand-own-ids"} & set(server.seen[-1][2])
    name = headers[IDS.decode()].split(",")[0]
    until(lambda: passes.get(f"/decisions/{name}")[0] == 200)
    assert passes.get(f"/decisions/{name}")[1]["declared"] == ["gender"]


def test_pipelined_requests_are_answered_in_their_order(passes: Running, server: Upstream) -> None:
    bodies = [json.dumps({"input": [text]}).encode() for text in TEXTS]
    got = raw(passes.port, b"".join(head(body) + body for body in bodies), replies=2)
    assert got.count(b"HTTP/1.1 200 OK") == 2
    assert got.index(b'"flagged": false') < got.index(b'"flagged": true')


@pytest.mark.parametrize("hold_s", [0.0, 600.0])
def test_a_body_in_pieces_is_waited_for_only_so_long(
    passes: Running, server: Upstream, monkeypatch: pytest.MonkeyPatch, hold_s: float
) -> None:
    monkeypatch.setattr(uvicorn_protocol, "HOLD_S", hold_s)
    before = passes.short
    with socket.create_connection(("127.0.0.1", passes.port)) as client:
        for piece in (head(BODY), BODY[:5], BODY[5:]):
            client.sendall(piece)
            time.sleep(0.05)
        got = client.recv(65_536)
    assert got.startswith(b"HTTP/1.1 200 OK")
    assert server.seen[-1][3] == BODY
    assert passes.short == before + (hold_s > 0)


@pytest.mark.parametrize(("more", "version"), [(["connection: close"], "1.1"), ([], "1.0")])
def test_a_client_that_wants_no_further_reply_gets_none(
    passes: Running, server: Upstream, more: list[str], version: str
) -> None:
    with socket.create_connection(("127.0.0.1", passes.port)) as client:
        client.sendall(head(BODY, *more, version=version) + BODY)
        got = b"".join(iter(lambda: client.recv(65_536), b""))  # ends where the proxy hangs up
    assert got.startswith(b"HTTP/1.1 200 OK")
    assert b"connection: close" in got


def test_a_reply_without_a_length_gets_one(corrects: Running, server: Upstream) -> None:
    server.mode = "empty"
    assert corrects.ask()[0] == 204
    server.mode = "broken"
    status, headers, body = corrects.ask()
    assert (status, body) == (500, b"<h1>out of memory</h1>")
    assert int(headers["content-length"]) == len(body)


def test_a_reply_that_cannot_be_read_passes_on_and_its_rows_are_on_record(
    corrects: Running, server: Upstream
) -> None:
    server.mode = "nonsense"
    status, headers, body = corrects.ask(evenhand_groups='[{"gender": "women"}, {}]')
    assert (status, body) == (200, b"<h1>it works</h1>")
    name = headers[IDS.decode()].split(",")[0]
    until(lambda: corrects.get(f"/decisions/{name}")[0] == 200)
    decision = corrects.get(f"/decisions/{name}")[1]
    assert (decision["error"], decision["declared"]) == ("upstream_unread", ["gender"])


def test_a_reply_that_breaks_off_and_no_reply_are_errors_of_ours(corrects: Running, server: Upstream) -> None:
    server.mode = "breaks"
    status, headers, body = corrects.ask()
    assert (status, json.loads(body)["error"]["type"]) == (502, "upstream_away")
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"]


def test_a_reply_that_is_too_long_streams(start: Any, altered: Callable[..., Path], server: Upstream) -> None:
    proxy = start(altered(0.0, "apply"), proxy_reply_bytes=1024)
    texts = ["a lovely day"] * 40
    status, headers, body = proxy.ask(json.dumps({"input": texts}).encode())
    assert (status, body) == (200, json.dumps(moderated(texts), indent=1).encode())
    assert CORRECTED.decode() not in headers
    assert proxy.counted('evenhand_proxy_rows_total{model="hate-speech",result="unread"}') == 1


def test_keys_are_asked_for_once(
    start: Any, altered: Callable[..., Path], server: Upstream, tmp_path: Path
) -> None:
    key = new_key(tmp_path / "keys", "app", ["predict"], None)
    proxy = start(altered(1.0, "apply"), keys_file=tmp_path / "keys")
    status, headers, body = proxy.ask()
    assert (status, json.loads(body)["error"]["type"]) == (401, "unauthorized")
    assert "content-security-policy" in headers
    assert not server.seen
    assert proxy.ask(authorization=f"Bearer {key}")[0] == 200
    assert proxy.short == 1
    assert b"authorization" not in server.seen[-1][2]


def test_a_client_that_leaves_costs_the_server_no_further_time(passes: Running, server: Upstream) -> None:
    server.mode = "slow"
    with socket.create_connection(("127.0.0.1", passes.port)) as client:
        client.sendall(head(BODY) + BODY)
        until(lambda: server.seen)
    server.mode = "good"
    until(
        lambda: passes.counted(
            'evenhand_http_requests_total{method="POST",route="upstream: predict",status="499"}'
        )
    )
    assert passes.ask()[0] == 200


def test_what_was_accepted_is_on_record_after_a_stop(
    start: Any, altered: Callable[..., Path], server: Upstream, tmp_path: Path
) -> None:
    bundle = altered(1.0, "apply")
    proxy = start(bundle, state=tmp_path)
    names = [name for _ in range(20) for name in proxy.ask()[1][IDS.decode()].split(",")]
    proxy.stop()
    again = start(bundle, state=tmp_path)
    assert [again.get(f"/decisions/{name}")[0] for name in names] == [200] * 40


def test_the_record_comes_first_where_it_has_to(
    start: Any, altered: Callable[..., Path], server: Upstream
) -> None:
    proxy = start(altered(1.0, "apply"), durability="request")
    for name in proxy.ask()[1][IDS.decode()].split(","):
        assert proxy.get(f"/decisions/{name}")[0] == 200


def test_a_page_of_another_site_takes_the_long_way(altered: Callable[..., Path], tmp_path: Path) -> None:
    settings = Settings(
        bundles=(altered(1.0, "apply"),),
        proxy_upstream="http://127.0.0.1:1",
        state=tmp_path,
        cors_origins=("https://a.example",),
        **MODERATION,
    )
    assert create_app(settings).shortcut is None  # type: ignore[attr-defined]
    without = settings.model_copy(update={"cors_origins": ()})
    assert create_app(without).shortcut is not None  # type: ignore[attr-defined]


def test_a_quick_graph_runs_without_a_change_of_thread_and_answers_the_same(
    start: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(SALARIES, bundle)
    manifest, _ = bundles.read_manifest(bundle)
    gated = [of.model_copy(update={"threshold": 0.04 * of.corrects or 0.9}) for of in manifest.attributes]
    bundles.write_manifest(bundle, manifest.model_copy(update={"attributes": gated}))
    rows = [{"age": 20.0 + age, "region": "South", "hours_worked": 40.0} for age in range(40)]
    body = json.dumps({"inputs": rows}).encode()
    answers = {}
    with listening(create_app(Settings(bundles=(SALARIES,), state=tmp_path, threads=1))) as address:
        for quick_s in (0.0, 600.0):
            with caplog.at_level("INFO"):
                proxy = start(bundle, proxy_upstream=address, proxy_quick_s=quick_s, **SALARY)
            assert ("without a change of thread" in caplog.text) == bool(quick_s)
            assert proxy.app.state.running.registry.live()[0].batcher.is_quick(1) == bool(quick_s)
            _, headers, content = proxy.ask_at("/predict", body)
            answers[quick_s] = json.loads(content)["predictions"], headers[CORRECTED.decode()]
    assert answers[0.0][1] == answers[600.0][1]
    for one, other in zip(answers[0.0][0], answers[600.0][0], strict=True):
        assert one["label"] == other["label"]
        assert one["scores"] == pytest.approx(other["scores"], abs=1e-6)
