"""Decisions made elsewhere, over HTTP: recorded, counted and judged as if served here."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from databases import database, postgres  # noqa: F401 - fixtures
from fairlearn.metrics import MetricFrame, equalized_odds_difference, selection_rate
from fastapi.testclient import TestClient
from recording import bodies, table
from reporting import DECLARATION, sent
from series import total
from sklearn.metrics import accuracy_score

from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.service.app import create_app
from evenhand.service.audit.elsewhere import waiting
from evenhand.service.catalog.declaration import DeclaredAttribute, write_declaration
from evenhand.service.settings import Settings

JSON_LINES = {"content-type": "application/x-ndjson"}
PARQUET = {"content-type": "application/vnd.apache.parquet"}
TARGET = Target(
    attributes=[AttributeTarget(attribute=name, measure="equalized-odds") for name in ("sex", "origin")],
    max_loss=0.0,
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    write_declaration(tmp_path / "observed", DECLARATION.model_copy(update={"target": TARGET}))
    return tmp_path


@pytest.fixture
def client(state: Path) -> Iterator[TestClient]:
    """A service without any bundle."""
    app = create_app(Settings(state=state, max_items=50, min_rows=30))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def lines(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def post(client: TestClient, body: Any, status: int = 200, **options: Any) -> dict[str, Any]:
    """The reply; bytes are JSON lines, unless other headers are named."""
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    headers = {"headers": JSON_LINES} if isinstance(body, bytes) else {}
    reply = client.post("/decisions", **{**content, **headers, **options})
    assert reply.status_code == status, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def test_one_decision_is_recorded_and_can_be_looked_up(client: TestClient) -> None:
    one = {
        "model": "hiring",
        "id": "a-1",
        "prediction": "hire",
        "groups": {"sex": "female"},
        "text": "secret",
    }
    reply = post(client, one)
    assert reply["counts"] == {"recorded": 1, "duplicate": 0, "conflict": 0, "error": 0}
    (result,) = reply["results"]
    body = client.get(f"/decisions/{result['id']}").json()
    assert (body["source"], body["model"], body["error"]) == ("elsewhere", "hiring", None)
    assert body["base"] == body["final"] == {"label": "hire", "score": None, "favourable": True}
    assert (body["declared"], body["flagged"], body["corrected"]) == (["sex"], [], False)
    del body["configuration"]
    for secret in ("secret", "a-1", "female"):
        assert secret not in json.dumps(body)


@pytest.mark.parametrize("form", ["list", "decisions", "lines", "parquet"])
def test_every_form_records_the_same(client: TestClient, state: Path, form: str) -> None:
    rows = [{**row, "model": "hiring"} for row in sent(40)]
    if form == "list":
        post(client, rows)
    elif form == "decisions":
        post(client, {"model": "hiring", "decisions": sent(40)})
    elif form == "lines":
        post(client, lines(sent(40)), params={"model": "hiring"})
    else:
        reply = post(client, parquet(rows), headers=PARQUET)
        assert reply["counts"]["recorded"] == 40
    recorded = bodies(f"sqlite:///{state / 'record.db'}")
    assert [body["final"]["label"] for body in recorded] == [row["prediction"] for row in rows]
    assert [body.get("truth", {}).get("label") for body in recorded] == [row.get("label") for row in rows]
    assert [body["p_favourable"] for body in recorded] == [row["scores"]["hire"] for row in rows]


def parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([{"label": None, **row} for row in rows]), file)
    return file.getvalue()


def test_flat_parquet_of_pandas_is_taken(client: TestClient) -> None:
    import pandas as pd

    table = pd.DataFrame(
        {
            "id": [1, 2],
            "prediction": ["hire", "reject"],
            "groups.sex": ["female", None],
            "label": [None, "hire"],
        }
    )
    file = io.BytesIO()
    table.to_parquet(file)
    reply = post(client, file.getvalue(), headers=PARQUET, params={"model": "hiring"})
    assert reply["counts"]["recorded"] == 2
    assert total(client, "evenhand_decisions_total", attribute="sex", group="female", source="declared") == 1
    assert total(client, "evenhand_decisions_total", attribute="sex", group="unknown", source="inferred") == 1


def test_what_is_no_parquet_file_is_said(client: TestClient) -> None:
    assert "no Parquet file" in post(client, b"PAR1 no PAR1", 422, headers=PARQUET)["error"]["message"]
    damaged = bytearray(parquet([{"prediction": "hire"}] * 3000))
    damaged[200:-200] = bytes(len(damaged) - 400)
    assert "arquet" in post(client, bytes(damaged), 422, headers=PARQUET)["error"]["message"]


def test_without_pyarrow_parquet_is_refused_with_the_way_out(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    error = post(client, b"PAR1", 501, headers=PARQUET)["error"]
    assert error["type"] == "not_installed"
    assert "evenhand[parquet]" in error["message"]


def test_figures_are_those_of_fairlearn(client: TestClient) -> None:
    """Selection rates over all rows, rates and accuracy over the labelled ones."""
    rows = sent(1500, ids=False)
    post(client, lines(rows), params={"model": "hiring"})
    shown = client.get("/fairness", params={"model": "hiring"}).json()
    assert shown["source"] == "elsewhere"
    labelled = [row for row in rows if "label" in row]
    truth, answer = ([int(row[key] == "hire") for row in labelled] for key in ("label", "prediction"))
    for attribute in shown["attributes"]:
        name = attribute["attribute"]
        declared = attribute["sources"]["declared"]
        everyone = [int(row["prediction"] == "hire") for row in rows]
        of_all = [row["groups"][name] for row in rows]
        selected = MetricFrame(
            metrics=selection_rate, y_true=everyone, y_pred=everyone, sensitive_features=of_all
        )
        of_labelled = [row["groups"][name] for row in labelled]
        right = MetricFrame(
            metrics=accuracy_score, y_true=truth, y_pred=answer, sensitive_features=of_labelled
        )
        for group in declared["groups"]:
            assert group["selection_rate"]["final"]["value"] == pytest.approx(
                selected.by_group[group["group"]]
            )
            assert group["accuracy"]["final"]["value"] == pytest.approx(right.by_group[group["group"]])
        by_name = {metric["metric"]: metric for metric in declared["metrics"]}
        expected = equalized_odds_difference(truth, answer, sensitive_features=of_labelled)
        assert by_name["equalized_odds_difference"]["final"]["value"] == pytest.approx(expected)
        assert by_name["demographic_parity_difference"]["final"]["value"] == pytest.approx(
            selected.difference()
        )
        assert by_name["equalized_odds_difference"]["role"] == "target"
        assert by_name["equalized_odds_difference"]["verdict"] is not None
    assert shown["correction"]["changed"] == 0
    assert shown["correction"]["rows"] == len(rows)


def test_labels_that_come_later_give_the_same_figures(client: TestClient, state: Path) -> None:
    """By /feedback under the own id, or with the decision sent again."""
    rows = sent(40)
    without = [{key: value for key, value in row.items() if key not in ("label", "groups")} for row in rows]
    post(client, lines(without), params={"model": "hiring"})
    half = [
        {"id": row["id"], "label": row.get("label"), "groups": row["groups"], "model": "hiring"}
        for row in rows[:20]
    ]
    joined = client.post("/feedback", json={"feedback": half}).json()
    assert joined["counts"] == {"joined": 20}
    reply = post(client, lines(rows), params={"model": "hiring"})
    assert reply["counts"]["duplicate"] == 40
    assert [one["feedback"] for one in reply["not_new"]] == ["duplicate"] * 20 + ["joined"] * 20
    labels = sum("label" in row for row in rows)
    assert total(client, "evenhand_outcomes_total", attribute="sex", source="declared") == labels
    assert total(client, "evenhand_decisions_total", attribute="sex", source="declared") == 40
    shown = client.get("/fairness", params={"model": "hiring"}).json()
    groups = shown["attributes"][0]["sources"]["declared"]["groups"]
    assert sum(group["rows"] for group in groups) == 40
    assert sum(group["labels"] for group in groups) == labels


def test_an_own_id_is_recorded_once_and_another_decision_is_a_conflict(client: TestClient) -> None:
    one = {"model": "hiring", "id": "a", "prediction": "hire"}
    assert post(client, [one, one])["counts"]["duplicate"] == 1
    reply = post(client, [one, {**one, "prediction": "reject", "label": "reject"}])
    assert reply["counts"] == {"recorded": 0, "duplicate": 1, "conflict": 1, "error": 0}
    assert total(client, "evenhand_decisions_total", attribute="sex") == 1
    assert total(client, "evenhand_outcomes_total") == 0
    for result, count in (("recorded", 1), ("duplicate", 2), ("conflict", 1)):
        assert total(client, "evenhand_reported_total", model="hiring", result=result) == count


def test_a_faulty_line_of_many_costs_itself_alone_and_is_named(client: TestClient, state: Path) -> None:
    rows = lines(sent(4500, ids=False)).splitlines(keepends=True)
    rows[2999] = b'{"prediction": "hire"\n'
    rows[3000] = b"\n"
    reply = post(client, b"".join(rows), params={"model": "hiring"})
    assert reply["counts"] == {"recorded": 4498, "duplicate": 0, "conflict": 0, "error": 1}
    assert reply["not_new"] == [{"line": 3000, "result": "error", "message": "not readable as JSON"}]
    assert len(bodies(f"sqlite:///{state / 'record.db'}")) == 4498
    assert total(client, "evenhand_reported_total", model="", result="error") == 1


def test_more_faulty_lines_than_are_named_are_counted(client: TestClient) -> None:
    reply = post(client, b"x\n" * 1500 + lines(sent(1)), params={"model": "hiring"})
    assert len(reply["not_new"]) == 1000
    assert reply["not_new_left_out"] == 500


def test_nothing_usable_is_an_error(client: TestClient) -> None:
    error = post(client, b"x\ny\n", 422)["error"]
    assert error["message"] == "no decision can be used; the first one: not readable as JSON"
    assert error["detail"]["counts"]["error"] == 2
    for nothing in ([], {"decisions": []}):
        assert "no decision was sent" in post(client, nothing, 422)["error"]["message"]
    assert "no decision was sent" in post(client, b"\n\n", 422)["error"]["message"]
    for wrong in (7, {"decisions": 7}, {"decisions": [], "more": 1}):
        assert post(client, wrong, 422)["error"]["type"] == "invalid_input"
    one = {"prediction": "hire", "model": "nobody"}
    assert "evenhand observe" in post(client, one, 422)["error"]["message"]
    assert "evenhand observe" in post(client, one, 422)["error"]["detail"]["results"][0]["message"]


def test_other_bodies_are_refused_before_they_are_read(client: TestClient) -> None:
    reply = client.post("/decisions", content=b"a,b", headers={"content-type": "text/csv"})
    assert reply.status_code == 415
    assert "application/x-ndjson" in reply.json()["error"]["message"]


def test_a_body_that_is_too_large_is_refused(state: Path) -> None:
    with TestClient(create_app(Settings(state=state, max_decisions_bytes=1_000_000))) as client:
        body = lines(sent(9000))
        assert len(body) > 1_000_000
        reply = client.post("/decisions", content=body, headers=JSON_LINES, params={"model": "hiring"})
        assert reply.status_code == 413
        assert "larger than 1000000 bytes" in reply.json()["error"]["message"]


def test_declarations_are_seen_while_the_service_runs(client: TestClient, state: Path) -> None:
    assert client.get("/healthz").json()["observed"] == "decisions of 1 model are made elsewhere"
    write_declaration(state / "observed", DECLARATION.model_copy(update={"name": "credit"}))
    (state / "observed" / "bad.json").write_text('{"name": "bad"}')
    assert post(client, {"model": "credit", "prediction": "hire"})["counts"]["recorded"] == 1
    shown = client.get("/models").json()
    assert [(model["name"], model["role"], model["source"]) for model in shown["models"]] == [
        ("credit", "observed", "elsewhere"),
        ("hiring", "observed", "elsewhere"),
    ]
    assert [one["file"] for one in shown["not_observed"]] == ["bad.json"]
    assert "1 faulty declaration" in client.get("/healthz").json()["not_observed"]
    assert client.get("/fairness/trend", params={"model": "credit"}).status_code == 200
    assert client.get("/fairness").status_code == 422  # two models: one must be named


def test_beside_a_bundle_they_are_counted_apart(
    open_client: Callable[..., TestClient], altered: Callable[..., Path]
) -> None:
    client = open_client(altered(0.0, "apply"))
    client.post("/predict", json={"inputs": ["what a lovely day"]})
    reply = post(client, {"model": "hate-speech", "prediction": "hate", "groups": {"any_group": "mentioned"}})
    assert reply["counts"]["recorded"] == 1
    served = client.get("/fairness", params={"model": "hate-speech"}).json()
    elsewhere = client.get("/fairness", params={"model": "hate-speech@elsewhere"}).json()
    assert [shown["source"] for shown in (served, elsewhere)] == ["served", "elsewhere"]
    for shown, declared, inferred in ((served, 0, 1), (elsewhere, 1, 0)):
        attribute = next(one for one in shown["attributes"] if one["attribute"] == "any_group")
        rows = {source: of["rows"] for source, of in attribute["sources"].items()}
        assert rows == {"declared": declared, "inferred": inferred}
    assert {model["name"]: model["role"] for model in client.get("/models").json()["models"]} == {
        "hate-speech": "live",
        "hate-speech@elsewhere": "observed",
    }


def test_the_bundle_says_what_it_would_have_answered(
    open_client: Callable[..., TestClient], altered: Callable[..., Path]
) -> None:
    client = open_client(altered(0.0, "apply"))
    text = "you are all vermin and should leave"
    (served,) = client.post("/predict", json={"inputs": [text]}).json()["predictions"]
    one = {"model": "hate-speech", "prediction": "not hate", "text": text}
    results = post(client, [one, {**one, "text": None}, {**one, "text": None, "features": {"a": 1}}])[
        "results"
    ]
    shadow = results[0]["shadow"]
    assert (shadow["label"], shadow["corrected"]) == (served["label"], served["corrected"])
    assert shadow["score"] == pytest.approx(served["score"], abs=1e-6)
    assert "shadow" not in results[1]
    assert "error" in results[2]["shadow"]
    body = client.get(f"/decisions/{results[0]['id']}").json()
    assert body["shadow"]["label"] == served["label"]
    assert body["final"]["label"] == "not hate"
    assert "shadow" not in post(client, [one], params={"shadow": "false"})["results"][0]


def test_without_a_record_they_cannot_be_taken(state: Path) -> None:
    with TestClient(create_app(Settings(state=state, record="off"))) as client:
        assert post(client, {"model": "hiring", "prediction": "hire"}, 409)["error"]["type"] == "record_off"


def test_they_need_a_scope_of_their_own(state: Path, tmp_path: Path) -> None:
    from evenhand.service.auth.key_file import new_key

    keys = tmp_path / "keys"
    mine, other = (new_key(keys, name, [name], None) for name in ("decisions", "predict"))
    with TestClient(create_app(Settings(state=state, keys_file=keys))) as client:
        one = {"model": "hiring", "prediction": "hire"}
        assert post(client, one, 401)
        assert post(client, one, 403, headers={"x-api-key": other})
        assert post(client, one, headers={"x-api-key": mine})["counts"]["recorded"] == 1


def event(kind: str, name: str = "e-1", **more: str) -> dict[str, str]:
    """Headers as KServe's payload logger sends them."""
    return {
        "ce-id": name,
        "ce-type": f"org.kubeflow.serving.inference.{kind}",
        "ce-specversion": "1.0",
        "ce-source": "http://localhost:9081/",
        "ce-inferenceservicename": "hiring",
        "ce-namespace": "default",
        "ce-component": "predictor",
        "content-type": "application/json",
        **more,
    }


