"""``evenhand evaluate`` end to end on a tiny bundle: figures, page, JSON, and every refusal in one line."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import fairlearn.metrics as fl
import numpy as np
import pytest
import typer
from pages import check_escaped, hostile
from tiny_model import tiny_table, write_tiny_bundle
from typer.testing import CliRunner

from evenhand.cli.evaluate import evaluate
from evenhand.models.bundle import bundle as bundles
from evenhand.reports.evaluation_page import for_whom, html, in_short
from evenhand.training.data.select_rows import RowSelection
from evenhand.training.evaluation.table_evaluation import evaluate_table

SECRET = "zanzibar"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, and a table with gaps, strangers and broken rows."""
    folder = tmp_path_factory.mktemp("audit")
    write_tiny_bundle(folder / "tiny")
    table = tiny_table(400)
    table["team"] = table["team"].replace({"alpha": "some", "beta": "<guests>"})
    table["colour"] = table["colour"].replace({"plain": "none", "red": "some"})
    table.loc[:9, "team"] = ""
    table.loc[10, "label"] = SECRET
    table.loc[11, "text"] = " "
    table.to_csv(folder / "t.csv", index=False)
    with (folder / "t.csv").open("a") as file:
        file.write(f"{SECRET},too,short\n")
    return folder


@pytest.fixture(scope="module")
def result(folder: Path) -> dict[str, Any]:
    selection = RowSelection(attributes=("team", "colour"), intersections=(("team", "colour"),))
    return evaluate_table(folder / "tiny", folder / "t.csv", selection)


def run(*arguments: object) -> Any:
    app = typer.Typer()
    app.command()(evaluate)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_every_row_is_judged_left_out_or_listed(result: dict[str, Any], folder: Path) -> None:
    rows = result["data"]["rows"]
    assert rows == {"in_file": 401, "judged": 398, "refused": 3, "left_out": {}}
    assert result["refused"] == [
        {"row_number": 11, "reason": "a label that the bundle does not know"},
        {"row_number": 12, "reason": "text is empty"},
        {"row_number": 401, "reason": "3 cells where the header has 5"},
    ]
    team = result["figures"]["attributes"]["team"]
    assert team["unknown_rows"] == team["groups"]["unknown"]["rows"] == 10
    in_groups = [team["groups"][group]["rows"] for group in ("none", "some", "<guests>", "unknown")]
    assert sum(in_groups) == 398
    assert result["data"]["new_groups"] == {"team": ["<guests>"]}


def test_the_result_is_plain_json_names_its_sources_and_echoes_no_row(
    result: dict[str, Any], folder: Path
) -> None:
    text = json.dumps(result, allow_nan=False)
    assert json.loads(text) == result
    assert SECRET not in text
    assert result["bundle"]["sha256"] == bundles.read_manifest(folder / "tiny")[1]
    assert result["data"]["sha256"] == bundles.hash_bytes((folder / "t.csv").read_bytes())
    assert set(result) == {"format", "made", "bundle", "data", "refused", "figures"}


def test_figures_agree_with_fairlearn_on_the_services_own_answers(
    folder: Path, result: dict[str, Any]
) -> None:
    """The reply of the service, row by row, gives the same selection rates as the report."""
    import pandas as pd
    from fastapi.testclient import TestClient

    from evenhand.service.app import create_app
    from evenhand.service.settings import Settings

    table = pd.read_csv(folder / "t.csv", dtype=str, keep_default_na=False).iloc[:400].drop(index=[10, 11])
    with TestClient(create_app(Settings(bundles=(folder / "tiny",)))) as client:
        served: list[str] = []
        for start in range(0, len(table), 100):
            texts = table["text"].iloc[start : start + 100].tolist()
            served += [
                p["label"] for p in client.post("/predict", json={"inputs": texts}).json()["predictions"]
            ]
    has_team = (table["team"] != "").to_numpy()
    rates = fl.MetricFrame(
        metrics=fl.selection_rate,
        y_true=(table["label"] == "positive").to_numpy()[has_team],
        y_pred=(np.array(served) == "positive")[has_team],
        sensitive_features=table["team"].to_numpy()[has_team],
    )
    ours = result["figures"]["attributes"]["team"]["disparities"]["final"]["groups"]
    for group, value in rates.by_group.items():
        assert ours[group]["selection_rate"]["value"] == pytest.approx(value)


def test_flips_add_up_over_groups_and_directions(result: dict[str, Any]) -> None:
    figures = result["figures"]
    changed = sum(figures["flips"].values())
    assert changed > 0
    for of in figures["attributes"].values():
        parts = [part for group, part in of["groups"].items() if not group.startswith("any but")]
        assert sum(part["flips"]["changed"] for part in parts) == changed
        for part in parts:
            assert sum(part["flips"]["directions"].values()) == part["flips"]["changed"]
            accuracy = part["accuracy"]
            if part["rows"]:
                moved = (accuracy["difference"]["mended"] - accuracy["difference"]["broken"]) / part["rows"]
                assert accuracy["final"]["value"] - accuracy["base"]["value"] == pytest.approx(moved)


