"""Decisions to record, and a check of the chain that shares only the definition with the service's own."""

import json
import random
import time
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from places import DEMO

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import Attribute, Manifest
from evenhand.service.audit import events
from evenhand.service.audit.client import AuditClient, AuditOptions
from evenhand.service.audit.events import AnsweredRows
from evenhand.service.audit.writer import RecordReport
from evenhand.service.ids import ulid
from evenhand.service.types import Answer, Decision, Row, Verdict

ATTRIBUTES = [
    Attribute(name=name, groups=groups, reference="none", threshold=0.5, mode="apply", why="a test")
    for name, groups in (
        ("race", ["none", "African", "Arab", "Asian", "multiple"]),
        ("religion", ["none", "Islam", "Jewish"]),
        ("gender", ["none", "Women", "Men"]),
        ("orientation", ["none", "Homosexual"]),
    )
]
"""Several groups of most, which the demo's attributes do not have."""
_DEMO, BUNDLE = bundles.read_manifest(DEMO)
MANIFEST = _DEMO.model_copy(update={"attributes": ATTRIBUTES, "target": None})
CONFIGURATION = events.configuration(MANIFEST, "b" * 64)


class RecordCounts:
    """Counts of rows that a recorder reports."""

    def __init__(self) -> None:
        self.rows = {"written": 0, "spooled": 0, "lost": 0}
        self.refused = 0
        self.depth = 0

    def report(self) -> RecordReport:
        def count(result: str, rows: int) -> None:
            if result == "refused":
                self.refused += rows
            else:
                self.rows[result] += rows

        return RecordReport(count, lambda rows: setattr(self, "depth", rows))


def recorder(folder: Path, url: str = "", counts: RecordCounts | None = None, **options: Any) -> AuditClient:
    """A recorder that runs."""
    made = AuditClient(AuditOptions(folder, url, **options), (counts or RecordCounts()).report())
    made.start()
    return made


def batch(rows: int = 1, seed: int = 0, at_ms: int | None = None, **declared: str) -> AnsweredRows:
    """Answered rows; each declares these groups."""
    chance = random.Random(seed)
    made = [Row(ulid(), _decision(chance, MANIFEST), declared, "d" * 64) for _ in range(rows)]
    return AnsweredRows(MANIFEST, CONFIGURATION, made, at_ms or time.time_ns() // 1_000_000, 0.012, "r1")


def withheld(taken: AnsweredRows, attribute: str, *places: int) -> AnsweredRows:
    """The same rows, of which those at these places abstained for an attribute."""

    def changed(place: int, row: Row) -> Row:
        assert isinstance(row.result, Decision)
        return replace(row, result=replace(row.result, abstained=attribute)) if place in places else row

    return replace(taken, rows=[changed(place, row) for place, row in enumerate(taken.rows)])


def _decision(chance: random.Random, manifest: Manifest) -> Decision:
    verdicts = tuple(
        Verdict(attribute.name, risk := chance.random(), risk >= attribute.threshold, "apply", None)
        for attribute in manifest.attributes
    )
    return Decision(
        _answer(chance, manifest), _answer(chance, manifest), None, corrected=False, verdicts=verdicts
    )


def _answer(chance: random.Random, manifest: Manifest) -> Answer:
    score = chance.random()
    scores = dict(zip(manifest.labels, (score, 1 - score), strict=True))
    label = max(scores, key=scores.__getitem__)
    return Answer(label, scores, label in manifest.favourable)


def bodies(url: str) -> list[dict[str, Any]]:
    """All records in order; the chain must hold to its end."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(
            sa.text("SELECT seq, id, kind, at_ms, subject, body, body_sha256, link FROM records ORDER BY seq")
        ).all()
        head = connection.execute(sa.text("SELECT seq, link FROM chain")).one()
    engine.dispose()
    link = bytes(32)
    for number, row in enumerate(rows, 1):
        assert row.seq == number
        assert bytes(row.body_sha256) == sha256(row.body.encode()).digest()
        header = f"{row.seq}|{row.id}|{row.kind}|{row.at_ms}|{row.subject or ''}|"
        link = sha256(link + header.encode() + bytes(row.body_sha256)).digest()
        assert bytes(row.link) == link
    assert (head.seq, bytes(head.link)) == (len(rows), link)
    return [json.loads(row.body) for row in rows]


def counted(url: str, name: str, attribute: str) -> int:
    """How many an hourly table counts of one attribute."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        query = sa.text(f"SELECT coalesce(sum(n), 0) FROM {name} WHERE attribute = :attribute")
        total = connection.execute(query, {"attribute": attribute}).scalar_one()
    engine.dispose()
    return int(total)


def table(url: str, name: str) -> list[tuple[Any, ...]]:
    """A table's rows, sorted."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        rows = sorted(tuple(row) for row in connection.execute(sa.text(f"SELECT * FROM {name}")))
    engine.dispose()
    return rows
