"""MultiNLI (Williams et al. 2018) as GroupDRO and FairNet use it: three labels, a negation word as attribute.

``python -m evenhand.training.recipes.multinli --data <folder> --out bundles/multinli``

The folder holds ``multinli_1.0_train.jsonl`` and ``multinli_1.0_dev_matched.jsonl``, which is halved into val
and test.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import typer

from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.config import Card, FitConfig
from evenhand.training.recipes import nli
from evenhand.training.recipes.common import command, read_files

FILES = {"train": "multinli_1.0_train.jsonl", "dev": "multinli_1.0_dev_matched.jsonl"}


def read(folder: Path) -> tuple[Rows, Schema, str]:
    """Rows, schema, and the data's hash; pairs without a gold label are left out.

    Raises:
        DataError: a file is missing or not MultiNLI's.
    """
    return read_files(folder, FILES, _table, nli.COLUMNS)


def _table(part: str, content: bytes) -> pd.DataFrame:
    pairs = [json.loads(line) for line in content.splitlines() if line.strip()]
    table = pd.DataFrame([_row(pair) for pair in pairs if pair["gold_label"] in nli.LABELS])
    halves = ["val" if index % 2 == 0 else "test" for index in range(len(table))]
    return table.assign(split="train" if part == "train" else halves)


def _row(pair: dict[str, str]) -> dict[str, str]:
    return {
        "premise": pair["sentence1"],
        "hypothesis": pair["sentence2"],
        "label": pair["gold_label"],
        "negation": nli.negation(pair["sentence2"]),
    }


def config(base: str, seed: int) -> FitConfig:
    """The paper's base; all other settings are the defaults."""
    card = Card(nli.CARD.description, nli.CARD.intended_use, nli.CARD.out_of_scope)
    return FitConfig(name="multinli-negation", base=base, columns=nli.COLUMNS, card=card, seed=seed)


def packaged_base() -> str:
    """The paper's base."""
    return "bert-base-uncased"


if __name__ == "__main__":
    typer.run(command(read, config, packaged_base))
