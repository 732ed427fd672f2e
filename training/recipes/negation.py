"""The part of MultiNLI that is easy to get, and NegNLI (Hossain et al., EMNLP 2020), by negation words.

``python -m evenhand.training.recipes.negation --data <folder of all data sets> --out bundles/negation``

The folder holds ``mnli20k/mnli20k.parquet``. Labels and attribute are those of
:mod:`evenhand.training.recipes.nli`, with more negation words: nor, neither, cannot, nowhere.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.config import BaseConfig, CorrectionConfig, FitConfig
from evenhand.training.recipes import nli
from evenhand.training.recipes.common import command, packaged_base, parquet, read_files, with_base

FILES = {"pairs": "mnli20k/mnli20k.parquet"}
CARD = replace(
    nli.CARD,
    description=f"{nli.CARD.description} Learnt from 16,126 pairs of MultiNLI (Williams et al. 2018); 2,999 "
    "pairs of NegNLI serve for choice and test.",
)


def read(folder: Path) -> tuple[Rows, Schema, str]:
    """Rows, schema, and the data's hash.

    Raises:
        DataError: the file is missing or has other columns.
    """
    return read_files(folder, FILES, parquet, nli.COLUMNS)


config = with_base(
    FitConfig(
        name="mnli-negation",
        base="",
        base_name="sentence-transformers/all-MiniLM-L6-v2",
        columns=nli.COLUMNS,
        card=CARD,
        weights="float16",
        base_stage=BaseConfig(epochs=4, precision="bfloat16"),
        correction=CorrectionConfig(precision="bfloat16"),
    )
)


if __name__ == "__main__":
    typer.run(command(read, config, packaged_base))
