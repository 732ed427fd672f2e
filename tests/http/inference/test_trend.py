"""GET /fairness/trend over real rows: it adds up to /fairness, and shows what operators did."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from databases import Postgres, postgres  # noqa: F401 - a fixture
from fastapi.testclient import TestClient
from waiting import until
from written_bundle import KIND, UNKIND, written

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.service.auth.key_file import new_key
from evenhand.service.monitoring.trend_schema import TrendReply

NAME = "hate-speech"
Rows = list[tuple[str, str]]


@pytest.fixture
def fresh(open_client: Callable[..., TestClient], altered: Callable[..., Path]) -> TestClient:
    folder = written(altered(0.5, "off"))
    manifest, _ = bundles.read_manifest(folder)
    aim = AttributeTarget(attribute="any_group", measure="predictive-equality", limit=0.1)
    target = Target(attributes=[aim], max_loss=0.005)
    bundles.write_manifest(folder, manifest.model_copy(update={"target": target}))
    return open_client(folder, max_items=256, min_rows=20)


def answer(client: TestClient, *rows: tuple[str, str], label: str = "hate") -> list[dict[str, Any]]:
    """Rows of groups of any_group, all with the same true label."""
    body = {"inputs": [text for text, _ in rows], "groups": [{"any_group": group} for _, group in rows]}
    answers: list[dict[str, Any]] = client.post("/predict", json=body).json()["predictions"]
    items = [{"id": one["id"], "label": label} for one in answers]
    assert client.post("/feedback", json={"feedback": items}).json()["counts"] == {"joined": len(rows)}
    return answers


def trend_of(client: TestClient, **query: Any) -> dict[str, Any]:
    reply = client.get("/fairness/trend", params=query)
    assert reply.status_code == 200, reply.text
    assert reply.headers["cache-control"] == "no-store"
    body: dict[str, Any] = reply.json()
    TrendReply.model_validate(body)
    return body


def once_read(client: TestClient, rows: int, marks: int, **query: Any) -> dict[str, Any]:
    """The trend once it has so many rows of any_group, and so many marks."""
    replies: list[dict[str, Any]] = []

    def read() -> bool:
        replies.append(trend_of(client, **query))
        return (
            sum(bucket["rows"] for bucket in replies[-1]["attributes"][0]["buckets"]),
            len(replies[-1]["marks"]),
        ) == (rows, marks)

    until(read)
    return replies[-1]


def test_buckets_add_up_to_fairness_and_part_where_the_correction_was_switched(fresh: TestClient) -> None:
    rows: Rows = [(KIND, "not mentioned")] * 35 + [(UNKIND, "mentioned")] * 35 + [(KIND, "Martian")] * 3
    answer(fresh, *rows)
    assert fresh.put(f"/models/{NAME}/mode", json={"mode": "apply"}).status_code == 200
    decision = answer(fresh, *rows)[0]["id"]
    override = {"label": "hate", "by": "sam", "reason": "private words"}
    assert fresh.post(f"/decisions/{decision}/override", json=override).status_code == 200
    body = once_read(fresh, 140, 2, hours=3)
    (any_group,) = body["attributes"]
    assert (body["model"], body["source"], body["cut"]) == (NAME, "decisions", None)
    assert (any_group["attribute"], any_group["figure"], any_group["limit"]) == (
        "any_group", "predictive_equality_difference", 0.1,
    )  # fmt: skip
    before, after = any_group["stretches"]
    assert (before["rows"], before["after"]) == (70, None)
    assert (after["rows"], after["after"]) == (70, "correction applied")
    assert before["base"] == before["final"]
    assert before["base"]["groups"] == ["not mentioned", "mentioned"]
    declared = fresh.get("/fairness", params={"hours": 3}).json()["attributes"][0]["sources"]["declared"]
    groups = [group for group in declared["groups"] if group["group"] in ("not mentioned", "mentioned")]
    assert sum(group["labels"] for group in groups) == any_group["whole"]["rows"] == any_group["whole"]["n"]
    for side in ("base", "final"):
        rates = [group["false_positive_rate"][side]["value"] for group in groups]
        assert any_group["whole"][side]["value"] == pytest.approx(max(rates) - min(rates))
    assert [mark["words"] for mark in body["marks"]] == [
        "correction applied",
        "1 decision overridden by a person",
    ]
    assert body["marks"][0]["attributes"] == ["any_group", "religion", "race", "gender", "orientation"]
    text = fresh.get("/fairness/trend", params={"hours": 3}).text
    assert not any(private in text for private in ("sam", "private words", KIND, decision))
    hourly = trend_of(fresh)
    assert (hourly["source"], hourly["bucket_s"], hourly["window"]["hours"]) == ("hourly counts", 3600, 24)
    assert hourly["attributes"][0]["whole"]["final"] == any_group["whole"]["final"]


def test_a_bucket_never_shows_a_few_rows(fresh: TestClient) -> None:
    answer(fresh, *[(KIND, "not mentioned")] * 40, (UNKIND, "mentioned"))
    (any_group,) = once_read(fresh, 41, 0, hours=1)["attributes"]
    assert any_group["whole"]["n"] == 40
    assert any_group["whole"]["final"]["value"] is None
    assert "'mentioned'" not in str(any_group)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("hours=0", "hours is a whole number from 1 to 8760"),
        ("hours=8761", "hours is a whole number from 1 to 8760"),
        ("hours=secret", "hours is a whole number from 1 to 8760"),
        ("from=2026-01-01", "unknown parameter; there are model, hours"),
        ("secret=1", "unknown parameter; there are model, hours"),
    ],
)
def test_a_query_that_cannot_be_used_is_refused_in_one_sentence(
    client: TestClient, query: str, message: str
) -> None:
    reply = client.get(f"/fairness/trend?{query}")
    assert reply.status_code == 422
    assert reply.json() == {"error": {"type": "invalid_input", "message": message}}


def test_the_model_is_never_guessed(two_models: TestClient, client: TestClient) -> None:
    assert two_models.get("/fairness/trend").status_code == 422
    assert trend_of(two_models, model="other")["model"] == "other"
    reply = client.get("/fairness/trend?model=secret")
    assert (reply.status_code, "secret" in reply.text) == (404, False)


def test_where_nothing_is_recorded_the_route_says_so(
    open_client: Callable[..., TestClient], demo: Path
) -> None:
    reply = open_client(demo, record="off").get("/fairness/trend")
    assert reply.status_code == 409
    assert "EVENHAND_RECORD" in reply.json()["error"]["message"]


def test_it_needs_the_scope_audit(open_client: Callable[..., TestClient], demo: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    keys = {scope: new_key(file, scope, [scope], None) for scope in ("predict", "metrics", "admin", "audit")}
    guarded = open_client(demo, keys_file=file)
    status = {
        scope: guarded.get("/fairness/trend", headers={"x-api-key": key}).status_code
        for scope, key in keys.items()
    }
    assert status == {"predict": 403, "metrics": 403, "admin": 403, "audit": 200}
    assert guarded.get("/fairness/trend").status_code == 401


def test_postgres_reads_the_same(
    open_client: Callable[..., TestClient],
    demo: Path,
    postgres: Postgres,  # noqa: F811 - the fixture
) -> None:
    client = open_client(demo, record=postgres.create())
    answer(client, *[(KIND, "not mentioned")] * 40)
    client.put(f"/models/{NAME}/mode", json={"mode": "shadow"})
    fine = once_read(client, 40, 1, hours=1)
    for hours in (24, 720):
        long = once_read(client, 40, 1, hours=hours)
        assert long["attributes"][0]["whole"]["final"] == fine["attributes"][0]["whole"]["final"]
