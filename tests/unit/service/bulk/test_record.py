"""Answered rows on record, as if served: each decision once, however often the run is killed."""

import random
from pathlib import Path

import bulk_rows
import pytest
from places import SALARIES
from recording import bodies, counted

from evenhand.models.bundle.bundle import read_manifest
from evenhand.service.audit.digest_keys import load_keys
from evenhand.service.bulk.answers import RunOptions
from evenhand.service.bulk.columns import ColumnOptions
from evenhand.service.bulk.record import RecordOptions, decision_ids
from evenhand.service.bulk.run import Job, Prediction
from evenhand.service.ids import ulid_ms

OPTIONS = ("--id", "pid", "--attribute", "sex", "--batch-rows", 100)


def test_a_killed_run_has_every_decision_on_record_once(tmp_path: Path) -> None:
    rows = bulk_rows.people(1500, seed=2)
    source, out, state = (
        bulk_rows.write(tmp_path / "rows.csv", rows),
        tmp_path / "out.jsonl",
        tmp_path / "state",
    )
    arguments = (SALARIES, source, "--out", out, "--record", "state", "--state", state, *OPTIONS)
    draw, done = random.Random(3), 0
    for _ in range(3):
        done = bulk_rows.killed(tmp_path / "out.jsonl.journal", done + draw.randrange(1, 400), *arguments)
    bulk_rows.predict(*arguments)
    url = f"sqlite:///{state / 'record.db'}"
    recorded = [body for body in bodies(url) if body["kind"] == "decision"]
    written = bulk_rows.read(out)
    assert [body["id"] for body in recorded] == [row["decision"] for row in written]
    for body, row, person in zip(recorded, written, rows, strict=True):
        assert body["final"]["label"] == row["label"]
        assert body["base"]["score"] == row["base_score"]
        assert body["declared"] == (["sex"] if person["sex"] else [])
        assert body["mode"] == {"sex": "off", "race2": "off", "hispanic_origin": "apply"}
        assert body["own_id"] == load_keys(state / "record.key").own_id(str(person["pid"]))
    for attribute in read_manifest(SALARIES)[0].attribute_names:
        assert counted(url, "hourly_decisions", attribute) == len(rows)


def test_without_its_database_a_run_stops_and_goes_on_later(tmp_path: Path, database: str) -> None:
    rows = bulk_rows.people(60, seed=4)
    source = bulk_rows.write(tmp_path / "rows.csv", rows)
    away = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    arguments = (SALARIES, source, "--out", tmp_path / "o.csv", "--state", tmp_path / "state")
    _, said = bulk_rows.predict(*arguments, "--record", away, code=2)
    assert "the record's database is down" in said
    assert "the same command goes on" in said
    assert not (tmp_path / "o.csv").exists()
    assert "nobody" not in (tmp_path / "o.csv.journal").read_text(), "a URL may hold a password"
    options = {"record": RecordOptions(database, tmp_path / "state"), "restart": True}
    job = Job(SALARIES, source, tmp_path / "o.csv", ColumnOptions(), run=RunOptions(1), **options)  # type: ignore[arg-type]
    assert Prediction(job).run(lambda plan: None, lambda done, total: None).rows == 60
    assert len(bodies(database)) == 60


def test_ids_are_the_runs_and_the_rows() -> None:
    first = decision_ids(1_700_000_000_000, "ab", range(1, 500))
    assert first == decision_ids(1_700_000_000_000, "ab", range(1, 500))
    assert len({*first, *decision_ids(1_700_000_000_000, "ac", range(1, 500))}) == 998
    assert {ulid_ms(one) for one in first} == {1_700_000_000_000}


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'other.db'}"
