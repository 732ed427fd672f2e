"""What cannot be a base is refused before any learning, in a sentence that says what to do."""

from pathlib import Path

import numpy as np
import pytest
from boxes import NUMBERS, box_table, features_of, fitted, one_hot, ordinal, rows_of, saved
from lightgbm import LGBMClassifier
from onnx import TensorProto, helper
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC
from xgboost import XGBClassifier, XGBRegressor

from evenhand.training.boxes.box import read
from evenhand.training.boxes.parity import prove
from evenhand.training.data.dataset import DataError

TABLE = box_table(600)


def refused(model: object, folder: Path, name: str = "model.joblib") -> str:
    with pytest.raises(DataError) as error:
        read(saved(model, folder, name))
    return str(error.value)


def unproven(model: object, folder: Path, numbers: bool = False) -> str:
    box = read(saved(model, folder))
    with pytest.raises(DataError) as error:
        prove(box, features_of(numbers), rows_of(TABLE, numbers), 2)
    return str(error.value)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ({"weights": [1, 2]}, "no fitted model"),
        (RandomForestRegressor().fit([[0], [1]], [0.0, 1.0]), "is no classifier"),
        (LinearSVC().fit([[0], [1]], [0, 1]), "CalibratedClassifierCV"),
        (LogisticRegression(), "is not fitted"),
        (
            MultiOutputClassifier(LogisticRegression()).fit([[0], [1]], [[0, 1], [1, 0]]),
            "several outputs",
        ),
    ],
)
def test_a_pickle_that_holds_no_classifier_with_probabilities(
    model: object, says: str, tmp_path: Path
) -> None:
    assert says in refused(model, tmp_path)


def test_a_file_that_is_missing_or_of_no_known_kind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "none.joblib")
    (tmp_path / "model.h5").write_bytes(b"HDF")
    with pytest.raises(DataError, match=r"expected a file ending in \.onnx"):
        read(tmp_path / "model.h5")


@pytest.mark.parametrize("name", ["m.onnx", "m.joblib", "m.ubj", "m.json", "m.txt", "m.cbm"])
def test_a_file_that_is_not_what_its_name_says(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04 not a model at all")
    with pytest.raises(DataError, match=name) as error:
        read(tmp_path / name)
    assert len(str(error.value).splitlines()) <= 2


def test_a_pickle_of_a_module_that_is_not_here(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"cno_such_module_here\nModel\n.")
    with pytest.raises(DataError, match="'no_such_module_here', which is not here; install it"):
        read(tmp_path / "m.pkl")


def test_reading_a_pickle_says_that_it_runs_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read(saved(LogisticRegression().fit([[0], [1]], [0, 1]), tmp_path))
    assert "runs the code that the file holds" in capsys.readouterr().err


def test_a_model_of_xgboost_that_is_no_classifier(tmp_path: Path) -> None:
    XGBRegressor(n_estimators=2).fit([[0], [1]], [0.0, 1.0]).get_booster().save_model(tmp_path / "m.ubj")
    with pytest.raises(DataError, match="none of a classifier"):
        read(tmp_path / "m.ubj")


def test_a_part_that_no_converter_knows(tmp_path: Path) -> None:
    model = fitted(
        lambda: make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()),
        TABLE.assign(hours=1.0),
        numbers=True,
    )
    says = unproven(model, tmp_path, numbers=True)
    assert "to ONNX" in says
    assert "export the model to ONNX yourself" in says


def test_trees_of_two_kinds_in_one_model(tmp_path: Path) -> None:
    parts = [("h", HistGradientBoostingClassifier(max_iter=5)), ("f", RandomForestClassifier(5))]
    vote = VotingClassifier(parts, voting="soft", flatten_transform=False)
    says = unproven(fitted(lambda: ordinal(vote), TABLE), tmp_path)
    assert "trees of another kind in one model" in says


def test_a_model_with_a_threshold_of_its_own(tmp_path: Path) -> None:
    inner = fitted(lambda: LogisticRegression(max_iter=500), TABLE, numbers=True)
    model = FixedThresholdClassifier(inner, threshold=0.2, pos_label="yes")
    train = TABLE[TABLE["split"] == "train"]
    model.fit(train[list(NUMBERS)], train["label"])
    says = unproven(model, tmp_path, numbers=True)
    assert "threshold of its own" in says or "to ONNX" in says


def test_rows_that_the_library_itself_refuses(tmp_path: Path) -> None:
    model = fitted(lambda: one_hot(LogisticRegression(max_iter=500), unknown="error"), TABLE)
    box = read(saved(model, tmp_path))
    strange = TABLE.assign(job="astronaut")
    with pytest.raises(DataError, match="does not answer the table's rows"):
        prove(box, features_of(), rows_of(strange), 2)


def test_texts_where_the_model_takes_numbers(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [helper.make_node("Softmax", ["x"], ["scores"], axis=1)],
        "rows",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 5])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 5])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(DataError, match="takes numbers, and column 'job' holds text"):
        prove(read(tmp_path / "m.onnx"), features_of(), rows_of(TABLE), 5)


@pytest.mark.parametrize("name", ["m.joblib", "m.txt", "m.json", "x.joblib"])
def test_trees_over_pandas_categories_are_refused_with_what_to_do(name: str, tmp_path: Path) -> None:
    table = TABLE[["hours", "job"]].astype({"job": "category"})
    label = (TABLE["label"] == "yes").astype(int)
    if name in ("m.json", "x.joblib"):
        model = XGBClassifier(n_estimators=3, enable_categorical=True).fit(table, label)
    else:
        model = LGBMClassifier(n_estimators=3, verbose=-1).fit(table, label)
    if name == "m.json":
        model.save_model(tmp_path / name)
    elif name == "m.txt":
        model.booster_.save_model(tmp_path / name)
    else:
        saved(model, tmp_path, name)
    with pytest.raises(DataError, match=r"pandas categories.*OrdinalEncoder"):
        read(tmp_path / name)
