"""What Prometheus sees after real requests."""

from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from series import samples, total

TEXTS = ["what a lovely day", "you are all vermin and should leave", "my sister is a doctor"]


@pytest.fixture
def fresh(open_client: Callable[..., TestClient], altered: Callable[..., Path]) -> TestClient:
    return open_client(altered(0.0, "apply", "shadow", "apply", "off", "apply"))


def test_all_label_sets_exist_before_the_first_request(fresh: TestClient) -> None:
    counters = samples(fresh)
    decisions = [labels for name, labels in counters if name == "evenhand_decisions_total"]
    attributes = fresh.get("/models").json()["models"][0]["attributes"]
    assert len(decisions) == sum((len(a["groups"]) + 1 + 2) * 4 for a in attributes)
    assert not any(value for (name, _), value in counters.items() if name == "evenhand_decisions_total")
    assert total(fresh, "evenhand_model_info") == 1
    assert total(fresh, "evenhand_threshold", attribute="any_group") == 0.0


def test_decisions_and_corrections_are_counted_once_per_attribute(fresh: TestClient) -> None:
    reply = fresh.post("/predict", json={"inputs": [*TEXTS, ""]}).json()["predictions"]
    favourable = "not hate"
    for attribute in ("any_group", "religion", "race", "gender", "orientation"):
        assert (
            total(fresh, "evenhand_decisions_total", attribute=attribute, source="inferred", group="flagged")
            == 3
        )
        assert total(fresh, "evenhand_decisions_total", attribute=attribute, source="declared") == 0
        for bit, outcome in (("1", True), ("0", False)):
            base = sum((p["base"]["label"] == favourable) is outcome for p in reply[:3])
            final = sum((p["label"] == favourable) is outcome for p in reply[:3])
            assert total(fresh, "evenhand_decisions_total", attribute=attribute, base=bit) == base
            assert total(fresh, "evenhand_decisions_total", attribute=attribute, final=bit) == final
    expected = {"any_group": "applied", "religion": "shadow", "race": "applied", "gender": "off"}
    expected["orientation"] = "applied"
    for attribute, result in expected.items():
        assert total(fresh, "evenhand_corrections_total", attribute=attribute) == 3
        assert total(fresh, "evenhand_corrections_total", attribute=attribute, result=result) == 3
    would = sum(p["shadow"]["label"] == favourable for p in reply[:3])
    assert total(fresh, "evenhand_corrections_total", attribute="religion", final="1") == would


def test_declared_groups_are_counted_apart_and_strange_ones_as_unknown(fresh: TestClient) -> None:
    groups = [{"any_group": "mentioned"}, {"any_group": "Martian"}, None]
    fresh.post("/predict", json={"inputs": TEXTS, "groups": groups})
    assert (
        total(fresh, "evenhand_decisions_total", attribute="any_group", source="declared", group="mentioned")
        == 1
    )
    assert (
        total(fresh, "evenhand_decisions_total", attribute="any_group", source="declared", group="unknown")
        == 1
    )
    assert total(fresh, "evenhand_decisions_total", attribute="any_group", source="inferred") == 1
    assert total(fresh, "evenhand_group_overflow_total", attribute="any_group") == 1
    assert "Martian" not in fresh.get("/metrics").text


def test_declared_groups_never_change_the_answer(fresh: TestClient) -> None:
    plain = fresh.post("/predict", json={"inputs": TEXTS}).json()["predictions"]
    declared = fresh.post(
        "/predict", json={"inputs": TEXTS, "groups": [{"any_group": "mentioned"}] * 3}
    ).json()["predictions"]
    assert [p["scores"] for p in plain] == [p["scores"] for p in declared]


def test_requests_batches_and_errors_are_counted(fresh: TestClient) -> None:
    fresh.post("/predict", json={"inputs": TEXTS})
    fresh.post("/predict", json={"inputs": []})
    fresh.get("/nowhere")
    assert total(fresh, "evenhand_http_requests_total", route="/predict", method="POST", status="200") == 1
    assert total(fresh, "evenhand_http_requests_total", route="/predict", status="422") == 1
    assert total(fresh, "evenhand_http_requests_total", route="unmatched", status="404") == 1
    assert total(fresh, "evenhand_rejected_total", type="invalid_input") == 1
    assert total(fresh, "evenhand_batch_rows_sum") == 3
    assert total(fresh, "evenhand_queue_seconds_count") == 3
    assert total(fresh, "evenhand_inference_seconds_count") >= 1
    assert total(fresh, "evenhand_batch_tokens_total", kind="text") > 6
    assert total(fresh, "evenhand_queue_rows") == 0
    assert total(fresh, "process_resident_memory_bytes") > 0


def test_metrics_never_hold_an_input(fresh: TestClient) -> None:
    fresh.post("/predict", json={"inputs": "sesame"}, headers={"x-request-id": "sesame"})
    fresh.get("/sesame")
    fresh.request("SESAME", "/predict")
    assert "sesame" not in fresh.get("/metrics").text.lower()
