"""A file answered as the service would, whatever its format; faulty rows cost no other row anything."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import bulk_rows
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from places import DEMO, SALARIES
from typer.testing import CliRunner
from written_bundle import FLIPPED, KIND, UNKIND

from evenhand.cli.main import app
from evenhand.service.app import create_app
from evenhand.service.bulk.answers import RunOptions, loaded, runs, score
from evenhand.service.bulk.columns import ColumnOptions
from evenhand.service.bulk.run import Job, Prediction, Summary
from evenhand.service.errors import EngineFailed
from evenhand.service.settings import Settings
from evenhand.service.types import Example

ROWS = bulk_rows.people(1200)
NUMBERS = ("score", "base_score", "risk.", "score.")


def predicted(source: Path, out: Path, bundle: Path = SALARIES, **options: Any) -> Summary:
    columns = options.pop("columns", ColumnOptions(id="pid"))
    job = Job(bundle, source, out, columns, batch_rows=500, run=RunOptions(threads=1), **options)
    return Prediction(job).run(lambda plan: None, lambda done, total: None)


def served(bundle: Path, items: list[Any], mode: str | None = None) -> list[dict[str, Any]]:
    settings = Settings(bundles=(bundle,), record="off", watch_s=0, max_wait_s=600, deadline_s=600)
    with TestClient(create_app(settings)) as client:
        reply = client.post("/predict", json={"inputs": items, **({"mode": mode} if mode else {})})
        assert reply.status_code == 200, reply.text
        predictions: list[dict[str, Any]] = reply.json()["predictions"]
    return predictions


def as_served(row: dict[str, Any], prediction: dict[str, Any]) -> None:
    """A row of an output says what the service says."""
    if "error" in prediction:
        assert row["error"] == prediction["error"]["message"]
        assert row["label"] is None
        return
    assert (row["label"], row["base_label"]) == (prediction["label"], prediction["base"]["label"])
    assert (row["corrected"], row["truncated"]) == (prediction["corrected"], prediction["truncated"])
    assert row["score"] == pytest.approx(prediction["score"], abs=1e-6)
    shadow = prediction["shadow"] or {"label": None, "score": None}
    assert (row["shadow_label"], row["error"]) == (shadow["label"], None)
    for name, risk in prediction["risk"].items():
        assert row[f"risk.{name}"] == pytest.approx(risk, abs=1e-6)
        assert row[f"flagged.{name}"] == prediction["flagged"][name]


@pytest.mark.parametrize("mode", [None, "shadow", "off"])
def test_answers_are_those_of_the_service(tmp_path: Path, mode: Any) -> None:
    source = bulk_rows.write(tmp_path / "rows.parquet", ROWS)
    summary = predicted(source, tmp_path / "out.parquet", mode=mode)
    rows = bulk_rows.read(tmp_path / "out.parquet")
    items = [{name: row[name] for name in bulk_rows.FEATURES.names} for row in ROWS[:300]]
    for row, prediction in zip(rows, served(SALARIES, items, mode), strict=False):
        as_served(row, prediction)
    assert [row["id"] for row in rows] == [row["pid"] for row in ROWS], "numbers stay numbers"
    assert [row["row"] for row in rows] == list(range(1, len(ROWS) + 1))
    assert summary.rows == len(ROWS)
    assert (
        summary.counts["corrected"]
        == sum(row["corrected"] for row in rows)
        == (0 if mode else summary.counts["corrected"])
    )
    assert (mode is None) == (summary.counts["corrected"] > 0)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl"])
def test_every_format_gives_and_takes_the_same_answers(tmp_path: Path, suffix: str) -> None:
    expected, out = (
        tmp_path / "expected.parquet",
        tmp_path / f"out{suffix.replace('json', 'jsonl') if suffix == '.json' else suffix}",
    )
    predicted(bulk_rows.write(tmp_path / "rows.parquet", ROWS), expected)
    predicted(bulk_rows.write(tmp_path / f"rows{suffix}", ROWS), out)
    for row, other in zip(bulk_rows.read(out), bulk_rows.read(expected), strict=True):
        assert list(row) == list(other)
        for name, value in row.items():
            same = other[name]
            if name == "id":
                same = str(same)
            elif out.suffix != ".jsonl":
                same = "" if same is None else str(same)
            assert value == same, name


def test_faulty_rows_are_listed_and_cost_no_other_row_anything(tmp_path: Path) -> None:
    good = bulk_rows.write(tmp_path / "good.csv", ROWS[:100])
    lines = good.read_bytes().splitlines(keepends=True)
    age = lines[0].decode().split(",").index("age")
    mistaken = lines[7].split(b",")
    mistaken[age] = b"old"
    lines[7] = b",".join(mistaken)
    lines.insert(30, b"1,2,3\n")
    lines.insert(60, lines[59].replace(b"7", b"\xff", 1))
    (tmp_path / "bad.csv").write_bytes(b"".join(lines))
    predicted(good, tmp_path / "good.jsonl")
    summary = predicted(tmp_path / "bad.csv", tmp_path / "bad.jsonl")
    errors = [json.loads(line) for line in summary.errors.read_text().splitlines()]
    assert [(error["row"], error["error"]) for error in errors] == [
        (7, "feature 'age' is not a number"),
        (30, f"cannot be read: 3 cells where the header has {len(ROWS[0])}"),
        (60, "cannot be read: not UTF-8"),
    ]
    assert errors[0]["id"] == "7006"
    rows = bulk_rows.read(tmp_path / "bad.jsonl")
    assert [row["row"] for row in rows if row["error"]] == [7, 30, 60]
    by_id = {row["id"]: row for row in bulk_rows.read(tmp_path / "good.jsonl")}
    for row in rows:
        if not row["error"]:
            other = by_id[row["id"]]
            assert {**row, "row": 0} == pytest.approx({**other, "row": 0}, abs=1e-6)
    assert summary.failed == 3
    assert summary.in_words().endswith(f"3 failed ({summary.errors})")


def test_a_row_that_the_engine_cannot_score_fails_alone() -> None:
    model = loaded(SALARIES, RunOptions(threads=1))
    encoded = [model.encoder.encode(item) for item in model.encoder.examples() * 20]
    examples = {place: Example(row, model.engine._canary[0].modes) for place, row in enumerate(encoded)}
    poison = examples[13]

    class Failing:
        def run(self, some):
            if any(example is poison for example in some):
                raise RuntimeError("out of luck")
            return model.engine.run(some)

    scores = score(Failing(), examples, (64, 1024))  # type: ignore[arg-type]
    assert [place for place, of in scores.items() if isinstance(of, EngineFailed)] == [13]
    assert len(scores) == 40


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(1, 9), st.integers(1, 120))
def test_runs_hold_each_row_once_within_the_limits(lengths: list[int], rows: int, tokens: int) -> None:
    made = list(runs(dict(enumerate(lengths)), (rows, tokens)))
    assert sorted(place for run in made for place in run) == list(range(len(lengths)))
    for run in made:
        longest = max(lengths[place] for place in run)
        assert len(run) == 1 or (len(run) <= rows and longest * len(run) <= tokens)


def test_texts_are_answered_like_single_requests(tmp_path: Path) -> None:
    texts = [KIND, UNKIND, FLIPPED, "", "you " * 300, "x"] * 5
    rows = [{"text": text, "n": number} for number, text in enumerate(texts)]
    source = bulk_rows.write(tmp_path / "rows.jsonl", rows)
    predicted(source, tmp_path / "out.jsonl", DEMO, columns=ColumnOptions(keep=("n",)))
    predictions = served(DEMO, texts)
    for row, text, prediction in zip(bulk_rows.read(tmp_path / "out.jsonl"), texts, predictions, strict=True):
        if text:
            as_served(row, prediction)
        else:
            assert row["error"] == "no text"


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    rows = bulk_rows.people(2500, seed=1)
    source = bulk_rows.write(tmp_path / f"rows{suffix}", rows)
    with source.open("ab") as file:
        if suffix == ".csv":
            file.write(b"broken\n")
    options = ("--id", "pid", "--keep", "sex", "--batch-rows", 100)
    code = int(suffix == ".csv")
    bulk_rows.predict(SALARIES, source, "--out", tmp_path / f"whole{suffix}", *options, code=code)
    out = tmp_path / f"out{suffix}"
    journal = out.with_name(f"{out.name}.journal")
    draw, done = random.Random(suffix), 0
    for _ in range(2):
        done = bulk_rows.killed(
            journal, done + draw.randrange(1, 700), SALARIES, source, "--out", out, *options
        )
        assert not out.exists()
        assert done % 100 == 0
    printed, said = bulk_rows.predict(SALARIES, source, "--out", out, *options, code=code)
    assert f"going on after {done:,} rows" in said
    assert out.read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()
    assert f"{2500 + code:,} rows; corrected" in printed
    assert {name for name in os.listdir(tmp_path) if "out" in name} == {
        out.name,
        *([f"{out.name}.errors.jsonl"] if code else []),
    }


def test_the_command_refuses_in_one_line_before_any_row(tmp_path: Path) -> None:
    source = bulk_rows.write(tmp_path / "rows.csv", [{"age": 3, "pid": 1}])
    empty = tmp_path / "empty.csv"
    empty.write_text(",".join(bulk_rows.FEATURES.names) + "\n")
    whole = bulk_rows.write(tmp_path / "whole.csv", ROWS[:5])
    cases = [
        ((SALARIES, source, "--out", tmp_path / "o.csv"), "no column"),
        ((SALARIES, whole, "--out", tmp_path / "o.xlsx"), "expected a file ending in .csv"),
        ((SALARIES, whole, "--out", tmp_path / "no/o.csv"), "no folder"),
        ((SALARIES, tmp_path / "none.csv", "--out", tmp_path / "o.csv"), "not readable"),
        ((SALARIES, empty, "--out", tmp_path / "o.csv"), "no row"),
        ((tmp_path, whole, "--out", tmp_path / "o.csv"), "no readable manifest.json"),
        ((SALARIES, whole, "--out", whole), "is there already"),
        (
            (SALARIES, whole, "--out", tmp_path / "o.csv", "--keep", "sex=label"),
            "a column 'label' of its own",
        ),
        ((SALARIES, whole, "--out", tmp_path / "o.csv", "--attribute", "sex"), "needs --record"),
    ]
    for arguments, message in cases:
        result = CliRunner().invoke(app, ["predict", *map(str, arguments)])
        assert (result.exit_code, result.stdout) == (2, "")
        assert message in result.stderr
    assert sorted(os.listdir(tmp_path)) == ["empty.csv", "rows.csv", "whole.csv"]


def test_a_mode_that_cannot_be_raised_is_said(tmp_path: Path) -> None:
    source = bulk_rows.write(tmp_path / "rows.jsonl", [{"text": KIND}])
    _, said = bulk_rows.predict(DEMO, source, "--out", tmp_path / "o.csv", "--mode", "apply")
    off = [line for line in said.splitlines() if "does not raise" in line]
    modes = json.loads((DEMO / "manifest.json").read_text())["attributes"]
    assert len(off) == sum(attribute["mode"] != "apply" for attribute in modes)


def test_the_command_loads_nothing_of_training(tmp_path: Path) -> None:
    source = bulk_rows.write(tmp_path / "rows.parquet", ROWS[:20])
    program = (
        "import sys; from evenhand.cli.main import app\n"
        f"sys.argv = ['evenhand', 'predict', {str(SALARIES)!r}, {str(source)!r}, '--out', "
        f"{str(tmp_path / 'o.parquet')!r}]\n"
        "try: app()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "assert not {'torch', 'transformers', 'sklearn', 'scipy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
