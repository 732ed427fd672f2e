"""FairFace (Karkkainen and Joo, WACV 2021): the gender that annotators saw in a face, by race.

``python -m evenhand.training.recipes.faces --data <folder of all data sets> --out bundles/faces``

The folder holds ``fairface/fairface.parquet`` (CC BY 4.0), faces of 64 x 64 pixels as JPEG in the column
``image``. They are written to :data:`IMAGES`, because a fit reads images from files when it needs them. The
base is a small ConvNeXt from scratch (:func:`packaged_base`).
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import torch
import typer
from transformers import ConvNextConfig, ConvNextForImageClassification

from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.config import BaseConfig, Card, CorrectionConfig, FitConfig, TargetConfig
from evenhand.training.recipes.common import command, parquet, read_files, with_base

FILES = {"faces": "fairface/fairface.parquet"}
SIDE = 64
IMAGES = Path("runs") / "fairface-images"
BASE = Path("runs") / "fairface-base"
PIXELS = {
    "image_processor_type": "ConvNextImageProcessor",
    # The library's processor of this family resizes the shortest edge to size / crop_pct, then cuts to size.
    "size": {"shortest_edge": SIDE},
    "crop_pct": 1.0,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.25, 0.25, 0.25],
}
COLUMNS = Columns(
    text="file",
    label="gender",
    attributes=("race",),
    split="split",
    references={"race": "White"},
    task="image",
    images=str(IMAGES),
    favourable=("Female",),
)
CARD = Card(
    description="The gender that annotators saw in a face, corrected for the race that they saw. Learnt from "
    "a part of FairFace at 64 x 64 pixels (CC BY 4.0).",
    intended_use="Demonstration of Evenhand on images, and reproducing its measurements.",
    out_of_scope="Anything about real people: annotators guessed gender and race from pictures. No label is "
    "better than another; which one counts as favourable only fixes the sign of a gap.",
)


def read(folder: Path) -> tuple[Rows, Schema, str]:
    """Rows, schema, and the data's hash; writes the images that are not there yet.

    Raises:
        DataError: the file is missing or has other columns.
    """
    return read_files(folder, FILES, _with_files, COLUMNS)


def _with_files(part: str, content: bytes) -> pd.DataFrame:
    faces = parquet(part, content)
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name, image in zip(faces["file"], faces["image"], strict=True):
        file = IMAGES / Path(name).name
        if not file.exists() or file.stat().st_size != len(image):
            file.write_bytes(image)
    return faces.drop(columns="image")


config = with_base(
    FitConfig(
        name="faces",
        base="",
        base_name="convnext-from-scratch",
        columns=COLUMNS,
        card=CARD,
        base_stage=BaseConfig(epochs=15, learning_rate=1e-3, batch_rows=64, patience=4),
        correction=CorrectionConfig(target=TargetConfig(measure=None, measures=(("race", "worst-cell"),))),
    )
)


def packaged_base() -> str:
    """A small ConvNeXt with random weights, in the folder :data:`BASE`."""
    torch.manual_seed(0)
    shape = ConvNextConfig(
        image_size=SIDE,
        depths=[2, 2, 4, 2],
        hidden_sizes=[40, 80, 160, 320],
        # The published 1e-6 is for training over hundreds of epochs.
        layer_scale_init_value=0.1,
        num_labels=2,
    )
    ConvNextForImageClassification(shape).save_pretrained(BASE)
    (BASE / "preprocessor_config.json").write_text(json.dumps(PIXELS))
    return str(BASE)


if __name__ == "__main__":
    typer.run(command(read, config, packaged_base))
