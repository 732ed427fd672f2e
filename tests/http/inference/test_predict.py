"""``POST /predict`` as apps use it: good items are answered whatever stands beside them."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples

TEXTS = ["what a lovely day", "you are all vermin and should leave", "my sister is a doctor", "a"]
FIELDS = {
    "id",
    "label",
    "score",
    "scores",
    "flagged",
    "corrected",
    "risk",
    "base",
    "shadow",
    "abstained",
    "truncated",
    "own_id",
    "warnings",
}
ATTRIBUTES = {"any_group", "religion", "race", "gender", "orientation"}


def predict(client: TestClient, inputs: Any, **more: Any) -> list[dict[str, Any]]:
    reply = client.post("/predict", json={"inputs": inputs, **more})
    assert reply.status_code == 200, reply.text
    return reply.json()["predictions"]


def refused(reply: Any, status: int, kind: str) -> dict[str, Any]:
    """The one error shape, with the right status, and nothing of the input in it."""
    assert reply.status_code == status, reply.text
    body = reply.json()
    assert set(body) == {"error"}
    assert {"type", "message"} <= set(body["error"]) <= {"type", "message", "detail"}
    assert body["error"]["type"] == kind
    assert "sesame" not in reply.text
    return body["error"]


def still_up(client: TestClient) -> None:
    assert client.get("/readyz").status_code == 200
    assert len(predict(client, TEXTS)) == len(TEXTS)


def test_one_item_and_a_list_say_the_same(client: TestClient) -> None:
    alone = [predict(client, text)[0] for text in TEXTS]
    together = predict(client, [TEXTS[0], {"text": TEXTS[1]}, *TEXTS[2:]])
    assert [a["label"] for a in alone] == [b["label"] for b in together]
    for a, b in zip(alone, together, strict=True):
        assert set(a) == FIELDS
        assert set(a["flagged"]) == set(a["risk"]) == ATTRIBUTES
        assert a["score"] == pytest.approx(b["score"], abs=1e-5)
        assert a["flagged"] == b["flagged"]
        assert sum(a["scores"].values()) == pytest.approx(1.0)
        assert a["score"] == a["scores"][a["label"]] == max(a["scores"].values())


def test_the_reply_names_model_and_version(client: TestClient) -> None:
    body = client.post("/predict", json={"inputs": "a"}).json()
    listed = client.get("/models").json()["models"][0]
    assert (body["model"], body["version"]) == (listed["name"], listed["version"])


def test_ids_are_unique_and_sort_by_time(client: TestClient) -> None:
    first, second = predict(client, "a")[0]["id"], [p["id"] for p in predict(client, TEXTS * 20)]
    assert len(set(second)) == len(second)
    assert all(len(i) == 26 and i[:10] >= first[:10] for i in second)


def test_every_row_flagged_is_corrected_and_says_what_the_base_said(
    client: TestClient, corrects_all: TestClient
) -> None:
    plain, corrected = predict(client, TEXTS, mode="off"), predict(corrects_all, TEXTS)
    for off, on in zip(plain, corrected, strict=True):
        assert not off["corrected"]
        assert off["base"] == {"label": off["label"], "score": off["score"]}
        assert on["corrected"]
        assert all(on["flagged"].values())
        assert on["base"]["score"] == pytest.approx(off["score"], abs=1e-6)
        assert on["shadow"] is None
    assert any(
        on["score"] != pytest.approx(off["score"], abs=1e-4) for off, on in zip(plain, corrected, strict=True)
    )


def test_shadow_serves_the_base_and_shows_the_correction(
    corrects_all: TestClient, shadows_all: TestClient
) -> None:
    for applied, shadowed in zip(predict(corrects_all, TEXTS), predict(shadows_all, TEXTS), strict=True):
        assert not shadowed["corrected"]
        assert shadowed["label"] == shadowed["base"]["label"]
        assert shadowed["shadow"]["score"] == pytest.approx(applied["score"], abs=1e-5)


def test_a_request_may_lower_the_mode_and_never_raise_it(
    corrects_all: TestClient, shadows_all: TestClient
) -> None:
    assert not predict(corrects_all, "a", mode="off")[0]["corrected"]
    assert predict(corrects_all, "a", mode="off")[0]["shadow"] is None
    assert predict(corrects_all, "a", mode="shadow")[0]["shadow"] is not None
    assert not predict(shadows_all, "a", mode="apply")[0]["corrected"]
    refused(corrects_all.post("/predict", json={"inputs": "a", "mode": "sesame"}), 422, "invalid_input")


def test_modes_of_requests_in_one_batch_do_not_mix(corrects_all: TestClient) -> None:
    from concurrent.futures import ThreadPoolExecutor

    cases = [("off", False), ("apply", True), ("shadow", False)] * 20
    with ThreadPoolExecutor(20) as pool:
        corrections = list(
            pool.map(lambda w: predict(corrects_all, TEXTS[0], mode=w[0])[0]["corrected"], cases)
        )
    assert corrections == [expected for _, expected in cases]


def test_long_text_is_cut_and_says_so(client: TestClient) -> None:
    long, short = predict(client, ["word " * 20_000, "word"])
    assert long["truncated"]
    assert not short["truncated"]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("", "text is empty"),
        ("  \n", "text is empty"),
        (5, "expected a string"),
        (None, "expected a string"),
        ([], "expected a string"),
        ({"txt": "sesame"}, "expected a string"),
        ({"text": ["sesame"]}, "expected a string"),
        ("sesame \ud800", "lone surrogate"),
    ],
)
def test_a_bad_item_fails_alone(client: TestClient, bad: Any, message: str) -> None:
    body = json.dumps({"inputs": [TEXTS[0], bad, TEXTS[1]]})
    reply = client.post("/predict", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 200
    assert "sesame" not in reply.text
    first, failed, last = reply.json()["predictions"]
    assert message in failed["error"]["message"]
    assert failed["error"]["type"] == "invalid_input"
    assert [first["label"], last["label"]] == [p["label"] for p in predict(client, TEXTS[:2])]
    if not isinstance(bad, list):
        body = json.dumps({"inputs": bad})
        alone = client.post("/predict", content=body, headers={"content-type": "application/json"})
        assert message in refused(alone, 422, "invalid_input")["message"]


def test_if_no_item_can_be_answered_the_request_failed(client: TestClient) -> None:
    error = refused(client.post("/predict", json={"inputs": ["", 7]}), 422, "invalid_input")
    assert [entry["index"] for entry in error["detail"]] == [0, 1]


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"", 422, "invalid_input"),
        (b"sesame", 400, "invalid_json"),
        (b'{"inputs": "sesame"', 400, "invalid_json"),
        (b"\xff\xfe", 400, "invalid_json"),
        (b"[" * 100_000, 400, "invalid_json"),
        (b'{"inputs": ' + b"1" * 100_000 + b"}", 400, "invalid_json"),
        (b"[]", 422, "invalid_input"),
        (b"null", 422, "invalid_input"),
        (b"{}", 422, "invalid_input"),
        (b'{"inputs": []}', 422, "invalid_input"),
        (b'{"inputs": NaN}', 422, "invalid_input"),
        (b'{"inputs": 1e999}', 422, "invalid_input"),
        (b'{"inputs": "a", "sesame": 1}', 422, "invalid_input"),
        (b'{"inputs": "a", "model": "sesame"}', 404, "unknown_model"),
        (b'{"inputs": "a", "model": 3}', 422, "invalid_input"),
        (b'{"inputs": "a", "groups": "sesame"}', 422, "invalid_input"),
        (b'{"inputs": "a", "groups": {"sesame": "x"}}', 422, "invalid_input"),
        (b'{"inputs": ["a", "b"], "groups": [{}]}', 422, "invalid_input"),
    ],
)
def test_a_bad_request_gets_its_status_and_the_service_stays_up(
    client: TestClient, body: bytes, status: int, kind: str
) -> None:
    refused(client.post("/predict", content=body, headers={"content-type": "application/json"}), status, kind)
    still_up(client)


def test_too_many_items_are_refused(client: TestClient) -> None:
    error = refused(client.post("/predict", json={"inputs": ["sesame"] * 10_000}), 413, "too_large")
    assert "at most 256" in error["message"]
    still_up(client)


def test_too_large_a_body_is_refused_declared_or_streamed(client: TestClient) -> None:
    headers = {"content-type": "application/json"}
    body = b'{"inputs": "' + b"a" * (9 * 2**20) + b'"}'
    refused(client.post("/predict", content=body, headers=headers), 413, "too_large")
    refused(client.post("/predict", content=iter([body]), headers=headers), 413, "too_large")
    still_up(client)


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "", "multipart/form-data; boundary=x"])
def test_another_content_type_is_refused(client: TestClient, kind: str) -> None:
    reply = client.post("/predict", content=b'{"inputs": "a"}', headers={"content-type": kind})
    refused(reply, 415, "unsupported_media_type")


def test_json_with_a_charset_or_suffix_is_json(client: TestClient) -> None:
    for kind in ("application/json; charset=utf-8", "application/vnd.app+json"):
        reply = client.post("/predict", content=b'{"inputs": "a"}', headers={"content-type": kind})
        assert reply.status_code == 200


def test_other_routes_and_methods_answer_in_the_same_shape(client: TestClient) -> None:
    refused(client.get("/sesame"), 404, "not_found")
    refused(client.get("/predict"), 405, "method_not_allowed")


def test_with_several_models_one_must_be_named(two_models: TestClient) -> None:
    refused(two_models.post("/predict", json={"inputs": "a"}), 422, "invalid_input")
    reply = two_models.post("/predict", json={"inputs": "a", "model": "other"}).json()
    assert reply["model"] == "other"
    assert not reply["predictions"][0]["corrected"]
    assert all(reply["predictions"][0]["flagged"].values())


def test_a_full_queue_is_refused_at_once_and_says_when_to_come_back(open_client: Any, demo: Any) -> None:
    small = open_client(demo, max_queue_rows=8)
    reply = small.post("/predict", json={"inputs": TEXTS * 3})
    refused(reply, 429, "overloaded")
    assert reply.headers["retry-after"] == "1"
    still_up(small)


def test_a_deadline_that_passes_is_504(open_client: Any, demo: Any) -> None:
    hasty = open_client(demo, deadline_s=0.001)
    refused(hasty.post("/predict", json={"inputs": TEXTS * 30}), 504, "deadline")


def test_request_ids_are_kept_if_plain_and_made_if_not(client: TestClient) -> None:
    assert client.get("/healthz", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    for bad in ("", "a b", "x" * 200, 'a"b'):
        assert len(client.get("/healthz", headers={"x-request-id": bad}).headers["x-request-id"]) == 26


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(
    max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(JSON, st.sampled_from(["inputs", "groups", "mode", "model", "whole"]))
def test_no_json_whatever_breaks_the_service(client: TestClient, value: Any, place: str) -> None:
    body = value if place == "whole" else {"inputs": "a", place: value}
    reply = client.post("/predict", content=json.dumps(body), headers={"content-type": "application/json"})
    assert reply.status_code in (200, 404, 422), reply.text
    if reply.status_code != 200:
        assert set(reply.json()) == {"error"}


def test_a_service_without_room_turns_away_before_it_reads(open_client: Any, demo: Path) -> None:
    client = open_client(demo, lanes=1)
    (slot,) = client.app.state.running.registry.slots
    batcher = slot.model.batcher
    batcher._waiting_tokens, before = 10**9, batcher._waiting_tokens
    for path in ("/predict", f"/v2/models/{slot.model.manifest.name}/infer"):
        reply = client.post(path, content=b"{", headers={"content-type": "application/json"})
        assert reply.status_code == 429
        assert int(reply.headers["retry-after"]) > 1
    batcher._waiting_tokens = before
    assert (
        client.post("/predict", content=b"{", headers={"content-type": "application/json"}).status_code == 400
    )
    counted = 'evenhand_http_requests_total{method="POST",route="%s",status="429"} 1.0'
    text = client.get("/metrics").text
    assert counted % "/predict" in text
    assert counted % "/v2/models/{model}/infer" in text
