"""Decisions made elsewhere as events. Pure; none of them holds an input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import repeat

from evenhand.service.audit.chain import Event, encode
from evenhand.service.audit.elsewhere.columns import ReportedColumns
from evenhand.service.audit.events import VERSION, Configuration, time_of
from evenhand.service.types import Described

SOURCE = "elsewhere"
"""What the record calls the source of a decision that Evenhand did not make."""


@dataclass(frozen=True, slots=True)
class ReportedRows:
    """Rows of one model that are on record as a whole or not at all."""

    model: Described
    configuration: Configuration
    columns: ReportedColumns
    at_ms: int
    replica: str


def configuration_of(model: Described, digest: str) -> Configuration:
    """Describe a declared model, as the record keeps it.

    Args:
        model: The model.
        digest: SHA-256 that names its declaration.
    """
    attributes = {
        one.name: {
            "groups": one.groups,
            "reference": one.reference,
            "threshold": one.threshold,
            **({"ranges": one.ranges} if one.ranges else {}),
        }
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
    columns = batch.columns
    bodies = _bodies(batch, own_ids)
    return list(map(Event, columns.ids, repeat("decision"), repeat(batch.at_ms), bodies))


def _bodies(batch: ReportedRows, own_ids: Sequence[str | None]) -> list[str]:
    """The bodies as JSON, which read like those of served decisions.

    What they have in common is written once, for there are many: this is the serialisation.
    """
    columns, model = batch.columns, batch.model
    before, after = _common(batch)
    favourable = {label: label in model.favourable for label in model.labels}
    begins = {label: f'{{"label":{encode(label)},"score":' for label in favourable}
    ends = {label: f',"favourable":{_bit(is_good)}}}' for label, is_good in favourable.items()}
    truths: dict[str | None, str] = {
        label: f'"truth":{{"label":{encode(label)},"favourable":{_bit(is_good)}}},'
        for label, is_good in favourable.items()
    }
    truths[None] = ""
    own = ["" if own_id is None else f'"own_id":"{own_id}",' for own_id in own_ids]
    answers = [
        begins[label] + ("null" if score is None else repr(score)) + ends[label]
        for label, score in zip(columns.labels, columns.scores, strict=True)
    ]
    p = ["null" if one is None else repr(one) for one in columns.p]
    shadows = ["" if one is None else f'"shadow":{encode(one)},' for one in columns.shadows]
    return [
        f'{before},"id":"{name}",{own_id}"input":"{digest}","declared":{declared},"base":{answer},'
        f'"final":{answer},"p_favourable":{share},{truths[truth]}{shadow}{after}'
        for name, own_id, digest, declared, answer, share, truth, shadow in zip(
            columns.ids, own, columns.digests, _declared(columns), answers, p, columns.truths, shadows,
            strict=True,
        )
    ]  # fmt: skip


def _common(batch: ReportedRows) -> tuple[str, str]:
    """The beginning and the end that all bodies of a batch have."""
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
    return encode(before)[:-1], encode(after)[1:]


def _declared(columns: ReportedColumns) -> list[str]:
    """The names of each row's declared attributes, as JSON."""
    names = sorted(columns.groups)
    if not any(None in columns.groups[name] for name in names):
        return [encode(names)] * len(columns)
    written: dict[tuple[bool, ...], str] = {}
    declared = []
    for row in zip(*[columns.groups[name] for name in names], strict=True):
        present = tuple([group is not None for group in row])
        if present not in written:
            written[present] = encode(
                [name for name, is_there in zip(names, present, strict=True) if is_there]
            )
        declared.append(written[present])
    return declared


def _bit(value: bool) -> str:
    return "true" if value else "false"
