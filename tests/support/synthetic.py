"""Rows and representations whose spurious part is known: what the theory tests of the comparison work on."""

from pathlib import Path

import numpy as np

from evenhand.training.baselines.base import Context
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.config import CorrectionConfig, FitConfig, TargetConfig
from evenhand.training.learning.features import Features

SCHEMA = Schema(("no", "yes"), ("yes",), {"place": ("land", "water")})


def spurious(rows: int = 8000, agree: float = 0.97, seed: int = 0) -> tuple[Rows, np.ndarray]:
    """Labels with a noisy core feature, and a cleaner one of the place, which mostly agrees with the label.

    In training rows they agree in ``agree`` of the rows; in validation and test rows in half. The
    representation is ``(rows, 6)``: core, spurious, and four columns of noise.
    """
    rng = np.random.default_rng(seed)
    split = np.array(["train", "train", "held", "val", "test"])[np.arange(rows) % 5]
    label = rng.integers(0, 2, rows)
    together = rng.random(rows) < np.where(np.isin(split, ("train", "held")), agree, 0.5)
    place = np.where(together, label, 1 - label)
    core, shortcut = (2 * label - 1) + rng.normal(0, 1.2, rows), (2 * place - 1) + rng.normal(0, 0.2, rows)
    columns = np.column_stack([core, shortcut, rng.normal(0, 1, (rows, 4))]).astype(np.float32)
    texts = [str(index) for index in range(rows)]
    return Rows(
        texts, label.astype(np.int64), {"place": place.astype(np.int64)}, split, np.arange(rows)
    ), columns


def context_of(
    rows: Rows, representation: np.ndarray, logits: np.ndarray, folder: Path, schema: Schema = SCHEMA
) -> Context:
    """A seed whose base is known by what it says only."""
    config = FitConfig(
        "test",
        "none",
        Columns("t", "l", tuple(schema.groups)),
        correction=CorrectionConfig(target=TargetConfig(max_loss=0.01, max_cell_loss=None)),
    )
    context = Context(config, rows, schema, None, folder)  # type: ignore[arg-type]
    hidden, starts = np.zeros((len(rows), 1), dtype=np.float32), np.arange(len(rows) + 1)
    context.__dict__["features"] = Features(hidden, starts, logits.astype(np.float32), representation)
    return context


def worst_cell(context: Context, predicted: np.ndarray, split: str = "test") -> float:
    """Lowest accuracy of label x place over one split, from answers to the scored rows."""
    rows, scored = context.rows, context.scored
    inside = rows.split[scored] == split
    cell = 2 * rows.labels[scored][inside] + rows.groups["place"][scored][inside]
    correct = (predicted == rows.labels[scored])[inside]
    return min(correct[cell == index].mean() for index in range(4))
