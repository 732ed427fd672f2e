"""Housekeeping while the service runs: old records go, the head is signed, evidence is shown."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from rebundle import regrouped, targeted
from series import total
from sqlalchemy import create_engine, func, select, update
from waiting import until

from evenhand.service.app import create_app
from evenhand.service.audit.tables import attributes, checkpoints, records
from evenhand.service.settings import Settings

DAY_MS = 86_400_000


def test_old_attributes_go_and_the_head_is_signed(demo: Path, tmp_path: Path) -> None:
    app = create_app(
        Settings(bundles=(demo,), state=tmp_path, checkpoint_s=0.5, feedback_days=10, keep_attributes_days=10)
    )
    engine = create_engine(f"sqlite:///{tmp_path / 'record.db'}")

    def count(table: object) -> int:
        with engine.connect() as connection:
            return connection.scalar(select(func.count()).select_from(table)) or 0  # type: ignore[arg-type]

    with TestClient(app) as client:
        body = {"inputs": ["a", "b"], "groups": [{"any_group": "mentioned"}, {"any_group": "not mentioned"}]}
        assert client.post("/predict", json=body).status_code == 200
        until(lambda: count(attributes) == 2 and count(checkpoints) >= 1)
        with engine.begin() as connection:
            old = select(attributes.c.pseudonym).limit(1).scalar_subquery()
            connection.execute(update(attributes).where(attributes.c.pseudonym == old).values(day=1))
        until(lambda: count(attributes) == 1)
        assert count(records) == 2
    with engine.connect() as connection:
        last = connection.scalar(select(func.max(records.c.seq)))
        assert (
            connection.scalar(select(func.max(checkpoints.c.seq))) == last
        )  # a stopping service signs the end


class Turned:
    """The module's clock: for one round, and no longer, it is more than a year ahead."""

    def __init__(self) -> None:
        self.rounds, self._ahead_s = 0, 0.0

    def time(self) -> float:
        self.rounds += 1
        self._ahead_s = 400.0 * 86_400 if self.rounds == 2 else 0.0
        return time.time() + self._ahead_s

    def time_ns(self) -> int:
        return time.time_ns() + round(self._ahead_s * 1e9)

    def monotonic(self) -> float:
        return time.monotonic()


class Ahead:
    """The module's clock on a machine that booted with a wrong one: so many days ahead from the start."""

    def __init__(self, days: float) -> None:
        self.days = days

    def time(self) -> float:
        return time.time() + self.days * 86_400

    def time_ns(self) -> int:
        return time.time_ns() + round(self.days * 86_400e9)

    def monotonic(self) -> float:
        return time.monotonic()


def test_a_machine_that_boots_200_days_ahead_keeps_the_record_and_says_so(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(bundles=(demo,), state=tmp_path, checkpoint_s=0.3)
    with TestClient(create_app(settings)) as client:
        groups = [{"any_group": "mentioned"}, {"any_group": "not mentioned"}] * 20
        assert client.post("/predict", json={"inputs": ["a", "b"] * 20, "groups": groups}).status_code == 200
        assert client.get("/healthz").json() == {"status": "ok"}
        assert total(client, "evenhand_record_prune_held_rows") == 0
    monkeypatch.setattr("evenhand.service.housekeeping.time", Ahead(200))
    series = "evenhand_record_prune_held_rows"
    with TestClient(create_app(settings)) as client:
        until(lambda: total(client, series, reason="clock") == 80)  # records and attributes
        time.sleep(1)  # some rounds more
        assert "nothing is deleted by age until they agree" in client.get("/healthz").json()["retention"]
        assert client.get("/readyz").status_code == 200
    monkeypatch.undo()
    with TestClient(create_app(settings)) as client:
        time.sleep(1)
        assert client.get("/healthz").json() == {"status": "ok"}
        assert total(client, series) == 0
    engine = create_engine(f"sqlite:///{tmp_path / 'record.db'}")
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(records)) == 40
        assert connection.scalar(select(func.count()).select_from(attributes)) == 40
    assert (
        sum("old records stay: the newest records are of" in line.getMessage() for line in caplog.records)
        == 1
    )


def test_nothing_is_let_go_of_by_a_clock_that_was_just_set(
    demo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Turned()
    monkeypatch.setattr("evenhand.service.housekeeping.time", clock)
    with TestClient(create_app(Settings(bundles=(demo,), state=tmp_path, checkpoint_s=0.5))) as client:
        groups = [{"any_group": "mentioned"}, {"any_group": "not mentioned"}]
        assert client.post("/predict", json={"inputs": ["a", "b"], "groups": groups}).status_code == 200
        until(lambda: clock.rounds >= 5)
    engine = create_engine(f"sqlite:///{tmp_path / 'record.db'}")
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(records)) == 2
        assert connection.scalar(select(func.count()).select_from(attributes)) == 2
    assert [line.args[0] > 0 for line in caplog.records if "the clock was set by" in line.msg] == [
        True,
        False,
    ]


def test_evidence_is_shown_of_every_comparison_and_a_limit_of_the_targets_rates_alone(
    open_client: Callable[..., TestClient], altered: Callable[..., Path]
) -> None:
    folder = regrouped(altered(0.5, "apply"), any_group=("none", "African", "Arab"))
    client = open_client(targeted(folder, any_group="demographic-parity"))
    groups = [{"any_group": "African"}, {"any_group": "none"}] * 16
    assert client.post("/predict", json={"inputs": ["a", "b"] * 16, "groups": groups}).status_code == 200
    series = {
        "attribute": "any_group",
        "group": "African",
        "metric": "demographic_parity",
        "process": "since_start",
    }
    until(lambda: total(client, "evenhand_evidence_limit_ln", **series) > 0)
    until(lambda: total(client, "evenhand_evidence_ln", **series) != 0)
    other = {**series, "metric": "true_positive_rate"}
    assert math.isnan(total(client, "evenhand_evidence_limit_ln", **other))
    any_group = client.get("/fairness").json()["attributes"][0]
    roles = {entry["metric"]: (entry["role"], entry["state"]) for entry in any_group["evidence"]}
    assert roles["demographic_parity"] == ("target", "insufficient data")
    assert roles["true_positive_rate"] == ("information", None)
    until(lambda: {entry["group"] for entry in any_group["evidence"]} >= {"African", "Arab"})
