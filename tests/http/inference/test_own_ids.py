"""A caller's own ids: checked, repeated in the reply, and taken by feedback in place of ours."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

TEXTS = ["what a lovely day", "you are all vermin and should leave"]
MODEL = "/v2/models/hate-speech"


@pytest.fixture
def fresh(open_client: Callable[..., TestClient], demo: Path) -> TestClient:
    return open_client(demo)


def ask(client: TestClient, inputs: Any, ids: Any) -> list[dict[str, Any]]:
    reply = client.post("/predict", json={"inputs": inputs, "ids": ids})
    assert reply.status_code == 200, reply.text
    predictions: list[dict[str, Any]] = reply.json()["predictions"]
    return predictions


def tell(client: TestClient, *items: Any) -> list[dict[str, Any]]:
    reply = client.post("/feedback", json={"feedback": list(items)})
    assert reply.status_code == 200, reply.text
    results: list[dict[str, Any]] = reply.json()["results"]
    return results


def test_the_reply_carries_both_ids_and_feedback_takes_either(fresh: TestClient) -> None:
    first, second = ask(fresh, TEXTS, ["case/1", None])
    assert (first["own_id"], second["own_id"]) == ("case/1", None)
    assert first["id"] != second["id"]
    by_own, by_ours, unknown = tell(
        fresh,
        {"id": "case/1", "label": "hate"},
        {"id": second["id"], "label": "hate"},
        {"id": "case/2", "label": "hate"},
    )
    assert (by_own["result"], by_own["id"]) == ("joined", first["id"])
    assert (by_ours["result"], by_ours["id"]) == ("joined", second["id"])
    assert (unknown["result"], unknown["id"]) == ("orphan", None)
    record = fresh.get(f"/decisions/{first['id']}").json()
    assert [event["kind"] for event in record["events"]] == ["label"]
    assert "case/1" not in json.dumps(record)


def test_one_own_id_for_one_input_and_for_a_faulty_row(fresh: TestClient) -> None:
    (alone,) = ask(fresh, TEXTS[0], "a b")
    assert alone["own_id"] == "a b"
    good, bad = ask(fresh, [TEXTS[0], 17], ["x", "y"])
    assert (good["own_id"], bad["own_id"]) == ("x", "y")
    assert "error" in bad


def test_an_own_id_sent_again_means_the_newest_decision(fresh: TestClient) -> None:
    ask(fresh, TEXTS[0], "again")
    (newest,) = ask(fresh, TEXTS[0], "again")
    (result,) = tell(fresh, {"id": "again", "label": "hate"})
    assert (result["result"], result["id"]) == ("joined", newest["id"])
    assert result["message"] == "2 decisions have this own id; the newest is meant"


def test_two_models_under_one_own_id_need_the_model(two_models: TestClient) -> None:
    for model in ("hate-speech", "other"):
        reply = two_models.post("/predict", json={"inputs": TEXTS[0], "ids": "both", "model": model})
        assert reply.status_code == 200
    reply = two_models.post("/feedback", json={"id": "both", "label": "hate"})
    assert reply.status_code == 422
    assert "name the model, one of hate-speech, other" in reply.json()["error"]["message"]
    reply = two_models.post("/feedback", json={"id": "both", "label": "hate", "model": "other"})
    assert reply.json()["results"][0]["result"] == "joined"


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (["sesame"], "as long as inputs"),
        (["a", "b", "sesame"], "as long as inputs"),
        ("sesame", "as long as inputs"),
        (["sesame", "sesame"], "ids[0] and ids[1] are the same"),
        (["s\u00e9same", "se\u0301same"], "ids[0] and ids[1] are the same"),
        (["a", "sesame\n"], "ids[1] cannot be used"),
        (["", "a"], "ids[0] cannot be used"),
        ([" sesame", "a"], "ids[0] cannot be used"),
        (["a", "sesame" * 30], "ids[1] cannot be used"),
        (["a", "sesame\0"], "ids[1] cannot be used"),
        (["a", "\ud800"], "ids[1] cannot be used"),
        ([17, "a"], "ids[0] cannot be used"),
        ([["sesame"], "a"], "ids[0] cannot be used"),
        ({"sesame": 1}, "as long as inputs"),
        (17, "as long as inputs"),
    ],
)
def test_ids_that_are_none_are_refused_without_repeating_them(
    client: TestClient, ids: Any, said: str
) -> None:
    body = json.dumps({"inputs": TEXTS, "ids": ids})
    reply = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 422
    assert said in reply.json()["error"]["message"]
    assert "same" not in reply.text.replace("are the same", "")


def infer(client: TestClient, texts: list[str], own: Any = None, **more: Any) -> Any:
    inputs = [{"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts}]
    if own is not None:
        inputs.append(
            {"name": "own_id", "shape": [len(own), 1], "datatype": "BYTES", "data": own}
            | more.pop("tensor", {})
        )
    return client.post(f"{MODEL}/infer", json={"inputs": inputs, **more})


def output(reply: Any, name: str) -> list[Any]:
    assert reply.status_code == 200, reply.text
    (tensor,) = (one for one in reply.json()["outputs"] if one["name"] == name)
    data: list[Any] = tensor["data"]
    return data


def test_the_open_inference_protocol_has_own_ids_too(fresh: TestClient) -> None:
    many = infer(fresh, TEXTS, ["one", ""], id="request-1")
    assert output(many, "own_id") == ["one", ""]
    alone = infer(fresh, TEXTS[:1], id="request-2")
    assert output(alone, "own_id") == ["request-2"]
    assert alone.json()["id"] == "request-2"
    results = tell(fresh, {"id": "one", "label": "hate"}, {"id": "request-2", "label": "hate"})
    assert [result["id"] for result in results] == [output(many, "id")[0], output(alone, "id")[0]]
    assert output(infer(fresh, TEXTS, id="request-3"), "own_id") == ["", ""]
    assert output(infer(fresh, TEXTS[:1], id="no\town id"), "own_id") == [""]
    wrong = infer(fresh, TEXTS, ["one", "two"], tensor={"datatype": "INT64", "data": [1, 2]})
    assert wrong.status_code == 422
    assert "own_id must be of BYTES" in wrong.json()["error"]
    assert "are the same" in infer(fresh, TEXTS, ["one", "one"]).json()["error"]
