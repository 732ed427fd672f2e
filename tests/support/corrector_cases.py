"""A tiny base and rows on which it treats team a worse, in a way that every corrector can see."""

from pathlib import Path

import numpy as np
import torch
from tiny_model import tiny_base

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.corrector import Selected
from evenhand.models.network.fairnet import FairNet
from evenhand.training.correctors import named
from evenhand.training.correctors.interface import CorrectorInput
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.config import CorrectionConfig
from evenhand.training.learning.features import Features, Material

ROWS, TOKENS = 1200, 6
BLOCKS, CUT = 2, 1
"""Few, as every corrector is exported once."""
OFFSETS = (-0.4, 0.7)
"""What the decision stage adds after a corrector that it may follow."""


def material(
    seed: int = 0, labels: tuple[str, ...] = ("no", "yes")
) -> tuple[SplitModel, Material, np.ndarray]:
    """The label is the base's answer, but for 40 % of team a's, who deserve the favourable one."""
    rng = np.random.default_rng(seed)
    split = SplitModel(tiny_base(labels=len(labels), blocks=BLOCKS), CUT)
    groups = rng.choice([0, 1], ROWS, p=[0.6, 0.4])
    ids = torch.from_numpy(rng.integers(4, 16, (ROWS, TOKENS)))
    ids[:, 1] = torch.from_numpy(groups + 61)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.no_grad():
        split.model.classifier.bias.sub_(split.base(inputs)[0].median(dim=0).values)
        logits, hidden, heads = (tensor.numpy() for tensor in split.base(inputs))
    truth = logits.argmax(axis=1)
    truth[(groups == 1) & (rng.random(ROWS) < 0.4)] = len(labels) - 1
    places = np.array(["train", "held", "held", "val"] * (ROWS // 4))
    rows = Rows([""] * ROWS, truth, {"team": groups}, places, np.arange(ROWS))
    width = hidden.shape[2]
    features = Features(hidden.reshape(-1, width), np.arange(ROWS + 1) * TOKENS, logits, heads)
    schema = Schema(labels, (labels[-1],), {"team": ("none", "a")})
    return split, Material(features, rows, schema, seed=0), groups


def learnt(
    name: str, folder: Path, seed: int = 0, always: bool = False
) -> tuple[FairNet, CorrectorInput, dict]:
    """A trained corrector in its model, with the decision stage where one may follow.

    The detector is right on nine rows of ten, or flags every row.
    """
    split, dataset, groups = material(seed)
    config = CorrectionConfig(epochs=1)
    method = named(name)
    fairnet = FairNet(split, ("team",), make=lambda *arguments: method.make(*arguments, config=config))
    fairnet.soft = method.soft
    if method.decides:
        fairnet.decision.set([OFFSETS])
    rng = np.random.default_rng(seed + 1)
    seen = np.where(rng.random(ROWS) < 0.9, groups, 1 - groups)
    risk = (0.1 + 0.8 * seen + rng.uniform(-0.1, 0.1, ROWS)).astype(np.float32)[:, None]
    inputs = CorrectorInput(dataset, (risk >= 0.5) | always, risk, groups[:, None], config, folder)
    return fairnet, inputs, method.learn(fairnet.correction, inputs)


def given_of(labels: np.ndarray, groups: np.ndarray, gates: np.ndarray, **more: np.ndarray) -> CorrectorInput:
    """Held-out rows whose every field is said, for a corrector whose right answer is known.

    Args:
        labels: ``(rows,)`` true class, 1 the favourable one of two.
        groups: ``(rows,)`` 0 is the reference, -1 not known.
        gates: ``(rows,)``.
        more: ``logits``, ``hidden``, ``representation`` ``(rows, width)``, ``risk`` ``(rows,)``; zeros where
            not said.
    """
    count = len(labels)
    filled = {
        "logits": np.zeros((count, 2)),
        "hidden": np.zeros((count, 32)),
        "representation": np.zeros((count, 32)),
    }
    logits, hidden, heads = ((filled | more)[name].astype(np.float32) for name in filled)
    rows = Rows([""] * count, labels, {"team": groups}, np.array(["held"] * count), np.arange(count))
    dataset = Material(
        Features(hidden, np.arange(count + 1), logits, heads),
        rows,
        Schema(("no", "yes"), ("yes",), {"team": ("none", "a")}),
        seed=0,
    )
    risk = more.get("risk", gates).astype(np.float32)[:, None]
    return CorrectorInput(dataset, gates[:, None], risk, groups[:, None], CorrectionConfig(epochs=1), Path())


def logits_of(margins: np.ndarray) -> np.ndarray:
    """Logits ``(rows, 2)`` of which the second class is ahead by ``margins (rows,)``."""
    return np.stack([-margins / 2, margins / 2], axis=1)


def tiny_split() -> SplitModel:
    """A cut base of two classes; correctors that only read its answers do not ask it anything."""
    return SplitModel(tiny_base(blocks=BLOCKS), CUT)


def selected(inputs: CorrectorInput, rows: np.ndarray) -> Selected:
    """What a corrector gets of some rows."""
    features = inputs.material.features
    hidden, mask = features.batch(rows)
    arrays = (features.base_logits[rows], inputs.risk[rows], features.representation[rows])
    return Selected(
        torch.from_numpy(inputs.gates[rows]), hidden, mask, *(torch.from_numpy(array) for array in arrays)
    )
