"""Feedback, decisions on record and overrides, over a real database."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from series import total
from sqlalchemy import create_engine, func, select

from evenhand.service.audit.tables import records
from evenhand.service.ids import ulid

NAME = "hate-speech"
TEXTS = ["what a lovely day", "you are all vermin and should leave"]


@pytest.fixture
def fresh(open_client: Callable[..., TestClient], altered: Callable[..., Path]) -> TestClient:
    return open_client(altered(0.0, "apply"))


def ask(client: TestClient, **more: Any) -> list[dict[str, Any]]:
    reply = client.post("/predict", json={"inputs": TEXTS, **more})
    assert reply.status_code == 200, reply.text
    predictions: list[dict[str, Any]] = reply.json()["predictions"]
    return predictions


def tell(client: TestClient, *items: Any) -> list[str]:
    reply = client.post("/feedback", json={"feedback": list(items)})
    assert reply.status_code == 200, reply.text
    return [result["result"] for result in reply.json()["results"]]


def test_a_label_is_joined_once_and_counted_under_the_decisions_group(fresh: TestClient) -> None:
    first, second = ask(fresh, groups=[{"any_group": "mentioned"}, None])
    item = {"id": first["id"], "label": "hate"}
    assert tell(fresh, item, item, {"id": second["id"], "label": "not hate"}) == [
        "joined",
        "duplicate",
        "joined",
    ]
    assert tell(fresh, item, {"id": first["id"], "label": "not hate"}) == ["duplicate", "conflict"]
    outcomes = "evenhand_outcomes_total"
    assert total(fresh, outcomes, attribute="any_group") == 2
    base = str(int(first["base"]["label"] == "not hate"))
    final = str(int(first["label"] == "not hate"))
    cell = {"attribute": "any_group", "group": "mentioned", "source": "declared"}
    assert total(fresh, outcomes, **cell, base=base, final=final, label="0") == 1
    assert total(fresh, outcomes, attribute="gender", source="inferred") == 2
    for result, count in (("joined", 2), ("duplicate", 2), ("conflict", 1)):
        assert total(fresh, "evenhand_feedback_total", result=result) == count


def test_groups_declared_later_move_the_declared_counts_once(fresh: TestClient) -> None:
    first, _ = ask(fresh)
    assert total(fresh, "evenhand_decisions_total", attribute="any_group", source="declared") == 0
    assert tell(fresh, {"id": first["id"], "label": "hate"}) == ["joined"]
    groups = {"id": first["id"], "groups": {"any_group": "mentioned"}}
    assert tell(fresh, groups, groups, {**groups, "groups": {"any_group": "not mentioned"}}) == [
        "joined",
        "duplicate",
        "conflict",
    ]
    cell = {"attribute": "any_group", "group": "mentioned", "source": "declared"}
    assert total(fresh, "evenhand_decisions_total", **cell) == 1
    assert total(fresh, "evenhand_outcomes_total", **cell) == 1
    assert total(fresh, "evenhand_detector_total", attribute="any_group", truth="1") == 1


def test_orphans_and_late_ones_are_answered_and_counted(fresh: TestClient) -> None:
    old = "00" + ulid()[2:]
    assert tell(
        fresh, {"id": ulid(), "label": "hate"}, {"id": old, "label": "hate"}, {"id": "x", "label": "hate"}
    ) == [
        "orphan",
        "expired",
        "orphan",
    ]
    assert total(fresh, "evenhand_feedback_total", result="orphan") == 2
    assert total(fresh, "evenhand_feedback_total", result="expired") == 1


def test_a_bad_item_costs_no_good_one(fresh: TestClient) -> None:
    first, _ = ask(fresh)
    bad = [
        None,
        3,
        {},
        {"id": 7},
        {"id": first["id"], "sesame": 1},
        {"id": first["id"]},
        {"id": first["id"], "label": "sesame"},
    ]
    reply = fresh.post("/feedback", json={"feedback": [*bad, {"id": first["id"], "label": "hate"}]})
    assert [result["result"] for result in reply.json()["results"]] == ["error"] * 7 + ["joined"]
    assert "sesame" not in reply.text
    assert reply.json()["counts"] == {"error": 7, "joined": 1}
    assert all(result["message"] for result in reply.json()["results"][:7])


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"feedback": []},
        {"feedback": [{}]},
        {"id": "x"},
        {"id": "x", "feedback": [{}]},
        {"sesame": 1},
        {"feedback": 3},
    ],
)
def test_a_request_of_which_nothing_can_be_used_is_refused(client: TestClient, body: dict[str, Any]) -> None:
    reply = client.post("/feedback", json=body)
    orphan = body == {"id": "x"}  # an id that nobody has, and nothing to join: the item is looked up first
    assert reply.status_code == (200 if orphan else 422)
    assert "sesame" not in reply.text


def test_one_item_may_come_alone(fresh: TestClient) -> None:
    first, _ = ask(fresh)
    reply = fresh.post("/feedback", json={"id": first["id"], "label": "hate"}).json()
    assert reply["results"] == [{"index": 0, "id": first["id"], "result": "joined", "message": None}]


def test_a_decision_is_on_record_without_input_or_group(fresh: TestClient) -> None:
    first, _ = ask(fresh, groups=[{"any_group": "mentioned"}, None])
    assert tell(fresh, {"id": first["id"], "label": "hate"}) == ["joined"]
    response = fresh.get(f"/decisions/{first['id']}")
    assert response.status_code == 200
    assert TEXTS[0] not in response.text
    decision = response.json()
    configuration = decision.pop("configuration")
    assert configuration["attributes"]["any_group"]["threshold"] == 0.0
    assert "mentioned" not in str(decision)
    assert decision["final"]["label"] == first["label"]
    assert decision["risk"] == pytest.approx(first["risk"])
    assert decision["declared"] == ["any_group"]
    assert decision["mode"]["any_group"] == "apply"
    assert decision["seq"] > 0
    assert "label" in [event["kind"] for event in decision["events"]]
    assert fresh.get(f"/decisions/{ulid()}").status_code == 404


def test_a_person_may_decide_otherwise_and_both_stay_on_record(fresh: TestClient) -> None:
    first, _ = ask(fresh)
    path = f"/decisions/{first['id']}/override"
    assert (
        fresh.post(path, json={"label": "not hate", "by": "reviewer 7", "reason": "irony"}).status_code == 200
    )
    decision = fresh.get(f"/decisions/{first['id']}").json()
    assert [event["label"] for event in decision["events"] if event["kind"] == "override"] == ["not hate"]
    assert decision["final"]["label"] == first["label"]
    assert fresh.post(path, json={"label": "sesame", "by": "x"}).status_code == 422
    assert fresh.post(path, json={"by": "x"}).status_code == 422
    assert fresh.post(f"/decisions/{ulid()}/override", json={"label": "hate", "by": "x"}).status_code == 404


def test_without_a_record_predictions_go_on_and_the_rest_says_so(
    open_client: Callable[..., TestClient], demo: Path
) -> None:
    client = open_client(demo, record="off")
    first, _ = ask(client)
    for reply in (
        client.post("/feedback", json={"id": first["id"], "label": "hate"}),
        client.get(f"/decisions/{first['id']}"),
        client.post(f"/decisions/{first['id']}/override", json={"label": "hate", "by": "x"}),
    ):
        assert reply.status_code == 409
        assert reply.json()["error"]["type"] == "record_off"


def test_feedback_survives_a_restart(
    open_client: Callable[..., TestClient], demo: Path, tmp_path: Path
) -> None:
    first, second = ask(open_client(demo, state=tmp_path, durability="request"))
    again = open_client(demo, state=tmp_path)
    assert tell(again, {"id": first["id"], "label": "hate"}) == ["joined"]
    time.sleep(0.2)
    assert again.get(f"/decisions/{second['id']}").status_code == 200


def test_at_durability_request_an_answer_is_on_disk(
    open_client: Callable[..., TestClient], demo: Path, tmp_path: Path
) -> None:
    client = open_client(demo, state=tmp_path, durability="request")
    ask(client)
    engine = create_engine(f"sqlite:///{tmp_path / 'record.db'}")
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).where(records.c.kind == "decision")) == 2


def test_what_operators_switch_is_on_record(
    open_client: Callable[..., TestClient], demo: Path, tmp_path: Path
) -> None:
    client = open_client(demo, state=tmp_path)
    assert (
        client.put(f"/models/{NAME}/mode", json={"mode": "off", "attribute": "any_group"}).status_code == 200
    )
    first, _ = ask(client)
    assert client.get(f"/decisions/{first['id']}").json()["mode"]["any_group"] == "off"
    with create_engine(f"sqlite:///{tmp_path / 'record.db'}").connect() as connection:
        (body,) = connection.scalars(select(records.c.body).where(records.c.kind == "mode")).all()
    assert {"model": NAME, "attributes": ["any_group"], "mode": "off"}.items() <= json.loads(body).items()
