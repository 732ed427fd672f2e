"""All settings of ``evenhand prefer`` and ``evenhand steer``, and their form on a card."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from evenhand.training.generative.pairs import PairColumns

Precision = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class Common:
    """Settings of both methods."""

    base: str
    columns: PairColumns = field(default_factory=PairColumns)
    plain: bool = False
    precision: Precision = "float32"
    max_tokens: int = 1024
    hold_out: float = 0.2
    seed: int = 0


@dataclass(frozen=True)
class Preference:
    """Preference tuning."""

    beta: float = 0.1
    """Weight of the divergence from the base."""
    rank: int = 16
    alpha: int = 32
    epochs: int = 3
    learning_rate: float = 1e-5
    batch_rows: int = 8
    checkpoint_steps: int = 25


@dataclass(frozen=True)
class Steer:
    """Gated steering."""

    layer: int | None = None
    """Block whose input is read and changed; the middle one if not given."""
    strength: float | None = None
    """In multiples of the mean difference; chosen on the pairs learnt from if not given."""
    threshold: float = 0.5
    """Of the gate's risk."""


def card_settings(common: Common, own: Preference | Steer, base: str) -> dict[str, Any]:
    """Plain values for a card; a local base is named by its last part only."""
    return {**asdict(common), "base": base, **asdict(own)}
