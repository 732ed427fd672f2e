"""Boosted trees read the base's features, stop where validation accuracy says, and are for tables only."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from synthetic import SCHEMA, context_of, spurious

from evenhand.models.bundle.encoders.table import Categorical, Numeric, TableFeatures
from evenhand.training.baselines.base import Context, prepare
from evenhand.training.baselines.boosted import BOOSTED, CATEGORIES, feature_matrix
from evenhand.training.correctors.interface import NotApplicableError
from evenhand.training.data.columns import Columns
from evenhand.training.learning.config import BaseConfig, FitConfig

ROWS, X = spurious(900, agree=0.9)
ITEMS = [
    {"core": float(x[0]), "shortcut": None if index % 50 == 0 else float(x[1]), "kind": "abc"[index % 3]}
    for index, x in enumerate(X)
]
ROWS = replace(ROWS, items=ITEMS)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    columns = Columns("", "label", ("place",), task="table")
    config = FitConfig("made", "tabular", columns, base_stage=BaseConfig(epochs=1, hold_out=0.3))
    return prepare(config, ROWS, SCHEMA, "made", tmp_path_factory.mktemp("boosted"))


def test_categories_are_codes_and_what_is_missing_stays_missing() -> None:
    features = TableFeatures(
        numeric=[Numeric(name="size", mean=1.0, scale=1.0)],
        categorical=[Categorical(name="kind", categories=["x", "y"])],
    )
    values = ["x", "x", "y", None, "never learnt"]
    items = [{"kind": value, "size": float(row)} for row, value in enumerate(values)]
    items[1]["size"] = None
    matrix, kinds = feature_matrix(features, items, np.arange(4))
    assert kinds == [False, True]
    assert np.array_equal(matrix[:, 0], [0, np.nan, 2, 3, 4], equal_nan=True)
    assert np.array_equal(matrix[:, 1], [0, 0, 1, np.nan, np.nan], equal_nan=True)


def test_more_categories_than_trees_can_take_share_the_last_code() -> None:
    features = TableFeatures(numeric=[], categorical=[Categorical(name="kind", categories=[])])
    items = [{"kind": str(row % 400)} for row in range(1000)]
    matrix, _ = feature_matrix(features, items, np.arange(1000))
    assert matrix.max() == CATEGORIES
    assert len(np.unique(matrix)) == CATEGORIES + 1
    labels = np.arange(1000) % 2
    HistGradientBoostingClassifier(max_iter=2, categorical_features=[True]).fit(matrix, labels)


@pytest.mark.parametrize("method", BOOSTED, ids=lambda method: method.name)
def test_the_answers_are_scikit_learns_after_as_many_trees(method, context: Context) -> None:
    answer = method.answer(context)
    trees, labels = answer.notes["trees"], context.rows.labels
    train = context.train if "all" in method.name else context.rows.of("train")
    assert answer.notes["rows"] == len(train)
    matrix, kinds = feature_matrix(TableFeatures.model_validate_json(context.base.preprocess), ITEMS, train)
    assert kinds == [False, False, True]
    plain = HistGradientBoostingClassifier(
        max_iter=trees, early_stopping=False, categorical_features=kinds, random_state=0
    ).fit(matrix[train], labels[train])
    assert (answer.predicted == plain.predict(matrix[context.scored])).all()
    probability = plain.predict_proba(matrix[context.scored]).max(axis=1)
    assert answer.score == pytest.approx(probability, abs=1e-6)
    test = context.rows.split[context.scored] == "test"
    assert (answer.predicted == labels[context.scored])[test].mean() > 0.55  # a coin's is 0.5


def test_the_two_lines_are_two_results() -> None:
    assert len({method.key for method in BOOSTED}) == 2
    assert all(method.suits("table", 3) and not method.suits("text", 2) for method in BOOSTED)


def test_texts_are_not_for_trees(tmp_path: Path) -> None:
    made = context_of(ROWS, X, np.zeros((len(ROWS), 2)), tmp_path)
    with pytest.raises(NotApplicableError, match="features of a table"):
        BOOSTED[0].answer(made)
