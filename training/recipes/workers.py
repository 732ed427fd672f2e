"""Income above 50,000 dollars of workers (Census-Income, KDD; CPS 1994 and 1995), with sex and race hidden.

``python -m evenhand.training.recipes.workers --data <folder of all data sets> --out bundles/workers``

The folder holds ``kdd_census_workers/kdd_census_workers.parquet`` (UCI; CC BY 4.0). Sex and race are
attributes, not features; the survey's weight and the two columns about its files are neither.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import typer

from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.config import BaseConfig, Card, FitConfig, TargetConfig
from evenhand.training.recipes.common import (
    categories,
    command,
    parquet,
    read_files,
    table_correction,
    tabular_base,
    with_base,
)

FILES = {"workers": "kdd_census_workers/kdd_census_workers.parquet"}
FEATURES = (
    *("age", "class_of_worker", "detailed_industry", "detailed_occupation", "education", "wage_per_hour"),
    *("enrolled_edu", "marital_status", "major_industry", "major_occupation", "labor_union"),
    *("full_or_part_time", "capital_gains", "capital_losses", "dividends", "tax_filer"),
    *("household_family", "household_summary", "num_persons_employer", "citizenship", "own_business"),
    *("weeks_worked", "veterans_benefits"),
)
CODES = ("detailed_industry", "detailed_occupation", "own_business", "veterans_benefits")
COLUMNS = Columns(
    text="",
    label="label",
    attributes=("sex", "race2"),
    split="split",
    references={"sex": "Male", "race2": "white"},
    task="table",
    features=FEATURES,
    favourable=("over 50K",),
)
CARD = Card(
    description="Whether a worker's income is above 50,000 dollars, from answers of 1994 and 1995, corrected "
    "for sex. Learnt from Census-Income (KDD), UCI, CC BY 4.0.",
    intended_use="Demonstration of Evenhand on a table, and reproducing its measurements.",
    out_of_scope="Any decision about a person: the answers are thirty years old, and income is not merit.",
)


def read(folder: Path) -> tuple[Rows, Schema, str]:
    """Rows, schema, and the data's hash.

    Raises:
        DataError: the file is missing or has other columns.
    """
    return read_files(folder, FILES, _table, COLUMNS)


def _table(part: str, content: bytes) -> pd.DataFrame:
    return categories(parquet(part, content), CODES)


config = with_base(
    FitConfig(
        name="worker-income",
        base="",
        columns=COLUMNS,
        card=CARD,
        base_stage=BaseConfig(epochs=6, learning_rate=1e-3, batch_rows=256),
        # With the residual the choice took offsets alone; without it, three times the rows order them.
        correction=table_correction(
            TargetConfig(measure=None, measures=(("sex", "equal-opportunity"),), max_loss=0.01), "offsets"
        ),
    )
)
packaged_base = tabular_base


if __name__ == "__main__":
    typer.run(command(read, config, packaged_base))