REQUESTED = {"instances": [{"sex": "female", "age": 30}, {"sex": "male", "age": 40}]}
DECIDED = {"predictions": ["hire", "reject"]}


@pytest.mark.parametrize("order", ["request first", "response first"])
def test_the_events_of_kserve_are_joined_by_their_id(client: TestClient, state: Path, order: str) -> None:
    halves = [("request", REQUESTED), ("response", DECIDED)]
    for kind, body in halves if order == "request first" else halves[::-1]:
        post(client, body, headers=event(kind))
    for sex, favourable in (("female", "1"), ("male", "0")):
        cell = {"attribute": "sex", "group": sex, "source": "declared", "final": favourable}
        assert total(client, "evenhand_decisions_total", **cell) == 1
    assert table(f"sqlite:///{state / 'record.db'}", "waiting_groups") == []
    recorded = [body for body in bodies(f"sqlite:///{state / 'record.db'}") if body["kind"] == "decision"]
    assert [body["final"]["label"] for body in recorded] == ["hire", "reject"]
    for kind, body in halves:  # a broker delivers at least once
        post(client, body, headers=event(kind))
    assert total(client, "evenhand_decisions_total", attribute="sex", source="declared") == 2
    assert table(f"sqlite:///{state / 'record.db'}", "waiting_groups") == []


