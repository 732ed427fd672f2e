"""Counterfactually augmented SNLI (Kaushik et al. 2020), with a negation word in the hypothesis as attribute.

``python -m evenhand.training.recipes.nli --data <folder> --out bundles/nli``

The folder holds ``train.tsv``, ``dev.tsv`` and ``test.tsv``.

In most data a negation word is frequent in contradictions, which models learn as a shortcut (Gururangan et
al. 2018). Three labels; text pairs. :mod:`evenhand.training.recipes.multinli` shares the attribute.
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pandas as pd
import typer

from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.config import Card
from evenhand.training.recipes.common import command, minilm_config, packaged_base, read_files

NEGATION = re.compile(r"\b(?:no|not|never|nobody|nothing|none)\b|n't\b", re.IGNORECASE)
LABELS = ("contradiction", "entailment", "neutral")
COLUMNS = Columns(
    text="premise",
    label="label",
    attributes=("negation",),
    split="split",
    references={"negation": "plain"},
    task="pair",
    text_pair="hypothesis",
    favourable=("entailment",),
)
PLAIN, NEGATED = "plain", "negated"
FILES = {"train": "train.tsv", "val": "dev.tsv", "test": "test.tsv"}
CARD = Card(
    description="Whether a premise entails a hypothesis, corrected for hypotheses with a negation word.",
    intended_use="Demonstration of Evenhand on pairs of texts, and on three labels.",
    out_of_scope="Checking facts: it says what follows from a premise, not what is true.",
    base_license="apache-2.0",
)


def negation(hypothesis: str) -> str:
    """Whether a hypothesis has a negation word: no, not, n't, never, nobody, nothing, none."""
    return NEGATED if NEGATION.search(hypothesis) else PLAIN


def read(folder: Path) -> tuple[Rows, Schema, str]:
    """Rows, schema, and the data's hash.

    Raises:
        DataError: a file is missing or has other columns.
    """
    return read_files(folder, FILES, _table, COLUMNS)


def _table(split: str, content: bytes) -> pd.DataFrame:
    """Premise, hypothesis and label, whatever the file calls them, with split and negation."""
    table = pd.read_csv(
        io.BytesIO(content), sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE
    )
    names = {"sentence1": "premise", "sentence2": "hypothesis", "gold_label": "label"}
    table = table.rename(columns=names)[["premise", "hypothesis", "label"]]
    return table.assign(split=split, negation=table["hypothesis"].map(negation))


config = minilm_config("nli-negation", COLUMNS, CARD, epochs=4)


if __name__ == "__main__":
    typer.run(command(read, config, packaged_base))
