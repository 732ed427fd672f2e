"""Tampering: what was done to records whose link does not match. Pure functions.

A record's hash covers its number and the link before it, so an intact record fits in one place only. For each
mismatch the diagnosis therefore tries: in which place, after which of the links of this chain, and with which
column restored, does the record fit?
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pydantic_core import from_json

from evenhand.service.audit.chain import Event, link

BEGIN_CHANGED = "the chain row's pruned_link was changed"


class Stored(NamedTuple):
    """One record, as it is stored."""

    seq: int
    id: str
    kind: str
    at_ms: int
    subject: str | None
    body: str | None
    body_sha256: bytes
    link: bytes

    @property
    def event(self) -> Event:
        """Its header, as the chain hashes it."""
        return Event(self.id, self.kind, self.at_ms, "", self.subject)


class Discrepancy(NamedTuple):
    """What is wrong, and at which record."""

    seq: int
    what: str

    def __str__(self) -> str:
        return f"record {self.seq}: {self.what}" if self.seq else self.what


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the chain: a record's number and its link, or a number and the link before it."""

    seq: int
    link: bytes


@dataclass(frozen=True, slots=True)
class LinkMismatch:
    """A record whose link is not the one that its place requires."""

    place: Place
    """Its number, and the link before it."""
    record: Stored
    digest: bytes
    """Hash of its body; what is stored if that was erased."""
    expected: bytes
    """The link that its place requires."""


def header_in_body(record: Stored) -> dict[str, Any]:
    """The header of a record as its body states it; empty where the body is none that Evenhand writes."""
    try:
        body = from_json(record.body or "")
        at = datetime.fromisoformat(body["time"])
        at_ms = round(at.timestamp() * 1000)
        return {"id": body["id"], "kind": body["kind"], "at_ms": at_ms, "subject": body.get("subject")}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


class TamperDiagnosis:
    """Names what was done to some records.

    Args:
        mismatches: In the order of the chain.
        gaps: Places where records are missing.
        said: Links by record, as the head and checkpoints state them.
        begins: Links that may be the one before the first record.
    """

    def __init__(
        self,
        mismatches: list[LinkMismatch],
        gaps: list[Place],
        said: Mapping[int, bytes],
        begins: list[bytes],
    ) -> None:
        self._mismatches = mismatches
        self._said = said
        self._by_seq = {mismatch.record.seq: mismatch for mismatch in mismatches}
        self._numbers = list(dict.fromkeys(place.seq for place in [*gaps, *(s.place for s in mismatches)]))
        self._links = list(
            dict.fromkeys(
                begins
                + [place.link for place in gaps]
                + [link for s in mismatches for link in (s.place.link, s.record.link, s.expected)]
            )
        )

    def findings(self) -> list[Discrepancy]:
        """One sentence each; none for a record that only follows a damaged one."""
        homes = {mismatch.record.seq: self._home(mismatch) for mismatch in self._mismatches}
        moved = {seq: home.seq for seq, home in homes.items() if home is not None and home.seq != seq}
        findings = list(_moves(moved))
        for mismatch in self._mismatches:
            home = homes[mismatch.record.seq]
            if home is None:
                findings.append(Discrepancy(mismatch.record.seq, self._verdict(mismatch, homes)))
            elif home.seq == mismatch.record.seq and home.seq - 1 not in self._by_seq:
                findings.append(Discrepancy(home.seq - 1, BEGIN_CHANGED))
        return findings

    def _home(self, mismatch: LinkMismatch) -> Place | None:
        """Where the record fits as it is."""
        for seq in self._numbers:
            for before in self._links:
                if _fits(mismatch.record, seq, before):
                    return Place(seq, before)
        return None

    def _verdict(self, mismatch: LinkMismatch, homes: dict[int, Place | None]) -> str:
        """What is wrong with a record that fits nowhere."""
        columns = self._columns(mismatch)
        if columns:
            return f"its {' and '.join(columns)} {'was' if len(columns) == 1 else 'were'} changed"
        seq, record = mismatch.record.seq, mismatch.record
        after = homes.get(seq + 1)
        if mismatch.expected in (self._said.get(seq), after.link if after else None):
            return "its link was changed"
        if seq + 1 in self._by_seq:
            return "it does not follow from what is before it"
        if record.body is None:
            return "its id, kind, at_ms, subject or body_sha256 was changed; its body is erased"
        if mismatch.digest != record.body_sha256:
            return "its body and other columns were changed"
        return "its body and body_sha256 were changed, or it was put in"

    def _columns(self, mismatch: LinkMismatch) -> list[str]:
        """Which columns, restored, make the record fit its place."""
        record, place = mismatch.record, mismatch.place
        right = {
            name: value for name, value in header_in_body(record).items() if value != getattr(record, name)
        }
        if mismatch.digest != record.body_sha256:
            right["body_sha256"] = mismatch.digest
        befores = [place.link, *(before for before in self._links if before != place.link)]
        if right and any(_fits(record._replace(**right), place.seq, before) for before in befores):
            return list(right)
        return []


def _fits(record: Stored, seq: int, before: bytes) -> bool:
    return link(before, seq, record.event, record.body_sha256) == record.link


def _moves(moved: dict[int, int]) -> Iterator[Discrepancy]:
    for seq, home in sorted(moved.items()):
        if moved.get(home) != seq:
            yield Discrepancy(seq, f"it belongs at {home}: records were reordered")
        elif seq < home:
            yield Discrepancy(seq, f"it changed places with record {home}")