@pytest.mark.parametrize("order", ["request first", "response first"])
def test_the_events_of_one_request_may_reach_different_replicas(
    database: str,  # noqa: F811
    tmp_path: Path,
    order: str,
) -> None:
    halves = [("request", REQUESTED), ("response", DECIDED)]
    for number, (kind, body) in enumerate(halves if order == "request first" else halves[::-1]):
        folder = tmp_path / str(number)
        write_declaration(folder / "observed", DECLARATION)
        (folder / "record.key").write_text("07" * 32)
        with TestClient(create_app(Settings(state=folder, record=database))) as replica:
            reply = post(replica, body, headers=event(kind))
            if (kind, number) == ("request", 0):
                assert reply == {"held": 2, "joined": 0, "requests_waiting": 1}
            if number:
                shown = replica.get("/fairness", params={"model": "hiring"}).json()["attributes"][0]
    assert (shown["sources"]["declared"]["rows"], shown["sources"]["inferred"]["rows"]) == (2, 0)
    assert table(database, "waiting_groups") == []


def test_requests_that_wait_too_long_or_are_too_many_are_not_kept(
    client: TestClient, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "MOST", 2)
    for name in ("a", "b", "a"):
        reply = post(client, REQUESTED, headers=event("request", name))
    assert reply["requests_waiting"] == 2
    assert "responses" in post(client, REQUESTED, 503, headers=event("request", "c"))["error"]["message"]
    monkeypatch.setattr(waiting, "KEPT_MS", -1)
    assert post(client, DECIDED, headers=event("response", "a"))["counts"]["recorded"] == 2
    assert total(client, "evenhand_decisions_total", attribute="sex", source="declared") == 0
    assert post(client, REQUESTED, headers=event("request", "c"))["requests_waiting"] == 1


