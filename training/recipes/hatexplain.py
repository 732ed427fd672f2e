"""HateXplain (Mathew et al., AAAI 2021): toxicity, with race, religion, gender and orientation of the target.

``python -m evenhand.training.recipes.hatexplain --data <folder> --out bundles/hatexplain-toxicity``

The folder holds ``hatexplain.jsonl``.

Toxic is hatespeech or offensive by majority; favourable is not toxic. A post's group is the community it
targets. Training rows have only a weak flag of targets (any of up to three annotators); validation and test
rows have the majority's. Offensive text is learnt from, but none of it is written to a file or a log.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import typer

from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.config import Card
from evenhand.training.recipes.common import command, minilm_config, packaged_base, read_files

NONE, MULTIPLE = "none", "multiple"
COMMUNITIES = {
    "race": ("African", "Arab", "Asian", "Caucasian", "Hispanic"),
    "religion": ("Islam", "Jewish", "Christian", "Hindu", "Buddhism", "Nonreligious"),
    "gender": ("Women", "Men"),
    "orientation": ("Homosexual", "Heterosexual", "Bisexual", "Asexual"),
}
TOXIC, NOT_TOXIC = "toxic", "not toxic"
FILES = {"posts": "hatexplain.jsonl"}
COLUMNS = Columns(
    text="text",
    label="label",
    attributes=tuple(COMMUNITIES),
    split="split",
    references=dict.fromkeys(COMMUNITIES, NONE),
    favourable=(NOT_TOXIC,),
)
CARD = Card(
    description="Toxicity of short English posts, corrected for posts about race, religion, gender and "
    "orientation. Learnt from HateXplain, a collection of offensive and hateful posts from Twitter and Gab.",
    intended_use="Demonstration of Evenhand: ranking posts for human review, and measuring how a toxicity "
    "model treats posts that mention a community.",
    out_of_scope="Removing posts or sanctioning people without review; languages other than English; text "
    "unlike short social media posts; concluding anything about the author. The attributes describe whom a "
    "post is about, not who wrote it. It was learnt from offensive text and repeats its blind spots: many "
    "harmless posts about a community are still called toxic.",
    base_license="apache-2.0",
)


def table(_: str, content: bytes) -> pd.DataFrame:
    """One row per post, in the file's order."""
    return pd.DataFrame([_row(json.loads(line)) for line in content.splitlines()])


def _row(post: dict[str, Any]) -> dict[str, str]:
    targets = post["targets"] if post["split"] == "train" else post.get("targets_majority")
    return {
        "text": post["text"],
        "label": NOT_TOXIC if post["majority"] == "normal" else TOXIC,
        "split": post["split"] or "undecided",
        **{name: group(targets or [], communities) for name, communities in COMMUNITIES.items()},
    }


def group(targets: list[str], communities: tuple[str, ...]) -> str:
    """The targeted community of an attribute; ``multiple`` for several, ``none`` for no one."""
    named = [target for target in targets if target in communities]
    return NONE if not named else named[0] if len(named) == 1 else MULTIPLE


def read(folder: Path) -> tuple[Rows, Schema, str]:
    """Rows, schema, and the data's hash.

    Raises:
        DataError: the file is missing or not HateXplain's.
    """
    return read_files(folder, FILES, table, COLUMNS)


config = minilm_config("hatexplain-toxicity", COLUMNS, CARD, epochs=2)


if __name__ == "__main__":
    typer.run(command(read, config, packaged_base))
