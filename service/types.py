"""The values that pass between the stages of the service. No behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evenhand.models.bundle.inputs import Encoded
from evenhand.models.bundle.manifest import UNKNOWN_GROUP, Attribute, Mode
from evenhand.models.bundle.target import Target

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


class Described(Protocol):
    """What is said about a model: by its manifest, its declaration, or, without either, the record."""

    @property
    def name(self) -> str:
        """Of the model."""

    @property
    def version(self) -> str:
        """Of the model."""

    @property
    def attributes(self) -> Sequence[Attribute]:
        """Sensitive attributes of the model."""

    @property
    def labels(self) -> Sequence[str]:
        """Of the model; none if they are not on record any more."""

    @property
    def favourable(self) -> Sequence[str]:
        """Those of the labels that are good for the person."""

    @property
    def target(self) -> Target | None:
        """What the correction is for, if the bundle says it."""


@dataclass(frozen=True, slots=True)
class GraphRun:
    """One run of the graph, as a trace shows it."""

    started_ns: int
    """Nanoseconds since 1970, as traces count."""
    ended_ns: int
    rows: int
    tokens: int


@dataclass(slots=True)
class RunObserver:
    """Notes the run that a traced row was in."""

    run: GraphRun | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One row, checked and tokenised; its content can no longer fail."""

    encoded: Encoded
    """The row's arrays."""
    modes: Ints
    """``(attributes,)`` codes: how each attribute's correction is switched for this row."""
    observer: RunObserver | None = None
    """Set only if the request is traced."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Outputs of the graph for one row, before the decision."""

    logits: Floats
    """``(classes,)`` the answer under the row's modes."""
    base: Floats
    """``(classes,)`` the base model's own answer."""
    shadow: Floats
    """``(classes,)`` the answer if attributes in shadow mode were applied too."""
    risk: Floats
    """``(attributes,)`` probability of not belonging to the reference group."""
    flagged: Bools
    """``(attributes,)`` whether the risk reaches the threshold."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A label with its probabilities."""

    label: str
    scores: dict[str, float]
    favourable: bool

    @property
    def score(self) -> float:
        """Probability of the label."""
        return self.scores[self.label]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one attribute of one row."""

    attribute: str
    risk: float
    flagged: bool
    mode: Mode
    result: str | None
    """``applied``, ``shadow``, ``off`` or ``error`` for a flagged row; ``None`` for any other."""
    abstains: bool = False
    """Whether the row is flagged and its answer is less probable than the attribute's bound, in any mode."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one row and its reasons. Holds nothing of the input."""

    final: Answer
    """The served answer."""
    base: Answer
    """The uncorrected model's answer."""
    shadow: Answer | None
    """The answer if attributes in shadow mode were applied; ``None`` if none of them flagged the row."""
    corrected: bool
    """Whether an adapter was applied to the served answer."""
    verdicts: tuple[Verdict, ...]
    """One per attribute, in the manifest's order."""
    abstained: str | None = None
    """The attribute for which a person must decide; the answers are for that person."""


@dataclass(frozen=True, slots=True)
class RowWarning:
    """What the reply to a row warns of. Holds nothing of the input."""

    kind: str
    """``unknown_group``, ``missing_feature``, ``unseen_category`` or ``far_number``."""
    names: tuple[str, ...]
    """The model's attributes or features."""
    message: str


@dataclass(frozen=True, slots=True)
class Row:
    """One answered row for counters and the record. Holds nothing of the input."""

    id: str
    result: Decision | str
    """The decision, or the type of the error that the row ended with."""
    declared: Mapping[str, str]
    """Declared groups by attribute: those that the model lists, ``unknown`` for any other."""
    digest: str
    """Keyed digest of the input; empty if nothing is recorded."""
    own_id: str | None = None
    """The caller's own id of this row; the record keeps a pseudonym of it."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The counts that an item of feedback adds."""

    model: str
    base: bool
    """Whether the base answer was favourable."""
    final: bool
    """Whether the served one was."""
    label: bool | None
    """Whether the true label is favourable; ``None`` if it is not known yet."""
    is_new: bool
    """Whether this item added the label."""
    p: float | None
    """The served probability of a favourable label; ``None`` if a decision made elsewhere came without."""
    bin: int
    """Its tenth."""
    flagged: Mapping[str, bool | None]
    """By attribute; ``None`` where no detector looked at the row."""
    references: Mapping[str, str]
    """Reference groups by attribute."""
    decisions: tuple[tuple[str, str], ...]
    """Attributes and groups that this item declared, and intersections that it completed: the decision counts
    among the declared ones from now on."""
    outcomes: tuple[tuple[str, str, str], ...]
    """Attribute or intersection, group and source under which the true label counts from now on."""


INFERRED = ("unflagged", "flagged")
"""What stands for a group where none was declared: by the detector's flag."""


def counted_under(declared: str | None, flagged: bool | None) -> tuple[str, str]:
    """The group and the source under which a decision and its true label count for one attribute.

    Args:
        declared: The group that was declared, if one was.
        flagged: Whether the detector flagged the row for this attribute; ``None`` if none looked at it.
    """
    if declared is not None:
        return declared, "declared"
    return UNKNOWN_GROUP if flagged is None else INFERRED[flagged], "inferred"
