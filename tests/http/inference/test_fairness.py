"""GET /fairness over real rows: equal to Fairlearn on the served answers, and explicit on too few rows."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fairlearn.metrics as fl
import pytest
from databases import Postgres, postgres  # noqa: F401 - a fixture
from fastapi.testclient import TestClient
from rebundle import regrouped
from waiting import until
from written_bundle import FLIPPED, KIND, UNKIND, written

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.service.monitoring.schema import FairnessReply
from evenhand.service.routes.cached import CachedReplies

NAME = "hate-speech"


@pytest.fixture
def fresh(open_client: Callable[..., TestClient], altered: Callable[..., Path]) -> TestClient:
    folder = written(altered(0.3, "apply"))
    manifest, _ = bundles.read_manifest(folder)
    bundles.write_manifest(folder, manifest.model_copy(update={"target": None}))
    return open_client(folder, max_items=256, min_rows=20)


def predict(client: TestClient, *rows: tuple[str, dict[str, str]]) -> list[dict[str, Any]]:
    body = {"inputs": [text for text, _ in rows], "groups": [groups for _, groups in rows]}
    reply = client.post("/predict", json=body)
    assert reply.status_code == 200, reply.text
    predictions: list[dict[str, Any]] = reply.json()["predictions"]
    return predictions


def fairness_of(client: TestClient, **query: Any) -> dict[str, Any]:
    reply = client.get("/fairness", params=query)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    FairnessReply.model_validate(body)
    return body


def once_counted(client: TestClient, rows: int, labels: int = 0) -> dict[str, Any]:
    """What is told once so many rows of the first attribute are counted."""
    replies: list[dict[str, Any]] = []

    def counted() -> bool:
        replies.append(fairness_of(client))
        any_group = replies[-1]["attributes"][0]["sources"]["declared"]
        return any_group["rows"] == rows and sum(group["labels"] for group in any_group["groups"]) == labels

    until(counted)
    return replies[-1]["attributes"][0]["sources"]["declared"]


def test_figures_equal_fairlearns_on_the_answers_that_were_served(
    open_client: Callable[..., TestClient], altered: Callable[..., Path]
) -> None:
    groups = ("none", "African", "Arab")
    folder = regrouped(written(altered(0.3, "apply")), any_group=groups)
    fresh = open_client(folder, max_items=256, min_rows=20)
    texts = [KIND, UNKIND, "i hate mondays", FLIPPED, "muslims are welcome here"]
    rows = [
        (text, {"any_group": groups[(place + turn) % 3]})
        for turn in range(7)
        for place, text in enumerate(texts)
    ]
    answers = predict(fresh, *rows)
    truth = [place % 3 != 1 for place in range(len(rows))]
    items = [
        {"id": answer["id"], "label": "not hate" if good else "hate"}
        for answer, good in zip(answers, truth, strict=True)
    ]
    assert fresh.post("/feedback", json={"feedback": items}).status_code == 200
    any_group = once_counted(fresh, len(rows), len(rows))
    metrics = {metric["metric"]: metric for metric in any_group["metrics"]}
    for side in ("base", "final"):
        served = [(answer["base"] if side == "base" else answer)["label"] == "not hate" for answer in answers]
        theirs = {
            "y_true": truth,
            "y_pred": served,
            "sensitive_features": [of["any_group"] for _, of in rows],
        }
        for name in (
            "demographic_parity_difference",
            "demographic_parity_ratio",
            "equal_opportunity_difference",
            "equalized_odds_difference",
        ):
            assert metrics[name][side]["value"] == pytest.approx(getattr(fl, name)(**theirs), abs=1e-12)


def test_states_limits_and_sources_are_told(fresh: TestClient) -> None:
    rows = (
        [(KIND, {"any_group": "not mentioned"})] * 30
        + [(UNKIND, {"any_group": "mentioned"})] * 30
        + [(KIND, {"any_group": "Martian"})] * 3
    )
    predict(fresh, *rows, (KIND, {}))
    any_group = once_counted(fresh, 63)
    body = fairness_of(fresh)
    assert (body["model"], body["limits"]["rows"], body["record"]) == (
        NAME,
        20.0,
        {"state": "on", "spooled": 0},
    )
    assert any_group["unknown_rows"] == 3
    parity = any_group["metrics"][0]
    assert (parity["role"], parity["verdict"], parity["groups"]) == (
        "information",
        None,
        ["not mentioned", "mentioned"],
    )
    target = body["attributes"][0]["target"]
    assert (target["measure"], target["limit_from"], target["verdict"]) == (
        "worst-cell",
        "validation",
        "insufficient data",
    )
    assert body["target"]["stated"] is False
    assert body["correction"]["rows"] == 64
    assert body["attributes"][0]["sources"]["inferred"]["rows"] == 1
    assert body["attributes"][2]["mode"] == "apply"
    assert body["attributes"][1]["sources"]["declared"]["metrics"][0]["final"]["value"] is None
    assert body["attributes"][0]["soft"]["rows"] == 64


def test_a_target_in_the_bundle_gets_the_verdict_and_its_limit_the_alert(
    open_client: Callable[..., TestClient], altered: Callable[..., Path]
) -> None:
    folder = written(altered(0.3, "apply"))
    manifest, _ = bundles.read_manifest(folder)
    aims = [
        AttributeTarget(attribute="any_group", measure="demographic-parity", limit=0.2),
        AttributeTarget(attribute="religion", measure="predictive-equality"),
    ]
    target = Target(attributes=aims, max_loss=0.01)
    bundles.write_manifest(folder, manifest.model_copy(update={"target": target}))
    client = open_client(folder, max_items=256, min_rows=20, gap_limit=0.07)
    predict(
        client, *[(KIND, {"any_group": "not mentioned"})] * 30, *[(UNKIND, {"any_group": "mentioned"})] * 30
    )
    once_counted(client, 60)
    body = fairness_of(client)
    any_group, religion, race, *_ = body["attributes"]
    assert (any_group["target"]["limit"], any_group["target"]["limit_from"]) == (0.2, "bundle")
    assert (any_group["target"]["verdict"], any_group["target"]["behind"]) == ("breach", ["mentioned"])
    assert (religion["target"]["limit"], religion["target"]["limit_from"]) == (0.07, "operator")
    assert race["target"] is None
    assert body["target"]["words"] == (
        "demographic parity of any_group; predictive equality of religion, at most 1 points of accuracy lost"
    )
    series = client.get("/metrics").text
    labels = 'attribute="any_group",measure="demographic-parity",model="hate-speech"'
    assert f"evenhand_target_limit{{{labels}}} 0.2" in series
    assert 'evenhand_target_loss{loss="overall",model="hate-speech"} 0.01' in series


def test_a_window_of_other_hours_has_no_rows_and_one_between_moments_has_them(fresh: TestClient) -> None:
    predict(fresh, (KIND, {"any_group": "not mentioned"}))
    once_counted(fresh, 1)
    now = datetime.now(UTC)
    past = fairness_of(
        fresh, **{"from": (now - timedelta(days=9)).isoformat(), "to": (now - timedelta(days=8)).isoformat()}
    )
    assert past["attributes"][0]["sources"]["declared"]["rows"] == 0
    around = fairness_of(fresh, **{"from": (now - timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")})
    assert around["attributes"][0]["sources"]["declared"]["rows"] == 1
    assert fairness_of(fresh, hours=8760)["window"]["hours"] == 8760


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("hours=0", "hours is a whole number from 1 to 8760"),
        ("hours=8761", "hours is a whole number from 1 to 8760"),
        ("hours=secret", "hours is a whole number from 1 to 8760"),
        ("from=secret", "from is a time such as 2026-05-01T00:00:00Z"),
        ("from=0001-01-01T00:00:00%2B14:00", "from is a time such as 2026-05-01T00:00:00Z"),
        ("to=2026-01-02T00:00:00Z", "to needs from; or give hours alone"),
        ("from=2026-01-01&hours=3", "give either hours, or from and to"),
        ("from=2026-01-02&to=2026-01-02", "from must be before to"),
        ("from=2020-01-02&to=2026-01-02", "the window is longer than 8760 hours; ask for a shorter one"),
        ("secret=1", "unknown parameter; there are model, hours, from, to"),
    ],
)
def test_a_query_that_cannot_be_used_is_refused_in_one_sentence(
    client: TestClient, query: str, said: str
) -> None:
    reply = client.get(f"/fairness?{query}")
    assert reply.status_code == 422
    assert reply.json() == {"error": {"type": "invalid_input", "message": said}}


def test_the_model_is_never_guessed(two_models: TestClient, client: TestClient) -> None:
    assert two_models.get("/fairness").status_code == 422
    assert fairness_of(two_models, model="other")["model"] == "other"
    reply = client.get("/fairness?model=secret")
    assert (reply.status_code, "secret" in reply.text) == (404, False)


def test_where_nothing_is_recorded_the_route_says_what_to_do(
    open_client: Callable[..., TestClient], demo: Path
) -> None:
    reply = open_client(demo, record="off").get("/fairness")
    assert reply.status_code == 409
    assert "EVENHAND_RECORD" in reply.json()["error"]["message"]


def test_a_database_that_is_away_is_said_and_found_again(
    open_client: Callable[..., TestClient],
    demo: Path,
    postgres: Postgres,  # noqa: F811
) -> None:
    client = open_client(demo, record=postgres.create())
    assert client.get("/fairness").status_code == 200
    postgres.stop("immediate")
    try:
        until(lambda: client.get("/fairness").status_code == 503)
        error = client.get("/fairness").json()["error"]
        assert error["type"] == "record_unavailable"
        assert "database is down" in error["message"]
        assert client.post("/predict", json={"inputs": KIND}).status_code == 200
    finally:
        postgres.start()
    until(lambda: client.get("/fairness").status_code == 200)


def test_the_page_may_run_its_own_script_alone(client: TestClient) -> None:
    reply = client.get("/dashboard")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    policy = reply.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "innerHTML" not in reply.text
    assert "insertAdjacentHTML" not in reply.text


def test_the_api_describes_the_answer(client: TestClient) -> None:
    described = client.get("/openapi.json").json()["paths"]["/fairness"]["get"]
    assert {parameter["name"] for parameter in described["parameters"]} == {"model", "hours", "from", "to"}
    assert described["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].endswith(
        "FairnessReply"
    )


async def test_an_answer_is_shared_for_a_moment_and_an_error_is_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recent, made, clock = CachedReplies(), [], [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    async def make() -> bytes:
        await asyncio.sleep(0)
        made.append(1)
        if len(made) == 1:
            raise ValueError("once")
        return b"%d" % len(made)

    answers = await asyncio.gather(*(recent.get("a", make) for _ in range(3)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["once"] * 3
    assert [await recent.get("a", make) for _ in range(2)] == [b"2", b"2"]
    assert await recent.get("b", make) == b"3"
    clock[0] += 1.1
    assert await recent.get("a", make) == b"4"


async def test_a_slow_answer_is_kept_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    recent, made, clock = CachedReplies(), [], [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    async def make() -> bytes:
        clock[0] += 4.0
        made.append(1)
        return b"%d" % len(made)

    assert await recent.get("a", make) == b"1"
    clock[0] += 39.0
    assert await recent.get("a", make) == b"1"
    clock[0] += 2.0
    assert await recent.get("a", make) == b"2"


async def test_a_caller_who_leaves_takes_nobodys_answer_along() -> None:
    recent, go = CachedReplies(), asyncio.Event()

    async def make() -> bytes:
        await go.wait()
        return b"answer"

    first = asyncio.create_task(recent.get("a", make))
    second = asyncio.create_task(recent.get("a", make))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await second == b"answer"
