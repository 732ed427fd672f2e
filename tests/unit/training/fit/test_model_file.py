"""A model file as the base: fitted by one command, served as any bundle, and its answers stay its own."""

import json
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
import typer
from boxes import NUMBERS, TEXTS, box_table, fitted, one_hot, ordinal, saved
from fastapi.testclient import TestClient
from scipy.special import softmax
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from typer.testing import CliRunner
from xgboost import XGBClassifier

from evenhand.cli.fit import fit
from evenhand.models.bundle.bundle import load
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.inputs import collate
from evenhand.models.bundle.runtime_onnx import GraphRunner
from evenhand.service.app import create_app
from evenhand.service.settings import Settings
from evenhand.training.correctors import correctors
from evenhand.training.data.select_rows import RowSelection
from evenhand.training.evaluation.table_evaluation import evaluate_table

pytestmark = pytest.mark.usefixtures("exports_once")
app = typer.Typer()
app.command()(fit)
TABLE = box_table(2500)
OPTIONS = (
    *("--task", "table", "--label", "label", "--attribute", "sex", "--reference", "sex=male"),
    *("--split", "split", "--favourable", "yes", "--target", "equalized-odds", "--max-loss", "1"),
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("box")
    TABLE.to_csv(folder / "rows.csv", index=False)
    TABLE.to_parquet(folder / "rows.parquet")
    saved(fitted(lambda: ordinal(HistGradientBoostingClassifier(max_iter=30)), TABLE), folder, "hist.joblib")
    saved(
        fitted(lambda: one_hot(LogisticRegression(max_iter=500), unknown="error"), TABLE),
        folder,
        "strict.joblib",
    )
    saved(fitted(lambda: ordinal(XGBClassifier(n_estimators=20)), TABLE, codes=True), folder, "xgb.joblib")
    saved(fitted(lambda: ordinal(RandomForestClassifier(30)), TABLE), folder, "forest.joblib")
    return folder


def run(place: Path, model: str, out: str, *more: str, data: str = "rows.csv", code: int = 0) -> str:
    arguments = ["--model", str(place / model), "--data", str(place / data), "--out", str(place / out)]
    result = CliRunner().invoke(app, [*arguments, *OPTIONS, *more], env={"COLUMNS": "250"})
    assert result.exit_code == code, f"{result.output} {result.exception!r}"
    return " ".join(result.output.replace("│", " ").split())


@pytest.fixture(scope="module")
def bundle(place: Path) -> Path:
    said = run(place, "hist.joblib", "bundle", "--no-certificate")
    assert "over all 2500 rows every label is the library's" in said
    return place / "bundle"


def items(table: pd.DataFrame) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = table[[*NUMBERS, *TEXTS]].to_dict("records")
    return listed


def test_the_bundle_answers_as_the_library_on_every_row(bundle: Path, place: Path) -> None:
    loaded = load(bundle)
    runner, encoder = GraphRunner(loaded), make_encoder(loaded.preprocess, loaded.manifest.input)
    arrays = collate([encoder.encode(item) for item in items(TABLE)], 0)
    answers = runner.run(arrays, np.zeros((len(TABLE), 1), dtype=np.int64))
    model = joblib.load(place / "hist.joblib")
    features = TABLE[[*NUMBERS, *TEXTS]]
    assert (
        np.abs(softmax(answers.base_logits.astype(float), axis=1) - model.predict_proba(features)).max()
        < 1e-6
    )
    assert (
        np.array(loaded.manifest.labels)[answers.base_logits.argmax(axis=1)] == model.predict(features)
    ).all()
    # With the gate closed, nothing but the model answers.
    assert (answers.logits == answers.base_logits).all()
    opened = runner.run(arrays, np.full((len(TABLE), 1), 2), np.zeros(1, dtype=np.float32))
    assert (opened.base_logits == answers.base_logits).all()
    assert (opened.logits != opened.base_logits).any()


def test_the_bundle_says_what_it_is_and_holds_no_pickle(bundle: Path, place: Path) -> None:
    manifest = load(bundle).manifest
    assert manifest.provenance.base == "hist.joblib"
    proof = manifest.provenance.settings["box"]
    assert (proof["file"], proof["rows"], proof["ties"]) == ("hist.joblib", 2500, 0)
    assert proof["library"].startswith("scikit-learn")
    assert manifest.provenance.libraries["scikit-learn"]
    assert manifest.correction.method == "offsets"
    assert manifest.graph.inputs == ["values", "texts", "codes", "thresholds", "modes"]
    assert str(place) not in (bundle / "manifest.json").read_text()
    assert not [name for name in manifest.files if name.endswith((".joblib", ".pkl"))]
    card = (bundle / "MODEL_CARD.md").read_text()
    assert "hist.joblib" in card
    assert "reads the features and the model's own probabilities" in card


def test_a_served_bundle_answers_and_refuses_rows_of_other_kinds(bundle: Path, place: Path) -> None:
    with TestClient(create_app(Settings(bundles=(bundle,)))) as client:
        own = joblib.load(place / "hist.joblib").predict_proba(TABLE[[*NUMBERS, *TEXTS]][:50])
        reply = client.post("/predict", json={"inputs": items(TABLE[:50])})
        assert reply.status_code == 200
        results = reply.json()["predictions"]
        assert np.abs(np.array([of["base"]["score"] for of in results]) - own.max(axis=1)).max() < 1e-6
        assert [of["base"]["label"] for of in results] == np.array(["no", "yes"])[own.argmax(axis=1)].tolist()
        strange = [
            {**items(TABLE)[0], "job": "astronaut"},
            {**items(TABLE)[0], "age": None},
            {**items(TABLE)[0], "job": 3},
            {**items(TABLE)[0], "job": "\ud800"},
        ]
        answers = client.post(
            "/predict",
            content=json.dumps({"inputs": strange}),
            headers={"content-type": "application/json"},
        ).json()["predictions"]
        assert ["error" in of for of in answers] == [False, False, True, True]
        assert client.get("/fairness").status_code == 200


@pytest.mark.parametrize("data", ["rows.csv", "rows.parquet"])
def test_the_bundle_is_evaluated_on_the_very_table(data: str, bundle: Path, place: Path) -> None:
    evaluated = evaluate_table(bundle, place / data, RowSelection(split="split", only=("test",)))
    model, test = joblib.load(place / "hist.joblib"), TABLE[TABLE["split"] == "test"]
    right = (model.predict(test[[*NUMBERS, *TEXTS]]) == test["label"]).mean()
    accuracy = evaluated["figures"]["accuracy"]["base"]
    assert (accuracy["n"], pytest.approx(accuracy["value"])) == (len(test), right)


def test_a_model_of_numbers_as_labels_needs_their_names(place: Path) -> None:
    said = run(place, "xgb.joblib", "none", code=1)
    assert "xgb.joblib answers 0, 1, and the label column holds no, yes" in said
    assert "--model-label" in said
    run(place, "xgb.joblib", "xgb", "--model-label", "no", "--model-label", "yes")
    assert load(place / "xgb").manifest.labels == ["no", "yes"]


def test_what_the_library_refuses_is_refused_in_service(place: Path) -> None:
    said = run(place, "strict.joblib", "strict")
    assert "answers no row without" in said
    assert "takes only texts that it has seen in job, school-type" in said
    loaded = load(place / "strict")
    encoder = make_encoder(loaded.preprocess, loaded.manifest.input)
    item = items(TABLE)[0]
    encoder.encode(item)
    for change in ({"job": "astronaut"}, {"age": None}, {"hours": float("nan")}):
        with pytest.raises(ValueError, match=f"feature '{next(iter(change))}'"):
            encoder.encode({**item, **change})


def test_a_model_that_knows_its_training_rows_by_heart_learns_from_others(place: Path) -> None:
    said = run(place, "forest.joblib", "forest")
    assert "it has learnt training rows by heart" in said
    rows = load(place / "forest").manifest.provenance.rows
    assert rows["train"] == 1500
    assert rows["held"] + rows["tune"] == 167
    assert rows["val"] == 333


@pytest.mark.parametrize("method", [name for name, each in correctors().items() if not each.layers])
def test_every_corrector_that_needs_no_layers_makes_a_bundle(method: str, place: Path) -> None:
    run(place, "hist.joblib", f"by-{method}", "--method", method, "--work", str(place / "work"))
    assert load(place / f"by-{method}").manifest.correction.method in (method, "offsets", "none")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--method", "lora"), "needs the layers of a base, which a model file does not have"),
        (("--method", "reweighting"), "--model is a trained one"),
        (("--base", "bert"), "does nothing with --model"),
        (("--keep-base",), "a model file is never changed"),
        (("--epochs", "3"), "the model is not trained"),
        (("--layer", "2"), "a model file has no layers"),
        (("--weights", "float16"), "the model's numbers stay as they are"),
        (("--engine", "torch"), "a model file is written as ONNX"),
        (("--feature", "hours"), "was fitted on hours, age, pay rate, job, school-type"),
        (("--model-label", "no"), "names 1 labels, and hist.joblib has 2"),
        (
            ("--model-label", "no", "--model-label", "maybe"),
            "names no, maybe, and the label column holds no, yes",
        ),
    ],
)
def test_options_that_do_not_go_with_a_model(more: tuple[str, ...], says: str, place: Path) -> None:
    code = 2 if "does nothing" in says or says.startswith(("a model", "the model")) else 1
    assert says in run(place, "hist.joblib", "none", *more, code=code)


def test_a_table_without_a_feature_of_the_model(place: Path) -> None:
    TABLE.drop(columns="age").to_csv(place / "less.csv", index=False)
    assert "no column age" in run(place, "hist.joblib", "none", data="less.csv", code=1)
