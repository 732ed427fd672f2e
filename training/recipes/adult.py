"""UCI Adult (Kohavi 1996): income above 50,000 dollars, with sex and race; a table of numbers and categories.

``python -m evenhand.training.recipes.adult --data <folder> --out bundles/adult``

The folder holds ``adult.data`` and ``adult.test``.

A random fifth of ``adult.data`` is for validation; ``adult.test`` is the test. Sex and race are attributes,
not features. Relationship and marital status are not features either, because they reveal the sex.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.config import BaseConfig, Card, CorrectionConfig, FitConfig, TargetConfig
from evenhand.training.recipes.common import command, read_files, tabular_base, with_base

NAMES = (
    *(
        "age",
        "workclass",
        "fnlwgt",
        "education",
        "education-num",
        "marital-status",
        "occupation",
        "relationship",
    ),
    *("race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country", "income"),
)
FEATURES = (
    *("age", "workclass", "education", "education-num", "occupation"),
    *("capital-gain", "capital-loss", "hours-per-week", "native-country"),
)
COLUMNS = Columns(
    text="",
    label="income",
    attributes=("sex", "race"),
    split="split",
    references={"sex": "Male", "race": "White"},
    intersections=(("sex", "race"),),
    task="table",
    features=FEATURES,
    favourable=(">50K",),
)
CARD = Card(
    description="Income above 50,000 dollars a year, from census answers of 1994, "
    "corrected for sex and race.",
    intended_use="Demonstration of Evenhand on a table.",
    out_of_scope="Any decision about a person: the answers are thirty years old, and income is not merit.",
)
VALIDATION_SHARE = 0.2
FILES = {"train": "adult.data", "test": "adult.test"}


def read(folder: Path) -> tuple[Rows, Schema, str]:
    """Rows, schema, and the data's hash.

    Raises:
        DataError: a file is missing or not Adult's.
    """
    return read_files(folder, FILES, _table, COLUMNS)


def _table(part: str, content: bytes) -> pd.DataFrame:
    """One file, with or without a header line; the test's labels end in a dot."""
    table = pd.read_csv(
        io.BytesIO(content), names=NAMES, dtype=str, keep_default_na=False, skipinitialspace=True, comment="|"
    )
    table = table[table["age"].str.fullmatch(r"\d+")].reset_index(drop=True)
    table["income"] = table["income"].str.rstrip(".")
    if not set(table["income"]) <= {">50K", "<=50K"} or table.empty:
        raise ValueError("no column of <=50K and >50K")
    held = np.random.default_rng(0).random(len(table)) < VALIDATION_SHARE
    return table.assign(split=np.where(held, "val", "train") if part == "train" else part)


config = with_base(
    FitConfig(
        name="adult-income",
        base="",
        columns=COLUMNS,
        card=CARD,
        base_stage=BaseConfig(epochs=6, learning_rate=1e-3, batch_rows=256),
        correction=CorrectionConfig(
            batch_rows=256,
            learning_rate=1e-3,
            balance=1.0,
            target=TargetConfig(max_loss=0.01),
            require_certificate=False,
        ),
    )
)
packaged_base = tabular_base


if __name__ == "__main__":
    typer.run(command(read, config, packaged_base))
