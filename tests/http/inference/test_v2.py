"""The Open Inference Protocol over real applications: same answers as ``/predict``, its own shapes."""

import json
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from tritonclient.http import InferenceServerClient, InferInput

TEXTS = ["what a lovely day", "you are all vermin and should leave", "my sister is a doctor"]
MODEL = "/v2/models/hate-speech"
OUTPUTS = ["id", "label", "score", "scores", "flagged", "corrected", "risk", "base_label", "base_score"]
OUTPUTS += ["shadow_label", "shadow_score", "abstained", "truncated", "error", "own_id", "warnings"]


def text_tensor(texts: list[Any], **more: Any) -> dict[str, Any]:
    return {"name": "text", "shape": [len(texts)], "datatype": "BYTES", "data": texts} | more


def infer(client: TestClient, texts: list[Any], path: str = MODEL, **more: Any) -> dict[str, Any]:
    body = json.dumps({"inputs": [text_tensor(texts)], **more})
    reply = client.post(f"{path}/infer", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 200, reply.text
    return reply.json()


def columns(body: dict[str, Any]) -> dict[str, Any]:
    return {
        output["name"]: np.array(output["data"], object).reshape(output["shape"])
        for output in body["outputs"]
    }


def refused(reply: Any, status: int, message: str) -> None:
    """The protocol's shape of an error, and nothing of the input in it."""
    assert reply.status_code == status, reply.text
    body = reply.json()
    assert set(body) == {"error"}
    assert isinstance(body["error"], str)
    assert message in body["error"]
    assert "sesame" not in reply.text


def test_server_and_model_say_what_they_are(client: TestClient) -> None:
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    metadata = client.get(MODEL).json()
    assert metadata["platform"] == "onnx_onnxv1"
    assert metadata["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]
    assert [output["name"] for output in metadata["outputs"]] == OUTPUTS
    (scores,) = (output for output in metadata["outputs"] if output["name"] == "scores")
    assert scores["parameters"]["columns"] == client.get("/models").json()["models"][0]["labels"]
    assert client.get(f"{MODEL}/versions/{metadata['versions'][0]}").json() == metadata
    assert client.get(f"{MODEL}/versions/{metadata['versions'][0]}/ready").json()["ready"]


def test_the_answers_are_those_of_predict(corrects_all: TestClient, shadows_all: TestClient) -> None:
    for client in (corrects_all, shadows_all):
        plain = client.post("/predict", json={"inputs": TEXTS}).json()["predictions"]
        body = infer(client, TEXTS, id="abc")
        output = columns(body)
        assert (body["id"], body["model_name"]) == ("abc", "hate-speech")
        assert list(output) == OUTPUTS
        for row, expected in enumerate(plain):
            assert output["label"][row] == expected["label"]
            assert output["score"][row] == pytest.approx(expected["score"], abs=1e-6)
            assert output["scores"][row].tolist() == pytest.approx(
                list(expected["scores"].values()), abs=1e-6
            )
            assert output["flagged"][row].tolist() == list(expected["flagged"].values())
            assert output["risk"][row].tolist() == pytest.approx(list(expected["risk"].values()), abs=1e-6)
            assert output["corrected"][row] == expected["corrected"]
            assert output["base_label"][row] == expected["base"]["label"]
            assert output["base_score"][row] == pytest.approx(expected["base"]["score"], abs=1e-6)
            shadow = expected["shadow"] or {"label": "", "score": None}
            assert output["shadow_label"][row] == shadow["label"]
            assert (output["shadow_score"][row] is None) == (shadow["score"] is None)
        assert set(output["error"]) == {""}


def test_the_requests_id_comes_back_whatever_it_is(client: TestClient) -> None:
    for name in ("", "a b", "\ud800", "\N{SNOWMAN}\0"):
        assert infer(client, ["a"], id=name)["id"] == name
    assert "id" not in infer(client, ["a"])


def test_the_mode_is_lowered_and_never_raised(corrects_all: TestClient, shadows_all: TestClient) -> None:
    assert columns(infer(corrects_all, TEXTS))["corrected"].all()
    assert not columns(infer(corrects_all, TEXTS, parameters={"mode": "off"}))["corrected"].any()
    assert not columns(infer(shadows_all, TEXTS, parameters={"mode": "apply"}))["corrected"].any()
    for bad in ("sesame", 3, True, ["off"], {}):
        body = {"inputs": [text_tensor(TEXTS)], "parameters": {"mode": bad}}
        refused(corrects_all.post(f"{MODEL}/infer", json=body), 422, "mode must be one of")


def test_a_bad_row_costs_no_other_row(client: TestClient) -> None:
    good, mixed = (
        columns(infer(client, TEXTS[:2])),
        columns(infer(client, [TEXTS[0], "", "sesame \ud800", TEXTS[1]])),
    )
    assert [bool(error) for error in mixed["error"]] == [False, True, True, False]
    assert "sesame" not in str(mixed["error"])
    assert mixed["label"].tolist() == [good["label"][0], "", "", good["label"][1]]
    assert mixed["score"][1] is None
    assert len(set(mixed["id"])) == 4
    refused(client.post(f"{MODEL}/infer", json={"inputs": [text_tensor([""])]}), 422, "text is empty")
    refused(
        client.post(f"{MODEL}/infer", json={"inputs": [text_tensor(["", " "])]}),
        422,
        "no item could be answered",
    )


def binary(texts: list[bytes]) -> tuple[bytes, dict[str, str]]:
    tensor = InferInput("text", [len(texts), 1], "BYTES")
    tensor.set_data_from_numpy(np.array(texts, dtype=object).reshape(-1, 1))
    body, length = InferenceServerClient.generate_request_body([tensor])
    return bytes(body), {"Inference-Header-Content-Length": str(length)}


def test_binary_tensors_go_both_ways(client: TestClient) -> None:
    body, headers = binary([text.encode() for text in TEXTS] + [b"\xff\xfe"])
    for kind in ({}, {"content-type": "application/octet-stream"}, {"content-type": "application/json"}):
        reply = client.post(f"{MODEL}/infer", content=body, headers=headers | kind)
        assert reply.headers["content-type"] == "application/octet-stream"
        length = int(reply.headers["inference-header-content-length"])
        response = InferenceServerClient.parse_response_body(reply.content, header_length=length)
        assert [label.decode() for label in response.as_numpy("label")[:3]] == columns(infer(client, TEXTS))[
            "label"
        ].tolist()
        assert "not valid Unicode" in response.as_numpy("error")[3].decode()
        assert np.isnan(response.as_numpy("score")[3])
        assert response.as_numpy("flagged").shape == (4, 5)


def test_wanted_outputs_come_alone_in_their_order_and_form(client: TestClient) -> None:
    body = infer(
        client, TEXTS, outputs=[{"name": "risk"}, {"name": "label", "parameters": {"binary_data": False}}]
    )
    assert list(columns(body)) == ["risk", "label"]
    refused(
        client.post(f"{MODEL}/infer", json={"inputs": [text_tensor(TEXTS)], "outputs": [{"name": "sesame"}]}),
        422,
        "no such output",
    )


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "inputs are missing"),
        ([text_tensor(TEXTS, name="sesame")], "this model's are text"),
        ([text_tensor([])], "inputs is empty"),
        ([text_tensor(TEXTS, shape=[1, 3])], "[rows] or [rows, 1]"),
        ([text_tensor(["a"], shape=[])], "[rows] or [rows, 1]"),
        ([text_tensor([1.0], datatype="FP32")], "expected a string"),
    ],
)
def test_tensors_that_are_not_the_models_are_refused(
    client: TestClient, inputs: list[Any], message: str
) -> None:
    refused(client.post(f"{MODEL}/infer", json={"inputs": inputs}), 422, message)


