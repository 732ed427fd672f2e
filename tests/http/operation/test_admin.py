"""What operators change at run time: modes, versions, reloads. Real bundles, in process."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from rebundle import reversion
from waiting import until

from evenhand.service.app import create_app
from evenhand.service.settings import Settings

NAME = "hate-speech"
ATTRIBUTES = ("any_group", "religion", "race", "gender", "orientation")


@pytest.fixture
def pair(altered: Callable[..., Path]) -> Iterator[tuple[TestClient, Path, Path]]:
    """Version 1.0.0 corrects nothing and answers; version 2.0.0 corrects everything."""
    first, second = altered(0.5, "off"), reversion(altered(0.0, "apply"), "2.0.0")
    app = create_app(Settings(bundles=(first, second), watch_s=0, lanes=1, threads=1))
    with TestClient(app) as client:
        yield client, first, second


def ask(client: TestClient, **more: Any) -> dict[str, Any]:
    reply = client.post("/predict", json={"inputs": ["what a lovely day", "go away"], **more})
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def roles(client: TestClient) -> dict[str, str]:
    return {model["version"]: model["role"] for model in client.get("/models").json()["models"]}


def sample(client: TestClient, name: str, **labels: str) -> float:
    """The sum of a series over all its labels that are not given."""
    pairs = {f'{label}="{value}"' for label, value in labels.items()}
    lines = client.get("/metrics").text.splitlines()
    return sum(
        float(line.rsplit(" ", 1)[1])
        for line in lines
        if line.startswith(name + "{") and all(pair in line for pair in pairs)
    )


def test_the_first_version_answers_and_all_are_listed(pair: tuple[TestClient, Path, Path]) -> None:
    client, _, _ = pair
    assert ask(client)["version"] == "1.0.0"
    assert roles(client) == {"1.0.0": "live", "2.0.0": "standby"}
    assert sample(client, "evenhand_model_info", version="1.0.0") == 1
    assert sample(client, "evenhand_model_info", version="2.0.0") == 0


def test_a_mode_is_switched_for_one_attribute_or_for_all(pair: tuple[TestClient, Path, Path]) -> None:
    client, _, _ = pair
    client.post(f"/models/{NAME}/promote", json={"version": "2.0.0"})
    assert all(row["corrected"] for row in ask(client)["predictions"])
    reply = client.put(f"/models/{NAME}/mode", json={"mode": "off", "attribute": "any_group"})
    assert reply.json()["modes"] == {**dict.fromkeys(ATTRIBUTES, "apply"), "any_group": "off"}
    assert client.put(f"/models/{NAME}/mode", json={"mode": "off"}).status_code == 200
    for row in ask(client)["predictions"]:
        assert not row["corrected"]
        assert row["label"] == row["base"]["label"]
    (shown,) = [model for model in client.get("/models").json()["models"] if model["version"] == "2.0.0"]
    assert [(a["mode"], a["bundle_mode"]) for a in shown["attributes"]] == [("off", "apply")] * len(
        ATTRIBUTES
    )
    client.put(f"/models/{NAME}/mode", json={"mode": "apply", "attribute": "gender"})
    assert all(row["corrected"] for row in ask(client)["predictions"])


def test_orders_that_cannot_be_followed_say_why(pair: tuple[TestClient, Path, Path]) -> None:
    client, _, _ = pair
    wrong = client.put(f"/models/{NAME}/mode", json={"mode": "off", "attribute": "age"})
    assert wrong.status_code == 422
    assert "it has any_group, religion, race, gender, orientation" in wrong.json()["error"]["message"]
    assert client.put(f"/models/{NAME}/mode", json={"mode": "on"}).status_code == 422
    assert client.put("/models/nobody/mode", json={"mode": "off"}).status_code == 404
    assert client.post(f"/models/{NAME}/promote", json={"version": "9"}).status_code == 404
    assert client.put(f"/models/{NAME}/shadow", json={"version": "9"}).status_code == 404
    assert client.put(f"/models/{NAME}/shadow", json={"version": "1.0.0"}).status_code == 422
    assert client.post("/models/nobody/reload").status_code in (404, 415)
    assert client.post("/models/nobody/reload", json={}).status_code == 404
    assert roles(client) == {"1.0.0": "live", "2.0.0": "standby"}


def test_a_version_in_shadow_is_counted_and_never_served(pair: tuple[TestClient, Path, Path]) -> None:
    client, _, _ = pair
    before = ask(client)
    decided = sample(client, "evenhand_decisions_total", attribute="any_group")
    assert client.put(f"/models/{NAME}/shadow", json={"version": "2.0.0"}).json()["shadow"] == "2.0.0"
    assert roles(client)["2.0.0"] == "shadow"
    for _ in range(5):
        reply = ask(client, groups=[{"any_group": "mentioned"}, {}])
        assert reply["version"] == "1.0.0"
        assert [row["score"] for row in reply["predictions"]] == [
            row["score"] for row in before["predictions"]
        ]
    counted = {"version": "2.0.0", "attribute": "any_group"}
    until(lambda: sample(client, "evenhand_candidate_decisions_total", **counted) == 10)
    assert (
        sample(client, "evenhand_candidate_decisions_total", group="mentioned", source="declared", **counted)
        == 5
    )
    until(lambda: sample(client, "evenhand_candidate_inference_seconds_total", version="2.0.0") > 0)
    assert sample(client, "evenhand_batch_rows_sum") == 12  # of the live version alone
    rows = "evenhand_candidate_rows_total"
    same, other = sample(client, rows, result="same"), sample(client, rows, result="other")
    assert same + other == 10
    assert sample(client, "evenhand_decisions_total", attribute="any_group") == decided + 10
    client.put(f"/models/{NAME}/shadow", json={"version": None})
    ask(client)
    time.sleep(0.2)
    assert sample(client, "evenhand_candidate_decisions_total", **counted) == 10


def test_a_promoted_version_answers_and_the_way_back_is_the_same_call(
    pair: tuple[TestClient, Path, Path],
) -> None:
    client, _, _ = pair
    client.put(f"/models/{NAME}/shadow", json={"version": "2.0.0"})
    reply = client.post(f"/models/{NAME}/promote", json={"version": "2.0.0"})
    assert reply.json()["version"] == "2.0.0"
    assert reply.json()["shadow"] is None
    assert ask(client)["version"] == "2.0.0"
    assert sample(client, "evenhand_model_info", version="1.0.0") == 0
    assert sample(client, "evenhand_threshold", attribute="any_group") == 0.0
    client.post(f"/models/{NAME}/promote", json={"version": "1.0.0"})
    assert ask(client)["version"] == "1.0.0"
    assert roles(client) == {"1.0.0": "live", "2.0.0": "standby"}


def test_a_new_bundle_takes_over_on_request(pair: tuple[TestClient, Path, Path]) -> None:
    client, first, _ = pair
    assert client.post(f"/models/{NAME}/reload", json={}).json()["changed"] is False
    reversion(first, "1.0.1")
    reply = client.post(f"/models/{NAME}/reload", json={}).json()
    assert (reply["version"], reply["changed"]) == ("1.0.1", True)
    assert ask(client)["version"] == "1.0.1"
    assert roles(client) == {"1.0.1": "live", "2.0.0": "standby"}
    shown = [
        line for line in client.get("/metrics").text.splitlines() if line.startswith("evenhand_model_info{")
    ]
    assert sorted(line.split('version="')[1].split('"')[0] for line in shown) == ["1.0.1", "2.0.0"]
    assert sample(client, "evenhand_reloads_total", result="ok") == 1


@pytest.mark.parametrize("damage", ["graph", "name", "version", "manifest"])
def test_a_bad_bundle_is_refused_and_the_old_one_goes_on(
    pair: tuple[TestClient, Path, Path], damage: str
) -> None:
    client, first, _ = pair
    good = (first / "manifest.json").read_bytes()
    if damage == "graph":
        reversion(first, "1.0.1")
        (first / "model.onnx").write_bytes(b"no graph")
    elif damage == "manifest":
        (first / "manifest.json").write_text("{")
    else:
        reversion(
            first, "2.0.0" if damage == "version" else "1.0.1", name="another" if damage == "name" else NAME
        )
    reply = client.post(f"/models/{NAME}/reload", json={})
    assert reply.status_code == 409
    assert reply.json()["error"]["type"] == "bundle_refused"
    assert ask(client)["version"] == "1.0.0"
    (shown,) = [model for model in client.get("/models").json()["models"] if model["version"] == "1.0.0"]
    reasons = {
        "graph": "does not match its hash",
        "name": "restart",
        "version": "loaded already",
        "manifest": "not JSON",
    }
    assert reasons[damage] in shown["refused"]
    assert sample(client, "evenhand_reloads_total", result="refused") == 1
    if damage != "graph":
        (first / "manifest.json").write_bytes(good)
        assert client.post(f"/models/{NAME}/reload", json={}).json()["changed"] is False
        assert all(model["refused"] is None for model in client.get("/models").json()["models"])


def test_a_bad_folder_does_not_keep_another_from_its_new_bundle(pair: tuple[TestClient, Path, Path]) -> None:
    client, first, second = pair
    (first / "manifest.json").write_text("{")
    reversion(second, "2.0.1")
    assert client.post(f"/models/{NAME}/reload", json={}).status_code == 409
    assert roles(client) == {"1.0.0": "live", "2.0.1": "standby"}


def test_a_bundle_that_changes_in_its_folder_takes_over_by_itself(
    altered: Callable[..., Path], tmp_path: Path
) -> None:
    first, second = altered(0.5, "off"), reversion(altered(0.0, "apply"), "2.0.0")
    link = tmp_path / "current"
    link.symlink_to(first)
    with TestClient(create_app(Settings(bundles=(link,), watch_s=0.1, lanes=1, threads=1))) as client:
        assert ask(client)["version"] == "1.0.0"
        fresh = tmp_path / "fresh"
        fresh.symlink_to(second)
        fresh.replace(link)
        until(lambda: ask(client)["version"] == "2.0.0")
        (second / "model.onnx").write_bytes(b"half copied")
        reversion(second, "3.0.0")
        until(lambda: sample(client, "evenhand_reloads_total", result="refused") == 1)
        assert ask(client)["version"] == "2.0.0"
        shutil.copy(first / "model.onnx", second / "model.onnx")
        until(lambda: ask(client)["version"] == "3.0.0")


def test_a_version_of_no_name_is_none(pair: tuple[TestClient, Path, Path]) -> None:
    client, _, _ = pair
    assert client.post(f"/models/{NAME}/promote", json={"version": ""}).status_code == 404
    assert client.put(f"/models/{NAME}/shadow", json={"version": ""}).status_code == 404
    assert ask(client)["version"] == "1.0.0"
