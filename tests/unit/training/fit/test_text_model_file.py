"""A text classifier's file as the base: fitted by one command, served as any bundle, its answers its own."""

import json
from pathlib import Path

import joblib
import numpy as np
import onnxruntime as ort
import pandas as pd
import pytest
import typer
from fastapi.testclient import TestClient
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from text_boxes import taught, text_table, write_onnx
from typer.testing import CliRunner

from evenhand.cli.fit import fit
from evenhand.cli.main import app as evenhand
from evenhand.models.bundle.bundle import load
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.inputs import collate
from evenhand.models.bundle.runtime_onnx import GraphRunner
from evenhand.service.app import create_app
from evenhand.service.settings import Settings
from evenhand.training.correctors import correctors
from evenhand.training.data.select_rows import RowSelection
from evenhand.training.evaluation.table_evaluation import evaluate_table

app = typer.Typer()
app.command()(fit)
OPTIONS = (
    *("--task", "text", "--text", "text", "--label", "label", "--attribute", "team"),
    *("--reference", "team=none", "--split", "split", "--favourable", "positive"),
    *("--target", "equalized-odds", "--max-loss", "2"),
)
SENT = ["good film alpha", "awful", "zzz !!!", "bad meal they we red blue beta", "good good fine"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("box")


@pytest.fixture(scope="module")
def table(place: Path) -> pd.DataFrame:
    table = text_table(place, 1500)
    train = table[table["split"] == "train"]
    words = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression())
    joblib.dump(words.fit(train["text"], train["label"]), place / "words.joblib")
    write_onnx(place / "bert", taught(table, steps=150), external_data=False)
    return table


def run(place: Path, model: str, out: str, *more: str, code: int = 0) -> str:
    arguments = ["--model", str(place / model), "--data", str(place / "rows.csv"), "--out", str(place / out)]
    result = CliRunner().invoke(app, [*arguments, *OPTIONS, *more], env={"COLUMNS": "250"})
    assert result.exit_code == code, f"{result.output} {result.exception!r}"
    return " ".join(result.output.replace("│", " ").split())


@pytest.fixture(scope="module")
def words(place: Path, table: pd.DataFrame) -> Path:
    said = run(place, "words.joblib", "words", "--no-certificate")
    assert "runs the code that the file holds" in said
    assert "over all 1500 rows every label is the library's" in said
    return place / "words"


@pytest.fixture(scope="module")
def bert(place: Path, table: pd.DataFrame) -> Path:
    said = run(place, "bert", "transformer", "--no-certificate")
    assert "its scores are the file's own, bit for bit" in said
    return place / "transformer"


def test_the_base_of_a_pipeline_is_the_librarys_and_detectors_know_the_team(
    words: Path, place: Path, table: pd.DataFrame
) -> None:
    loaded = load(words)
    runner, encoder = GraphRunner(loaded), make_encoder(loaded.preprocess, loaded.manifest.input)
    arrays = collate([encoder.encode(text) for text in table["text"]], loaded.manifest.input.pad_id)
    answers = runner.run(arrays, np.zeros((len(table), 1), dtype=np.int64))
    own = joblib.load(place / "words.joblib").predict_proba(table["text"])
    assert np.abs(softmax(answers.base_logits.astype(float), axis=1) - own).max() < 1e-6
    assert (answers.base_logits.argmax(axis=1) == own.argmax(axis=1)).all()
    assert (answers.logits == answers.base_logits).all()
    test = (table["split"] == "test").to_numpy()
    named = (table["team"] != "none").to_numpy()
    assert (answers.risk[test & named, 0].mean() - answers.risk[test & ~named, 0].mean()) > 0.8


def test_the_base_of_an_onnx_file_is_the_files_bit_for_bit(
    bert: Path, place: Path, table: pd.DataFrame
) -> None:
    loaded = load(bert)
    runner, encoder = GraphRunner(loaded), make_encoder(loaded.preprocess, loaded.manifest.input)
    own = ort.InferenceSession(str(place / "bert/model.onnx"), providers=["CPUExecutionProvider"])
    rows = [encoder.encode(text) for text in [*SENT, *table["text"][:123]]]
    for some in ([rows[0]], [rows[3]], rows[:5], rows):
        arrays = collate(some, loaded.manifest.input.pad_id)
        for mode, threshold in ((0, 0.5), (2, 0.0)):
            modes = np.full((len(some), 1), mode)
            answers = runner.run(arrays, modes, np.array([threshold], dtype=np.float32))
            assert (answers.base_logits == own.run(None, arrays)[0]).all()
            assert mode or (answers.logits == answers.base_logits).all()


def test_the_bundle_says_what_it_is_and_holds_no_pickle(words: Path, bert: Path, place: Path) -> None:
    manifest = load(words).manifest
    proof = manifest.provenance.settings["box"]
    assert (proof["file"], proof["rows"], proof["ties"]) == ("words.joblib", 1500, 0)
    assert proof["library"].startswith("scikit-learn")
    assert manifest.correction.method == "offsets"
    assert manifest.graph.inputs == ["input_ids", "attention_mask", "thresholds", "modes"]
    assert str(place) not in (words / "manifest.json").read_text()
    assert not [name for name in manifest.files if name.endswith((".joblib", ".pkl"))]
    card = (words / "MODEL_CARD.md").read_text()
    assert "came as a file (words.joblib, scikit-learn" in card
    assert f"reads which of {proof['tokens']} frequent tokens a text holds" in card
    card = (bert / "MODEL_CARD.md").read_text()
    assert "it gave the file's own label on 1024 rows of all lengths" in card
    assert load(bert).manifest.provenance.base == "bert"
    result = CliRunner().invoke(evenhand, ["bundle", "inspect", str(bert)], env={"COLUMNS": "200"})
    assert "labels: negative, positive (favourable)" in result.output


