"""Checks the chain, record by record, and lists what is wrong. Pure: no database and no file.

After a record that does not fit, the check goes on from the stored link, so that one fault does not hide the
next. Its memory does not grow with the chain, except for the numbers of erased records.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from pydantic_core import from_json

from evenhand.service.audit.chain import GENESIS, link
from evenhand.service.audit.checkpoints import Checkpoint
from evenhand.service.audit.events import time_of
from evenhand.service.audit.maintenance.tampering import (
    BEGIN_CHANGED,
    Discrepancy,
    LinkMismatch,
    Place,
    Stored,
    TamperDiagnosis,
    header_in_body,
)

MAX_FINDINGS = 200
MAX_MISMATCHES = 32
"""The diagnosis takes the cube of their number."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where a chain says that it begins and ends."""

    before: Place
    """Number and link of the last record that is not here: 0 and ``GENESIS``, or the last pruned one."""
    head: Place
    """The last record, number and link."""
    pruned: bool
    """Whether what was before is gone: then a ``prune`` event says so."""
    later: bool
    """Whether the chain goes on after the head: then later records may name erasures."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a check."""

    findings: list[Discrepancy]
    """By record, the first ones."""
    more: int
    """Findings beyond these."""
    first: int
    last: int
    records: int
    decisions: int
    times_ms: tuple[int, int]
    """Of the first and the last record."""
    erased: int
    """Records without a body."""
    held: int
    """Checkpoints whose link was compared, and matches."""
    covered: Checkpoint | None
    """The last of them."""
    uncompared: int
    """Checkpoints of records that are not here; nothing but their signature was checked."""


