"""A bundle with bounds abstains on flagged rows whose answer is close, says why, counts and records it."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from waiting import until
from written_bundle import written

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import Mode

Start = Callable[..., TestClient]
TEXTS = [
    "what a lovely day",
    "you are stupid",
    "my sister is a doctor",
    "those stupid people again",
]
BOUND = 0.9


def bounded(folder: Path, bound: float) -> Path:
    """The bundle with a bound for its first attribute."""
    manifest, _ = bundles.read_manifest(folder)
    first, *others = manifest.attributes
    attributes = [first.model_copy(update={"abstain_below": bound}), *others]
    correction = manifest.correction.model_copy(update={"method": "abstain"})
    bundles.write_manifest(
        folder, manifest.model_copy(update={"attributes": attributes, "correction": correction})
    )
    return folder


@pytest.fixture
def serve(open_client: Start, altered: Callable[..., Path], tmp_path: Path) -> Callable[..., TestClient]:
    def start(mode: Mode, threshold: float = 0.0) -> TestClient:
        return open_client(
            bounded(written(altered(threshold, mode), corrects=False), BOUND), state=tmp_path / "state"
        )

    return start


def ask(client: TestClient) -> list[dict]:
    predictions: list[dict] = client.post("/predict", json={"inputs": TEXTS}).json()["predictions"]
    return predictions


def abstentions(client: TestClient, result: str) -> float:
    lines = [
        line for line in client.get("/metrics").text.splitlines() if "evenhand_abstentions_total{" in line
    ]
    assert len(lines) == 8  # four results by two answers, for the one attribute that has a bound
    return sum(float(line.rpartition(" ")[2]) for line in lines if f'result="{result}"' in line)


def test_close_flagged_rows_get_no_decision(serve: Callable[..., TestClient], tmp_path: Path) -> None:
    client = serve("apply")
    predictions = ask(client)
    close = [prediction["score"] < BOUND for prediction in predictions]
    assert close == [False, True, False, True]
    for prediction, is_close in zip(predictions, close, strict=True):
        assert (prediction["abstained"] is not None) == is_close
        assert not prediction["corrected"]  # what abstains changes no answer
        if is_close:
            assert prediction["abstained"]["attribute"] == "any_group"
            assert f"{prediction['score']:.3f} is below the bound" in prediction["abstained"]["why"]
    assert abstentions(client, "applied") == sum(close)
    until(lambda: len(recorded(tmp_path)) == len(TEXTS))
    bodies = recorded(tmp_path)
    assert [body.get("abstained") for body in bodies] == [
        "any_group" if is_close else None for is_close in close
    ]


def test_what_monitoring_says_is_what_was_replied(serve: Callable[..., TestClient]) -> None:
    client = serve("apply")
    groups = ["not mentioned", "mentioned", "not mentioned", "mentioned"]
    body = {"inputs": TEXTS, "groups": [{"any_group": group} for group in groups]}
    predictions = client.post("/predict", json=body).json()["predictions"]
    withheld = [prediction["abstained"] is not None for prediction in predictions]

    def fairness() -> dict:
        figures: dict = client.get("/fairness").json()
        return figures

    until(lambda: fairness()["abstention"]["abstained"]["n"] == len(TEXTS))
    figures = fairness()
    assert figures["abstention"]["attributes"] == {"any_group": sum(withheld)}
    assert figures["abstention"]["abstained"]["value"] == sum(withheld) / len(TEXTS)
    any_group, religion = (of["sources"] for of in figures["attributes"][:2])
    for group in any_group["declared"]["groups"][:2]:
        mine = [kept for kept, name in zip(withheld, groups, strict=True) if name == group["group"]]
        assert group["abstained"]["value"] == sum(mine) / len(mine)
    assert religion["inferred"]["abstained"]["value"] == sum(withheld) / len(TEXTS)
    assert any_group["declared"]["metrics"][-1]["final"]["among"]["value"] is None
    decision = client.get(f"/decisions/{predictions[0]['id']}").json()
    assert decision["configuration"]["attributes"]["any_group"]["abstain_below"] == BOUND
    assert "abstain_below" not in decision["configuration"]["attributes"]["religion"]


def recorded(folder: Path) -> list[dict]:
    """Bodies of the decisions on record, in order."""
    with sqlite3.connect(folder / "state/record.db") as database:
        rows = database.execute("SELECT body FROM records WHERE kind = 'decision' ORDER BY seq")
        return [json.loads(body) for (body,) in rows]


@pytest.mark.parametrize("mode", ["shadow", "off"])
def test_in_other_modes_it_is_only_counted(serve: Callable[..., TestClient], mode: Mode) -> None:
    client = serve(mode)
    predictions = ask(client)
    assert all(prediction["abstained"] is None for prediction in predictions)
    assert abstentions(client, mode) > 0
    assert abstentions(client, "applied") == 0


def test_rows_that_are_not_flagged_are_answered(serve: Callable[..., TestClient]) -> None:
    client = serve("apply", threshold=1.0)
    assert all(prediction["abstained"] is None for prediction in ask(client))
    assert abstentions(client, "applied") == 0


def test_a_request_may_ask_for_the_answers_alone(serve: Callable[..., TestClient]) -> None:
    client = serve("apply")
    predictions = client.post("/predict", json={"inputs": TEXTS, "mode": "off"}).json()["predictions"]
    assert all(prediction["abstained"] is None for prediction in predictions)


def test_the_open_inference_protocol_says_it_too(serve: Callable[..., TestClient]) -> None:
    client = serve("apply")
    tensor = {"name": "text", "shape": [len(TEXTS)], "datatype": "BYTES", "data": TEXTS}
    outputs = client.post("/v2/models/hate-speech/infer", json={"inputs": [tensor]}).json()["outputs"]
    values = {output["name"]: output["data"] for output in outputs}
    assert values["abstained"] == [score < BOUND for score in values["score"]]
