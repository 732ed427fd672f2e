"""Decisions made elsewhere, as values and as events. Pure; none of them holds an input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

from evenhand.models.bundle.manifest import Attribute
from evenhand.models.bundle.target import Target
from evenhand.service.audit.chain import Event, encode
from evenhand.service.audit.events import VERSION, Configuration, time_of

SOURCE = "elsewhere"
"""What the record calls the source of a decision that Evenhand did not make."""


class DeclaredModel(Protocol):
    """What has to be said about a model before its decisions are taken."""

    @property
    def name(self) -> str:
        """Under which it is counted."""

    @property
    def version(self) -> str:
        """Of the declaration."""

    @property
    def attributes(self) -> Sequence[Attribute]:
        """Sensitive attributes; their thresholds and modes mean nothing."""

    @property
    def labels(self) -> Sequence[str]:
        """All labels that it answers."""

    @property
    def favourable(self) -> Sequence[str]:
        """Those that are good for the person."""

    @property
    def target(self) -> Target | None:
        """What is aimed at, where something is."""


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

    model: DeclaredModel
    configuration: Configuration
    rows: Sequence[Reported]
    at_ms: int
    replica: str


def configuration_of(model: DeclaredModel, digest: str) -> Configuration:
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
    moment = time_of(batch.at_ms)
    return [
        Event(row.id, "decision", batch.at_ms, encode(_decision(batch, row, own_id, moment)))
        for row, own_id in zip(batch.rows, own_ids, strict=True)
    ]


def _decision(batch: ReportedRows, row: Reported, own_id: str | None, moment: str) -> dict[str, Any]:
    answer = {"label": row.label, "score": row.score, "favourable": row.favourable}
    return {
        "v": VERSION,
        "kind": "decision",
        "id": row.id,
        "time": moment,
        "source": SOURCE,
        "model": batch.model.name,
        "version": batch.model.version,
        "configuration": batch.configuration.sha256,
        **({} if own_id is None else {"own_id": own_id}),
        "input": row.digest,
        "declared": sorted(row.groups),
        "latency_s": None,
        "replica": batch.replica,
        "mode": {},
        "risk": {},
        "flagged": [],
        "base": answer,
        "final": answer,
        "p_favourable": row.p,
        "corrected": False,
        **({} if row.truth is None else {"truth": {"label": row.truth, "favourable": row.is_good}}),
        **({} if row.shadow is None else {"shadow": row.shadow}),
        "error": None,
    }