class Checker:
    """Takes the records in order.

    Args:
        bounds: Where the chain should begin and end.
        statements: Checkpoints to compare with.
        trusted: Public keys that may have signed; any, if there are none.
        configurations: Bodies by the hash that should name them.
    """

    def __init__(
        self,
        bounds: Bounds,
        statements: Iterable[Checkpoint],
        trusted: frozenset[bytes],
        configurations: Mapping[str, str],
    ) -> None:
        self._bounds, self._place = bounds, bounds.before
        self._findings: list[Discrepancy] = []
        self._more = self._records = self._decisions = self._strays = 0
        self._times_ms = (0, 0)
        self._mismatches: list[LinkMismatch] = []
        self._gaps: list[Place] = []
        self._erased: set[int] = set()
        self._named: set[int] = set()
        self._pruned_to = 0
        self._begins = [] if bounds.before.seq else [GENESIS]
        self._configurations, self._unknown = set(configurations), dict[str, int]()
        for name, body in configurations.items():
            if sha256(body.encode()).hexdigest() != name:
                self._add(0, f"configuration {name[:12]}: its body does not hash to its name")
        self._statements = self._signed(dict.fromkeys(statements), trusted)
        self._held: list[Checkpoint] = []
        self._compared = 0
        self._rewritten = False
        self._begin(bounds.before)

    def take(self, record: Stored) -> None:
        """Check the next record: its number is larger than the one before."""
        if record.seq <= self._bounds.before.seq:
            self._strays += 1
            return
        if record.seq <= self._place.seq:
            self._add(record.seq, f"it stands after record {self._place.seq}")
            return
        loose = self._follows_a_gap(record)
        digest = record.body_sha256 if record.body is None else sha256(record.body.encode()).digest()
        expected = link(self._place.link, record.seq, record.event, record.body_sha256)
        if expected != record.link and (not loose or record.seq > self._bounds.head.seq):
            self._add_mismatch(LinkMismatch(Place(record.seq, self._place.link), record, digest, expected))
        elif digest != record.body_sha256:
            self._add(record.seq, "its body or body_sha256 was changed" if loose else "its body was changed")
        else:
            self._reads(record, loose)
        self._compare(record, expected)
        self._place = Place(record.seq, record.link)
        self._times_ms = (self._times_ms[0] if self._records else record.at_ms, record.at_ms)
        self._records += 1
        self._decisions += record.kind == "decision"

    def unreadable(self, line: int) -> None:
        """A line of a file is no record."""
        self._add(
            self._place.seq, f"line {line} of the file, after this record, is none that Evenhand writes"
        )

    def end(self) -> Report:
        """The result, after the last record."""
        self._ends()
        self._absent()
        self._findings += TamperDiagnosis(self._mismatches, self._gaps, self._said(), self._begins).findings()
        before = self._bounds.before.seq
        return Report(
            sorted(set(self._findings)),
            self._more,
            before + 1,
            self._place.seq,
            self._records,
            self._decisions,
            self._times_ms,
            len(self._erased),
            len(self._held),
            self._held[-1] if self._held else None,
            sum(map(len, self._statements.values())) - self._compared,
        )

    def _tell(self, seq: int, what: str) -> None:
        self._findings.append(Discrepancy(seq, what))

    def _add(self, seq: int, what: str) -> None:
        """Add one of possibly very many findings."""
        if len(self._findings) < MAX_FINDINGS:
            self._tell(seq, what)
        else:
            self._more += 1

    def _add_mismatch(self, mismatch: LinkMismatch) -> None:
        if len(self._mismatches) < MAX_MISMATCHES:
            self._mismatches.append(mismatch)
        else:
            self._add(
                mismatch.record.seq, "it does not follow from what is before it (how was not looked into)"
            )

    def _signed(
        self, statements: Iterable[Checkpoint], trusted: frozenset[bytes]
    ) -> defaultdict[int, list[Checkpoint]]:
        """Statements by record; those whose signature is wrong are findings."""
        good: defaultdict[int, list[Checkpoint]] = defaultdict(list)
        for statement in statements:
            if not statement.is_valid():
                self._add(statement.seq, "the signature of its checkpoint is wrong")
            elif trusted and statement.public_key not in trusted:
                self._add(
                    statement.seq, f"its checkpoint is signed with another key, {statement.public_key.hex()}"
                )
            else:
                good[statement.seq].append(statement)
        return good

    def _begin(self, before: Place) -> None:
        """Compare checkpoints with the last record that is not here."""
        for statement in self._statements.get(before.seq, ()):
            self._compared += 1
            if statement.link == before.link:
                self._held.append(statement)
            else:
                self._begins.append(statement.link)
                self._tell(before.seq, BEGIN_CHANGED)

    def _follows_a_gap(self, record: Stored) -> bool:
        """Whether records are missing before this one, so that the link before it is not known."""
        expected, head = self._place.seq + 1, self._bounds.head.seq
        if record.seq == expected:
            return False
        if expected <= head:
            self._add(expected, missing(expected, min(record.seq - 1, head)))
            self._gaps = [*self._gaps, Place(expected, self._place.link)][:MAX_MISMATCHES]
        return True

    def _reads(self, record: Stored, loose: bool) -> None:
        """Use what an intact record says about others."""
        if record.subject == "":  # hashed like no subject at all
            self._add(record.seq, "its subject was changed")
        if record.body is None:
            self._erased.add(record.seq)
            return
        try:
            body = from_json(record.body)
            if record.kind == "decision":
                if body["configuration"] not in self._configurations:
                    self._unknown.setdefault(body["configuration"], record.seq)
            elif record.kind == "erase":
                self._erases(record.seq, set(body["records"]))
            elif record.kind == "prune":
                self._prunes(Place(body["to_seq"], bytes.fromhex(body["link"])))
        except (ValueError, KeyError, TypeError):
            self._add(record.seq, "its body is none that Evenhand writes")
        if loose and (
            changed := [
                name for name, value in header_in_body(record).items() if value != getattr(record, name)
            ]
        ):
            self._add(record.seq, f"its {' and '.join(changed)} or its body was changed")

    def _erases(self, seq: int, named: set[int]) -> None:
        for back in sorted(named - self._erased - self._named):
            if self._bounds.before.seq < back < seq:
                self._add(back, f"record {seq} says that its body is erased, and it has one")
        self._named |= named

    def _prunes(self, to: Place) -> None:
        self._pruned_to = max(self._pruned_to, to.seq)
        if to.seq == self._bounds.before.seq and to.link != self._bounds.before.link:
            self._begins.append(to.link)
            self._add(to.seq, BEGIN_CHANGED)

    def _compare(self, record: Stored, expected: bytes) -> None:
        """Compare with checkpoints and head; ``expected`` also matches, where the link alone was changed."""
        head = self._bounds.head
        if record.seq == head.seq and head.link not in (record.link, expected):
            self._add(record.seq, "the chain row's link is not this record's")
        if record.seq in self._statements:
            self._stated(record.seq, (record.link, expected))

    def _stated(self, seq: int, links: tuple[bytes, bytes]) -> None:
        for statement in self._statements[seq]:
            self._compared += 1
            if statement.link in links:
                self._held.append(statement)
                self._rewritten = False
            elif not self._rewritten:
                self._rewritten = True
                since = self._held[-1].seq + 1 if self._held else self._bounds.before.seq + 1
                signed = time_of(statement.at_ms)
                self._add(
                    seq, f"its link is not the one signed {signed}: records {since} to {seq} were rewritten"
                )

    def _said(self) -> dict[int, bytes]:
        """Links of records as checkpoints and the head state them."""
        return {seq: checkpoints[-1].link for seq, checkpoints in self._statements.items()} | {
            self._bounds.head.seq: self._bounds.head.link
        }

    def _ends(self) -> None:
        """Check both ends of the chain."""
        before, head, last = self._bounds.before, self._bounds.head, self._place
        if self._strays:
            self._tell(
                before.seq,
                f"{self._strays} records up to here lie before the beginning that the chain row names",
            )
        if self._bounds.pruned and before.seq and before.seq > self._pruned_to:
            self._tell(before.seq, "the records up to here are missing, and no prune event names them")
        if last.seq > head.seq:
            self._tell(
                head.seq + 1,
                f"records {head.seq + 1} to {last.seq} lie beyond the head that the chain row names",
            )
        elif last.seq < head.seq:
            self._tell(last.seq + 1, missing(last.seq + 1, head.seq) + ": the end was cut off")
        elif last.seq == before.seq and last.link != head.link:
            self._tell(last.seq, "the chain row's link is not that of the last record that was pruned")
        beyond = max(self._statements, default=0)
        if beyond > max(last.seq, head.seq) and not self._bounds.later:
            signed = time_of(self._statements[beyond][0].at_ms)
            self._tell(
                last.seq + 1, f"the end was cut off: at {signed} a checkpoint was signed of record {beyond}"
            )

    def _absent(self) -> None:
        """List what records refer to and is missing."""
        if not self._bounds.later:
            for seq in sorted(self._erased - self._named):
                self._add(seq, "its body is missing, and no erase event names it")
        for name, seq in self._unknown.items():
            self._add(seq, f"it refers to configuration {str(name)[:12]}, which is missing")


def missing(first: int, last: int) -> str:
    """A sentence that names missing records."""
    return "it is missing" if first == last else f"records {first} to {last} are missing"