@pytest.mark.parametrize("order", ["groups first", "label first", "together"])
def test_a_row_whose_group_comes_later_is_shown_once(client: TestClient, order: str) -> None:
    """Sent again with its groups, a decision moves from those without to the declared ones."""
    rows = sent(60)
    bare = [{key: row[key] for key in ("id", "prediction")} for row in rows]
    parts: dict[str, tuple[str, ...]] = {
        "groups first": ("groups", "label"),
        "label first": ("label", "groups"),
    }
    post(client, lines(bare), params={"model": "hiring"})
    for part in parts.get(order, ("both",)):
        names = {"groups", "label"} if part == "both" else {part}
        news = [
            one | {key: row[key] for key in names & row.keys()} for one, row in zip(bare, rows, strict=True)
        ]
        post(client, lines(news), params={"model": "hiring"})
    for attribute in client.get("/fairness", params={"model": "hiring"}).json()["attributes"]:
        assert attribute["sources"]["declared"]["rows"] == 60
        assert attribute["sources"]["inferred"]["rows"] == 0


def test_numbers_count_under_their_ranges(client: TestClient, state: Path) -> None:
    ages = ["0-24", "25-39", "40+"]
    age = DeclaredAttribute(name="age", groups=ages, reference="40+", ranges=ages)
    write_declaration(
        state / "observed", DECLARATION.model_copy(update={"name": "loans", "attributes": [age]})
    )
    ages_sent = (18, 31, "31", 39.5, 77)
    rows = [{"id": n, "prediction": "hire", "groups": {"age": one}} for n, one in enumerate(ages_sent)]
    reply = post(
        client, lines([*rows, {"prediction": "hire", "groups": {"age": -3}}]), params={"model": "loans"}
    )
    assert reply["unlisted_groups"] == {"loans": {"age": 1}}
    later = {"id": "0", "groups": {"age": "19"}}
    assert client.post("/feedback", json=later).json()["results"][0]["result"] == "duplicate"
    for group, number in (("0-24", 1), ("25-39", 3), ("40+", 1), ("unknown", 1)):
        cell = {"attribute": "age", "group": group, "source": "declared"}
        assert total(client, "evenhand_decisions_total", model="loans", **cell) == number


