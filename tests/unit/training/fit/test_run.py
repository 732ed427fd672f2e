"""The whole fit on a tiny base: from a table to a bundle that verifies and serves what it was judged on."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import typer
from fastapi.testclient import TestClient
from tiny_model import tiny_base, tiny_table, write_tiny_base
from typer.testing import CliRunner

from evenhand.cli.fit import fit
from evenhand.models.bundle.bundle import DECISIONS, SPLIT, load
from evenhand.models.bundle.runtime_onnx import GraphRunner
from evenhand.reports.evaluation_page import html
from evenhand.service.app import create_app
from evenhand.service.settings import Settings
from evenhand.training.data.dataset import DataError
from evenhand.training.data.select_rows import RowSelection
from evenhand.training.evaluation.table_evaluation import evaluate_table

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
        "--attribute",
        "colour",
        "--split",
        "split",
    ),
    *("--reference", "team=none", "--favourable", "positive", "--max-tokens", "16", "--epochs", "2"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fit")
    write_tiny_base(folder / "base")
    tiny_table(900).to_csv(folder / "data.csv", index=False)
    return folder


def run(place: Path, out: str, *more: str, code: int = 0) -> str:
    arguments = ["--base", str(place / "base"), "--data", str(place / "data.csv"), "--out", str(place / out)]
    options = OPTIONS[: OPTIONS.index("--epochs")] if "--keep-base" in more else OPTIONS
    result = CliRunner().invoke(app, [*arguments, *options, *more], env={"COLUMNS": "200"})
    assert result.exit_code == code, f"{result.output} {result.exception!r}"
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def bundle(place: Path) -> Path:
    run(place, "bundle", "--seed", "3")
    return place / "bundle"


def test_the_bundle_verifies_and_says_how_it_was_made(bundle: Path, place: Path) -> None:
    manifest = load(bundle).manifest
    assert manifest.labels == ["negative", "positive"]
    assert manifest.favourable == ["positive"]
    assert [a.groups[0] for a in manifest.attributes] == ["none", "plain"]
    assert manifest.provenance.rows == {"train": 360, "held": 135, "tune": 45, "val": 180, "test": 180}
    assert manifest.provenance.seed == 3
    assert str(place) not in (bundle / "manifest.json").read_text()
    assert not manifest.certified
    assert manifest.certificate is not None
    assert manifest.certificate.refusal
    # What is aimed at if nobody says it, with limits in service from what validation rows reached.
    assert manifest.target is not None
    assert (manifest.target.max_loss, manifest.target.max_cell_loss) == (0.005, 0.05)
    assert [(aim.attribute, aim.measure) for aim in manifest.target.attributes] == [
        ("team", "worst-cell"),
        ("colour", "worst-cell"),
    ]
    for aim, of in zip(
        manifest.target.attributes, manifest.evaluation["val"]["target"]["attributes"], strict=True
    ):
        assert aim.limit is not None
        assert 0 <= of["final"]["low"] - aim.limit < 0.01
    assert manifest.graph.engine == "onnx"
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "not certified" in card
    assert all(f"### {name}" in card for name in ("team", "colour"))
    assert {file.stat().st_mode & 0o777 for file in bundle.rglob("*") if file.is_file()} == {0o644}


def test_the_validation_bar_holds_at_the_chosen_setting(bundle: Path) -> None:
    scores = json.loads((bundle / "evaluation/evaluation.json").read_text())["val"]
    assert scores["accuracy"]["difference"]["value"] >= -0.005
    base, final = (scores["worst_cell"][kind]["accuracy"]["value"] for kind in ("base", "final"))
    assert final >= base


def test_served_decisions_equal_the_stored_ones(bundle: Path) -> None:
    table = tiny_table(900)
    with (bundle / DECISIONS).open() as file:
        stored = list(csv.DictReader(file))
    with TestClient(create_app(Settings(bundles=(bundle,)))) as client:
        texts = [table["text"][int(entry["row"])] for entry in stored]
        served = client.post("/predict", json={"inputs": texts}).json()["predictions"]
    for entry, prediction in zip(stored, served, strict=True):
        assert (prediction["base"]["label"], prediction["label"]) == (entry["base"], entry["final"])
        assert "+".join(n for n, flagged in prediction["flagged"].items() if flagged) == entry["flagged"]


def test_the_same_seed_makes_the_same_bundle(bundle: Path, place: Path) -> None:
    run(place, "again", "--seed", "3", "--work", str(place / "other.work"))
    for name in ("model.onnx", "adapter/detector.safetensors", DECISIONS):
        assert (place / "again" / name).read_bytes() == (bundle / name).read_bytes()


def test_a_second_run_resumes_from_its_checkpoints(bundle: Path, place: Path) -> None:
    shutil.move(bundle, place / "kept")
    said = run(place, "bundle", "--seed", "3")
    assert "resuming after epoch" in said
    assert ", loss " not in said
    assert (place / "bundle/model.onnx").read_bytes() == (place / "kept/model.onnx").read_bytes()


@pytest.mark.parametrize("method", ["lora", "offsets", "residual"])
def test_both_stages_are_in_the_graph(place: Path, method: str) -> None:
    tiny_table(1500).to_csv(place / "more.csv", index=False)
    aims = ("--target", "team=demographic-parity", "--max-loss", "100", "--max-cell-loss", "100")
    options = ("--data", str(place / "more.csv"), "--no-certificate", "--work", str(place / "stages.work"))
    run(place, method, *options, *aims, "--method", method)
    made = load(place / method)
    correction = made.manifest.correction
    assert made.manifest.graph.engine == "onnx"
    assert correction.method in (method, "offsets")
    assert correction.offsets is not None
    assert set(correction.offsets) == {"team", "colour"}
    assert all(set(of) == {"negative", "positive"} for of in correction.offsets.values())
    assert any(any(of.values()) for of in correction.offsets.values())
    assert made.manifest.target is not None
    assert [aim.measure for aim in made.manifest.target.attributes] == ["demographic-parity"]
    (aim,) = made.manifest.evaluation["val"]["target"]["attributes"]
    assert aim["final"]["value"] < aim["base"]["value"]


def test_a_base_folder_that_has_changed_is_not_taken_for_the_old_one(place: Path) -> None:
    base = shutil.copytree(place / "base", place / "replaced")
    options = ("--base", str(base), "--method", "none", "--epochs", "1", "--work", str(place / "shared.work"))
    run(place, "before", *options)
    tiny_base(seed=1).save_pretrained(base)
    said = run(place, "after", *options)
    assert "resuming after epoch" not in said
    run(place, "anew", *options, "--work", str(place / "anew.work"))
    hashes = [load(place / name).manifest.provenance.base_sha256 for name in ("before", "after", "anew")]
    assert hashes[0] != hashes[1] == hashes[2]


def test_a_certificate_can_speak_of_a_gate_that_is_always_open(place: Path) -> None:
    tiny_table(1500).to_csv(place / "more.csv", index=False)
    options = ("--data", str(place / "more.csv"), "--method", "group-calibration", "--gate", "always")
    # Its cells are too small to prove anything of; with a limit what is seen to harm one is not even tested.
    limits = ("--max-loss", "5", "--max-cell-loss", "100")
    run(place, "open", *options, "--hold-out", "0.6", *limits, "--epochs", "1")
    certificate = load(place / "open").manifest.certificate
    assert certificate is not None
    assert certificate.trials
    assert {level for trial in certificate.trials for level in trial.levels} <= {"always", 0.0}
    (shown, *_) = [trial.levels for trial in certificate.trials if "always" in trial.levels]
    levels = ", ".join(level if isinstance(level, str) else f"{level:g}" for level in shown)
    assert f"| {levels} |" in (place / "open/MODEL_CARD.md").read_text()


def test_partial_labels_and_a_kept_base(place: Path) -> None:
    options = ("--pooling", "mean", "--layer", "1", "--weights", "float16")
    run(place, "partial", "--attributes-known", "partial", "--known", "0.3", *options)
    manifest = load(place / "partial").manifest
    assert manifest.provenance.settings["detector"]["known"] == 0.3
    assert (manifest.correction.layer, manifest.correction.pooling) == (1, "mean")


def test_a_kept_base_is_left_as_it_is(place: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    base = shutil.copytree(place / "base", place / "tuned")
    model = AutoModelForSequenceClassification.from_pretrained(base)
    model.config.id2label, model.config.label2id = (
        {0: "positive", 1: "negative"},
        {"positive": 0, "negative": 1},
    )
    model.save_pretrained(base)
    run(place, "kept-base", "--keep-base", "--base", str(base))
    loaded = load(place / "kept-base")
    assert loaded.manifest.labels == ["positive", "negative"]
    ids = np.array([[2, 5, 6, 3]])
    out = GraphRunner(loaded).run(
        {"input_ids": ids, "attention_mask": np.ones_like(ids)}, np.zeros((1, 2), dtype=int)
    )
    import torch

    with torch.no_grad():
        expected = model.eval()(input_ids=torch.from_numpy(ids)).logits.numpy()
    assert np.allclose(out.base_logits, expected, atol=1e-4)


def test_a_kept_base_without_a_trained_head_is_refused(place: Path) -> None:
    base = shutil.copytree(place / "base", place / "headless")
    tiny_base().bert.save_pretrained(base)
    said = run(place, "never", "--keep-base", "--base", str(base), code=1)
    assert (
        f"--keep-base: '{base}' is no trained classifier: it lacks classifier.bias, classifier.weight" in said
    )
    assert said.endswith("leave out --keep-base to train it, or give a classifier that is fine-tuned")


def test_the_fit_says_what_every_column_is_for(bundle: Path, place: Path) -> None:
    (place / "columns").mkdir(exist_ok=True)
    said = run(place, "columns", code=1)
    assert "columns exists" in said
    columns = {column.name: column for column in load(bundle).manifest.provenance.columns}
    assert {name: column.role for name, column in columns.items()} == {
        **{"text": "text", "label": "label", "team": "attribute", "colour": "attribute", "split": "split"},
    }
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "| team | attribute | category | 0.0 % | 'none' is a value |" in card
    assert "| colour | attribute | category | 0.0 % |  |" in card


def test_the_rows_that_a_fit_never_saw_can_be_evaluated(bundle: Path, place: Path) -> None:
    table = tiny_table(900)
    with (bundle / SPLIT).open() as file:
        splits = [(int(line["row"]), line["split"]) for line in csv.DictReader(file)]
    assert [row for row, _ in splits] == list(range(900))
    kept = {"held": "train", "tune": "train"}
    assert [kept.get(split, split) for _, split in splits] == table["split"].tolist()
    result = evaluate_table(bundle, place / "data.csv", RowSelection(split="test"))
    assert result["data"]["rows"] == {
        **{"in_file": 900, "judged": 180, "refused": 0, "left_out": {"train": 540, "val": 180}},
    }
    assert result["data"]["split_of_fit"]
    assert "those that the fit itself put into test." in " ".join(html(result).split())
    stored = json.loads((bundle / "evaluation/evaluation.json").read_text())["test"]
    assert result["figures"]["accuracy"] == stored["accuracy"]
    table.iloc[::-1].to_csv(place / "turned.csv", index=False)
    with pytest.raises(DataError, match=r"turned\.csv is not the table that .* was fitted on"):
        evaluate_table(bundle, place / "turned.csv", RowSelection(split="test"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--keep-base",), "the base answers ['LABEL_0', 'LABEL_1']"),
        (("--attribute", "nothing"), "no column nothing"),
        (("--base", "/nowhere/model"), "does not load"),
        (("--layer", "9"), "layer 9 is not between 1 and 3"),
        (("--layer", "0"), "layer 0 is not between 1 and 3"),
        (("--name", "mine/yours"), "--name 'mine/yours' cannot stand in a manifest"),
        (("--version", ""), "--version '' cannot stand in a manifest"),
        (("--hold-out", "0.001"), "--hold-out 0.001 of 540 training rows leaves too few of every label"),
    ],
)
def test_what_cannot_be_fitted_ends_in_one_sentence(place: Path, more: tuple[str, ...], message: str) -> None:
    said = run(place, "never", *more, code=1)
    assert message in said
    assert "Traceback" not in said
    assert ", loss " not in said
    assert not (place / "never").exists()


def test_a_card_that_is_no_text_is_refused_before_any_work(place: Path) -> None:
    (place / "card.yaml").write_text("description: 5\n")
    said = run(place, "never", "--card", str(place / "card.yaml"), code=2)
    assert "description must be text" in " ".join(said.replace("│", " ").split())


def test_an_existing_bundle_is_never_overwritten(place: Path) -> None:
    (place / "mine").mkdir(exist_ok=True)
    assert "mine exists" in run(place, "mine", code=1)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--pooling", "max"), "--pooling is one of"),
        (("--known", "2"), "'--known': 2 is not a share above 0, up to 1"),
        (("--known", "0"), "0 is not a share above 0, up to 1"),
        (("--max-loss", "nan"), "'--max-loss': nan is not a number of points from 0 to 100"),
        (("--max-cell-loss", "-1"), "'--max-cell-loss': -1 is not a number of points from 0 to 100"),
        (("--target", "fairness"), "--target 'fairness': a measure is one of worst-cell, equalized-odds"),
        (("--epochs", "0"), "'--epochs'"),
        (("--max-tokens", "3"), "'--max-tokens'"),
        (("--seed", "-1"), "'--seed'"),
        (("--seed", "4294967296"), "'--seed'"),
        *(
            (("--hold-out", share), f"{share} is not a share above 0 and below 1")
            for share in ("0", "1", "-0.1", "nan")
        ),
        (("--reference", "team"), "is not attribute=group"),
        (("--task", "sound"), "--task is one of"),
        (("--card", "/nowhere.yaml"), "--card /nowhere.yaml"),
    ],
)
def test_wrong_options_are_refused(place: Path, more: tuple[str, ...], message: str) -> None:
    said = run(place, "never", *more, code=2).replace("│", " ")
    assert message in " ".join(said.split())


WITHOUT = (
    "--favourable",
    "positive",
    "--text",
    "text",
    "--label",
    "label",
    "--split",
    "split",
    "--max-tokens",
    "16",
    "--epochs",
    "2",
)


def run_without_attributes(place: Path, *more: str) -> tuple[int, str]:
    arguments = [
        "--base",
        str(place / "base"),
        "--data",
        str(place / "data.csv"),
        "--out",
        str(place / "blind"),
    ]
    result = CliRunner().invoke(app, [*arguments, *WITHOUT, *more])
    return result.exit_code, " ".join(result.output.split())


def test_without_any_attribute_the_fit_must_be_told_so(place: Path) -> None:
    code, said = run_without_attributes(place)
    assert code == 1
    assert "--attributes-known none" in said


def test_without_any_attribute_rows_are_flagged_by_what_can_be_learnt(place: Path) -> None:
    code, said = run_without_attributes(place, "--attributes-known", "none", "--no-certificate")
    assert code == 0, said
    manifest = load(place / "blind").manifest
    (taught,) = manifest.attribute_names
    assert manifest.provenance.settings["detector_taught"] == taught
    assert f"chosen: {taught}" in said
    assert all(f"{name} " in said for name in ("outlier", "benefit"))
    assert "no attribute is known; value on" in said


def test_several_attributes_can_share_a_detector_and_intersections_are_judged(place: Path) -> None:
    run(place, "shared", "--shared", "--intersections", "team:colour", "--layer", "auto", "--no-certificate")
    manifest = load(place / "shared").manifest
    assert len(manifest.attributes) == 1
    judged = json.loads((place / "shared/evaluation/evaluation.json").read_text())["val"]["attributes"]
    assert {"team", "colour", "team:colour"} <= set(judged)
    assert set(manifest.provenance.settings["layer_probes"]) == {"1", "2", "3"}
