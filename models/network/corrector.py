"""The one interface of everything that finishes the rows whose gate is open.

A corrector says which fields of a row it reads, and returns logits. It decides nothing about gates and modes:
:class:`evenhand.models.network.fairnet.FairNet` passes it the selected rows only, in torch as in the ONNX
graph. So a closed gate returns the base model's answer, whatever the corrector is.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from safetensors.torch import save_file
from torch import Tensor, nn

from evenhand.models.network.backbones import Inputs, SplitModel

Field = Literal["hidden", "mask", "logits", "risk", "representation", "inputs"]


class Selected(NamedTuple):
    """Rows whose gate is open. A field that a corrector does not read may be empty."""

    gates: Tensor
    """``(rows, attributes)`` bool: which of them."""
    hidden: Tensor
    """``(rows, positions, hidden)`` the state at the cut."""
    mask: Tensor
    """``(rows, positions)`` which positions mean something."""
    logits: Tensor
    """``(rows, classes)`` the base's answer."""
    risk: Tensor
    """``(rows, attributes)``."""
    representation: Tensor
    """``(rows, width)`` what the base's last layer reads."""
    inputs: Inputs = {}  # noqa: RUF012 - nobody changes it
    """What the base takes, by name; the first axis of each is the rows."""


class Corrector(nn.Module, ABC):
    """What answers for the rows that a gate selects.

    Args:
        split: The frozen base, cut; its weights are shared with the base.
    """

    method: ClassVar[str]
    """What ``evenhand fit --method`` and the manifest call it."""
    reads: tuple[Field, ...]
    """What of a row it needs; the graph computes and gathers nothing else."""

    def __init__(self, split: SplitModel) -> None:
        super().__init__()
        self.split = split
        self.strength = 1.0
        """How much of the correction is applied; part of the exported graph."""
        self.abstain_below: tuple[float, ...] = ()
        """Per attribute the probability below which a flagged row gets no answer; empty if none abstains."""

    @abstractmethod
    def correct(self, rows: Selected) -> Tensor:
        """Logits ``(rows, classes)``; must not mix rows."""

    @contextlib.contextmanager
    def at_strength(self, strength: float) -> Iterator[None]:
        """Run with the correction multiplied by ``strength``."""
        usual, self.strength = self.strength, self.strength * strength
        try:
            yield
        finally:
            self.strength = usual

    def fold_strength(self, strength: float) -> None:
        """Make ``strength`` part of what is exported and saved."""
        self.strength *= strength

    def keep(self, attributes: Sequence[str]) -> None:
        """Drop what only other attributes' flagged rows would use: their gates stay closed."""

    def head(self, representation: Tensor) -> Tensor:
        """The base's own last layer: ``(rows, width)`` to logits ``(rows, classes)``."""
        logits: Tensor = self.split.model.get_submodule(self.split.family.head)(representation)
        return logits

    def save(self, folder: Path, base: str) -> None:
        """Write what was learnt, for inspection; the exported graph is what runs.

        Args:
            folder: Where to.
            base: What the base model is called.
        """
        own = {
            name: tensor.contiguous()
            for name, tensor in self.state_dict().items()
            if not name.startswith("split.")
        }
        notes = {"method": self.method, "base": base, "strength": str(self.strength)}
        save_file(own, folder / f"{self.method}.safetensors", metadata=notes)
