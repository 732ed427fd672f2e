"""Made rows with known rates: margins, a group, and a detector's risk, for tests of the choice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evenhand.training.choice.select import Chooser, LearntCorrector
from evenhand.training.correctors.offsets import OFFSETS
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.config import CorrectionConfig, TargetConfig
from evenhand.training.learning.features import Features, Material

SCHEMA = Schema(("no", "yes"), ("yes",), {"sex": ("m", "f")})


@dataclass(frozen=True)
class Population:
    """A base that is right by its margin, off by a shift in one group."""

    shift: float = 0.0
    """What the margin of group f lacks; with 0 there is no gap to narrow."""
    signal: float = 1.5
    """How far the margins of the two labels are from 0."""
    sees: float = 2.0
    """How well the detector tells the groups apart; with 0 the risk is the same for all."""

    def draw(self, rows: int, seed: int) -> Material:
        """Rows in thirds: tune, val, test."""
        rng = np.random.default_rng(seed)
        labels, sex = rng.integers(0, 2, rows), (rng.random(rows) < 0.4).astype(np.int64)
        margin = self.signal * (2 * labels - 1) + 1.5 * rng.normal(size=rows) - self.shift * sex
        logits = np.stack([-margin / 2, margin / 2], axis=1).astype(np.float32)
        split = np.array(["tune", "val", "test"])[np.arange(rows) % 3]
        features = Features(np.zeros((rows, 1), np.float32), np.arange(rows + 1), logits, logits)
        data = Rows([""] * rows, labels, {"sex": sex}, split, np.arange(rows))
        return Material(features, data, SCHEMA, seed)

    def risk(self, material: Material) -> np.ndarray:
        """``(rows, 1)`` calibrated for group f."""
        sex = material.rows.groups["sex"]
        noise = np.random.default_rng(material.seed + 1).normal(size=len(sex))
        evidence = self.sees * ((2 * sex - 1) * self.sees / 2 + noise) + np.log(0.4 / 0.6)
        return (1 / (1 + np.exp(-evidence)))[:, None].astype(np.float32)


def chooser(population: Population, rows: int, seed: int, target: TargetConfig) -> Chooser:
    """A chooser of offsets on a draw; its rows are those of the draw."""
    material = population.draw(rows, seed)
    members = material.rows.groups["sex"][:, None]
    risk, fresh = population.risk(material), material.rows.of("tune")
    learnt = LearntCorrector(None, OFFSETS, risk, members, fresh)  # type: ignore[arg-type]
    config = CorrectionConfig(method="offsets", target=target)
    return Chooser(learnt, material, config)