def test_an_intersection_is_judged_without_a_detector_of_its_own(result: dict[str, Any]) -> None:
    both = result["figures"]["attributes"]["team:colour"]
    assert both["risk"] is None
    assert not both["detector"]["own"]
    assert set(both["groups"]) >= {"not both", "some & some", "unknown"}
    assert result["figures"]["attributes"]["team"]["risk"]["brier"]["n"] == 388


def test_rows_that_the_bundle_has_learnt_from_are_said_to_be_so(folder: Path, tmp_path: Path) -> None:
    bundle, rows = shutil.copytree(folder / "tiny", tmp_path / "tiny"), folder / "t.csv"
    columns = ("--attribute", "team", "--attribute", "colour")
    said = "has learnt from many of these rows: see --split test"
    assert said not in run(bundle, "--data", rows, *columns).output
    manifest, _ = bundles.read_manifest(bundle)
    own = manifest.provenance.model_copy(update={"data_sha256": bundles.hash_bytes(rows.read_bytes())})
    bundles.write_manifest(bundle, manifest.model_copy(update={"provenance": own}))
    assert said in " ".join(run(bundle, "--data", rows, *columns).output.split())
    assert said not in run(bundle, "--data", rows, *columns, "--split", "split").output


def test_the_page_says_what_changed_first_and_what_is_not_known(result: dict[str, Any]) -> None:
    text = html(result)
    order = [
        "In short",
        "For whom",
        "What was evaluated",
        "What is not known",
        "By team",
        "Definitions",
        "Provenance",
    ]
    places = [text.index(f">{title}") for title in order]
    assert places == sorted(places)
    assert "&lt;guests&gt;" in text
    assert "<guests>" not in text
    assert SECRET not in text
    assert result["bundle"]["sha256"] in text
    assert "10 of 398 rows have no known team" in text
    assert "No certificate" in text
    assert text.count("<svg") == 3 * 2 + 2 + 2 + 1
    assert " nan" not in text


def test_names_that_hold_markup_are_text_on_the_page(result: dict[str, Any]) -> None:
    names = ["tiny", "team", "colour", "positive", "negative", "some"]
    check_escaped(html(hostile(result, names)), names)


def test_a_certificate_a_correction_off_and_the_fitted_file_are_said(result: dict[str, Any]) -> None:
    attributes = [{**attribute, "mode": "off"} for attribute in result["bundle"]["attributes"]]
    other = {
        **result,
        "bundle": {**result["bundle"], "certified": True, "attributes": attributes},
        "data": {**result["data"], "same_as_fitted": True, "truncated": 3, "absent_attributes": ["age"]},
    }
    assert "carry a certificate" in in_short(other)[-1]
    assert "Not corrected as the bundle stands: team, colour" in in_short(other)[-1]
    uncertified = {**other, "bundle": {**other["bundle"], "certified": False}}
    assert in_short(uncertified)[-1].startswith("Nothing is certified, and nothing is corrected.")
    said = " ".join(html(other).split())
    for part in ("flatter", "3 inputs were longer", "corrects for age", "not fitted on these groups"):
        assert part in said
    assert for_whom(other)[-1].startswith("In ")


def test_few_rows_make_a_report_that_says_so(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "few.csv").write_text("text,label,team\ngood,positive,none\nbad,negative,some\n")
    evaluation = evaluate_table(folder / "tiny", tmp_path / "few.csv", RowSelection())
    assert evaluation["data"]["absent_attributes"] == ["colour"]
    text = html(evaluation)
    assert "no worst cell can be named" in text
    assert "there are too few rows to compare" in text
    assert "too few rows to say (2)" in text


def test_the_command_writes_both_files_and_prints_the_sentences(folder: Path, tmp_path: Path) -> None:
    page, plain = tmp_path / "r.html", tmp_path / "r.json"
    done = run(
        folder / "tiny", "--data", folder / "t.csv", "--attribute", "team", "--out", page, "--json", plain
    )
    assert done.exit_code == 0, done.output
    assert "Of 398 evaluated rows" in done.output
    assert page.read_text().startswith("<!DOCTYPE html>")
    assert json.loads(plain.read_text())["format"] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["tiny", "--attribute", "age"], "no column age"),
        (["missing"], "no readable manifest.json"),
        (["tiny", "--attribute", "team", "--out", "missing/r.html"], "No such file"),
    ],
)
def test_errors_are_one_line(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    options = dict(zip(arguments[1::2], arguments[2::2], strict=True))
    out = Path(options["--out"]) if "--out" in options else None
    attribute = [options["--attribute"]] if "--attribute" in options else None
    with pytest.raises(typer.Exit):
        evaluate(Path(arguments[0]), Path("t.csv"), out=out, attribute=attribute)
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(error) == 1
    assert said in error[0]


def test_the_command_is_light_to_import() -> None:
    heavy = "torch", "pandas", "matplotlib", "sklearn"
    code = f"import sys, evenhand.cli.evaluate; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
