"""What a method may use of one seed: rows, the base checkpoint, and what the base says about every row."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from evenhand.models.network.backbones import SplitModel, block_count
from evenhand.training.choice.criterion import Criterion
from evenhand.training.data.dataset import HELD, LEARNT, TUNE, Rows, Schema, hold_out
from evenhand.training.learning import base_model
from evenhand.training.learning.base_model import Base
from evenhand.training.learning.config import FitConfig, fingerprint
from evenhand.training.learning.features import Features, Material, extract
from evenhand.typing import Float32s, Ints


@dataclass(frozen=True)
class Context:
    """One seed. What is expensive is computed when first asked for, once."""

    config: FitConfig
    rows: Rows
    """Some training rows are ``held``: the base has not learnt from them."""
    schema: Schema
    base: Base
    folder: Path
    """For checkpoints and hidden states of this seed."""
    cache: dict[str, Any] = field(default_factory=dict)
    """What several methods share; the base's hidden states have a place of their own."""

    @property
    def seed(self) -> int:
        """The seed of everything random."""
        return self.config.seed

    @cached_property
    def train(self) -> Ints:
        """All training rows; those the base has not learnt from as well."""
        return self.rows.of(*LEARNT)

    @cached_property
    def unseen(self) -> Ints:
        """Training rows that the base has not learnt from; all of them where none was held out."""
        held = self.rows.of(HELD, TUNE)
        return held if len(held) else self.train

    @cached_property
    def sources(self) -> dict[str, Ints]:
        """What a second stage may learn from: rows that the base has not seen, or all; chosen on validation rows."""
        if len(self.unseen) == len(self.train):
            return {"all training rows": self.train}
        return {"held-out rows": self.unseen, "all training rows": self.train}

    @cached_property
    def validation(self) -> Ints:
        """Rows that everything is chosen on."""
        return self.rows.of("val")

    @cached_property
    def judged(self) -> Ints:
        """Rows that a method answers: validation and test, in the order of the file."""
        return self.rows.of("val", "test")

    def on_validation(self, predicted: Ints) -> Ints:
        """The part of ``predicted (judged,)`` that anything may be chosen by."""
        found: Ints = predicted[self.rows.split[self.judged] == "val"]
        return found

    @cached_property
    def features(self) -> Features:
        """What the frozen base says about every row, its hidden states at the usual cut among it."""
        split = self.split()
        return extract(split, self.base.encoded, self.base.pad_id, self.hidden_file)

    @property
    def hidden_file(self) -> Path:
        """Where :attr:`features` keeps its hidden states."""
        return self.folder / f"hidden-{self.config.detector.layer}.npy"

    @property
    def material(self) -> Material:
        """What the stages of a fit learn from."""
        return Material(self.features, self.rows, self.schema, self.seed)

    @cached_property
    def criterion(self) -> Criterion:
        """How everything is chosen."""
        answers = self.features.base_logits[self.validation].argmax(axis=1)
        return Criterion.against(answers, self.rows, self.schema, self.config.correction.cost)

    @contextlib.contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """An empty folder for a method's checkpoints, gone afterwards.

        Empty, because a checkpoint knows its plan and not what a method remembers beside it (GroupDRO's
        weights, which rows it chose): a method that was interrupted starts anew.
        """
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def split(self) -> SplitModel:
        """The frozen base, cut where the fit would cut it; a new suffix each time, so adapters never meet."""
        layer = self.config.detector.layer
        return SplitModel(
            self.base.model, layer if isinstance(layer, int) else block_count(self.base.model) // 2
        )

    @torch.no_grad()
    def base_head(self, representation: Float32s) -> Float32s:
        """The base's own last layer over ``representation (rows, width)``: logits ``(rows, classes)``."""
        head: nn.Module = self.base.model.get_submodule(self.split().family.head)
        place = next(head.parameters()).device
        logits: Float32s = head(torch.from_numpy(representation).to(place)).cpu().numpy()
        return logits


def key_of(config: FitConfig, rows: Rows, digest: str, corrects: bool) -> str:
    """Hash of what decides a result; what a person says about a bundle does not.

    Args:
        config: All settings.
        rows: The data.
        digest: Hash of the file that it comes from.
        corrects: Whether the method has detectors and adapters; to others only what a choice may cost
            matters.
    """
    # Every method says for itself whether it certifies; what a fit would do is not asked.
    correction = replace(config.correction, require_certificate=True)
    stages = (asdict(config.detector), asdict(correction)) if corrects else (config.correction.cost,)
    return fingerprint(_base_key(config, rows, digest), *stages)


def _base_key(config: FitConfig, rows: Rows, digest: str) -> str:
    """Hash of what decides the base."""
    found = sha256()
    for name, values in sorted(
        {**rows.groups, "split": rows.split, "label": rows.labels, "row": rows.row}.items()
    ):
        found.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return fingerprint(base_model.key_of(config, rows, digest), config.weights, found.hexdigest())


def prepare(config: FitConfig, rows: Rows, schema: Schema, digest: str, folder: Path) -> Context:
    """Make or resume the base of one seed.

    Args:
        config: Settings; with the seed.
        rows: The data, without any row held out yet.
        schema: What its values mean.
        digest: Hash of the data.
        folder: Work folder of the whole comparison.

    Raises:
        DataError: the base or its tokenizer cannot be used.
    """
    own = folder / f"base-{_base_key(config, rows, digest)[:12]}"
    rows = hold_out(rows, config.base_stage.hold_out, config.seed)
    prepared, rows, schema = base_model.prepare(config, rows, schema, own)
    return Context(config, rows, schema, prepared, own)
