"""Which profession is hidden in a sentence (BUG: Levy, Lazar, Stanovsky, Findings of EMNLP 2021), by gender.

``python -m evenhand.training.recipes.professions --data <folder of all data sets> --out bundles/professions``

The folder holds ``bug_professions/bug_professions.parquet`` (MIT; sentences of Wikipedia, PubMed and CORD-19,
CC BY-SA). Twelve professions; every mention of them is masked. The gender is that of the pronoun that BUG's
parser links to the profession, and is wrong at times.
"""

from __future__ import annotations

from pathlib import Path

import typer

from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.config import BaseConfig, Card, CorrectionConfig, FitConfig
from evenhand.training.recipes.common import command, packaged_base, parquet, read_files, with_base

FILES = {"sentences": "bug_professions/bug_professions.parquet"}
FAVOURABLE = ("author", "director", "doctor", "judge", "officer")
COLUMNS = Columns(
    text="text",
    label="label",
    attributes=("gender",),
    split="split",
    references={"gender": "male"},
    favourable=FAVOURABLE,
)
CARD = Card(
    description="Which of twelve professions is hidden in an English sentence, corrected for the gender of "
    "the person it is about. Learnt from BUG (MIT; sentences CC BY-SA).",
    intended_use="Demonstration of Evenhand on many labels.",
    out_of_scope="Guessing anybody's profession. No label is better than another for the person; which ones "
    f"count as favourable ({', '.join(FAVOURABLE)}) is a choice of this recipe.",
    base_license="apache-2.0",
)


def read(folder: Path) -> tuple[Rows, Schema, str]:
    """Rows, schema, and the data's hash.

    Raises:
        DataError: the file is missing or has other columns.
    """
    return read_files(folder, FILES, parquet, COLUMNS)


config = with_base(
    FitConfig(
        name="professions",
        base="",
        base_name="sentence-transformers/all-MiniLM-L6-v2",
        columns=COLUMNS,
        card=CARD,
        weights="float16",
        base_stage=BaseConfig(epochs=2, precision="bfloat16"),
        correction=CorrectionConfig(precision="bfloat16"),
    )
)


if __name__ == "__main__":
    typer.run(command(read, config, packaged_base))