@pytest.mark.parametrize(
    ("answer", "labels"),
    [
        ({"predictions": [0, 1]}, ["hire", "reject"]),
        ({"predictions": [[0.9, 0.1], [0.2, 0.8]]}, ["hire", "reject"]),
        ({"predictions": [{"label": "reject"}]}, ["reject"]),
        (
            {"outputs": [{"name": "label", "shape": [2], "datatype": "BYTES", "data": ["hire", "reject"]}]},
            ["hire", "reject"],
        ),
        (
            {"outputs": [{"name": "p", "shape": [2, 2], "datatype": "FP32", "data": [0.9, 0.1, 0.2, 0.8]}]},
            ["hire", "reject"],
        ),
    ],
)
def test_both_protocols_of_kserve_are_read(
    client: TestClient, state: Path, answer: dict[str, Any], labels: list[str]
) -> None:
    post(client, answer, headers=event("response"))
    recorded = bodies(f"sqlite:///{state / 'record.db'}")
    assert [body["final"]["label"] for body in recorded] == labels


def test_structured_events_are_read_too(client: TestClient) -> None:
    body = {
        "specversion": "1.0",
        "id": "e-2",
        "type": "org.kubeflow.serving.inference.response",
        "source": "x",
        "inferenceservicename": "hiring",
        "data": {"predictions": ["hire"]},
    }
    headers = {"content-type": "application/cloudevents+json"}
    assert post(client, body, headers=headers)["counts"]["recorded"] == 1


def test_events_of_which_nothing_can_be_used_are_refused(client: TestClient) -> None:
    for kind, body in (
        ("outlier", DECIDED),
        ("response", {"error": "x"}),
        ("response", {"predictions": []}),
    ):
        assert post(client, body, 422, headers=event(kind))["error"]["type"] == "invalid_input"
    unknown = event("response", **{"ce-inferenceservicename": "nobody"})
    assert post(client, DECIDED, 404, headers=unknown)["error"]["type"] == "unknown_model"
    assert post(client, {"instances": [[1, 2]]}, headers=event("request")) == {"held": 0, "joined": 0}
