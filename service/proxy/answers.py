"""What a server behind the proxy says of one row, as our answer, and our answer as it would say it.

Pure. The server may write labels as texts, numbers or truth values, and scores as one number, a list or an
object; a changed answer is written in the same form.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evenhand.service.proxy.wires.json_path import Unreadable
from evenhand.service.settings import SettingsError
from evenhand.service.types import Answer, Described

LEAST = 1e-12
"""Smaller probabilities have no logarithm that something could be added to."""
SLACK = 1e-3
"""How far probabilities may lie outside of 0 to 1, and their sum from 1: servers round."""
Scale = Literal["probabilities", "logits"]


@dataclass(frozen=True, slots=True)
class Said:
    """One row of a reply, as it came."""

    label: Any
    """The value at the label's place; ``None`` if there is no such place."""
    scores: tuple[Any, ...]
    """The values at each place of scores."""


@dataclass(frozen=True, slots=True)
class Forms:
    """How a server writes the labels of one model.

    Args:
        labels: The model's labels.
        favourable: Those that are good for the person.
        values: Labels by what the server writes; empty if it writes them as the model does.
        score_of: Whose probability a single number is; empty for the label that is said.
        scale: What a list or an object of scores holds.
    """

    labels: tuple[str, ...]
    favourable: frozenset[str]
    values: Mapping[str, str]
    score_of: str
    scale: Scale

    def answer(self, said: Said, beside: Mapping[str, float]) -> Answer:
        """The server's answer to one row.

        Args:
            said: The row of its reply.
            beside: The base's own scores by label, for what the server does not say.

        Raises:
            Unreadable: it is no answer of this model.
        """
        label = None if said.label is None else self.label(said.label)
        parts = [self._scores(value, label) for value in said.scores]
        full = max(parts, key=len, default={})
        scores = self._filled(full, label, beside)
        label = label or max(scores, key=lambda name: scores[name])
        return Answer(label, scores, label in self.favourable)

    def stated(self, said: Said) -> tuple[str, dict[str, float]]:
        """The label of one row, and what follows of its probabilities: all, one or none.

        Raises:
            Unreadable: it is no answer of this model.
        """
        label = None if said.label is None else self.label(said.label)
        scores = max((self._scores(value, label) for value in said.scores), key=len, default={})
        if len(scores) == 1 and len(self.labels) == 2:
            ((one, share),) = scores.items()
            scores = {name: share if name == one else 1 - share for name in self.labels}
        if label is None and len(scores) < len(self.labels):
            raise Unreadable("a row has neither a label nor all scores")
        return label or max(scores, key=lambda name: scores[name]), scores

    def complete(self, said: Said) -> bool:
        """Whether the server says a score for every label."""
        return any(isinstance(value, (list, dict)) for value in said.scores) or (
            len(self.labels) == 2 and bool(said.scores)
        )

    def label(self, value: Any) -> str:  # noqa: ANN401 - any JSON value
        """The label that a value stands for.

        Raises:
            Unreadable: none.
        """
        text = _text(value)
        if text in self.values:
            return self.values[text]
        if isinstance(value, bool):
            raise Unreadable("a label is true or false; EVENHAND_PROXY_LABEL_VALUES says which label that is")
        if text in self.labels:
            return text
        if isinstance(value, (int, float)) and value == int(value) and 0 <= value < len(self.labels):
            return self.labels[int(value)]
        raise Unreadable("a label is none of the bundle's; EVENHAND_PROXY_LABEL_VALUES says how they look")

    def label_as(self, label: str, like: Any) -> Any:  # noqa: ANN401
        """A label in the form of another value of the same server.

        Raises:
            Unreadable: that form has no such label.
        """
        for text, name in self.values.items():
            if name == label and type(value := _value(text, like)) is type(like):
                return value
        if isinstance(like, str):
            return label
        if isinstance(like, bool):
            raise Unreadable("EVENHAND_PROXY_LABEL_VALUES does not say how the other label looks")
        index = float(label) if _is_number(label) else self.labels.index(label)
        return type(like)(index)

    def scores_as(self, answer: Answer, like: Any) -> Any:  # noqa: ANN401
        """An answer's scores in the form of another value of the same server."""
        if isinstance(like, dict):
            return {name: self._scaled(answer.scores[self.label(name)]) for name in like}
        if isinstance(like, list) and len(like) > 1:
            return [self._scaled(answer.scores[name]) for name in self.labels]
        number = answer.scores[self.score_of or answer.label]
        return [number] if isinstance(like, list) else number

    def _scaled(self, probability: float) -> float:
        return math.log(max(probability, LEAST)) if self.scale == "logits" else probability

    def _scores(self, value: Any, label: str | None) -> dict[str, float]:  # noqa: ANN401
        """Probabilities by label, as far as one value says them."""
        if isinstance(value, dict):
            named = {self.label(name): _number(score) for name, score in value.items()}
            if len(named) != len(self.labels):
                raise Unreadable("an object of scores has not the bundle's labels")
            return self._probabilities(named)
        if isinstance(value, list) and len(value) != 1:
            if len(value) != len(self.labels):
                raise Unreadable(f"a list of scores has not {len(self.labels)} numbers, one per label")
            numbers = dict(zip(self.labels, map(_number, value), strict=True))
            return self._probabilities(numbers)
        name = self.score_of or label
        if name is None:
            raise Unreadable("one number is whose score? EVENHAND_PROXY_SCORE_OF names the label")
        return {name: _share(_number(value[0] if isinstance(value, list) else value))}

    def _probabilities(self, numbers: dict[str, float]) -> dict[str, float]:
        if self.scale == "logits":
            largest = max(numbers.values())
            numbers = {name: math.exp(value - largest) for name, value in numbers.items()}
        elif abs(math.fsum(numbers.values()) - 1) > SLACK:
            raise Unreadable("scores do not add up to 1; EVENHAND_PROXY_SCORES=logits is for others")
        total = math.fsum(numbers.values())
        return {name: _share(value / total) for name, value in numbers.items()}

    def _filled(
        self, scores: Mapping[str, float], label: str | None, beside: Mapping[str, float]
    ) -> dict[str, float]:
        """Scores of all labels: what the server leaves open is shared out as the base does."""
        if not scores:
            if label is None:
                raise Unreadable("a row has neither a label nor a score")
            agrees = bool(beside) and max(beside, key=lambda name: beside[name]) == label
            return dict(beside) if agrees else {name: float(name == label) for name in self.labels}
        missing = [name for name in self.labels if name not in scores]
        left = max(0.0, 1 - math.fsum(scores.values()))
        weights = {name: beside.get(name, 1.0) for name in missing}
        total = math.fsum(weights.values()) or 1.0
        return {
            name: scores[name] if name in scores else left * weights[name] / total for name in self.labels
        }


