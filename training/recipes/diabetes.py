"""Readmission of patients with diabetes (Strack et al. 2014), by sex: a negative control.

``python -m evenhand.training.recipes.diabetes --data <folder of all data sets> --out bundles/diabetes``

The folder holds ``diabetes130/diabetes130.parquet`` (UCI; CC BY 4.0), split by patient. A base treats
women and men nearly alike here, so that a sound fit certifies nothing and leaves the correction off.
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

FILES = {"encounters": "diabetes130/diabetes130.parquet"}
FEATURES = (
    *("age", "admission_type_id", "discharge_disposition_id", "admission_source_id", "time_in_hospital"),
    *("payer_code", "medical_specialty", "num_lab_procedures", "num_procedures", "num_medications"),
    *("number_outpatient", "number_emergency", "number_inpatient", "number_diagnoses"),
    *("max_glu_serum", "A1Cresult", "metformin", "glipizide", "glyburide", "pioglitazone", "rosiglitazone"),
    *("insulin", "change", "diabetesMed"),
)
CODES = ("admission_type_id", "discharge_disposition_id", "admission_source_id")
COLUMNS = Columns(
    text="",
    label="label",
    attributes=("gender",),
    split="split",
    references={"gender": "Male"},
    task="table",
    features=FEATURES,
    favourable=("no",),
)
CARD = Card(
    description="Whether a patient with diabetes came back to hospital. Learnt from Diabetes 130-US "
    "hospitals 1999-2008, UCI, CC BY 4.0.",
    intended_use="Control of Evenhand's certificate, on data without a gap worth correcting.",
    out_of_scope="Any medical use.",
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
        name="readmission",
        base="",
        columns=COLUMNS,
        card=CARD,
        base_stage=BaseConfig(epochs=4, learning_rate=1e-3, batch_rows=256),
        correction=table_correction(TargetConfig(measure="equalized-odds")),
    )
)
packaged_base = tabular_base


if __name__ == "__main__":
    typer.run(command(read, config, packaged_base))
