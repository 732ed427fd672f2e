"""What is recorded, as events with JSON bodies. Pure functions; none of them sees an input.

A decision refers by a hash to the configuration that made it: model, version, bundle, adapters, thresholds
and labels are written once and not with every row.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from evenhand.models.bundle.manifest import Manifest
from evenhand.service.audit.chain import Event, encode
from evenhand.service.ids import ulid
from evenhand.service.types import Answer, Decision, Row

VERSION = 1


@dataclass(frozen=True, slots=True)
class Configuration:
    """What made a decision, apart from the modes, which a request may lower."""

    sha256: str
    body: str


@dataclass(frozen=True, slots=True)
class AnsweredRows:
    """Rows of one request, as they were answered."""

    manifest: Manifest
    configuration: Configuration
    rows: list[Row]
    at_ms: int
    latency_s: float
    replica: str


def configuration(manifest: Manifest, bundle: str) -> Configuration:
    """Describe what decides.

    Args:
        manifest: The model's manifest.
        bundle: Hash that names its bundle.
    """
    intersections = manifest.intersections
    adapters = {name: digest for name, digest in manifest.files.items() if name.startswith("adapter/")}
    body = encode(
        {
            "v": VERSION,
            "model": manifest.name,
            "version": manifest.version,
            "bundle": bundle,
            "adapters": adapters,
            "labels": manifest.labels,
            "favourable": manifest.favourable,
            "attributes": {
                attribute.name: {
                    "groups": attribute.groups,
                    "reference": attribute.reference,
                    "threshold": attribute.threshold,
                    **({} if attribute.abstain_below is None else {"abstain_below": attribute.abstain_below}),
                    **({"ranges": attribute.ranges} if attribute.ranges else {}),
                }
                for attribute in manifest.attributes
            },
            # Not for a bundle of an earlier version: its configuration keeps its hash.
            **({} if manifest.target is None else {"target": manifest.target.model_dump(mode="json")}),
            # What else decisions are counted by: whoever reads the record later counts by the same.
            **({"intersections": [each.name for each in intersections]} if intersections else {}),
        }
    )
    return Configuration(sha256(body.encode()).hexdigest(), body)


def decisions(batch: AnsweredRows, own_ids: list[str | None]) -> list[Event]:
    """One event per row of a batch.

    Args:
        batch: The rows.
        own_ids: For each, the pseudonym of its caller's own id, where it has one.
    """
    moment = time_of(batch.at_ms)
    return [
        Event(row.id, "decision", batch.at_ms, encode(_decision(batch, row, own_id, moment)))
        for row, own_id in zip(batch.rows, own_ids, strict=True)
    ]


def _decision(batch: AnsweredRows, row: Row, own_id: str | None, moment: str) -> dict[str, Any]:
    decision = row.result
    body = {
        "v": VERSION,
        "kind": "decision",
        "id": row.id,
        "time": moment,
        "model": batch.manifest.name,
        "version": batch.manifest.version,
        "configuration": batch.configuration.sha256,
        "input": row.digest,
        **({} if own_id is None else {"own_id": own_id}),
        "declared": sorted(row.declared),
        "latency_s": round(batch.latency_s, 6),
        "replica": batch.replica,
    }
    if not isinstance(decision, Decision):
        return {**body, "error": decision}
    return {
        **body,
        "mode": {verdict.attribute: verdict.mode for verdict in decision.verdicts},
        "risk": {verdict.attribute: verdict.risk for verdict in decision.verdicts},
        "flagged": [verdict.attribute for verdict in decision.verdicts if verdict.flagged],
        "base": _answer(decision.base),
        "final": _answer(decision.final),
        "p_favourable": p_favourable(decision, batch.manifest),
        "corrected": decision.corrected,
        **({"abstained": decision.abstained} if decision.abstained else {}),
        "error": None,
    }


def p_favourable(decision: Decision, manifest: Manifest) -> float:
    """The served probability of a favourable label."""
    scores = decision.final.scores
    return sum([scores[label] for label in manifest.favourable])


def _answer(answer: Answer) -> dict[str, Any]:
    return {"label": answer.label, "score": answer.score, "favourable": answer.favourable}


def event(kind: str, facts: dict[str, Any], subject: str | None = None) -> Event:
    """Any other event: label, groups, override, mode, shadow, promote, reload, access, erase, prune, report.

    Args:
        kind: One of these words.
        facts: What happened.
        subject: The decision that it is about.
    """
    name, at_ms = ulid(), time.time_ns() // 1_000_000
    head = {"v": VERSION, "kind": kind, "id": name, "time": time_of(at_ms)}
    about = {} if subject is None else {"subject": subject}
    return Event(name, kind, at_ms, encode({**head, **about, **facts}), subject)


def time_of(at_ms: int) -> str:
    """ISO 8601, in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at_ms % 1000:03d}Z"
