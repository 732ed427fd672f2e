"""All settings of a fit. They are written into the manifest."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from evenhand.models.bundle.target import Measure
from evenhand.training.data.columns import Columns

SEED_MAX = 2**32 - 1
"""The largest seed that every library takes."""
MIN_TOKENS = 4
"""The smallest ``max_tokens`` that a manifest accepts."""


@dataclass(frozen=True)
class BaseConfig:
    """Stage 1: the base model."""

    keep: bool = False
    """Leave an already fine-tuned classifier as it is."""
    epochs: int = 3
    learning_rate: float = 5e-5
    batch_rows: int = 32
    max_tokens: int = 128
    patience: int = 2
    precision: Literal["float32", "bfloat16"] = "float32"
    """What forward passes compute in while weights are learnt; evaluation and serving are float32."""
    hold_out: float = 1 / 3
    """Share of the training rows held out from the base: the correction learns and is tuned on them."""

    @classmethod
    def of(cls, task: str) -> BaseConfig:
        """The defaults for a kind of input: a table's base is learnt from nothing, in larger steps."""
        return cls(epochs=6, learning_rate=1e-3, batch_rows=128) if task == "table" else cls()


@dataclass(frozen=True)
class DetectorConfig:
    """Stage 2: the bias detectors."""

    layer: int | Literal["auto"] | None = None
    """First corrected block; by default the middle one, as in FairNet; ``auto`` chooses one by probes."""
    pooling: Literal["attention", "mean", "first"] = "attention"
    attributes_known: Literal["full", "partial", "none"] = "full"
    """Which attributes may be learnt from: all, those of a share of rows, or none (pseudo-labels)."""
    known_share: float = 1.0
    """In the partial setting, the share of rows whose attributes are used; missing values stay missing."""
    shared: bool = False
    """One detector and one adapter for all attributes, instead of one each."""
    epochs: int = 12
    learning_rate: float = 1e-3
    batch_rows: int = 128
    patience: int = 3

    @classmethod
    def of(cls, box: bool) -> DetectorConfig:
        """The defaults: behind a model file detectors read one vector per row, so larger batches do."""
        return cls(epochs=8, learning_rate=2e-3, batch_rows=512) if box else cls()

    @property
    def share(self) -> float:
        """Share of the rows learnt from whose attributes may be seen."""
        return {"full": 1.0, "partial": self.known_share, "none": 0.0}[self.attributes_known]


@dataclass(frozen=True)
class TargetConfig:
    """What the correction is for, and what it may cost; losses are shares."""

    measure: Measure | None = "worst-cell"
    """Of every evaluated attribute without one of its own; ``None`` aims at those alone."""
    measures: tuple[tuple[str, Measure], ...] = ()
    """Attribute and measure."""
    max_loss: float = 0.005
    """Overall accuracy that the correction may cost."""
    max_cell_loss: float | None = 0.05
    """Accuracy that any cell of enough rows may lose; no limit if ``None``."""


@dataclass(frozen=True)
class CorrectionConfig:
    """The corrector, the settings of stages 3 and 4 (conditional LoRA), and the limits of the choice."""

    method: str = "lora"
    """One of :func:`evenhand.training.correctors.correctors`."""
    gate: Literal["detector", "always"] = "detector"
    """Whether only rows that a detector flags are corrected, or all."""
    rank: int = 16
    alpha: int = 16
    margin: float = 0.5
    contrastive_weight: float = 0.05
    task_weight: float = 1.0
    balance: float = 0.5
    """How far anchors are balanced over cells (label x group): 0 not at all, 1 entirely."""
    keep_weight: float = 0.5
    """Weight of the KL term that holds reference rows, with the gate forced open, at the base's answer."""
    epochs: int = 5
    """All of them run: early stopping would use validation rows, which the certificate needs unseen."""
    learning_rate: float = 1e-3
    batch_rows: int = 64
    precision: Literal["float32", "bfloat16"] = "float32"
    target: TargetConfig = TargetConfig()
    """Its limits hold on future rows with a certificate; without one, on the rows of the choice."""
    alpha_certificate: float = 0.05
    """How often a certificate may be wrong."""
    require_certificate: bool = True
    """Write the bundle with correction off when no setting is certified."""


@dataclass(frozen=True)
class Card:
    """What only a person can say about a bundle."""

    description: str = "A classifier with a per-row correction for the attributes below."
    intended_use: str = "Not stated by whoever trained it: find out before you serve it."
    out_of_scope: str = "Any decision about a person without review of the evaluation below."
    base_license: str | None = None


@dataclass(frozen=True)
class BoxConfig:
    """A fitted model of the user's in the place of a base."""

    file: str
    """Of texts a file or a folder; empty for a model in memory."""
    labels: tuple[str, ...] = ()
    """The label column's labels in the order of the model's scores; empty if the model names them itself."""
    held_out: bool = False
    """Whether it has surely learnt from no row but those of the split ``train``."""
    tokenizer: str | None = None
    """``tokenizer.json`` of an ONNX file of texts, where it lies elsewhere."""
    max_tokens: int | None = None
    """Longest row of texts; the model's own limit if ``None``."""


@dataclass(frozen=True)
class FitConfig:
    """Everything that decides the result."""

    name: str
    base: str
    columns: Columns
    base_name: str | None = None
    """What the manifest calls the base, where ``base`` is a folder."""
    version: str = "1.0.0"
    card: Card = Card()
    seed: int = 0
    weights: Literal["float32", "float16"] = "float32"
    engine: Literal["auto", "onnx", "torch"] = "auto"
    """What runs the bundle; ``auto`` takes torch only for a base that ONNX cannot take."""
    base_stage: BaseConfig = BaseConfig()
    detector: DetectorConfig = DetectorConfig()
    correction: CorrectionConfig = CorrectionConfig()
    box: BoxConfig | None = None
    """The fitted model that is the base; its name is also ``base``."""
    retraining: str | None = None
    """Training-time method that makes the base; ``method_options.retrainings`` lists them."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for the manifest; of local folders only the name."""
        plain = asdict(self)
        plain["base"] = self.public_base
        plain["detector"]["known"] = plain["detector"].pop("known_share")
        if self.box is not None:
            plain["box"]["file"] = Path(self.box.file).absolute().name if self.box.file else ""
            plain["box"]["tokenizer"] = self.box.tokenizer and Path(self.box.tokenizer).name
        if self.columns.images:
            plain["columns"]["images"] = Path(self.columns.images).name
        return plain

    @property
    def public_base(self) -> str:
        """A hub id as it is; of a local folder only its name, so that a manifest contains no local path."""
        return self.base_name or (Path(self.base).absolute().name if Path(self.base).exists() else self.base)


def fingerprint(*parts: Any) -> str:  # noqa: ANN401 - whatever JSON can say
    """SHA-256 of plain values; a finished stage is reused only under the same hash."""
    return sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()
