"""Targets of a detector without any sensitive label.

*Outliers*, as in FairNet: the Local Outlier Factor of a row's pooled hidden state says how unusual it is. It
is fitted once, on training rows, and a detector is distilled from it, so that a served risk depends on its
row alone.

*Benefit*: adapters learn to mend the base's errors and are tried on held-out rows that they have not seen. A
detector learns for which rows they raise the probability of the true label. This needs the task's labels and
no attribute.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.neighbors import LocalOutlierFactor
from torch.nn import functional

from evenhand.console import say
from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.gated_lora import ConditionalLora
from evenhand.training.data.dataset import HELD, TUNE, UNKNOWN
from evenhand.training.learning import adapters
from evenhand.training.learning.config import CorrectionConfig
from evenhand.training.learning.features import Features, Material
from evenhand.typing import Float32s, Ints

NEIGHBOURS, CONTAMINATION = 20, 0.1
"""The paper's neighbours, and the lower end of its contamination."""
FIT_ROWS = 5000
"""LOF compares all pairs of rows: more rows would take minutes and change little."""


def pooled(features: Features) -> Float32s:
    """Mean hidden state of every row, ``(rows, hidden)``."""
    sums = [
        np.add.reduceat(features.hidden[first:last], starts - first, axis=0)
        for starts, first, last in _chunks(features.starts)
    ]
    means: Float32s = (np.concatenate(sums) / features.lengths[:, None]).astype(np.float32)
    return means


def outliers(material: Material) -> Ints:
    """``(rows,)``: 1 for an outlier among the base's own training rows, 0 for any other row."""
    states = pooled(material.features)
    train = np.random.default_rng(material.seed).permutation(material.rows.of("train"))[:FIT_ROWS]
    factor = LocalOutlierFactor(
        n_neighbors=min(NEIGHBOURS, len(train) - 1), contamination=CONTAMINATION, novelty=True
    )
    say(f"fitting the outlier factor on {len(train)} rows")
    factor.fit(states[train])
    flags: Ints = (factor.predict(states) < 0).astype(np.int64)
    # In a prediction, fitted rows are their own neighbours, so they keep the result of the fit.
    flags[train] = factor.negative_outlier_factor_ < factor.offset_
    return flags


@dataclass(frozen=True)
class Benefit:
    """Which rows a correction mends."""

    mended: Ints
    """``(rows,)`` 1 where it raised the true label's probability, 0 where it lowered it, -1 if not tried."""
    weights: Float32s
    """``(rows,)`` by how much, in nats; mean 1 over tried rows."""


def benefit(split: SplitModel, material: Material, config: CorrectionConfig, folder: Path) -> Benefit:
    """Learn adapters on one half of the held-out rows and try them on the other half, both ways.

    Args:
        split: A frozen base, cut; taken over by the adapters.
        material: Hidden states and rows.
        config: How the adapters learn.
        folder: Checkpoints.
    """
    rows, features = material.rows, material.features
    held = np.random.default_rng(material.seed).permutation(rows.of(HELD))
    halves = (held[: len(held) // 2], held[len(held) // 2 :])
    wrong = (features.base_logits.argmax(axis=1) != rows.labels)[:, None]
    gains: list[Float32s] = []
    for index, half in enumerate(halves):
        torch.manual_seed(material.seed + index)
        correction = ConditionalLora(SplitModel(split.model, split.layer), ("benefit",))
        others = rows.split.copy()
        others[halves[1 - index]] = "test"
        everyone = {"benefit": np.zeros(len(rows), dtype=np.int64)}
        schema = replace(material.schema, gates={"benefit": ("as it is", "mended")})
        only = replace(material, rows=replace(rows, split=others, groups=everyone), schema=schema)
        # Anchors are the base's errors; rows that it gets right keep its answer, with the gate forced open.
        adapters.learn(
            correction, only, wrong & np.isin(rows.all(), half)[:, None], config, folder / str(index)
        )
        gains.append(_gain(correction, material, np.concatenate([halves[1 - index], rows.of(TUNE)])))
    tried = np.concatenate([halves[1], halves[0], rows.of(TUNE)])
    tune = (gains[0][len(halves[1]) :] + gains[1][len(halves[0]) :]) / 2
    return _benefit(
        len(rows), tried, np.concatenate([gains[0][: len(halves[1])], gains[1][: len(halves[0])], tune])
    )


def _benefit(rows: int, tried: Ints, gain: Float32s) -> Benefit:
    mended = np.full(rows, UNKNOWN)
    mended[tried] = gain > 0
    weights = np.zeros(rows, dtype=np.float32)
    weights[tried] = np.abs(gain) / max(float(np.abs(gain).mean()), 1e-12)
    return Benefit(mended, weights)


def _gain(correction: ConditionalLora, material: Material, chosen: Ints) -> Float32s:
    """Log-probability of the true label with the gate open, minus the base's; ``(rows,)``."""
    labels = torch.from_numpy(material.rows.labels[chosen]).unsqueeze(1)
    opened = adapters.answers(correction, material.features, chosen, np.ones((len(chosen), 1), dtype=bool))
    scores: list[Float32s] = [
        functional.log_softmax(torch.from_numpy(logits), dim=1).gather(1, labels).squeeze(1).numpy()
        for logits in (opened, material.features.base_logits[chosen])
    ]
    return scores[0] - scores[1]


def _chunks(starts: Ints, rows: int = 2000) -> list[tuple[Ints, int, int]]:
    """Row starts, and the first and last position, of each chunk of rows."""
    return [
        (
            starts[i : min(i + rows, len(starts) - 1)],
            int(starts[i]),
            int(starts[min(i + rows, len(starts) - 1)]),
        )
        for i in range(0, len(starts) - 1, rows)
    ]
