"""A declared number is counted in its range, whether it comes with the request or later."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from linear_bundle import write_linear_bundle
from series import total

from evenhand.models.bundle import bundle as bundles

RANGES = ["0-24", "25-39", "40-59", "60+"]


@pytest.fixture
def served(open_client: Callable[..., TestClient], tmp_path: Path) -> TestClient:
    folder = write_linear_bundle(tmp_path / "bundle", -1.0, 1.0, 0.5, 0.0)
    manifest, _ = bundles.read_manifest(folder)
    sex, team = manifest.attributes
    age = team.model_copy(update={"name": "age", "groups": RANGES[1:], "reference": "60+", "ranges": RANGES})
    bundles.write_manifest(folder, manifest.model_copy(update={"attributes": [sex, age]}))
    return open_client(folder, lot_rows=1)


def ask(client: TestClient, *ages: Any) -> list[dict[str, Any]]:
    body = {"inputs": [{"hours": 1}] * len(ages), "groups": [{"age": age, "sex": "F"} for age in ages]}
    reply = client.post("/predict", json=body)
    assert reply.status_code == 200, reply.text
    predictions: list[dict[str, Any]] = reply.json()["predictions"]
    return predictions


def counted(client: TestClient, group: str) -> float:
    return total(client, "evenhand_decisions_total", attribute="age", group=group, source="declared")


def unknown(prediction: dict[str, Any]) -> bool:
    return any(warning["kind"] == "unknown_group" for warning in prediction["warnings"])


def test_numbers_texts_and_names_are_counted_in_their_range(served: TestClient) -> None:
    predictions = ask(served, 31, 39.5, "31", " 25-39", 40, 60, 1e300, -1, 24, "old", "unknown")
    assert [unknown(one) for one in predictions] == [False] * 7 + [True, True, True, False]
    assert [counted(served, group) for group in (*RANGES[1:], "unknown")] == [4, 1, 2, 4]


@pytest.mark.parametrize("age", [True, [31], {"a": 1}, None])
def test_what_is_no_number_and_no_text_is_refused(served: TestClient, age: Any) -> None:
    reply = served.post("/predict", json={"inputs": [{"hours": 1}], "groups": {"age": age}})
    assert reply.status_code == 422
    assert "groups has the wrong type" in reply.json()["error"]["message"]


def test_a_number_is_no_group_of_an_attribute_without_ranges(served: TestClient) -> None:
    assert served.post("/predict", json={"inputs": [{"hours": 1}], "groups": {"sex": 1}}).status_code == 422


def test_feedback_takes_the_number_too(served: TestClient) -> None:
    predicted = served.post("/predict", json={"inputs": [{"hours": 1}], "ids": "a"}).json()
    (one,) = predicted["predictions"]
    for sent, result in ((31, "joined"), ("38.5", "duplicate"), ("25-39", "duplicate"), (61.0, "conflict")):
        reply = served.post("/feedback", json={"id": one["id"], "groups": {"age": sent}})
        assert reply.status_code == 200, reply.text
        assert reply.json()["results"][0]["result"] == result
    assert counted(served, "25-39") == 1
    assert served.post("/feedback", json={"id": "a", "groups": {"age": True}}).status_code == 422
    configuration = served.get(f"/decisions/{one['id']}").json()["configuration"]
    assert configuration["attributes"]["age"]["ranges"] == RANGES
    assert "ranges" not in configuration["attributes"]["sex"]
