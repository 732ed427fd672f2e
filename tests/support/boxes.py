"""Fitted models of other libraries on a small table, as a user would have them on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from evenhand.models.onnx.black_box import Feature
from evenhand.training.boxes.parity import BoxRows

NUMBERS, TEXTS = ("hours", "age", "pay rate"), ("job", "school-type")
SPLITS = ("train", "train", "train", "val", "test")


def box_table(rows: int = 1500, seed: int = 0, gaps: bool = False) -> pd.DataFrame:
    """Numbers with many digits, texts with marks of their own, two groups, a label; gaps if wanted."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["male", "female"], rows, p=[0.65, 0.35])
    table = pd.DataFrame(
        {
            "hours": rng.normal(40, 9, rows).round(1),
            "age": rng.integers(18, 70, rows).astype(float),
            "pay rate": np.exp(rng.normal(2, 1, rows)),
            "job": rng.choice(["clerk", "nurse", "?", "señor", " smith"], rows),
            "school-type": rng.choice(["A", "B", "C"], rows),
            "sex": sex,
        }
    )
    score = (
        (table["hours"] - 40) / 9
        + (table["job"] == "clerk")
        + 0.5 * np.log(table["pay rate"])
        - 0.8 * (sex == "female") * (table["age"] > 40)
        + rng.normal(0, 0.7, rows)
    )
    table = table.assign(
        label=np.where(score > 1.2, "yes", "no"), split=[SPLITS[row % 5] for row in range(rows)]
    )
    for name in ("hours", "job") if gaps else ():
        table.loc[rng.random(rows) < 0.1, name] = np.nan
    return table


def one_hot(model: Any, sparse: bool = False, unknown: str = "ignore") -> Pipeline:
    """A model behind one-hot encoding of the texts and scaling of the numbers; sparse or dense."""
    parts = [
        ("texts", OneHotEncoder(handle_unknown=unknown), list(TEXTS)),
        ("numbers", StandardScaler(), list(NUMBERS)),
    ]
    return make_pipeline(ColumnTransformer(parts, sparse_threshold=1.0 if sparse else 0.0), model)


def ordinal(model: Any) -> Pipeline:
    """A model behind codes of the texts; numbers pass as they are."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    return make_pipeline(ColumnTransformer([("texts", codes, list(TEXTS))], remainder="passthrough"), model)


def fitted(make: Callable[[], Any], table: pd.DataFrame, numbers: bool = False, codes: bool = False) -> Any:
    """A model fitted on the training rows; on the numbers alone, or with 0 and 1 as labels."""
    train = table[table["split"] == "train"]
    labels = (train["label"] == "yes").astype(int) if codes else train["label"]
    return make().fit(train[list(NUMBERS if numbers else (*NUMBERS, *TEXTS))], labels)


def saved(model: Any, folder: Path, name: str = "model.joblib") -> Path:
    """Where a pickled model lies."""
    joblib.dump(model, folder / name)
    return folder / name


def features_of(numbers: bool = False) -> list[Feature]:
    """The features that :func:`fitted` fits on."""
    return [Feature(name, name in TEXTS) for name in (NUMBERS if numbers else (*NUMBERS, *TEXTS))]


def rows_of(table: pd.DataFrame, numbers: bool = False) -> BoxRows:
    """A table's rows as the library and as the graph take them."""
    arrays = {"values": table[list(NUMBERS)].to_numpy(dtype=np.float64)}
    names = list(NUMBERS)
    if not numbers:
        arrays["texts"] = table[list(TEXTS)].fillna("nan").to_numpy(dtype=object)
        names += TEXTS
    return BoxRows(arrays, table[names].astype({name: object for name in names if name in TEXTS}))
