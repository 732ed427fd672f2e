"""The Open Inference Protocol as its own clients speak it, against a real process on a real socket."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import EVENHAND, Server
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput, aio
from tritonclient.utils import InferenceServerException

NAME = "a model"
TEXTS = ["what a lovely day", "you are all vermin and should leave", "naïve ☃ text", "a"]


@pytest.fixture(scope="module")
def server(altered: Callable[..., Path]) -> Iterator[Server]:
    bundle = altered(0.0, "apply", name=NAME)
    running = Server(str(EVENHAND), "serve", str(bundle), "--port", "PORT")
    yield running
    running.process.kill()
    running.process.wait()


@pytest.fixture
def triton(server: Server) -> Iterator[InferenceServerClient]:
    with InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        yield client


def text(texts: list[str], binary: bool = True) -> InferInput:
    tensor = InferInput("text", [len(texts)], "BYTES")
    tensor.set_data_from_numpy(np.array(texts, dtype=object), binary_data=binary)
    return tensor


def plain(server: Server, texts: list[str]) -> list[dict[str, Any]]:
    status, body = server.get("/predict", {"inputs": texts})
    assert status == 200
    return body["predictions"]


def test_triton_sees_a_live_server_with_a_ready_model(triton: InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready(NAME)
    assert triton.is_model_ready(NAME, "1.0.0")
    assert not triton.is_model_ready(NAME, "2")
    assert not triton.is_model_ready("another")
    assert triton.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    metadata = triton.get_model_metadata(NAME, "1.0.0")
    assert metadata["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("version", ["", "1.0.0"])
def test_triton_gets_the_answers_of_predict(
    triton: InferenceServerClient, server: Server, binary: bool, version: str
) -> None:
    response = triton.infer(NAME, [text(TEXTS, binary)], model_version=version, request_id="seven")
    expected = plain(server, TEXTS)
    assert response.get_response()["id"] == "seven"
    assert [label.decode() for label in response.as_numpy("label")] == [p["label"] for p in expected]
    assert [label.decode() for label in response.as_numpy("base_label")] == [
        p["base"]["label"] for p in expected
    ]
    assert response.as_numpy("score").tolist() == pytest.approx([p["score"] for p in expected], abs=1e-6)
    assert response.as_numpy("flagged").all()
    assert response.as_numpy("corrected").all()
    assert response.as_numpy("risk").shape == (len(TEXTS), 5)


def test_triton_chooses_outputs_and_lowers_the_mode(triton: InferenceServerClient) -> None:
    requested = [
        InferRequestedOutput("label", binary_data=False),
        InferRequestedOutput("corrected", binary_data=True),
    ]
    response = triton.infer(NAME, [text(TEXTS)], outputs=requested, parameters={"mode": "off"})
    assert [output["name"] for output in response.get_response()["outputs"]] == ["label", "corrected"]
    assert response.as_numpy("label").shape == (len(TEXTS),)
    assert not response.as_numpy("corrected").any()


def test_triton_gets_the_other_rows_of_a_bad_one(triton: InferenceServerClient) -> None:
    response = triton.infer(NAME, [text(["good", "", "good"])])
    assert [bool(error) for error in response.as_numpy("error")] == [False, True, False]
    assert np.isnan(response.as_numpy("score")).tolist() == [False, True, False]


def test_triton_understands_our_errors(triton: InferenceServerClient) -> None:
    for call, status, message in (
        (lambda: triton.infer("another", [text(TEXTS)]), "404", "no such model"),
        (lambda: triton.infer(NAME, [text([""])]), "422", "text is empty"),
        (lambda: triton.infer(NAME, [InferInput("text", [1], "BYTES")]), "422", "neither data"),
        (
            lambda: triton.infer(NAME, [text(TEXTS)], request_compression_algorithm="gzip"),
            "415",
            "compressed",
        ),
        (lambda: triton.get_model_metadata("another"), "404", "no such model"),
    ):
        with pytest.raises(InferenceServerException) as refused:
            call()
        assert refused.value.status() == status
        assert message in refused.value.message()


async def test_tritons_asynchronous_client_works_as_well(server: Server) -> None:
    async with aio.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        results = await asyncio.gather(*(client.infer(NAME, [text([t])]) for t in TEXTS))
    labels = [result.as_numpy("label")[0].decode() for result in results]
    assert labels == [p["label"] for p in plain(server, TEXTS)]


@pytest.mark.parametrize("binary", [True, False])
async def test_kserves_client_gets_the_answers_of_predict(server: Server, binary: bool) -> None:
    reason = (
        "kserve is not installed; its protobuf and pandas are older than training's: use an own environment"
    )
    kserve = pytest.importorskip("kserve", reason=reason)
    url = f"http://127.0.0.1:{server.port}"
    tensor = kserve.InferInput("text", [len(TEXTS)], "BYTES")
    tensor.set_data_from_numpy(np.array([t.encode() for t in TEXTS], dtype=object), binary_data=binary)
    from kserve.protocol.infer_type import RequestedOutput

    requested = [
        RequestedOutput(name, {"binary_data": binary}) for name in ("label", "score", "risk", "flagged")
    ]
    config = kserve.inference_client.RESTConfig(protocol="v2", retries=0)
    async with kserve.InferenceRESTClient(config) as client:
        assert await client.is_server_live(url)
        assert await client.is_server_ready(url)
        assert await client.is_model_ready(url, NAME)
        assert not await client.is_model_ready(url, "another")
        request = kserve.InferRequest(NAME, [tensor], request_id="seven", request_outputs=requested)
        response = await client.infer(url, request, model_name=NAME)
        with pytest.raises(Exception, match="no such model is served here"):
            await client.infer(url, kserve.InferRequest("another", [tensor]), model_name="another")
    assert response.id == "seven"
    expected = plain(server, TEXTS)
    outputs = {output.name: output.as_numpy() for output in response.outputs}
    labels = [label.decode() if isinstance(label, bytes) else label for label in outputs["label"]]
    assert labels == [p["label"] for p in expected]
    assert outputs["score"].tolist() == pytest.approx([p["score"] for p in expected], abs=1e-6)
    assert outputs["risk"].shape == outputs["flagged"].shape == (len(TEXTS), 5)
    assert json.dumps(outputs["flagged"].tolist()) == json.dumps([[True] * 5] * len(TEXTS))
