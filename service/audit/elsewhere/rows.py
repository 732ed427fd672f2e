"""Decisions made elsewhere, as values and as events. Pure; none of them holds an input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from evenhand.service.audit.chain import Event, encode
from evenhand.service.audit.events import VERSION, Configuration, time_of
from evenhand.service.types import Described

SOURCE = "elsewhere"
"""What the record calls the source of a decision that Evenhand did not make."""


@dataclass(slots=True)  # not frozen: there are many
class Reported:
    """One decision, checked: its texts are the model's own labels and groups."""

    id: str
    """Ours."""
    own_id: str | None
    """The other system's; one decision of a model has it."""
    label: str
    """What was decided."""
    favourable: bool
    """Whether that is a favourable label."""
    score: float | None
    """Probability of the label, where it was sent."""
    p: float | None
    """Probability of a favourable label, where it follows from what was sent."""
    truth: str | None
    """The true label, if it is known by now."""
    is_good: bool | None
    """Whether that is favourable."""
    groups: Mapping[str, str]
    """Declared groups by attribute: ``unknown`` for one that the model does not list."""
    digest: str
    """Keyed digest of the input; empty if none was sent."""
    shadow: Mapping[str, Any] | None = None
    """What a bundle would have answered, where one is served."""


@dataclass(frozen=True, slots=True)
class ReportedRows:
    """Rows of one model that are on record as a whole or not at all."""

    model: Described
    configuration: Configuration
    rows: Sequence[Reported]
    at_ms: int
    replica: str


def configuration_of(model: Described, digest: str) -> Configuration:
    """Describe a declared model, as the record keeps it.

    Args:
        model: The model.
        digest: SHA-256 that names its declaration.
    """
    attributes = {
        one.name: {"groups": one.groups, "reference": one.reference, "threshold": one.threshold}
        for one in model.attributes
    }
    body = encode(
        {
            "v": VERSION,
            "model": model.name,
            "version": model.version,
            "source": SOURCE,
            "bundle": digest,
            "adapters": {},
            "labels": list(model.labels),
            "favourable": list(model.favourable),
            "attributes": attributes,
            **({} if model.target is None else {"target": model.target.model_dump(mode="json")}),
        }
    )
    return Configuration(sha256(body.encode()).hexdigest(), body)


def events_of(batch: ReportedRows, own_ids: Sequence[str | None]) -> list[Event]:
    """The decisions in their order; each holds its true label, if that is known.

    Args:
        batch: The rows.
        own_ids: For each, the pseudonym of its own id, where it has one.
    """
    at_ms, write = batch.at_ms, _Writer(batch)
    return [
        Event(row.id, "decision", at_ms, write(row, own_id))
        for row, own_id in zip(batch.rows, own_ids, strict=True)
    ]


class _Writer:
    """Writes the bodies of a batch as JSON: what they have in common once, for there are many.

    Args:
        batch: The rows.
    """

    def __init__(self, batch: ReportedRows) -> None:
        before = {
            "v": VERSION,
            "kind": "decision",
            "time": time_of(batch.at_ms),
            "source": SOURCE,
            "model": batch.model.name,
            "version": batch.model.version,
            "configuration": batch.configuration.sha256,
        }
        nothing = {"mode": {}, "risk": {}, "flagged": [], "corrected": False, "error": None}
        after = {"latency_s": None, "replica": batch.replica, **nothing}
        self._before, self._after = encode(before)[:-1], encode(after)[1:]
        self._labels = {label: encode(label) for label in batch.model.labels}
        self._declared: dict[tuple[str, ...], str] = {}

    def __call__(self, row: Reported, own_id: str | None) -> str:
        """The body of one decision; it reads like that of a served one."""
        names = tuple(row.groups)
        declared = self._declared.get(names)
        if declared is None:
            declared = self._declared[names] = encode(sorted(names))
        answer = (
            f'{{"label":{self._labels[row.label]},"score":{_number(row.score)},'
            f'"favourable":{_bit(row.favourable)}}}'
        )
        own = "" if own_id is None else f'"own_id":"{own_id}",'
        truth = (
            ""
            if row.truth is None
            else f'"truth":{{"label":{self._labels[row.truth]},"favourable":{_bit(row.is_good)}}},'
        )
        shadow = "" if row.shadow is None else f'"shadow":{encode(row.shadow)},'
        return (
            f'{self._before},"id":"{row.id}",{own}"input":"{row.digest}","declared":{declared},'
            f'"base":{answer},"final":{answer},"p_favourable":{_number(row.p)},{truth}{shadow}{self._after}'
        )


def _number(value: float | None) -> str:
    """A finite number as JSON."""
    return "null" if value is None else repr(value)


def _bit(value: bool | None) -> str:
    return "true" if value else "false"
