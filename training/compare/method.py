"""What a method of the comparison is, and what it hands back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from training.compare.context import Context
from training.config import fingerprint
from training.correctors.method import NotApplicableError

__all__ = ["Answer", "Method", "NotApplicableError", "Sees"]
Ints = NDArray[np.int64]
Floats = NDArray[np.floating]


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
class Answer:
    """What a method answers to :attr:`Context.judged`, and how it came to it."""

    predicted: Ints
    """``(judged,)`` class."""
    score: Floats | None = None
    """``(judged,)`` probability of the predicted class, where the method has one."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What was chosen on validation rows and what a reader should know; plain values."""

    @classmethod
    def of_logits(cls, logits: Floats, **notes: Any) -> Answer:  # noqa: ANN401 - whatever JSON can say
        """The most likely class under ``logits (judged, classes)``, and its probability."""
        exponent = np.exp(logits - logits.max(axis=1, keepdims=True))
        return cls(logits.argmax(axis=1), exponent.max(axis=1) / exponent.sum(axis=1), notes)


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

    @property
    def corrects(self) -> bool:
        """Whether the settings of detectors and adapters matter to it."""
        return False

    @abstractmethod
    def answer(self, context: Context) -> Answer:
        """Learn what is to be learnt on one seed, and answer its validation and test rows.

        Raises:
            NotApplicableError: the method is not defined for this data.
        """

    @property
    def key(self) -> str:
        """Hash of what decides the answer: the class and its settings, not what it is called."""
        settings = {name: value for name, value in asdict(self).items() if name not in ("title", "source", "sees")}
        return fingerprint(type(self).__name__, settings)