@pytest.mark.parametrize("name", ["words", "transformer"])
def test_a_served_bundle_answers_as_the_model(name: str, words: Path, bert: Path, place: Path) -> None:
    with TestClient(create_app(Settings(bundles=(place / name,)))) as client:
        reply = client.post("/predict", json={"inputs": [*SENT, " "]})
        assert reply.status_code == 200
        results = reply.json()["predictions"]
        assert "text is empty" in results[-1]["error"]["message"]
        bundle = load(place / name)
        encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
        if name == "words":
            own = joblib.load(place / "words.joblib").predict_proba(SENT)
        else:
            session = ort.InferenceSession(str(place / "bert/model.onnx"), providers=["CPUExecutionProvider"])
            arrays = [collate([encoder.encode(text)], 0) for text in SENT]
            own = softmax(np.concatenate([session.run(None, of)[0] for of in arrays]), axis=1)
        assert np.abs(np.array([of["base"]["score"] for of in results[:-1]]) - own.max(axis=1)).max() < 1e-6
        labels = np.array(bundle.manifest.labels)[own.argmax(axis=1)]
        assert [of["base"]["label"] for of in results[:-1]] == labels.tolist()
        assert [of["flagged"]["team"] for of in results[:2]] == [True, False]
        together = client.post("/predict", json={"inputs": SENT[::-1]}).json()["predictions"][::-1]
        assert [of["label"] for of in together] == [of["label"] for of in results[:-1]]
        assert client.get("/fairness").status_code == 200


def test_the_bundle_is_verified_evaluated_and_answers_the_very_file(
    words: Path, place: Path, table: pd.DataFrame
) -> None:
    result = CliRunner().invoke(evenhand, ["bundle", "verify", str(words)])
    assert result.exit_code == 0, result.output
    evaluated = evaluate_table(words, place / "rows.csv", RowSelection(split="split", only=("test",)))
    model, test = joblib.load(place / "words.joblib"), table[table["split"] == "test"]
    accuracy = evaluated["figures"]["accuracy"]["base"]
    right = (model.predict(test["text"]) == test["label"]).mean()
    assert (accuracy["n"], pytest.approx(accuracy["value"])) == (len(test), right)
    out = place / "decisions.jsonl"
    result = CliRunner().invoke(evenhand, ["predict", str(words), str(place / "rows.csv"), "--out", str(out)])
    assert result.exit_code == 0, result.output
    labels = [json.loads(line)["base_label"] for line in out.read_text().splitlines()]
    assert labels == model.predict(table["text"]).tolist()


@pytest.mark.parametrize("method", [name for name, each in correctors().items() if not each.layers])
def test_every_corrector_that_needs_no_layers_makes_a_bundle(
    method: str, place: Path, table: pd.DataFrame
) -> None:
    run(place, "words.joblib", f"by-{method}", "--method", method, "--no-certificate")
    assert load(place / f"by-{method}").manifest.correction.method in (method, "none", "offsets")


def test_a_dry_run_writes_nothing(place: Path, table: pd.DataFrame) -> None:
    assert "Nothing was learnt or written." in run(place, "bert", "dry", "--dry-run")
    assert not (place / "dry").exists()


@pytest.mark.parametrize(
    ("model", "more", "says"),
    [
        ("bert", ("--method", "lora"), "--method lora needs the layers of a base"),
        ("bert", ("--base", "bert"), "does nothing with --model"),
        ("bert", ("--keep-base",), "does nothing with --model"),
        ("bert", ("--model-label", "positive"), "--model-label names 1 labels, and bert has 2"),
        ("bert", ("--tokenizer", "none.json"), "--tokenizer none.json: no such file"),
        ("words.joblib", ("--max-tokens", "64"), "--max-tokens does nothing with words.joblib"),
        ("words.joblib", ("--tokenizer", "none.json"), "--tokenizer does nothing with words.joblib"),
        ("none.onnx", (), "no such file or folder"),
    ],
)
def test_options_that_do_not_go_with_a_text_model(
    model: str, more: tuple[str, ...], says: str, place: Path, table: pd.DataFrame
) -> None:
    code = 2 if says == "does nothing with --model" else 1
    assert says in run(place, model, "none", *more, code=code)


def test_texts_are_no_features_and_pairs_have_no_model(place: Path, table: pd.DataFrame) -> None:
    arguments = ["--data", str(place / "rows.csv"), "--out", str(place / "none"), "--label", "label"]
    for options, says in (
        (("--task", "table", "--model", str(place / "words.joblib")), "--task text"),
        (("--task", "pair", "--model", str(place / "bert")), "--task table or text, not pair"),
        (
            ("--task", "text", "--text", "text", "--base", "b", "--tokenizer", "t"),
            "does nothing without --model",
        ),
    ):
        result = CliRunner().invoke(app, [*arguments, *options], env={"COLUMNS": "250"})
        assert result.exit_code in (1, 2)
        assert says in " ".join(result.output.split())


def test_without_known_attributes_it_learns_what_needs_no_layers(place: Path, table: pd.DataFrame) -> None:
    said = run(place, "words.joblib", "unknown", "--attributes-known", "none", "--no-certificate")
    assert "rows that adapters would mend are not learnt" in said
    assert load(place / "unknown").manifest.provenance.settings["detector_taught"] in ("outlier", "error")
