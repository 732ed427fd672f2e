"""What is unusual about a row is said in its reply and counted, and never repeats the row."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from linear_bundle import write_linear_bundle
from series import total

USUAL = {"hours": 1.5, "sex": "F", "job": "clerk"}
SERIES = "evenhand_unusual_features_total"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write_linear_bundle(tmp_path / "bundle", -1.0, 1.0, 0.5, 0.0)


@pytest.fixture
def served(open_client: Callable[..., TestClient], bundle: Path) -> TestClient:
    return open_client(bundle, lot_rows=1)


def ask(client: TestClient, *rows: Any, **more: Any) -> list[dict[str, Any]]:
    reply = client.post("/predict", json={"inputs": list(rows), **more})
    assert reply.status_code == 200, reply.text
    predictions: list[dict[str, Any]] = reply.json()["predictions"]
    return predictions


def kinds(prediction: dict[str, Any]) -> dict[str, list[str]]:
    return {warning["kind"]: warning["names"] for warning in prediction["warnings"]}


def test_every_kind_is_warned_of_in_its_row_alone(served: TestClient) -> None:
    rows = [
        USUAL,
        USUAL | {"hours": -731.25},
        {"hours": 1},
        USUAL | {"job": "sesame", "sex": None},
        17,
        USUAL | {"hours": 6.0, "job": "SMITH"},
    ]
    predictions = ask(served, *rows)
    assert [kinds(one) if "warnings" in one else None for one in predictions] == [
        {},
        {"far_number": ["hours"]},
        {"missing_feature": ["sex", "job"]},
        {"missing_feature": ["sex"], "unseen_category": ["job"]},
        None,
        {"unseen_category": ["job"]},  # letters count: the model takes it for another one
    ]
    said = str([one.get("warnings") for one in predictions])
    assert "sesame" not in said
    assert "731" not in said
    assert predictions[1]["warnings"][0]["message"] == (
        "more than 6 standard deviations from the mean of the rows that the model was fitted on: hours"
    )


def test_each_feature_is_counted_from_zero_on(served: TestClient) -> None:
    name = served.get("/models").json()["models"][0]["name"]
    for feature, kind in (("hours", "far_number"), ("job", "unseen_category"), ("sex", "missing_feature")):
        assert total(served, SERIES, model=name, feature=feature, kind=kind) == 0
    ask(served, USUAL, USUAL | {"hours": 99}, USUAL | {"hours": None, "job": "sesame"}, {"sex": "M"})
    assert total(served, SERIES, feature="hours", kind="far_number") == 1
    assert total(served, SERIES, feature="hours", kind="missing_feature") == 2
    assert total(served, SERIES, feature="job", kind="unseen_category") == 1
    assert total(served, SERIES, feature="job", kind="missing_feature") == 1
    text = served.get("/metrics").text
    lines = [line for line in text.splitlines() if line.startswith(SERIES)]
    assert len(lines) == 6  # two kinds for each of three features, whatever clients send
    assert "sesame" not in text


def test_an_unknown_group_is_warned_of_and_counted_as_unknown(served: TestClient) -> None:
    groups = [{"sex": "sesame", "team": "none"}, {"sex": "unknown"}, None, {"sex": "F"}]
    first, *others = ask(served, *[USUAL] * 4, groups=groups)
    assert kinds(first) == {"unknown_group": ["sex"]}
    assert "sesame" not in str(first)
    assert [kinds(one) for one in others] == [{}, {}, {}]
    assert total(served, "evenhand_group_overflow_total", attribute="sex") == 1
    assert total(served, "evenhand_decisions_total", attribute="sex", group="unknown") == 2


def test_strict_refuses_an_unknown_group_and_records_nothing(
    open_client: Callable[..., TestClient], bundle: Path
) -> None:
    strict = open_client(bundle, lot_rows=1, strict=True)
    body = {"inputs": [USUAL, USUAL], "groups": [{"sex": "F"}, {"sex": "sesame"}]}
    reply = strict.post("/predict", json=body)
    assert reply.status_code == 422
    assert reply.json()["error"]["message"] == (
        "groups[1] declares a group of sex that is none of M, F, unknown"
    )
    assert total(strict, "evenhand_decisions_total", attribute="sex") == 0
    (one,) = ask(strict, USUAL | {"job": "sesame"}, groups={"sex": "unknown"})
    assert kinds(one) == {"unseen_category": ["job"]}  # features are warned of, whatever the setting


def test_the_open_inference_protocol_warns_in_a_tensor(served: TestClient) -> None:
    name = served.get("/models").json()["models"][0]["name"]
    tensor = {"name": "hours", "shape": [2], "datatype": "FP64", "data": [1, 99]}
    reply = served.post(f"/v2/models/{name}/infer", json={"inputs": [tensor]}).json()
    (warnings,) = (one["data"] for one in reply["outputs"] if one["name"] == "warnings")
    assert warnings[0] == "features without a value: sex, job"
    assert warnings[1].startswith("more than 6 standard deviations")
    assert warnings[1].endswith("; " + warnings[0])


@pytest.mark.parametrize(
    "path", ["/predict", "/feedback", "/v2/models/{name}/infer", "/models/{name}/promote"]
)
def test_a_doubled_key_is_refused_on_every_route_with_a_body(served: TestClient, path: str) -> None:
    name = served.get("/models").json()["models"][0]["name"]
    inside = '{"hours":1,"sesame":2,"hours":3}'
    content = f'{{"inputs":[{inside}],"id":"a","version":"b"}}'
    url, headers = path.format(name=name), {"content-type": "application/json"}
    client = TestClient(served.app, client=("127.0.0.1", 1), raise_server_exceptions=False)
    reply = (client if "models" in path else served).post(url, content=content, headers=headers)
    assert reply.status_code == 422
    assert "keys 1 and 3 of the object are the same" in reply.text
    assert "sesame" not in reply.text
