"""The server's answers and the bundle's, joined row by row: what is served, and what goes on record. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from evenhand.models.bundle.manifest import Manifest
from evenhand.service.proxy.answers import Forms, Said, moved
from evenhand.service.types import Answer, Decision

Agreement = Literal["same", "score", "label"]
MOVES_SCORES = frozenset(("offsets",))
"""Methods that only add to scores: they move the server's own scores just as well."""
RECENT = 1000
"""Rows that the verdict on agreement looks back at."""
SOME = 50
"""Rows without which there is none."""
MOST = 0.02
"""Share of rows with another label from which on the server is another model."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How answers of one model are joined."""

    forms: Forms
    tolerance: float
    """Largest difference of a label's probability that counts as the same."""
    corrects_always: bool
    """Whether rows are corrected for which the server's label is not the base's."""
    moves: bool
    """Whether the correction is added to the server's own scores."""


@dataclass(frozen=True, slots=True)
class Joined:
    """One row."""

    decision: Decision
    """With the server's answer as the base's."""
    said: Said | None
    """What replaces the row in the server's reply; ``None`` if it stays as it came."""
    agreement: Agreement


def rules_of(manifest: Manifest, forms: Forms, tolerance: float, disagreement: str) -> Rules:
    """The rules for one model."""
    moves = manifest.correction.method in MOVES_SCORES
    return Rules(forms, tolerance, disagreement == "correct", moves)


def join(decision: Decision, said: Said, rules: Rules) -> Joined:
    """Join the server's answer to a row with the decision about it.

    Raises:
        Unreadable: the server's answer is none of this model, or a corrected one has no form there.
    """
    forms = rules.forms
    theirs = forms.answer(said, decision.base.scores)
    agreement = _agreement(theirs, decision.base, rules.tolerance, bool(said.scores))
    if not decision.corrected or (agreement == "label" and not rules.corrects_always):
        return Joined(_with(decision, theirs, theirs, corrected=False), None, agreement)
    final = decision.final
    if rules.moves and forms.complete(said):
        final = moved(theirs, decision.base, decision.final, forms.favourable)
    label = said.label
    if label is not None and final.label != theirs.label:
        label = forms.label_as(final.label, label)
    new = Said(label, tuple(forms.scores_as(final, like) for like in said.scores))
    return Joined(_with(decision, theirs, final, corrected=True), new, agreement)


def _with(decision: Decision, base: Answer, final: Answer, corrected: bool) -> Decision:
    """A decision with other answers; ``dataclasses.replace`` takes four times as long."""
    return Decision(
        base=base,
        final=final,
        shadow=decision.shadow,
        corrected=corrected,
        verdicts=decision.verdicts,
        abstained=decision.abstained,
    )


def _agreement(theirs: Answer, base: Answer, tolerance: float, has_scores: bool) -> Agreement:
    if theirs.label != base.label:
        return "label"
    apart = max(abs(theirs.scores[label] - base.scores[label]) for label in base.scores)
    return "score" if has_scores and apart > tolerance else "same"


class Comparison:
    """Whether the server behind the proxy is the model that the correction was learnt from."""

    def __init__(self) -> None:
        self._recent: deque[bool] = deque(maxlen=RECENT)
        self._others = 0

    def add(self, agreement: Agreement) -> None:
        """Note one row."""
        if len(self._recent) == RECENT:
            self._others -= self._recent[0]
        self._recent.append(agreement == "label")
        self._others += agreement == "label"

    @property
    def problem(self) -> str | None:
        """What is wrong, in one sentence; ``None`` if nothing is, or there are too few rows."""
        if len(self._recent) < SOME or self._others <= MOST * len(self._recent):
            return None
        return (
            "the server behind the proxy is not the model that the correction was learnt from: another label "
            f"for {self._others} of the last {len(self._recent)} rows"
        )
