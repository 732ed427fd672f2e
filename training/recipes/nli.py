"""Counterfactually augmented SNLI (Kaushik et al. 2020), with a negation word in the hypothesis as attribute.

``python -m evenhand.training.recipes.nli --data <folder with train.tsv, dev.tsv and test.tsv> --out
bundles/nli``

A negation word goes with contradiction in most data, which models learn as a shortcut (Gururangan et al.
2018). Three labels; text pairs. :mod:`evenhand.training.recipes.multinli` shares the attribute.
"""

from __future__ import annotations

import csv
import re
from hashlib import sha256
from pathlib import Path

import pandas as pd
import typer

from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import DataError, Rows, Schema, from_table
from evenhand.training.learning.config import Card
from evenhand.training.recipes.common import command, minilm_config, packaged_base

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
    tables, digest = [], sha256()
    for split, name in FILES.items():
        try:
            content = (folder / name).read_bytes()
            table = pd.read_csv(
                folder / name, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE
            )
            found = _columns(table)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"{folder / name}: not the rows that this recipe reads ({error!r})") from error
        digest.update(content)
        tables.append(found.assign(split=split, negation=found["hypothesis"].map(negation)))
    return *from_table(pd.concat(tables, ignore_index=True), COLUMNS, seed=0), digest.hexdigest()


def _columns(table: pd.DataFrame) -> pd.DataFrame:
    """Premise, hypothesis and label, whatever the files call them."""
    names = {"sentence1": "premise", "sentence2": "hypothesis", "gold_label": "label"}
    return table.rename(columns=names)[["premise", "hypothesis", "label"]]


config = minilm_config("nli-negation", COLUMNS, CARD, epochs=4)


if __name__ == "__main__":
    typer.run(command(read, config, packaged_base))
