"""What a method of the comparison reads (one seed's rows and base), what a method is, and what it returns."""

from __future__ import annotations

import contextlib
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from scipy.special import softmax
from torch import nn

from evenhand.models.bundle.target import Target
from evenhand.models.network.backbones import SplitModel, block_count
from evenhand.training.choice.aim import target_of
from evenhand.training.choice.criterion import Criterion
from evenhand.training.data.dataset import HELD, LEARNT, TUNE, Rows, Schema, hold_out
from evenhand.training.learning import base_model
from evenhand.training.learning.base_model import Base
from evenhand.training.learning.config import FitConfig, fingerprint
from evenhand.training.learning.features import Features, Material, extract
from evenhand.typing import Float32s, Floats, Ints


@dataclass(frozen=True)
class Context:
    """One seed. Expensive parts are computed once, at their first use."""

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
        """What a second stage may learn from: unseen rows, or all; validation rows decide."""
        if len(self.unseen) == len(self.train):
            return {"all training rows": self.train}
        return {"held-out rows": self.unseen, "all training rows": self.train}

    @cached_property
    def validation(self) -> Ints:
        """Rows that everything is chosen on."""
        return self.rows.of("val")

    @cached_property
    def scored(self) -> Ints:
        """Rows that a method answers: validation and test, in the order of the file."""
        return self.rows.of("val", "test")

    def on_validation(self, predicted: Ints) -> Ints:
        """The part of ``predicted (scored,)`` on validation rows: every choice is made by it."""
        chosen: Ints = predicted[self.rows.split[self.scored] == "val"]
        return chosen

    @cached_property
    def features(self) -> Features:
        """The frozen base's outputs for every row, with its hidden states at the configured cut."""
        split = self.split()
        # The folder is named by base and rows, so that an interrupted comparison goes on from here.
        return extract(split, self.base.encoded, self.base.pad_id, self.hidden_file, self.folder.name)

    @property
    def hidden_file(self) -> Path:
        """Where :attr:`features` keeps its hidden states."""
        return self.folder / f"hidden-{self.config.detector.layer}.npy"

    @property
    def material(self) -> Material:
        """What the stages of a fit learn from."""
        return Material(self.features, self.rows, self.schema, self.seed)

    @cached_property
    def target(self) -> Target:
        """What every choice aims at."""
        return target_of(self.schema, self.config.correction)

    @cached_property
    def criterion(self) -> Criterion:
        """How everything is chosen."""
        answers = self.features.base_logits[self.validation].argmax(axis=1)
        return Criterion.against(answers, self.rows, self.schema, self.target)

    @contextlib.contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """An empty folder for a method's checkpoints, gone afterwards.

        It starts empty because a checkpoint does not hold a method's own state (GroupDRO's weights, the rows
        it chose): an interrupted method starts again.
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


def key_of(config: FitConfig, rows: Rows, digest: str, target: Target, corrects: bool) -> str:
    """Hash of the settings that decide a result; a bundle's descriptive fields do not.

    Args:
        config: All settings.
        rows: The data.
        digest: Hash of the file that it comes from.
        target: What every choice aims at.
        corrects: Whether the method has detectors and adapters, whose settings matter to no other.
    """
    # Each method decides for itself whether it certifies, so a fit's own setting must not change the key.
    correction = replace(config.correction, require_certificate=True)
    stages = (asdict(config.detector), asdict(correction)) if corrects else ()
    return fingerprint(_base_key(config, rows, digest), target.model_dump(), *stages)


def _base_key(config: FitConfig, rows: Rows, digest: str) -> str:
    """Hash of what decides the base."""
    digester = sha256()
    for name, values in sorted(
        {**rows.groups, "split": rows.split, "label": rows.labels, "row": rows.row}.items()
    ):
        digester.update(name.encode() + np.ascontiguousarray(values).tobytes())
    return fingerprint(base_model.key_of(config, rows, digest), config.weights, digester.hexdigest())


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


SAID = ("title", "source", "sees", "served")
"""Fields of a method that describe it and decide nothing."""


@dataclass(frozen=True)
class Sees:
    """Who sees the sensitive attribute, and when."""

    training: Literal["all", "part", "none"]
    """Of which training rows."""
    choosing: Literal["all", "none"]
    """Whether something is fitted or chosen on validation rows with their attribute."""
    test: bool
    """Whether the scored row's own attribute is an input: such a method cannot serve without it."""

    def __str__(self) -> str:
        return f"{self.training}/{self.choosing}/{'yes' if self.test else 'no'}"


@dataclass(frozen=True)
class Served:
    """Whether what a method makes can be served by Evenhand, and how."""

    how: Literal["bundle", "corrector", "no"]
    """As a bundle of its own, as a corrector in the graph of the base's bundle, or not at all."""
    why: str
    """How, or why not, in one sentence."""
    cost: float | None = None
    """Computation of a row relative to the base; ``None`` where it is measured or unknown."""


SAME_GRAPH = Served(
    "bundle", "`evenhand fit --method` with its name: the base's own graph with other weights.", 1.0
)


@dataclass(frozen=True)
class MethodAnswer:
    """What a method answers to :attr:`Context.scored`, and how it came to it."""

    predicted: Ints
    """``(scored,)`` class."""
    score: Floats | None = None
    """``(scored,)`` probability of the predicted class, where the method has one."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What was chosen on validation rows and what a reader should know; plain values."""
    cost: float | None = None
    """Computation of a row relative to the base, where it was measured on this seed."""

    @classmethod
    def of_logits(cls, logits: Floats, **notes: Any) -> MethodAnswer:  # noqa: ANN401 - whatever JSON can say
        """The most likely class under ``logits (scored, classes)``, and its probability."""
        return cls(logits.argmax(axis=1), softmax(logits, axis=1).max(axis=1), notes)


@dataclass(frozen=True)
class Beside:
    """Another method's line, whose cost a control is held to."""

    method: str
    accuracy: float
    """On validation rows."""


@dataclass(frozen=True)
class Method(ABC):
    """One method with its settings; further settings are fields of its class.

    A method reads the base, never changes it, and looks at test rows only to answer them.
    """

    name: str
    """What the command line calls it."""
    title: str
    source: str
    """Paper or library."""
    sees: Sees
    served: Served = SAME_GRAPH
    """What most methods that train a base anew have in common; every other says its own."""
    control: ClassVar[bool] = False
    """Whether a sceptic would try it first: it stands in every table of data that it suits."""
    beside: ClassVar[tuple[str, ...]] = ()
    """Names of methods that it is held to, after which it runs: the first of them that has an answer."""

    def suits(self, task: str, classes: int) -> bool:
        """Whether it is defined for this kind of input and so many labels."""
        return True

    @property
    def corrects(self) -> bool:
        """Whether the settings of detectors and adapters matter to it."""
        return False

    def held_to(self, other: Beside | None) -> Method:
        """This method, held to another one's line; whether there is one is only of interest to controls."""
        return self

    @abstractmethod
    def answer(self, context: Context) -> MethodAnswer:
        """Learn on one seed, and answer its validation and test rows.

        Raises:
            NotApplicableError: the method is not defined for this data.
        """

    @property
    def key(self) -> str:
        """Hash of what decides the answer: the class and its settings, not what it is called."""
        settings = {name: value for name, value in asdict(self).items() if name not in SAID}
        return fingerprint(type(self).__name__, settings)
