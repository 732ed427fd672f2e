"""A bundle as an MLflow model, in a real store of SQLite and files."""

from pathlib import Path

import mlflow
import pytest
from library_rows import FEATURES, fitted, people

import evenhand.mlflow
from evenhand import BundleError, FairClassifier, NotCorrectedWarning

ROWS = people(60, seed=4)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    mlflow.set_registry_uri(f"sqlite:///{tmp_path}/runs.db")


def test_a_logged_bundle_comes_back_and_answers_as_before(tmp_path: Path) -> None:
    classifier = fitted()
    with mlflow.start_run():
        info = evenhand.mlflow.log_model(
            classifier, name="hiring", registered_model_name="hiring", input_example=ROWS[FEATURES].head(2)
        )
    back = evenhand.mlflow.load_model("models:/hiring/1")
    assert back.bundle.sha256 == classifier.bundle_.bundle.sha256
    assert (back.predict(ROWS) == classifier.predict(ROWS[FEATURES])).all()

    generic = mlflow.pyfunc.load_model(info.model_uri)
    answers = generic.predict(ROWS[FEATURES])
    assert list(answers) == ["label", "score", "base_label", "base_score", "flagged"]
    assert (answers["label"] == classifier.predict(ROWS[FEATURES])).all()
    assert (answers["base_label"] == classifier.estimator_.predict(ROWS[FEATURES])).all()

    folder = Path(mlflow.artifacts.download_artifacts(info.model_uri))
    assert not [file for file in folder.rglob("*") if file.suffix in (".pkl", ".joblib", ".pickle")]
    assert "evenhand[cpu,mlflow]==" in (folder / "requirements.txt").read_text()
    assert mlflow.models.Model.load(str(folder)).flavors["evenhand"]["bundle_name"] == "hiring"


def test_a_model_whose_files_have_changed_is_refused(tmp_path: Path) -> None:
    evenhand.mlflow.save_model(fitted(), str(tmp_path / "model"))
    (tmp_path / "model/data/bundle/model.onnx").write_bytes(b"another graph")
    with pytest.raises(BundleError, match="does not match its hash"):
        evenhand.mlflow.load_model(str(tmp_path / "model"))


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.warns(NotCorrectedWarning):
        alone = FairClassifier(fitted().estimator).fit(ROWS[FEATURES], ROWS["label"])
    with pytest.raises(ValueError, match=r"no bundle to log: .*no sensitive_features"):
        evenhand.mlflow.log_model(alone)
    mlflow.pyfunc.save_model(
        str(tmp_path / "other"), python_model=lambda model_input: model_input, pip_requirements=["numpy"]
    )
    with pytest.raises(mlflow.exceptions.MlflowException, match="is no bundle of Evenhand"):
        evenhand.mlflow.load_model(str(tmp_path / "other"))