def forms_of(manifest: Described, values: Sequence[str], score_of: str, scale: Scale) -> Forms:
    """The forms that the settings name, checked against a model.

    Raises:
        SettingsError: they name a label that the model has not.
    """
    labels = tuple(manifest.labels)
    listed = ", ".join(labels)
    mapping: dict[str, str] = {}
    for value in values:
        text, sign, label = value.partition("=")
        if not sign or label not in labels:
            raise SettingsError(
                f"setting proxy_label_values: {value!r} is not VALUE=LABEL with a label of {manifest.name}, "
                f"which has {listed}"
            )
        mapping[text] = label
    if len(mapping) == 1 and len(labels) == 2 and (text := next(iter(mapping))) in ("true", "false"):
        other = next(label for label in labels if label != mapping[text])
        mapping["false" if text == "true" else "true"] = other
    if score_of and score_of not in labels:
        raise SettingsError(
            f"setting proxy_score_of: {score_of!r} is no label of {manifest.name}, but {listed}"
        )
    return Forms(labels, frozenset(manifest.favourable), mapping, score_of, scale)


def moved(answer: Answer, before: Answer, after: Answer, favourable: frozenset[str]) -> Answer:
    """An answer, moved as a correction moved the base's: its log scores change by as much.

    Args:
        answer: The server's.
        before: The base's.
        after: The base's, corrected by offsets.
        favourable: Labels that are good for the person.
    """
    logs = {
        name: math.log(max(score, LEAST))
        + math.log(max(after.scores[name], LEAST))
        - math.log(max(before.scores[name], LEAST))
        for name, score in answer.scores.items()
    }
    largest = max(logs.values())
    shares = {name: math.exp(value - largest) for name, value in logs.items()}
    total = math.fsum(shares.values())
    label = max(logs, key=lambda name: logs[name])
    return Answer(label, {name: share / total for name, share in shares.items()}, label in favourable)


def _text(value: Any) -> str:  # noqa: ANN401
    """A JSON value as a setting writes it."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)


def _value(text: str, like: Any) -> Any:  # noqa: ANN401
    """A setting's text as a value of a kind."""
    if isinstance(like, str):
        return text
    if isinstance(like, bool):
        return {"true": True, "false": False}.get(text)
    return type(like)(float(text)) if _is_number(text) else None


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdigit()


def _number(value: Any) -> float:  # noqa: ANN401
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise Unreadable("a score is no number")
    return float(value)


def _share(value: float) -> float:
    if not -SLACK <= value <= 1 + SLACK:
        raise Unreadable("a score is no probability; EVENHAND_PROXY_SCORES=logits is for others")
    return min(1.0, max(0.0, value))
