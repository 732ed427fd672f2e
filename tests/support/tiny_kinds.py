"""Tiny data sets and bases of every kind of input but plain text, as a user would have them on disk."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from tiny_model import SIDE, tiny_base, tiny_table, write_tiny_base
from tokenizers import Tokenizer, processors

SPLITS = ("train", "train", "train", "val", "test")


def write_tiny_pair_base(folder: Path) -> Path:
    """:func:`tiny_model.write_tiny_base` with a tokenizer that joins two texts."""
    write_tiny_base(folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def write_tiny_image_base(folder: Path, kind: str) -> Path:
    """An image classifier's folder."""
    tiny_base(kind).save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE} if kind == "vit" else {"shortest_edge": SIDE}
    processor = {
        "image_processor_type": "ViTImageProcessor" if kind == "vit" else "ConvNextImageProcessor",
        "do_resize": True,
        "size": size,
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    if kind == "convnext":
        processor["crop_pct"] = 0.875
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def pair_table(rows: int = 500) -> pd.DataFrame:
    """:func:`tiny_model.tiny_table`, its texts cut in two."""
    table = tiny_table(rows)
    words = table["text"].str.split()
    table["other"] = [" ".join(of[len(of) // 2 :]) or "we" for of in words]
    table["text"] = [" ".join(of[: len(of) // 2]) or "the" for of in words]
    return table


def column_table(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    """Numbers and categories with gaps: whoever earns, unless a group's numbers mean something else."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["Male", "Female"], rows, p=[0.7, 0.3])
    hours = rng.normal(40, 10, rows)
    school = rng.choice(["BSc", "MSc", "none", ""], rows, p=[0.4, 0.2, 0.3, 0.1])
    score = (
        (hours - 40) / 10 * np.where(sex == "Female", -0.6, 1.0)
        + (school == "MSc")
        + rng.normal(0, 0.3, rows)
    )
    return pd.DataFrame(
        {
            "hours": [f"{value:.1f}" if index % 9 else "?" for index, value in enumerate(hours)],
            "school": school,
            "sex": sex,
            "job": np.where(
                sex == "Female", rng.choice(["nurse", "clerk"], rows), rng.choice(["smith", "clerk"], rows)
            ),
            "income": np.where(score > 0.3, ">50K", "<=50K"),
            "split": [SPLITS[index % 5] for index in range(rows)],
        }
    )


def write_images(folder: Path, rows: int = 240, seed: int = 0) -> pd.DataFrame:
    """Bright or dark squares on a ground whose colour is the group, which a few files of each kind show."""
    rng, draw = np.random.default_rng(seed), random.Random(seed)
    folder.mkdir()
    files = []
    for index in range(rows):
        ground, bright = draw.choices(("grey", "red"), (0.7, 0.3))[0], draw.random() < 0.5
        pixels = rng.integers(60, 120, (20, 24, 3), dtype=np.uint8)
        if ground == "red":
            pixels[..., 0] = 200
        seen = bright != (ground == "red" and draw.random() < 0.7)
        pixels[6:14, 8:16] = 250 if seen else 5
        name = f"{index}.{'png' if index % 2 else 'jpg'}"
        Image.fromarray(pixels).save(folder / name)
        files.append((name, "bright" if bright else "dark", ground, SPLITS[index % 5]))
    return pd.DataFrame(files, columns=["file", "label", "ground", "split"])
