"""Native files of the libraries, and ONNX of any producer: names, labels, and which output is the score."""

from pathlib import Path

import numpy as np
import pytest
from boxes import NUMBERS, box_table, features_of, fitted, one_hot, rows_of
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from onnx import TensorProto, helper, numpy_helper
from scipy.special import softmax
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.linear_model import LogisticRegression
from xgboost import XGBClassifier

from evenhand.models.onnx.black_box import Feature
from evenhand.training.boxes.box import read
from evenhand.training.boxes.parity import BoxRows, logits_of, prove

TABLE = box_table(900)


def probabilities(path: Path, features: list[Feature], rows: BoxRows, classes: int = 2) -> np.ndarray:
    graph = prove(read(path), features, rows, classes).graph
    return softmax(logits_of(graph, rows).astype(float), axis=1)


def test_xgboost_in_its_own_file_names_its_features(tmp_path: Path) -> None:
    model = fitted(lambda: XGBClassifier(n_estimators=20), TABLE, numbers=True, codes=True)
    for name in ("m.ubj", "m.json"):
        model.save_model(tmp_path / name)
        box = read(tmp_path / name)
        assert box.features == NUMBERS
        rows = rows_of(TABLE, numbers=True)
        answer = probabilities(tmp_path / name, features_of(numbers=True), rows)
        assert np.abs(answer - model.predict_proba(rows.table)).max() < 2e-6


def test_lightgbm_in_its_own_file(tmp_path: Path) -> None:
    train = TABLE[TABLE["split"] == "train"]
    named = train[list(NUMBERS)].rename(columns={"pay rate": "pay_rate"})
    model = LGBMClassifier(n_estimators=20, verbose=-1).fit(named, train["label"] == "yes")
    model.booster_.save_model(tmp_path / "m.txt")
    box = read(tmp_path / "m.txt")
    assert (box.features, box.labels) == (("hours", "age", "pay_rate"), ("0", "1"))
    rows = rows_of(TABLE.rename(columns={"pay_rate": "pay rate"}), numbers=True)
    rows = BoxRows(rows.arrays, rows.table.rename(columns={"pay rate": "pay_rate"}))
    features = [Feature(name, text=False) for name in box.features]
    answer = probabilities(tmp_path / "m.txt", features, rows)
    assert np.abs(answer - model.predict_proba(rows.table)).max() < 2e-6


def test_catboost_in_its_own_file(tmp_path: Path) -> None:
    model = fitted(
        lambda: CatBoostClassifier(iterations=20, verbose=False, allow_writing_files=False),
        TABLE,
        numbers=True,
    )
    model.save_model(str(tmp_path / "m.cbm"))
    box = read(tmp_path / "m.cbm")
    assert (box.features, box.labels) == (NUMBERS, ("no", "yes"))
    rows = rows_of(TABLE, numbers=True)
    answer = probabilities(tmp_path / "m.cbm", features_of(numbers=True), rows)
    assert np.abs(answer - model.predict_proba(rows.table)).max() < 2e-6


@pytest.mark.parametrize("zipmap", [False, True])
def test_onnx_of_scikit_learn_with_an_input_per_column(zipmap: bool, tmp_path: Path) -> None:
    model = fitted(lambda: one_hot(LogisticRegression(max_iter=500)), TABLE)
    kinds = [(of.name, (StringTensorType if of.text else FloatTensorType)([None, 1])) for of in features_of()]
    graph = to_onnx(model, initial_types=kinds, options={"zipmap": zipmap}, target_opset=17)
    (tmp_path / "m.onnx").write_bytes(graph.SerializeToString())
    box = read(tmp_path / "m.onnx")
    assert box.labels == ("no", "yes")
    rows = rows_of(TABLE)
    answer = probabilities(tmp_path / "m.onnx", features_of(), rows)
    assert np.abs(answer - model.predict_proba(rows.table)).max() < 2e-6


WEIGHTS = np.array([[0.1], [-0.05], [0.02]], dtype=np.float32)


@pytest.mark.parametrize(
    ("last", "width", "expected"),
    [
        (None, 1, lambda z: np.stack([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))], axis=1)),
        ("Sigmoid", 1, lambda z: np.stack([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))], axis=1)),
        (None, 3, None),
        ("Softmax", 3, None),
    ],
)
@pytest.mark.parametrize("opset", [11, 17, 22])
def test_onnx_of_another_producer(last: str | None, width: int, expected, opset: int, tmp_path: Path) -> None:
    weights = WEIGHTS if width == 1 else np.concatenate([WEIGHTS, -WEIGHTS, 2 * WEIGHTS], axis=1)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["z" if last else "scores"])]
    if last:
        nodes.append(helper.make_node(last, ["z"], ["scores"]))
    graph = helper.make_graph(
        nodes,
        "rows",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", width])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    rows = rows_of(TABLE, numbers=True)
    answer = probabilities(tmp_path / "m.onnx", features_of(numbers=True), rows, 2 if width == 1 else 3)
    scores = rows.arrays["values"] @ weights
    computed = expected(scores[:, 0]) if width == 1 else softmax(scores, axis=1)
    assert np.abs(answer - computed).max() < 1e-5
