"""UCI Adult (Kohavi 1996): income above 50,000 dollars, with sex and race; a table of numbers and categories.

``python -m evenhand.training.recipes.adult --data <folder with adult.data and adult.test> --out
bundles/adult``

The last fifth of ``adult.data`` is for validation, by the seed of the split; ``adult.test`` is the test. Sex
and race are attributes and no features; neither are relationship and marital status, which say the sex in
other words.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import typer

from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import DataError, Rows, Schema, from_table
from evenhand.training.learning.config import BaseConfig, Card, CorrectionConfig, FitConfig
from evenhand.training.recipes.common import command

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
    description="Income above 50,000 dollars a year, from census answers of 1994, corrected for sex and race.",
    intended_use="Demonstration of Evenhand on a table.",
    out_of_scope="Any decision about a person: the answers are thirty years old, and income is not merit.",
)
VALIDATION_SHARE = 0.2


def read(folder: Path) -> tuple[Rows, Schema, str]:
    """Rows, schema, and the data's hash.

    Raises:
        DataError: a file is missing or not Adult's.
    """
    files = [folder / "adult.data", folder / "adult.test"]
    try:
        train, test = (_read(file) for file in files)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder}: no Adult data ({error}); it needs adult.data and adult.test") from error
    held = np.random.default_rng(0).random(len(train)) < VALIDATION_SHARE
    train["split"], test["split"] = np.where(held, "val", "train"), "test"
    digest = sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return *from_table(pd.concat([train, test], ignore_index=True), COLUMNS, seed=0), digest


def _read(file: Path) -> pd.DataFrame:
    """One file, with or without a header line; the test's labels end in a dot."""
    table = pd.read_csv(
        file, names=NAMES, dtype=str, keep_default_na=False, skipinitialspace=True, comment="|"
    )
    table = table[table["age"].str.fullmatch(r"\d+")].reset_index(drop=True)
    table["income"] = table["income"].str.rstrip(".")
    if not set(table["income"]) <= {">50K", "<=50K"} or table.empty:
        raise ValueError(f"{file.name} has no column of <=50K and >50K")
    return table


def config(base: str, seed: int) -> FitConfig:
    """The settings of this recipe; a table's base is made at fit."""
    return FitConfig(
        name="adult-income",
        base=base,
        columns=COLUMNS,
        card=CARD,
        seed=seed,
        base_stage=BaseConfig(epochs=6, learning_rate=1e-3, batch_rows=256),
        correction=CorrectionConfig(
            batch_rows=256,
            learning_rate=1e-3,
            balance=1.0,
            cost=0.01,
            epsilon=0.01,
            require_certificate=False,
        ),
    )


def packaged_base() -> str:
    """There is no pretrained base for a table."""
    return "tabular"


if __name__ == "__main__":
    typer.run(command(read, config, packaged_base))
