"""CelebA (Liu et al. 2015): one attribute of a face from its picture, with another as the sensitive one.

``python -m evenhand.training.recipes.celeba --data <folder> --out bundles/celeba``

The folder holds ``list_attr_celeba.txt``, ``list_eval_partition.txt`` and ``img_align_celeba/``. Here the
label is blond hair and the attribute is male, as in GroupDRO; FairNet's paper predicts male instead.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pandas as pd
import typer

from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import DataError, Rows, Schema, from_table
from evenhand.training.learning.config import BaseConfig, Card, FitConfig
from evenhand.training.recipes.common import command

TARGET, ATTRIBUTE = "Blond_Hair", "Male"
SPLITS = {"0": "train", "1": "val", "2": "test"}
CARD = Card(
    description="Whether a face has blond hair, corrected for the attribute that annotators called male.",
    intended_use="Reproducing published experiments.",
    out_of_scope="Anything about real people: annotators guessed both from pictures of celebrities.",
)


def columns(folder: str, target: str = TARGET, attribute: str = ATTRIBUTE) -> Columns:
    """Which columns mean what; give FairNet's ``Male`` and ``Blond_Hair`` for the paper's own task."""
    return Columns(
        text="file",
        label=target,
        attributes=(attribute,),
        split="split",
        task="image",
        images=str(Path(folder) / "img_align_celeba"),
        favourable=("yes",),
    )


def read(folder: Path, target: str = TARGET, attribute: str = ATTRIBUTE) -> tuple[Rows, Schema, str]:
    """Rows, schema, and the hash of the two lists.

    Raises:
        DataError: a list is missing, or not CelebA's.
    """
    lists = [folder / "list_attr_celeba.txt", folder / "list_eval_partition.txt"]
    try:
        lines = lists[0].read_text().splitlines()
        names = lines[1].split()
        attributes = pd.DataFrame(
            [line.split() for line in lines[2:] if line.strip()], columns=["file", *names]
        )
        parts = dict(line.split()[:2] for line in lists[1].read_text().splitlines() if line.strip())
        table = attributes[["file", target, attribute]].replace({"1": "yes", "-1": "no"})
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise DataError(f"{folder}: not CelebA's lists ({error!r})") from error
    table["split"] = [SPLITS.get(parts.get(file, ""), "") for file in table["file"]]
    digest = sha256(b"".join(file.read_bytes() for file in lists)).hexdigest()
    return *from_table(table, columns(str(folder), target, attribute), seed=0), digest


def config(base: str, seed: int) -> FitConfig:
    """The settings of this recipe."""
    return FitConfig(
        name="celeba", base=base, columns=columns(""), card=CARD, seed=seed, base_stage=BaseConfig(epochs=2)
    )


def packaged_base() -> str:
    """A vision transformer like the paper's."""
    return "google/vit-base-patch16-224"


if __name__ == "__main__":
    typer.run(command(read, config, packaged_base))
