"""Every library's models answer in ONNX as they do themselves, on every row; what cannot is refused."""

from pathlib import Path

import numpy as np
import pytest
from boxes import NUMBERS, TEXTS, box_table, features_of, fitted, one_hot, ordinal, rows_of, saved
from catboost import CatBoostClassifier
from lightgbm import LGBMClassifier
from scipy.special import softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from evenhand.training.boxes.box import read
from evenhand.training.boxes.parity import logits_of, prove

TABLE = box_table()
MODELS = {
    "logistic": lambda: one_hot(LogisticRegression(max_iter=1000)),
    "forest": lambda: ordinal(RandomForestClassifier(30, random_state=0)),
    "forest behind a scaler": lambda: one_hot(RandomForestClassifier(30, random_state=0)),
    "extra trees": lambda: ordinal(ExtraTreesClassifier(30, random_state=0)),
    "tree": lambda: ordinal(DecisionTreeClassifier(max_depth=6)),
    "gradient boosting": lambda: one_hot(GradientBoostingClassifier(n_estimators=30)),
    "histogram trees": lambda: ordinal(HistGradientBoostingClassifier(max_iter=40)),
    "histogram trees, one-hot": lambda: one_hot(HistGradientBoostingClassifier(max_iter=40)),
    "network": lambda: one_hot(MLPClassifier(max_iter=60, random_state=0)),
    "calibrated": lambda: one_hot(CalibratedClassifierCV(LogisticRegression(max_iter=1000))),
    "searched": lambda: GridSearchCV(ordinal(HistGradientBoostingClassifier(max_iter=20)), {}, cv=2),
    "xgboost": lambda: ordinal(XGBClassifier(n_estimators=60)),
    "xgboost, one-hot": lambda: one_hot(XGBClassifier(n_estimators=60)),
    "xgboost, sparse": lambda: one_hot(XGBClassifier(n_estimators=60), sparse=True),
    "xgboost, 60 is missing": lambda: ordinal(XGBClassifier(n_estimators=60, missing=60.0)),
    "lightgbm": lambda: ordinal(LGBMClassifier(n_estimators=60, verbose=-1)),
}


def proven(model: object, tmp_path: Path, numbers: bool = False, classes: int = 2) -> float:
    """The largest difference of a probability between the graph and the library."""
    box = read(saved(model, tmp_path))
    rows = rows_of(TABLE, numbers)
    graph = prove(box, features_of(numbers), rows, classes).graph
    logits = logits_of(graph, rows)
    own = model.best_estimator_ if hasattr(model, "best_estimator_") else model
    expected = own.predict_proba(rows.table)
    assert (np.asarray(own.classes_)[logits.argmax(axis=1)] == own.predict(rows.table)).all()
    return float(np.abs(softmax(logits.astype(float), axis=1) - expected).max())


@pytest.mark.parametrize("name", MODELS)
def test_a_pipeline_of_numbers_and_texts_answers_as_its_library_does(name: str, tmp_path: Path) -> None:
    model = fitted(MODELS[name], TABLE, codes="xgboost" in name)
    assert proven(model, tmp_path) < 2e-6


@pytest.mark.parametrize(
    "make",
    [
        lambda: HistGradientBoostingClassifier(max_iter=40),
        lambda: XGBClassifier(n_estimators=40),
        lambda: LGBMClassifier(n_estimators=40, verbose=-1),
        lambda: CatBoostClassifier(iterations=40, verbose=False, allow_writing_files=False),
        lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    ],
)
def test_a_model_of_numbers_alone_answers_as_its_library_does(make, tmp_path: Path) -> None:
    assert proven(fitted(make, TABLE, numbers=True, codes=True), tmp_path, numbers=True) < 2e-6


def test_histogram_trees_that_encode_categories_themselves(tmp_path: Path) -> None:
    frame = TABLE.astype({name: "category" for name in TEXTS})
    model = fitted(lambda: HistGradientBoostingClassifier(max_iter=40, min_samples_leaf=5), frame)
    assert any(tree.nodes["is_categorical"].any() for (tree,) in model._predictors)
    assert proven(model, tmp_path) < 2e-6


def test_missing_numbers_and_texts_take_the_library_s_way(tmp_path: Path) -> None:
    gaps = box_table(1500, gaps=True)
    encoder = OneHotEncoder(handle_unknown="ignore")
    parts = ColumnTransformer([("texts", encoder, list(TEXTS))], remainder="passthrough", sparse_threshold=0)
    model = fitted(lambda: make_pipeline(parts, HistGradientBoostingClassifier(max_iter=40)), gaps)
    box, rows = read(saved(model, tmp_path)), rows_of(gaps)
    answer = softmax(logits_of(prove(box, features_of(), rows, 2).graph, rows).astype(float), axis=1)
    assert np.abs(answer - model.predict_proba(rows.table)).max() < 2e-6


def test_gaps_that_an_imputer_fills_take_the_library_s_way(tmp_path: Path) -> None:
    gaps = box_table(gaps=True)
    texts = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore"))
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    for last in (RandomForestClassifier(30, random_state=0), LogisticRegression(max_iter=1000)):
        parts = ColumnTransformer([("texts", texts, list(TEXTS)), ("numbers", numbers, list(NUMBERS))])
        model = fitted(lambda parts=parts, last=last: make_pipeline(parts, last), gaps)
        box, rows = read(saved(model, tmp_path)), rows_of(gaps)
        assert box.texts == set(TEXTS)
        answer = softmax(logits_of(prove(box, features_of(), rows, 2).graph, rows).astype(float), axis=1)
        assert np.abs(answer - model.predict_proba(rows.table)).max() < 2e-6


def test_values_that_equal_a_threshold_go_the_library_s_way(tmp_path: Path) -> None:
    # Three hundred values of two decimals, none of which float32 holds: splits lie on values themselves.
    rng = np.random.default_rng(0)
    table = TABLE.assign(hours=rng.integers(0, 300, len(TABLE)) / 100)
    label = (table["hours"] * 100 % 7 > 3) ^ (rng.random(len(table)) < 0.1)
    table = table.assign(label=np.where(label, "yes", "no"))
    model = fitted(
        lambda: HistGradientBoostingClassifier(max_iter=80, min_samples_leaf=2), table, numbers=True
    )
    box, rows = read(saved(model, tmp_path)), rows_of(table, numbers=True)
    answer = softmax(
        logits_of(prove(box, features_of(numbers=True), rows, 2).graph, rows).astype(float), axis=1
    )
    assert np.abs(answer - model.predict_proba(rows.table)).max() < 2e-6


def test_three_labels(tmp_path: Path) -> None:
    label = np.where(TABLE["hours"] > 45, "long", np.where(TABLE["hours"] > 35, "usual", "short"))
    noisy = np.where(np.random.default_rng(1).random(len(TABLE)) < 0.2, "usual", label)
    for model in (ordinal(HistGradientBoostingClassifier(max_iter=20)), ordinal(RandomForestClassifier(20))):
        assert (
            proven(fitted(lambda model=model: model, TABLE.assign(label=noisy)), tmp_path, classes=3) < 2e-6
        )
