"""``evenhand fit --method``: every kind of method makes a bundle that verifies and serves its answers."""

import csv
import json
from pathlib import Path

import pytest
import typer
from fastapi.testclient import TestClient
from tiny_model import tiny_table, write_tiny_base
from typer.testing import CliRunner

from evenhand.cli.fit import fit
from evenhand.models.bundle.bundle import DECISIONS, load
from evenhand.service.app import create_app
from evenhand.service.settings import Settings
from evenhand.training.correctors import correctors, named
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import DataError
from evenhand.training.fit.method_options import retrainings, with_method
from evenhand.training.learning.config import CorrectionConfig, FitConfig

pytestmark = pytest.mark.usefixtures("exports_once")
app = typer.Typer()
app.command()(fit)
OPTIONS = (
    *(
        "--text",
        "text",
        "--label",
        "label",
        "--attribute",
        "team",
        "--split",
        "split",
        "--reference",
        "team=none",
    ),
    *("--favourable", "positive", "--max-tokens", "16", "--epochs", "1", "--no-certificate"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("methods")
    write_tiny_base(folder / "base")
    tiny_table(600).to_csv(folder / "data.csv", index=False)
    return folder


def run(place: Path, out: str, *more: str, code: int = 0) -> str:
    """All fits share their checkpoints, as one user's fits of one table do."""
    arguments = ["--base", str(place / "base"), "--data", str(place / "data.csv"), "--out", str(place / out)]
    # A kept base is not trained, so that a number of epochs is refused.
    options = OPTIONS if "--keep-base" not in more else [of for of in OPTIONS if of not in ("--epochs", "1")]
    result = CliRunner().invoke(app, [*arguments, *options, "--work", str(place / "work"), *more])
    assert result.exit_code == code, f"{result.output} {result.exception!r}"
    return " ".join(result.output.split())


def served_as_judged(bundle: Path) -> list[dict]:
    """The service's answers to the rows of the evaluation; its decisions must be the stored ones."""
    texts = tiny_table(600)["text"]
    with (bundle / DECISIONS).open() as file:
        stored = list(csv.DictReader(file))
    with TestClient(create_app(Settings(bundles=(bundle,)))) as client:
        body = {"inputs": [texts[int(entry["row"])] for entry in stored]}
        predictions: list[dict] = client.post("/predict", json=body).json()["predictions"]
    for entry, prediction in zip(stored, predictions, strict=True):
        assert (prediction["base"]["label"], prediction["label"]) == (entry["base"], entry["final"])
    return predictions


@pytest.mark.parametrize("name", ["steering", "residual", "offsets", "group-thresholds"])
def test_a_corrector_makes_a_bundle(place: Path, name: str) -> None:
    run(place, name, "--method", name)
    manifest = load(place / name).manifest
    correction = manifest.correction
    # A first stage that does best at strength 0 leaves the decision stage alone.
    assert correction.method in ((name, "offsets") if named(name).decides else (name,))
    assert (correction.rank, correction.targets) == (0, [])
    assert f"answered by the method {correction.method}" in (place / name / "MODEL_CARD.md").read_text()
    assert (place / name / f"adapter/{correction.method}.safetensors").exists()
    served_as_judged(place / name)


def test_an_open_gate_flags_everybody(place: Path) -> None:
    run(place, "always", "--method", "leace", "--gate", "always")
    manifest = load(place / "always").manifest
    (attribute,) = manifest.attributes
    assert attribute.threshold in (0.0, 1.0)  # for all rows, or for none where it helps nobody
    predictions = served_as_judged(place / "always")
    assert {prediction["flagged"]["team"] for prediction in predictions} == {attribute.threshold == 0.0}


def test_a_base_trained_another_way_is_served_and_watched(place: Path) -> None:
    said = run(place, "reweighting", "--method", "reweighting")
    assert "training the base by the method reweighting" in said
    manifest = load(place / "reweighting").manifest
    (attribute,) = manifest.attributes
    assert attribute.mode == "off"
    assert attribute.threshold < 1.0
    assert "the base was trained by the method reweighting" in attribute.why
    predictions = served_as_judged(place / "reweighting")
    assert any(prediction["flagged"]["team"] for prediction in predictions)
    assert not any(prediction["corrected"] for prediction in predictions)
    run(place, "plain", "--method", "none")
    assert load(place / "plain").manifest.provenance.base_sha256 != manifest.provenance.base_sha256


def test_a_second_fit_takes_the_trained_base_up(place: Path) -> None:
    if not (place / "reweighting").exists():
        run(place, "reweighting", "--method", "reweighting")
    run(place, "again", "--method", "reweighting")
    first, second = (load(place / name).manifest.provenance.base_sha256 for name in ("reweighting", "again"))
    assert first == second
    assert len(list((place / "work").rglob("reweighting-*.safetensors"))) == 1


def test_a_method_that_makes_no_bundle_is_refused(place: Path) -> None:
    said = run(place, "never", "--method", "thresholds", code=1)
    assert "--method thresholds: no such method makes a bundle" in said
    assert "group-thresholds" in said
    said = run(place, "never", "--method", "reweighting", "--keep-base", code=1)
    assert "leave out --keep-base" in said
    said = run(place, "never", "--method", "leace", "--engine", "torch", code=1)
    assert "the torch engine runs lora and offsets only, not" in said


@pytest.mark.parametrize("name", ["label-flip", "group-thresholds", "abstain"])
def test_what_compares_flagged_rows_with_others_is_refused_where_all_are_flagged(
    place: Path, name: str
) -> None:
    said = run(
        place, "never", "--method", name, "--gate", "always", "--data", str(place / "none.csv"), code=1
    )
    assert (
        f"--gate always with --method {name} can learn nothing: it compares flagged rows with the others"
        in said
    )
    assert said.endswith(
        "or correct every row with leace, inlp, group-calibration, lora, offsets, residual, steering"
    )
    assert not (place / "never").exists()


@pytest.mark.parametrize("name", ["none", "reweighting"])
def test_an_open_gate_of_no_correction_is_refused(place: Path, name: str) -> None:
    said = run(
        place, "never", "--method", name, "--gate", "always", "--data", str(place / "none.csv"), code=1
    )
    assert f"--gate always with --method {name}: nothing is corrected at inference" in said
    assert said.endswith("leave out --gate always")


def test_names_are_of_one_kind() -> None:
    assert not set(correctors()) & set(retrainings())
    columns = Columns("text", "label", ("team",))
    config = FitConfig("tiny", "base", columns, correction=CorrectionConfig(gate="always"))
    assert with_method(config, "leace").correction == CorrectionConfig(method="leace", gate="always")
    assert with_method(config, "jtt").retraining == "jtt"
    with pytest.raises(DataError, match="--method magic"):
        with_method(config, "magic")


def test_what_was_learnt_is_told(place: Path) -> None:
    said = run(place, "abstain", "--method", "abstain")
    assert "no decision below a probability of" in said
    stored = json.loads((place / "abstain/manifest.json").read_text())
    (attribute,) = stored["attributes"]
    assert attribute["abstain_below"] is None or 0.5 < attribute["abstain_below"] <= 1.0
