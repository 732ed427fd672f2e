"""One decision as it was sent, to one that can be recorded. A message never repeats what was sent."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evenhand.models.bundle.manifest import UNKNOWN_GROUP
from evenhand.service.audit.elsewhere.rows import Reported
from evenhand.service.catalog.observed import ObservedModel
from evenhand.service.ids import OWN_ID, is_own_id
from evenhand.service.inference.preprocess import plain
from evenhand.tables.cells import spelled, text_of
from evenhand.tables.ranges import in_range

FIELDS = ("model", "id", "prediction", "scores", "score", "label", "groups", "features", "text", "text_pair")
"""What a decision may say."""
NESTED = ("scores", "groups", "features")
"""Fields that may also be written as ``field.name``, as the columns of a flat table are."""
SUM_TOLERANCE = 0.02
"""By how much rounded scores of all labels may miss 1."""
UNREADABLE = "a value of it cannot be read"
CONFLICT = "another decision of this id is on record; it stays as it is"


class RowError(ValueError):
    """A decision that cannot be recorded; the message says why."""


@dataclass(slots=True)  # not frozen: there are many
class Checked:
    """A decision that can be recorded."""

    row: Reported
    item: Any = None
    """Its input, as a bundle takes it; ``None`` if none was sent."""


@dataclass(frozen=True, slots=True)
class Faulty:
    """A decision that cannot be recorded."""

    place: int
    message: str


class RowReader:
    """Checks the decisions of one model.

    Args:
        model: The model.
        digest: Makes the keyed digest of an input.
    """

    def __init__(self, model: ObservedModel, digest: Callable[[bytes], str]) -> None:
        self.model = model
        self._digest = digest
        self._labels = tuple(model.labels)
        self.favourable = frozenset(model.favourable)
        self._groups = {attribute.name: tuple(attribute.groups) for attribute in model.attributes}
        self._ranges = {attribute.name: tuple(attribute.ranges) for attribute in model.attributes}
        self.unlisted = Counter[str]()
        """Rows by attribute whose group the model does not list; they count as ``unknown``."""

    def read(self, name: str, sent: Mapping[str, Any]) -> Checked:
        """Check one decision.

        Args:
            name: Its new id.
            sent: Its fields; those that are null say nothing.

        Raises:
            RowError: it cannot be recorded.
        """
        label, scores, score = self._answer(sent)
        truth = self.label(sent.get("label"), "label")
        item = input_of(sent)
        favourable = label in self.favourable
        p = self._p(favourable, scores, score)
        row = Reported(
            id=name,
            own_id=own_id_of(sent.get("id")),
            label=label,
            favourable=favourable,
            score=score if scores is None else scores[label],
            p=p,
            truth=truth,
            is_good=None if truth is None else truth in self.favourable,
            groups=self.groups(sent.get("groups")),
            digest="" if item is None else self.digest(item),
        )
        return Checked(row, item)

    def digest(self, item: Any) -> str:  # noqa: ANN401 - what a bundle takes
        """The keyed digest of an input."""
        return self._digest(plain(item))

    def _answer(self, sent: Mapping[str, Any]) -> tuple[str, dict[str, float] | None, float | None]:
        """The decided label, the probability of every label or ``None``, and that of the decided one."""
        label = self.label(sent.get("prediction"), "prediction")
        scores, score = self._scores(sent.get("scores")), sent.get("score")
        if score is not None:
            score = _share(score, "score")
            if label is None:
                raise RowError("score is the probability of the prediction, which is missing")
        if label is None and scores is None:
            raise RowError("send a prediction, scores, or both")
        if label is None and scores is not None:
            label = max(scores, key=scores.__getitem__)
        assert label is not None
        return label, scores, score

    def _p(self, favourable: bool, scores: dict[str, float] | None, score: float | None) -> float | None:
        """The probability of a favourable label, if it is known."""
        if scores is not None:
            return min(1.0, sum([scores[name] for name in self.favourable]))
        if score is None or len(self._labels) > 2:
            return None
        return score if favourable else 1.0 - score

    def label(self, value: Any, field: str) -> str | None:  # noqa: ANN401 - anything a client may send
        """A label as the model spells it; ``None`` for none.

        Raises:
            RowError: the model has no such label; the message names the field.
        """
        if value is None or value in self._labels:
            return value  # type: ignore[no-any-return]
        label = _spelled(self._labels, value)
        if label is None:
            raise RowError(f"{field} is none of the model's labels, {', '.join(self._labels)}")
        return label

    def _scores(self, value: Any) -> dict[str, float] | None:  # noqa: ANN401 - anything a client may send
        if value is None:
            return None
        if isinstance(value, list) and len(value) == len(self._labels):
            scores = dict(zip(self._labels, [_share(one, "scores") for one in value], strict=True))
        elif isinstance(value, dict):
            scores = {}
            for name, share in value.items():
                label = name if name in self._labels else _spelled(self._labels, name)
                if label is None or label in scores:
                    raise RowError(f"scores are by label, once each: {', '.join(self._labels)}")
                scores[label] = _share(share, "scores")
        else:
            raise RowError("scores are an object by label, or a list in the order of the model's labels")
        if len(scores) == len(self._labels) - 1:  # the last one follows
            missing = next(label for label in self._labels if label not in scores)
            scores[missing] = max(0.0, 1.0 - sum(scores.values()))
        if len(scores) < len(self._labels) or abs(sum(scores.values()) - 1.0) > SUM_TOLERANCE:
            raise RowError(f"scores must be there for {', '.join(self._labels)}, and add up to 1")
        return scores

    def groups(self, value: Any) -> dict[str, str]:  # noqa: ANN401 - anything a client may send
        """Declared groups as they are counted.

        Raises:
            RowError: they are none, or of another attribute.
        """
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise RowError("groups is an object of groups by attribute")
        groups = {}
        for name, sent in value.items():
            group = self.group(name, sent)
            if group is not None:
                groups[name] = group
                if group == UNKNOWN_GROUP:
                    self.unlisted[name] += 1
        return groups

    def group(self, attribute: str, value: Any) -> str | None:  # noqa: ANN401 - anything a client may send
        """A declared group as it is counted; ``None`` for none.

        Raises:
            RowError: the model has no such attribute.
        """
        listed = self._groups.get(attribute)
        if listed is None:
            raise RowError(
                f"groups names an attribute that is not the model's; {', '.join(self._groups)} are"
            )
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return None
        if value in listed:
            return value  # type: ignore[no-any-return]
        ranges = self._ranges.get(attribute, ())
        text = None if isinstance(value, dict | list) else text_of(value)
        return (None if text is None else spelled(listed, in_range(ranges, text))) or UNKNOWN_GROUP


def fields_of(sent: Any) -> Mapping[str, Any]:  # noqa: ANN401 - anything a client may send
    """The fields of one decision, with those gathered that are written as ``field.name``.

    Raises:
        RowError: it is no object, or has a field that is none.
    """
    if not isinstance(sent, dict):
        raise RowError("a decision is a JSON object")
    if sent.keys() <= _FIELDS:
        return sent
    fields: dict[str, Any] = {}
    for name, value in sent.items():
        field, dot, inner = name.partition(".")
        if field not in _FIELDS or (dot and field not in NESTED):
            raise RowError(f"unknown field; the fields are {', '.join(FIELDS)}")
        if not dot:
            fields[field] = value
        elif value is not None:
            nested = fields.setdefault(field, {})
            if not isinstance(nested, dict):
                raise RowError(f"{field} is there as a whole and in parts")
            nested[inner] = value
    return fields


_FIELDS = frozenset(FIELDS)


def _spelled(values: tuple[str, ...], value: Any) -> str | None:  # noqa: ANN401 - anything a client may send
    """A value as one of the model's own words: ``1.0`` is the label ``1``."""
    if isinstance(value, dict | list):
        return None
    text = text_of(value)
    return None if text is None else spelled(values, text)


def _share(value: Any, field: str) -> float:  # noqa: ANN401 - anything a client may send
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise RowError(f"{field}: a probability is a number from 0 to 1")
    return float(value)


def own_id_of(value: Any) -> str | None:  # noqa: ANN401 - anything a client may send
    """The caller's own id.

    Raises:
        RowError: it is none.
    """
    if value is None:
        return None
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not is_own_id(text):
        raise RowError(OWN_ID)
    return text


def input_of(sent: Mapping[str, Any]) -> Any:  # noqa: ANN401 - what a bundle takes
    """The input as ``POST /predict`` takes it; ``None`` if none was sent.

    Raises:
        RowError: it is none.
    """
    features, text, other = sent.get("features"), sent.get("text"), sent.get("text_pair")
    if features is not None:
        if text is not None or other is not None:
            raise RowError("send features or text, not both")
        if not isinstance(features, dict):
            raise RowError("features is an object of values by name")
        return features
    if text is None and other is None:
        return None
    if not isinstance(text, str) or not isinstance(other, str | None):
        raise RowError("text, and text_pair where there is one, are texts")
    return text if other is None else {"text": text, "text_pair": other}
