"""Records whose link does not fit, and the name of what was done to each. Pure functions.

A record's hash holds its number and the link before it, so an intact record fits in one place only. Hence the
question
to each suspect: in which place, after which of the links that were seen, and with which column put right,
    does it fit?
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
    """One record, as it was found."""

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
class Suspect:
    """A record whose link is not the one that its place asks for."""

    place: Place
    """Its number, and the link before it."""
    record: Stored
    digest: bytes
    """Hash of its body; what is stored if that was erased."""
    wanted: bytes
    """The link that its place asks for."""


def told(record: Stored) -> dict[str, Any]:
    """What a body says itself about its record's header; nothing where it is not ours."""
    try:
        body = from_json(record.body or "")
        at = datetime.fromisoformat(body["time"])
        at_ms = round(at.timestamp() * 1000)
        return {"id": body["id"], "kind": body["kind"], "at_ms": at_ms, "subject": body.get("subject")}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


class Inquest:
    """What was done to some suspects.

    Args:
        suspects: In the order in which they were found.
        gaps: Places where records are missing.
        said: What the head and checkpoints say that a record's link is.
        begins: Links that may be the one before the first record.
    """

    def __init__(
        self, suspects: list[Suspect], gaps: list[Place], said: Mapping[int, bytes], begins: list[bytes]
    ) -> None:
        self._suspects = suspects
        self._said = said
        self._by_seq = {suspect.record.seq: suspect for suspect in suspects}
        self._numbers = list(dict.fromkeys(place.seq for place in [*gaps, *(s.place for s in suspects)]))
        self._links = list(
            dict.fromkeys(
                begins
                + [place.link for place in gaps]
                + [found for s in suspects for found in (s.place.link, s.record.link, s.wanted)]
            )
        )

    def findings(self) -> list[Discrepancy]:
        """One sentence each; a record that only follows a damaged one gets none."""
        homes = {suspect.record.seq: self._home(suspect) for suspect in self._suspects}
        moved = {seq: home.seq for seq, home in homes.items() if home is not None and home.seq != seq}
        found = list(_moves(moved))
        for suspect in self._suspects:
            home = homes[suspect.record.seq]
            if home is None:
                found.append(Discrepancy(suspect.record.seq, self._verdict(suspect, homes)))
            elif home.seq == suspect.record.seq and home.seq - 1 not in self._by_seq:
                found.append(Discrepancy(home.seq - 1, BEGIN_CHANGED))
        return found

    def _home(self, suspect: Suspect) -> Place | None:
        """Where the record fits as it is."""
        for seq in self._numbers:
            for before in self._links:
                if _fits(suspect.record, seq, before):
                    return Place(seq, before)
        return None

    def _verdict(self, suspect: Suspect, homes: dict[int, Place | None]) -> str:
        """What is wrong with a record that fits nowhere."""
        columns = self._columns(suspect)
        if columns:
            return f"its {' and '.join(columns)} {'was' if len(columns) == 1 else 'were'} changed"
        seq, record = suspect.record.seq, suspect.record
        after = homes.get(seq + 1)
        if suspect.wanted in (self._said.get(seq), after.link if after else None):
            return "its link was changed"
        if seq + 1 in self._by_seq:
            return "it does not follow from what is before it"
        if record.body is None:
            return "its id, kind, at_ms, subject or body_sha256 was changed; its body is erased"
        if suspect.digest != record.body_sha256:
            return "its body and other columns were changed"
        return "its body and body_sha256 were changed, or it was put in"

    def _columns(self, suspect: Suspect) -> list[str]:
        """Which columns, put right, make the record fit its place."""
        record, place = suspect.record, suspect.place
        right = {name: value for name, value in told(record).items() if value != getattr(record, name)}
        if suspect.digest != record.body_sha256:
            right["body_sha256"] = suspect.digest
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
