"""People of two groups, of whom a model that reads the score alone accepts too few of one; one fit of it."""

import pickle

import numpy as np
import pandas as pd
from shared_cache import cached
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline

from evenhand import FairClassifier

FEATURES = ["score", "district", "years"]
AIM = {"target": "equal-opportunity", "max_loss": 1.0, "max_cell_loss": None, "favourable": "hired"}


def people(rows: int = 4000, seed: int = 0) -> pd.DataFrame:
    """The district nearly says the group; the label depends on both score and group."""
    rng = np.random.default_rng(seed)
    women = rng.random(rows) < 0.4
    score = rng.normal(0.0, 1.0, rows) - 0.8 * women
    hired = score + 1.6 * women + rng.normal(0.0, 0.4, rows) > 0.3
    near = np.where(rng.random(rows) < 0.95, women, ~women)
    return pd.DataFrame(
        {
            "score": score,
            "district": np.where(near, "nörth", "007"),
            "years": rng.integers(0, 40, rows),
            "sex": np.where(women, "female", "male"),
            "label": np.where(hired, "hired", "not hired"),
        }
    )


def score_alone() -> Pipeline:
    """A model that reads one column of the three."""
    return make_pipeline(make_column_transformer(("passthrough", ["score"])), LogisticRegression())


def fitted() -> FairClassifier:
    """The classifier, corrected and certified; learnt once per session of the tests."""
    return pickle.loads(cached("the library's classifier", lambda: pickle.dumps(_fit())))


def _fit() -> FairClassifier:
    table = people()
    classifier = FairClassifier(score_alone(), name="hiring", **AIM)
    return classifier.fit(table[FEATURES], table["label"], sensitive_features=table["sex"])


def true_positive_gap(table: pd.DataFrame, predicted: np.ndarray) -> float:
    """Between the sexes, of those who are hired by label."""
    hired = (predicted == "hired")[table["label"] == "hired"]
    sex = table["sex"][table["label"] == "hired"]
    return abs(hired[sex == "male"].mean() - hired[sex == "female"].mean())
