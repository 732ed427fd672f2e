"""What a method of the comparison is, and what it hands back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from scipy.special import softmax

from evenhand.training.baselines.context import Context
from evenhand.training.correctors.interface import NotApplicableError
from evenhand.training.learning.config import fingerprint
from evenhand.typing import Floats, Ints

__all__ = ["Answer", "Method", "NotApplicableError", "Sees"]


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
    """Whether the attribute of the very row that is judged is an input: such a method cannot serve without it."""

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
    """Computation of a row relative to the base, where the kind of method decides it; ``None`` where it is measured or
    not known."""


SAME_GRAPH = Served(
    "bundle", "`evenhand fit --method` with its name: the base's own graph with other weights.", 1.0
)


@dataclass(frozen=True)
class MethodAnswer:
    """What a method answers to :attr:`Context.judged`, and how it came to it."""

    predicted: Ints
    """``(judged,)`` class."""
    score: Floats | None = None
    """``(judged,)`` probability of the predicted class, where the method has one."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What was chosen on validation rows and what a reader should know; plain values."""
    cost: float | None = None
    """Computation of a row relative to the base, where it was measured on this seed."""

    @classmethod
    def of_logits(cls, logits: Floats, **notes: Any) -> MethodAnswer:  # noqa: ANN401 - whatever JSON can say
        """The most likely class under ``logits (judged, classes)``, and its probability."""
        return cls(logits.argmax(axis=1), softmax(logits, axis=1).max(axis=1), notes)


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

    @property
    def corrects(self) -> bool:
        """Whether the settings of detectors and adapters matter to it."""
        return False

    @abstractmethod
    def answer(self, context: Context) -> MethodAnswer:
        """Learn what is to be learnt on one seed, and answer its validation and test rows.

        Raises:
            NotApplicableError: the method is not defined for this data.
        """

    @property
    def key(self) -> str:
        """Hash of what decides the answer: the class and its settings, not what it is called."""
        settings = {name: value for name, value in asdict(self).items() if name not in SAID}
        return fingerprint(type(self).__name__, settings)
