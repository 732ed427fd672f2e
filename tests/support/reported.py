"""A record to report on: decisions about applicants, written by the service's own recorder."""

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from recording import MANIFEST, recorder

from evenhand.models.bundle.manifest import Attribute, Manifest
from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.service.audit import events
from evenhand.service.audit.events import AnsweredRows, event
from evenhand.service.audit.feedback import Feedback
from evenhand.service.ids import ulid
from evenhand.service.types import Answer, Decision, Row, Verdict

SEX = Attribute(
    name="sex", groups=["men", "women"], reference="men", threshold=0.5, mode="apply", why="a test"
)
RACE = Attribute(
    name="race",
    groups=["white", "black", "asian"],
    reference="white",
    threshold=0.5,
    mode="shadow",
    why="a test",
)
HIRING: Manifest = MANIFEST.model_copy(
    update={
        "name": "hiring",
        "version": "2.1.0",
        "labels": ["rejected", "selected"],
        "favourable": ["selected"],
        "attributes": [SEX, RACE],
        "target": Target(
            attributes=[
                AttributeTarget(attribute="sex", measure="equal-opportunity", limit=0.02),
                AttributeTarget(attribute="race", measure="worst-cell"),
            ],
            max_loss=0.01,
        ),
    }
)
CONFIGURATION = events.configuration(HIRING, "b" * 64)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Applicant:
    """One decision, and what is true of it."""

    id: str
    sex: str
    race: str
    base: bool
    """Whether the base answer is favourable."""
    final: bool
    truth: bool
    declares: bool
    """Whether the request told the groups."""
    at_ms: int


def applicants(rows: int, seed: int = 0, days: int = 3) -> list[Applicant]:
    """Women are selected less often, black women wrongly answered more; correction mends many, breaks few."""
    chance, now_ms = random.Random(seed), time.time_ns() // 1_000_000
    made = []
    for number in range(rows):
        sex, race = (
            chance.choice(["men", "women"]),
            chance.choices(["white", "black", "asian"], [60, 38.5, 1.5])[0],
        )
        truth = chance.random() < 0.4
        wrong = 0.35 if (sex, race) == ("women", "black") else 0.08
        base = truth != (chance.random() < wrong)
        base = base and not (sex == "women" and chance.random() < 0.3)
        final = base or (sex == "women" and chance.random() < (0.4 if truth else 0.03))
        at_ms = now_ms - int((1 - number / rows) * days * 86_400_000) - 60_000
        made.append(Applicant(ulid(), sex, race, base, final, truth, chance.random() < 0.9, at_ms))
    return made


def batch(people: list[Applicant], seed: int = 0) -> AnsweredRows:
    """As they were answered."""
    chance, rows = random.Random(seed), []
    for one in people:
        declared = {"sex": one.sex, "race": one.race} if one.declares else {}
        rows.append(Row(one.id, _decision(one, chance), declared, "d" * 64))
    return AnsweredRows(HIRING, CONFIGURATION, rows, people[0].at_ms, 0.004, "r1")


def _decision(one: Applicant, chance: random.Random) -> Decision:
    flagged = one.sex == "women" and chance.random() < 0.8
    verdicts = (
        Verdict("sex", 0.8 if flagged else 0.2, flagged, "apply", "applied" if flagged else None),
        Verdict("race", 0.3, False, "shadow", None),
    )
    return Decision(
        _answer(one.final, chance), _answer(one.base, chance), None, corrected=flagged, verdicts=verdicts
    )


def _answer(favourable: bool, chance: random.Random) -> Answer:
    score = 0.5 + chance.random() / 2
    p = score if favourable else 1 - score
    return Answer("selected" if favourable else "rejected", {"rejected": 1 - p, "selected": p}, favourable)


def write(folder: Path, rows: int = 6000, url: str = "", labelled: float = 0.5) -> list[Applicant]:
    """Fill a record: decisions, true labels of some, and a switch of the mode."""
    people, made = applicants(rows), recorder(folder, url)
    try:
        for number, first in enumerate(range(0, rows, 100)):
            made.take(batch(people[first : first + 100], seed=number))
        made.note(
            event(
                "mode", {"model": "hiring", "attribute": "sex", "from": "shadow", "to": "apply", "by": "ops"}
            )
        )
        some = people[: int(labelled * rows)]
        for first in range(0, len(some), 500):
            lot = some[first : first + 500]
            made.feedback([Feedback(one.id, "selected" if one.truth else "rejected") for one in lot])
    finally:
        made.close()
    return people


def window(days: int = 3) -> tuple[str, str]:
    """Dates that hold all of it."""
    today = datetime.now(UTC)
    return f"{today - days * DAY:%Y-%m-%d}", f"{today:%Y-%m-%d}"
