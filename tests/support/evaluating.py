"""A record with declared groups and labels, and evaluators over it. As a program: evaluate until killed."""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import recording
import sqlalchemy as sa
from sqlalchemy import delete, select

from evenhand.models.bundle.manifest import Attribute, Manifest
from evenhand.service.audit import events, record_batch
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.events import AnsweredRows, Configuration
from evenhand.service.audit.feedback import Feedback, Joiner
from evenhand.service.audit.store import Store, append, make_engine
from evenhand.service.audit.tables import about, evidence
from evenhand.service.ids import ulid
from evenhand.service.monitoring.sequential import evaluator
from evenhand.service.monitoring.sequential.evaluator import CURSOR, Evaluator
from evenhand.service.monitoring.sequential.evidence import EvidenceSettings
from evenhand.service.monitoring.sequential.verdicts import Kept
from evenhand.service.types import Answer, Decision, Row, Verdict

KEYS = Keys(bytes(32))
ATTRIBUTES = [
    Attribute(
        name="sex", groups=["men", "women"], reference="men", threshold=0.5, mode="apply", why="a test"
    ),
    Attribute(
        name="age", groups=["mid", "old", "young"], reference="mid", threshold=0.5, mode="apply", why="a test"
    ),
]
MANIFEST: Manifest = recording.MANIFEST.model_copy(update={"attributes": ATTRIBUTES})
CONFIGURATION = events.configuration(MANIFEST, "b" * 64)
GOOD, BAD = "not hate", "hate"


def row(favourable: bool, **declared: str) -> Row:
    """An answered row."""
    label = GOOD if favourable else BAD
    answer = Answer(label, {label: 1.0, (BAD if favourable else GOOD): 0.0}, favourable)
    verdicts = tuple(Verdict(attribute.name, 0.1, False, "apply", None) for attribute in ATTRIBUTES)
    return Row(ulid(), Decision(answer, answer, None, corrected=False, verdicts=verdicts), declared, "d" * 64)


class Shop:
    """Writes to a record as the service does."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.store = Store(url, KEYS.fingerprint)
        self._joiner = Joiner(self.store, KEYS, 90, lambda: None)

    def decide(self, *rows: Row, configuration: Configuration = CONFIGURATION) -> None:
        batch = AnsweredRows(MANIFEST, configuration, list(rows), time.time_ns() // 1_000_000, 0.01, "r1")
        with self.store.writing() as connection:
            append(connection, record_batch.make([batch], KEYS))

    def learn(self, *items: Feedback) -> list[str]:
        return [joined.result for joined in self._joiner.join(list(items))]

    def evaluator(
        self, rules: EvidenceSettings | None = None, report: Callable[[list[Kept]], None] = lambda kept: None
    ) -> Evaluator:
        return Evaluator(self.store.engine, KEYS, rules or EvidenceSettings(), 0.05, report)

    def trade(self, n: int, seed: int = 0) -> None:
        """Rows with and without groups; labels and groups come later, in any order, for some."""
        chance = random.Random(seed)
        waiting: list[Feedback] = []
        for _ in range(n // 20):
            made = [self._any(chance) for _ in range(20)]
            self.decide(*made)
            for one in made:
                if chance.random() < 0.5:
                    waiting.append(Feedback(one.id, label=chance.choice([GOOD, BAD])))
                if chance.random() < 0.3:
                    waiting.append(Feedback(one.id, groups={"age": chance.choice(["mid", "old", "young"])}))
            chance.shuffle(waiting)
            self.learn(*waiting[:12])
            del waiting[:12]
        self.learn(*waiting)

    def _any(self, chance: random.Random) -> Row:
        declared = {"sex": chance.choice(["men", "women", "unknown"])} if chance.random() < 0.8 else {}
        return row(chance.random() < (0.3 if declared.get("sex") == "women" else 0.6), **declared)

    def forget(self) -> None:
        """As if nothing had been evaluated."""
        with self.store.writing() as connection:
            connection.execute(delete(evidence))
            connection.execute(delete(about).where(about.c.name == CURSOR))

    def states(self) -> dict[tuple[str, ...], dict[str, Any]]:
        with self.store.engine.connect() as connection:
            return {
                (attribute, group, metric): json.loads(state)
                for _, attribute, group, metric, state in connection.execute(select(evidence))
            }

    def cursor(self) -> int:
        with self.store.engine.connect() as connection:
            return int(
                connection.execute(select(about.c.value).where(about.c.name == CURSOR)).scalar_one_or_none()
                or 0
            )

    def head(self) -> int:
        with self.store.engine.connect() as connection:
            return int(connection.execute(sa.text("SELECT seq FROM chain")).scalar_one())


def finish(one: Evaluator, shop: Shop) -> None:
    """Take all that is left."""
    while shop.cursor() < shop.head():
        one.take_batch()


def main(url: str, lot_rows: str, ready: str, dies_in: str = "0") -> None:
    """Evaluate small lots until killed, or kill itself when that many lots have begun to write."""
    evaluator.BATCH_ROWS = int(lot_rows)
    one = Evaluator(make_engine(url), KEYS, EvidenceSettings(), 0.05, lambda kept: None)
    keep, lots = evaluator._store, count(1)

    def keep_half(connection: sa.Connection, rows: list[dict[str, str]]) -> None:
        if next(lots) == int(dies_in):
            keep(connection, rows[:1])
            os.kill(os.getpid(), signal.SIGKILL)
        keep(connection, rows)

    evaluator._store = keep_half
    Path(ready).touch()
    while True:
        one.take_batch()


if __name__ == "__main__":
    main(*sys.argv[1:])
