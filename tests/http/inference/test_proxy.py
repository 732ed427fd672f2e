"""The proxy in front of real servers on real sockets: their bytes, or the correction."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from places import SALARIES
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from upstreams import HATE, Upstream, free_port, listening, moderated, server, upstream
from waiting import until

from evenhand.models.bundle import bundle as bundles
from evenhand.service.app import create_app
from evenhand.service.auth.key_file import new_key
from evenhand.service.proxy.proxy import CORRECTED, IDS
from evenhand.service.settings import Settings, SettingsError

__all__ = ["server", "upstream"]
ROUTE = "/v1/moderations"
TEXTS = ["what a lovely day", "you are all vermin", "my sister is a doctor"]
MODERATION: dict[str, object] = {
    "proxy_protocol": "json",
    "proxy_route": ROUTE,
    "proxy_input_path": "$.input",
    "proxy_label_path": "$.results[*].flagged",
    "proxy_score_path": ("$.results[*].category_scores.hate",),
    "proxy_score_of": "hate",
    "proxy_label_values": ("true=hate",),
}
PATIENT: dict[str, object] = dict.fromkeys(
    ("proxy_wait_s", "proxy_timeout_s", "proxy_connect_s", "deadline_s", "max_wait_s"), 600.0
)
"""A machine that is busy must not cost a row its correction here."""


@pytest.fixture(scope="module")
def passes(open_shared: Any, altered: Callable[..., Path], upstream: tuple[Upstream, str]) -> TestClient:
    """A proxy whose gates are closed."""
    return open_shared(altered(1.0, "apply"), proxy_upstream=upstream[1], **MODERATION, **PATIENT)


@pytest.fixture(scope="module")
def corrects(open_shared: Any, altered: Callable[..., Path], upstream: tuple[Upstream, str]) -> TestClient:
    """A proxy whose gates are open for every row."""
    settings = MODERATION | PATIENT | {"proxy_breaker_failures": 0}
    return open_shared(altered(0.0, "apply"), proxy_upstream=upstream[1], **settings)


def ask(client: TestClient, texts: Any = TEXTS, **more: Any) -> Any:
    return client.post(ROUTE, json={"input": texts}, **more)


def series(client: TestClient, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def test_a_closed_gate_is_the_servers_bytes(passes: TestClient, server: Upstream) -> None:
    reply = ask(passes)
    assert reply.content == json.dumps(moderated(TEXTS), indent=1).encode()
    assert reply.headers["x-own"] == "1"
    assert reply.headers["content-type"] == "application/json"
    assert CORRECTED.decode() not in reply.headers
    assert "content-security-policy" not in reply.headers
    ids = reply.headers[IDS.decode()].split(",")
    body = until_recorded(passes, ids[1])
    assert body["base"] == body["final"] == {"label": "hate", "score": 0.9, "favourable": False}


def until_recorded(client: TestClient, name: str) -> Any:
    until(lambda: client.get(f"/decisions/{name}").status_code == 200)
    return client.get(f"/decisions/{name}").json()


def test_an_open_gate_changes_only_what_the_paths_name(corrects: TestClient, server: Upstream) -> None:
    reply = ask(corrects)
    assert reply.status_code == 200
    assert reply.headers[CORRECTED.decode()] == "0,1,2"
    got = reply.json()
    scores = [row["category_scores"]["hate"] for row in got["results"]]
    assert scores[0] != HATE
    body = reply.content.decode()
    for row, score in zip(got["results"], scores, strict=True):
        assert row["flagged"] == (score > 0.5)
        body = body.replace(json.dumps(score), "SCORE").replace(json.dumps(row["flagged"]), "LABEL")
    plain = json.dumps(moderated(TEXTS), indent=1)
    for was in (HATE, 0.9):
        plain = plain.replace(json.dumps(was), "SCORE")
    for was in (True, False):
        plain = plain.replace(json.dumps(was), "LABEL")
    assert body == plain
    recorded = until_recorded(corrects, reply.headers[IDS.decode()].split(",")[0])
    assert recorded["base"]["score"] == pytest.approx(1 - HATE)
    p_hate = (
        recorded["final"]["score"] if recorded["final"]["label"] == "hate" else 1 - recorded["final"]["score"]
    )
    assert p_hate == pytest.approx(scores[0])


def test_corrected_answers_are_those_of_the_bundle(
    corrects: TestClient, server: Upstream, corrects_all: TestClient
) -> None:
    own = corrects_all.post("/predict", json={"inputs": TEXTS}).json()["predictions"]
    rows = ask(corrects).json()["results"]
    assert [row["category_scores"]["hate"] for row in rows] == pytest.approx(
        [prediction["scores"]["hate"] for prediction in own], abs=1e-5
    )


def test_a_reply_knows_its_decisions_for_feedback(passes: TestClient, server: Upstream) -> None:
    name = ask(passes, "one text").headers[IDS.decode()]
    reply = passes.post("/feedback", json={"feedback": [{"id": name, "label": "hate"}]})
    assert reply.json()["counts"] == {"joined": 1}, reply.text


def test_groups_come_in_a_header_and_go_no_further(passes: TestClient, server: Upstream) -> None:
    before = series(passes, 'evenhand_decisions_total{attribute="gender"')
    ask(passes, "one text", headers={"evenhand-groups": '{"gender": "women"}'})
    assert b"evenhand-groups" not in server.seen[-1][2]
    until(lambda: series(passes, 'evenhand_decisions_total{attribute="gender"') > before)


def test_own_ids_come_in_a_header_too(passes: TestClient, server: Upstream) -> None:
    ask(passes, ["one text", "another"], headers={"evenhand-own-ids": '["case 1", "case 2"]'})
    assert b"evenhand-own-ids" not in server.seen[-1][2]
    reply = passes.post("/feedback", json={"feedback": [{"id": "case 2", "label": "hate"}]})
    assert reply.json()["counts"] == {"joined": 1}, reply.text


@pytest.mark.parametrize(("mode", "status"), [("broken", 500), ("empty", 204)])
def test_the_servers_own_errors_pass_on(
    corrects: TestClient, server: Upstream, mode: str, status: int
) -> None:
    server.mode = mode
    reply = ask(corrects)
    assert reply.status_code == status
    assert reply.content == (b"<h1>out of memory</h1>" if mode == "broken" else b"")
    assert reply.headers["x-own"] == "1"


@pytest.mark.parametrize("mode", ["nonsense", "few", "nan", "doubled", "gzip"])
def test_a_reply_that_cannot_be_read_passes_on_and_is_told(
    corrects: TestClient, server: Upstream, mode: str
) -> None:
    before = series(corrects, 'evenhand_proxy_rows_total{model="hate-speech",result="unread"}')
    server.mode = mode
    reply = ask(corrects)
    assert reply.status_code == 200
    assert CORRECTED.decode() not in reply.headers
    assert series(corrects, 'evenhand_proxy_rows_total{model="hate-speech",result="unread"}') == before + 1
    assert "the reply:" in corrects.get("/healthz").json()["proxy"]
    assert "vermin" not in corrects.get("/healthz").text


@pytest.mark.parametrize("body", [b"no json", b'{"input": "a", "input": "you are vermin"}', b"{}", b"[1]"])
def test_a_request_that_cannot_be_read_passes_on(corrects: TestClient, server: Upstream, body: bytes) -> None:
    reply = corrects.post(ROUTE, content=body)
    assert server.seen[-1][3] == body
    assert CORRECTED.decode() not in reply.headers
    assert reply.status_code == (200 if body.count(b"input") else 400)


def test_or_is_refused_if_the_operator_says_so(
    open_client: Any, altered: Callable[..., Path], upstream: tuple[Upstream, str], server: Upstream
) -> None:
    client = open_client(
        altered(0.0, "apply"), proxy_upstream=upstream[1], **MODERATION, proxy_unread="refuse"
    )
    reply = client.post(ROUTE, content=b'{"input": "a", "input": "b"}')
    assert reply.status_code == 422
    assert "same key twice" in reply.json()["error"]["message"]
    assert not server.seen
    assert ask(client).status_code == 200


def test_a_faulty_row_costs_no_other_row_its_correction(corrects: TestClient, server: Upstream) -> None:
    reply = ask(corrects, ["what a lovely day", "", 7, "you are all vermin"])
    assert reply.status_code == 200
    assert reply.headers[CORRECTED.decode()] == "0,3"
    assert [row["category_scores"]["hate"] == HATE for row in reply.json()["results"]] == [
        False,
        True,
        True,
        False,
    ]


def test_a_slow_server_costs_the_time_out_and_no_more(
    open_client: Any, altered: Callable[..., Path], upstream: tuple[Upstream, str], server: Upstream
) -> None:
    settings = MODERATION | {"proxy_timeout_s": 0.5, "proxy_breaker_failures": 0}
    client = open_client(altered(0.0, "apply"), proxy_upstream=upstream[1], **settings)
    server.mode = "slow"
    reply = ask(client)
    assert reply.status_code == 504
    assert reply.json()["error"]["type"] == "upstream_slow"
    server.mode = "good"
    until(lambda: ask(client).status_code == 200)


def test_a_reply_that_breaks_off_is_no_reply(corrects: TestClient, server: Upstream) -> None:
    server.mode = "breaks"
    reply = ask(corrects)
    assert (reply.status_code, reply.json()["error"]["type"]) == (502, "upstream_away")


def test_the_breaker_opens_and_closes(open_client: Any, altered: Callable[..., Path]) -> None:
    port = free_port()
    client = open_client(
        altered(0.0, "apply"),
        proxy_upstream=f"http://127.0.0.1:{port}",
        **MODERATION,
        proxy_breaker_failures=3,
        proxy_breaker_s=0.2,
    )
    statuses = [ask(client).status_code for _ in range(4)]
    assert statuses[:3] == [502, 502, 502]
    if statuses[3] == 503:  # a machine that is slow has tried again by then
        assert client.get("/readyz").status_code in (200, 503)
    assert series(client, 'evenhand_upstream_requests_total{result="away"}') >= 3
    with listening(Upstream(), port):
        until(lambda: client.get("/readyz").status_code == 200)
        until(lambda: ask(client).status_code == 200)
        assert series(client, 'evenhand_upstream_breaker{state="closed"}') == 1
    refused = []
    until(lambda: refused.append(reply := ask(client)) or reply.status_code == 503)
    assert int(refused[-1].headers["retry-after"]) >= 1
    assert refused[-1].json()["error"]["type"] == "upstream_down"


def test_other_paths_pass_as_they_are(corrects: TestClient, server: Upstream) -> None:
    reply = corrects.delete("/a%2Fb/c?x=%20y&x=2", headers={"accept-encoding": "br"})
    assert (reply.status_code, reply.content, reply.headers["x-tea"]) == (418, b'{"teapot":  true}', "green")
    method, path, headers, _ = server.seen[-1]
    assert (method, path) == ("DELETE", "/a/b/c")
    assert headers[b"accept-encoding"] == b"br"
    assert corrects.get("/stream").content == b"data: a\n\ndata: b\n\n"
    assert corrects.get("/predict").status_code == 418
    assert corrects.get("/docs").status_code == 418
    assert corrects.get("/models").json()["models"][0]["name"] == "hate-speech"


def test_a_correction_that_comes_too_late_costs_no_answer(
    open_client: Any, altered: Callable[..., Path], upstream: tuple[Upstream, str], server: Upstream
) -> None:
    client = open_client(altered(0.0, "apply"), proxy_upstream=upstream[1], **MODERATION, max_queue_rows=1)
    groups = [{"gender": "women"}, {}, {}]
    reply = ask(
        client, headers={"evenhand-groups": json.dumps(groups)}
    )  # three rows do not fit into the queue
    assert reply.content == json.dumps(moderated(TEXTS), indent=1).encode()
    assert series(client, 'evenhand_proxy_rows_total{model="hate-speech",result="failed"}') == 3
    names = reply.headers[IDS.decode()].split(",")
    recorded = [until_recorded(client, name) for name in names]
    assert [body["error"] for body in recorded] == ["overloaded"] * 3
    assert [body["declared"] for body in recorded] == [["gender"], [], []]


def test_another_model_behind_is_told(corrects: TestClient, server: Upstream) -> None:
    ask(corrects, ["you are all vermin and should leave", "what a lovely day"] * 40)
    ask(corrects, ["vermin is what a vet sees on a lovely day"] * 40)
    assert series(corrects, 'evenhand_proxy_agreement_total{model="hate-speech",result="label"}') >= 40
    assert "not the model that the correction was learnt from" in corrects.get("/healthz").json()["proxy"]


def test_keys_are_asked_for_and_stay_here(
    open_client: Any,
    altered: Callable[..., Path],
    upstream: tuple[Upstream, str],
    server: Upstream,
    tmp_path: Path,
) -> None:
    file = tmp_path / "keys"
    key = new_key(file, "app", ["predict"], None)
    client = open_client(
        altered(1.0, "apply"),
        proxy_upstream=upstream[1],
        **MODERATION,
        keys_file=file,
        proxy_authorization="Bearer theirs",
    )
    assert ask(client).status_code == 401
    assert client.get("/anything").status_code == 401
    assert not server.seen
    assert ask(client, headers={"authorization": f"Bearer {key}"}).status_code == 200
    assert server.seen[-1][2][b"authorization"] == b"Bearer theirs"
    assert client.delete("/models/7", headers={"x-api-key": key}).status_code == 403
    assert ask(client, headers={"x-api-key": key}).status_code == 200
    assert b"x-api-key" not in server.seen[-1][2]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"proxy_route": ""}, "proxy_route"),
        ({"proxy_upstream": "http://user:secret@127.0.0.1:1"}, "proxy_authorization"),
        ({"proxy_label_path": "", "proxy_score_path": ()}, "proxy_label_path"),
        ({"proxy_label_values": ("true=hatred",)}, "hate, not hate"),
        ({"proxy_score_of": "hatred"}, "proxy_score_of"),
        ({"proxy_input_path": "$.a[*][*]"}, "twice"),
        ({"proxy_label_path": "$.a..b"}, "is no path"),
        ({"proxy_columns": ("age",)}, "proxy_columns"),
    ],
)
def test_settings_that_do_not_fit_stop_the_start(demo: Path, wrong: dict[str, Any], message: str) -> None:
    address = {"proxy_upstream": "http://127.0.0.1:1"}
    settings = Settings(bundles=(demo,), **(address | MODERATION | wrong), threads=1)
    with pytest.raises(SettingsError, match=message):
        create_app(settings)


@pytest.mark.parametrize("threshold", [1.0, 0.0])
def test_kserves_first_protocol_is_json_with_paths(
    open_client: Any, upstream: tuple[Upstream, str], server: Upstream, tmp_path: Path, threshold: float
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(SALARIES, bundle)
    manifest, _ = bundles.read_manifest(bundle)
    gated = [of.model_copy(update={"threshold": threshold}) for of in manifest.attributes]
    bundles.write_manifest(bundle, manifest.model_copy(update={"attributes": gated}))
    client = open_client(
        bundle,
        proxy_upstream=upstream[1],
        proxy_protocol="json",
        proxy_route="/v1/models/income:predict",
        proxy_input_path="$.instances",
        proxy_label_path="$.predictions[*]",
        proxy_columns=("age", "hours_worked", "region"),
        **PATIENT,
    )
    rows = [[30, 40, "South"], [50, 40, "South"], [60, 20, "West"]]
    reply = client.post("/v1/models/income:predict", json={"instances": rows})
    names = reply.headers[IDS.decode()].split(",")
    recorded = [until_recorded(client, name) for name in names]
    assert [row["base"]["label"] for row in recorded] == [manifest.labels[at] for at in (0, 1, 1)]
    assert (CORRECTED.decode() in reply.headers) == (threshold == 0.0)
    places = [0, 1, 1]
    if threshold == 0.0:
        named = [dict(zip(("age", "hours_worked", "region"), row, strict=True)) for row in rows]
        own = open_client(bundle).post("/predict", json={"inputs": named}).json()["predictions"]
        places = [manifest.labels.index(prediction["label"]) for prediction in own]
        assert places != [0, 1, 1]
    assert reply.json() == {"predictions": places}
    assert [row["final"]["label"] for row in recorded] == [manifest.labels[at] for at in places]


class TestOpenInferenceProtocol:
    """In front of Evenhand's own server, asked by Triton's client."""

    @pytest.fixture(scope="class")
    def plain(self, altered: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
        state = tmp_path_factory.mktemp("state")
        bundle = altered(1.0, "off")
        with listening(create_app(Settings(bundles=(bundle,), state=state, threads=1))) as address:
            yield address

    @pytest.fixture(scope="class")
    def proxied(
        self, altered: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory, plain: str
    ) -> Iterator[str]:
        state = tmp_path_factory.mktemp("state")
        settings = Settings(
            bundles=(altered(0.0, "apply"),), state=state, threads=1, proxy_upstream=plain, **PATIENT
        )
        with listening(create_app(settings)) as address:
            yield address

    @pytest.mark.parametrize("binary", [True, False])
    def test_tritons_client_gets_corrected_tensors(self, plain: str, proxied: str, binary: bool) -> None:
        answers = {}
        for address in (plain, proxied):
            client = InferenceServerClient(address.removeprefix("http://"))
            tensor = InferInput("text", [len(TEXTS)], "BYTES")
            tensor.set_data_from_numpy(np.array(TEXTS, dtype=object), binary_data=binary)
            outputs = [
                InferRequestedOutput(name, binary_data=binary)
                for name in ("label", "scores", "score", "base_label")
            ]
            answers[address] = client.infer("hate-speech", [tensor], outputs=outputs)
        was, now = answers[plain], answers[proxied]
        assert now.get_response()["model_version"] == was.get_response()["model_version"]
        scores = now.as_numpy("scores")
        assert not np.array_equal(scores, was.as_numpy("scores"))
        assert np.allclose(scores.sum(axis=1), 1)
        labels = [_text(label) for label in now.as_numpy("label")]
        assert labels == [["hate", "not hate"][row] for row in scores.argmax(axis=1)]
        assert np.allclose(now.as_numpy("score"), scores.max(axis=1))
        assert list(now.as_numpy("base_label")) == list(was.as_numpy("base_label"))

    def test_the_rest_of_the_protocol_is_the_servers(self, plain: str, proxied: str) -> None:
        for address in (plain, proxied):
            client = InferenceServerClient(address.removeprefix("http://"))
            assert client.is_server_live()
            assert client.is_model_ready("hate-speech")
            assert not client.is_model_ready("another")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
