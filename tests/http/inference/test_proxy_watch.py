"""A proxy without a bundle: replies pass on as they came, and their decisions are on record."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from upstreams import HATE, Upstream, listening, moderated, server, upstream
from waiting import until

from evenhand.service.app import create_app
from evenhand.service.catalog.declaration import Declaration, write_declaration
from evenhand.service.proxy.proxy import IDS
from evenhand.service.settings import Settings, SettingsError

__all__ = ["server", "upstream"]
ROUTE = "/v1/moderations"
TEXTS = ["what a lovely day", "you are all vermin", "my sister is a doctor"]
MODERATION: dict[str, Any] = {
    "proxy_protocol": "json",
    "proxy_route": ROUTE,
    "proxy_label_path": "$.results[*].flagged",
    "proxy_score_path": ("$.results[*].category_scores.hate",),
    "proxy_score_of": "hate",
    "proxy_label_values": ("true=hate", "false=fine"),
    "proxy_timeout_s": 600.0,
    "proxy_breaker_failures": 0,
}
SAME = json.dumps(moderated(TEXTS), indent=1).encode()


def declared(folder: Path, name: str = "moderation", labels: tuple[str, ...] = ("hate", "fine")) -> None:
    sex = {"name": "sex", "groups": ["female", "male"], "reference": "male"}
    said = {"name": name, "labels": list(labels), "favourable": ["fine"], "attributes": [sex]}
    write_declaration(folder / "observed", Declaration.model_validate(said))


@pytest.fixture(scope="module")
def watches(
    open_shared: Any, tmp_path_factory: pytest.TempPathFactory, upstream: tuple[Upstream, str]
) -> TestClient:
    state = tmp_path_factory.mktemp("state")
    declared(state)
    client: TestClient = open_shared(proxy_upstream=upstream[1], state=state, **MODERATION)
    return client


def ask(client: TestClient, texts: Any = TEXTS, **headers: str) -> Any:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(ROUTE, json={"input": texts}, headers=named)


def series(client: TestClient, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


def rows(client: TestClient, result: str) -> float:
    return series(client, f'evenhand_proxy_rows_total{{model="moderation",result="{result}"}}')


def decision(client: TestClient, name: str) -> Any:
    until(lambda: client.get(f"/decisions/{name}").status_code == 200)
    return client.get(f"/decisions/{name}").json()


def test_replies_pass_on_and_their_decisions_are_on_record(watches: TestClient, server: Upstream) -> None:
    reply = ask(watches)
    assert reply.content == SAME
    assert reply.headers["x-own"] == "1"
    first, second, _ = reply.headers[IDS.decode()].split(",")
    body = decision(watches, second)
    assert body["source"] == "elsewhere"
    assert body["base"] == body["final"] == {"label": "hate", "score": 0.9, "favourable": False}
    assert body["p_favourable"] == pytest.approx(0.1)
    assert decision(watches, first)["base"]["score"] == pytest.approx(1 - HATE)


def test_they_are_counted_judged_and_listed_like_those_that_are_reported(
    watches: TestClient, server: Upstream
) -> None:
    before = rows(watches, "watched")
    groups = [{"sex": "female"}, {"sex": "male"}, {"sex": "female"}]
    ask(watches, evenhand_groups=json.dumps(groups))
    assert b"evenhand-groups" not in server.seen[-1][2]
    until(lambda: rows(watches, "watched") == before + 3)
    cell = 'evenhand_decisions_total{attribute="sex",base="1",final="1",group="female",model="moderation"'
    until(lambda: series(watches, cell) >= 2)
    reported = 'evenhand_reported_total{model="moderation",result="recorded"}'
    assert series(watches, reported) >= 3
    (model,) = watches.get("/models").json()["models"]
    assert (model["name"], model["role"]) == ("moderation", "observed")
    assert watches.get("/fairness?model=moderation").json()["attributes"]


def test_own_ids_take_labels_later_and_count_once(watches: TestClient, server: Upstream) -> None:
    duplicates = 'evenhand_reported_total{model="moderation",result="duplicate"}'
    before = series(watches, duplicates)
    name = ask(watches, ["a"], evenhand_own_ids='["case 1"]').headers[IDS.decode()]
    decision(watches, name)
    ask(watches, ["a"], evenhand_own_ids='["case 1"]')
    until(lambda: series(watches, duplicates) == before + 1)
    reply = watches.post("/feedback", json={"feedback": [{"id": "case 1", "label": "hate"}]})
    assert reply.json()["counts"] == {"joined": 1}, reply.text


@pytest.mark.parametrize("mode", ["nonsense", "nan", "doubled", "gzip"])
def test_a_reply_that_cannot_be_read_passes_on_and_is_told(
    watches: TestClient, server: Upstream, mode: str
) -> None:
    before = rows(watches, "unread")
    server.mode = mode
    reply = ask(watches)
    assert reply.status_code == 200
    assert IDS.decode() not in reply.headers
    assert rows(watches, "unread") == before + 1
    assert "the reply:" in watches.get("/healthz").json()["proxy"]


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"evenhand_groups": "no json"}, "not valid JSON"),
        ({"evenhand_groups": '[{"sex": "female"}]'}, "groups of 1 rows"),
        ({"evenhand_groups": '{"age": "old"}'}, "not the model's"),
        ({"evenhand_own_ids": '["a", "a", "b"]'}, "are the same"),
    ],
)
def test_headers_that_do_not_fit_cost_the_record_and_no_answer(
    watches: TestClient, server: Upstream, headers: dict[str, str], word: str
) -> None:
    before = rows(watches, "unread")
    assert ask(watches, **headers).content == SAME
    assert rows(watches, "unread") == before + 1
    assert word in watches.get("/healthz").json()["proxy"]


def test_the_servers_errors_and_other_routes_pass_on(watches: TestClient, server: Upstream) -> None:
    server.mode = "broken"
    assert (ask(watches).status_code, ask(watches).content) == (500, b"<h1>out of memory</h1>")
    server.mode = "empty"
    before = rows(watches, "unread")
    assert ask(watches).status_code == 204
    assert rows(watches, "unread") == before + 1
    assert watches.get("/anything").status_code == 418
    server.mode = "breaks"
    assert ask(watches).json()["error"]["type"] == "upstream_away"


def test_the_record_comes_first_where_it_has_to(
    open_client: Any, tmp_path: Path, upstream: tuple[Upstream, str], server: Upstream
) -> None:
    declared(tmp_path)
    client = open_client(proxy_upstream=upstream[1], state=tmp_path, durability="request", **MODERATION)
    for name in ask(client).headers[IDS.decode()].split(","):
        assert client.get(f"/decisions/{name}").status_code == 200


def test_a_group_that_is_not_listed_is_counted_or_refused(
    open_client: Any, tmp_path: Path, upstream: tuple[Upstream, str], server: Upstream, watches: TestClient
) -> None:
    unlisted = 'evenhand_group_overflow_total{attribute="sex",model="moderation"}'
    before = series(watches, unlisted)
    assert ask(watches, ["a"], evenhand_groups='{"sex": "other"}').status_code == 200
    until(lambda: series(watches, unlisted) == before + 1)
    declared(tmp_path)
    strict = open_client(proxy_upstream=upstream[1], state=tmp_path, strict=True, **MODERATION)
    server.seen.clear()
    reply = ask(strict, ["a"], evenhand_groups='{"sex": "other"}')
    assert (reply.status_code, server.seen) == (422, [])
    assert "none that the model lists" in reply.json()["error"]["message"]


def test_tensors_are_read_by_their_names(
    open_client: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, demo: Path
) -> None:
    declared(tmp_path, "hate-speech", ("hate", "not hate", "fine"))
    body = {"inputs": [{"name": "text", "shape": [3], "datatype": "BYTES", "data": TEXTS}]}
    state = tmp_path_factory.mktemp("behind")
    with listening(create_app(Settings(bundles=(demo,), state=state, threads=1))) as address:
        client = open_client(proxy_upstream=address, state=tmp_path, proxy_score_path=("score",))
        reply = client.post("/v2/models/hate-speech/infer", json=body)
        names = [output["name"] for output in reply.json()["outputs"]]
        assert {"label", "score"} <= set(names)
        labels = reply.json()["outputs"][names.index("label")]["data"]
        for name, label in zip(reply.headers[IDS.decode()].split(","), labels, strict=True):
            assert decision(client, name)["final"]["label"] == label
        assert IDS.decode() not in client.post("/v2/models/other/infer", json=body).headers


@pytest.mark.parametrize(
    ("names", "wrong", "message"),
    [
        (["moderation"], {"record": "off"}, "record is off"),
        (["a", "b"], {"proxy_model": "moderation"}, "did not declare 'moderation', but a, b"),
        (["moderation"], {"proxy_model": "nope"}, "did not declare .nope., but moderation"),
        (["a", "b"], {}, "which model is behind the route"),
        (["moderation"], {"proxy_label_values": ("true=spite",)}, "spite"),
        (["moderation"], {"proxy_label_path": "$..a"}, "is no path"),
        (["moderation"], {"proxy_route": ""}, "proxy_route"),
    ],
)
def test_settings_that_do_not_fit_stop_the_start(
    tmp_path: Path, names: list[str], wrong: dict[str, Any], message: str
) -> None:
    for name in names:
        declared(tmp_path, name)
    settings = {"proxy_upstream": "http://127.0.0.1:1", "state": tmp_path}
    with pytest.raises(SettingsError, match=message):
        create_app(Settings(**(MODERATION | settings | wrong)))


def test_a_declared_model_beside_a_bundle_is_watched(
    open_client: Any, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, demo: Path
) -> None:
    declared(tmp_path, "other", ("hate", "not hate", "fine"))
    state = tmp_path_factory.mktemp("behind")
    with listening(create_app(Settings(bundles=(demo,), state=state, threads=1))) as address:
        client = open_client(demo, proxy_upstream=address, state=tmp_path)
        body = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": TEXTS[:1]}]}
        reply = client.post("/v2/models/hate-speech/infer", json=body)
        assert decision(client, reply.headers[IDS.decode()])["risk"]
        assert client.post("/v2/models/other/infer", json=body).status_code == 404  # it is not behind