def test_errors_have_our_statuses_and_the_protocols_shape(client: TestClient) -> None:
    body = {"inputs": [text_tensor(TEXTS)]}
    refused(client.post("/v2/models/sesame/infer", json=body), 404, "no such model")
    refused(client.get(f"{MODEL}/versions/sesame"), 404, "no such model")
    refused(client.get("/v2/models/sesame/ready"), 404, "no such model")
    refused(client.get("/v2/sesame"), 404, "no such route")
    refused(client.get(f"{MODEL}/infer"), 405, "another method")
    refused(client.post(f"{MODEL}/infer", content=b"sesame"), 400, "not valid JSON")
    refused(client.post(f"{MODEL}/infer", content=b"[" * 100_000), 400, "not valid JSON")
    refused(client.post(f"{MODEL}/infer", json={"inputs": [text_tensor(["a"] * 257)]}), 413, "more than 256")
    refused(client.post(f"{MODEL}/infer", json=body | {"model_name": "sesame"}), 404, "another model")
    for kind in (
        {"content-type": "text/plain"},
        {"content-encoding": "gzip"},
        {"content-encoding": "deflate"},
    ):
        assert client.post(f"{MODEL}/infer", json=body, headers=kind).status_code == 415
    refused(client.post(f"{MODEL}/infer", json=body, headers={"content-encoding": "gzip"}), 415, "compressed")
    for path in ("/predict", "/feedback"):
        assert (
            client.post(path, content=b"{}", headers={"content-type": "application/octet-stream"}).status_code
            == 415
        )


def test_refusals_of_a_busy_or_slow_service_have_the_protocols_shape(open_client: Any, demo: Any) -> None:
    body = {"inputs": [text_tensor(TEXTS * 3)]}
    small = open_client(demo, max_queue_rows=8)
    full = small.post(f"{MODEL}/infer", json=body)
    refused(full, 429, "queue is full")
    assert full.headers["retry-after"] == "1"
    blank = {"inputs": [text_tensor([""] * 9)]}  # no work is spent on what has no room
    refused(small.post(f"{MODEL}/infer", json=blank), 429, "queue is full")
    hasty = open_client(demo, deadline_s=0.001)
    refused(hasty.post(f"{MODEL}/infer", json={"inputs": [text_tensor(TEXTS[:1])]}), 504, "deadline")
    refused(hasty.post(f"{MODEL}/infer", json=body), 413, "send several smaller requests")


def test_a_name_with_a_space_is_found_url_encoded(open_client: Any, altered: Any) -> None:
    client = open_client(altered(0.0, "apply", name="Model + a. name"))
    path = "/v2/models/" + quote("Model + a. name")
    assert infer(client, TEXTS, path)["model_name"] == "Model + a. name"
    version = client.get(path).json()["versions"][0]
    assert infer(client, TEXTS, f"{path}/versions/{quote(version)}")["model_version"] == version


@settings(
    max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.binary(max_size=300), st.sampled_from([None, "0", "7", "300", "sesame"]), st.integers(0, 200))
def test_no_bytes_whatever_break_the_service(
    client: TestClient, noise: bytes, length: str | None, cut: int
) -> None:
    whole, headers = binary([b"a", b"b"])
    for body in (noise, whole[:cut] + noise, whole[:cut] + noise + whole[cut + len(noise) :]):
        sent_headers = {"Inference-Header-Content-Length": length} if length is not None else headers
        reply = client.post(f"{MODEL}/infer", content=body, headers=sent_headers)
        assert reply.status_code in (200, 400, 413, 422), reply.text
        if reply.status_code != 200:
            assert set(json.loads(reply.content)) == {"error"}
