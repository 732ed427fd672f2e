"""Figures of a fit, an evaluation and a comparison as runs of a real store: the very figures of the files."""

import json
from pathlib import Path

import mlflow
import pytest
from library_rows import fitted, people
from tiny_model import tiny_table, write_tiny_base
from typer.testing import CliRunner

import evenhand.mlflow
from evenhand.cli.main import app

pytestmark = pytest.mark.usefixtures("exports_once")


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path}/runs.db"
    mlflow.set_tracking_uri(address)
    return address


def command(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "250"})
    assert result.exit_code == code, f"{result.output} {result.exception!r}"
    return result.output


def test_a_fit_is_a_run_with_every_cell(tmp_path: Path) -> None:
    classifier = fitted()
    run = mlflow.get_run(evenhand.mlflow.log_fit(classifier))
    figures = json.loads(classifier.bundle_.files["evaluation/evaluation.json"])["test"]
    assert run.data.metrics["test/accuracy/final"] == figures["accuracy"]["final"]["value"]
    cells = {(cell["group"], cell["label"]): cell for cell in figures["attributes"]["sex"]["cells"]}
    loses = cells["female", "not hired"]["difference"]
    assert run.data.metrics["test/cell/sex/female/not hired/difference"] == loses["value"] < 0
    assert run.data.metrics["test/cell/sex/female/not hired/difference/high"] == loses["high"]
    assert run.data.params["certified"] == "True"
    assert run.data.params["rows_val"] == "600"
    names = {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert {"MODEL_CARD.md", "manifest.json"} <= names


def test_an_active_run_is_used(tmp_path: Path) -> None:
    with mlflow.start_run() as run:
        assert evenhand.mlflow.log_fit(fitted()) == run.info.run_id


def test_an_evaluation_is_a_run(tmp_path: Path, store: str) -> None:
    bundle = fitted().save(tmp_path / "bundle")
    people(600, seed=8).to_csv(tmp_path / "rows.csv", index=False)
    files = ("--data", str(tmp_path / "rows.csv"), "--json", str(tmp_path / "result.json"))
    command("evaluate", str(bundle), *files)
    said = command("track", str(tmp_path / "result.json"), "--to", store)
    run = mlflow.get_run(said.split()[-1])
    result = json.loads((tmp_path / "result.json").read_text())
    assert run.data.metrics["evaluation/accuracy/base"] == result["figures"]["accuracy"]["base"]["value"]
    assert run.data.metrics["evaluation/rows"] == 600
    assert run.data.tags["evenhand.kind"] == "evaluate"


def test_a_comparison_is_a_run_with_one_per_method(tmp_path: Path, store: str) -> None:
    write_tiny_base(tmp_path / "base")
    tiny_table(900).to_csv(tmp_path / "data.csv", index=False)
    columns = ("--text", "text", "--label", "label", "--attribute", "team", "--split", "split")
    small = ("--max-tokens", "16", "--epochs", "1", "--hold-out", "0.3", "--precision", "float32")
    chosen = ("--favourable", "positive", "--methods", "global-threshold", "--seeds", "0,1")
    files = ("--base", str(tmp_path / "base"), "--data", str(tmp_path / "data.csv"))
    command("compare", *files, "--out", str(tmp_path / "out"), *columns, *small, *chosen)
    said = command("track", str(tmp_path / "out"), "--to", store)
    results = json.loads((tmp_path / "out/comparison.json").read_text())
    parent = said.split()[-1]
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    inside = {of.data.params["method"]: of for of in runs if of.data.tags.get("mlflow.parentRunId") == parent}
    assert set(inside) == {result["method"] for result in results}
    for method, run in inside.items():
        own = [of["figures"]["test"]["accuracy"]["value"] for of in results if of["method"] == method]
        assert run.data.metrics["test/accuracy"] == pytest.approx(sum(own) / len(own))
        assert run.data.params["seeds"] == "0, 1"


def test_what_is_no_result_is_refused_in_one_sentence(tmp_path: Path, store: str) -> None:
    (tmp_path / "other.json").write_text("[1, 2]")
    for path in (tmp_path / "other.json", tmp_path / "none", tmp_path):
        said = command("track", str(path), "--to", store, code=1)
        assert said.startswith("error: ")
        assert said.strip().count("\n") <= 1
