"""A record with decisions, labels and checkpoints in it, made through the store and nothing else."""

import random
from dataclasses import dataclass
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, insert

from evenhand.service.audit import checkpoints
from evenhand.service.audit.chain import Event, encode
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.events import event, time_of
from evenhand.service.audit.record_batch import RecordBatch
from evenhand.service.audit.store import Store
from evenhand.service.audit.tables import labels
from evenhand.service.ids import ulid

DAY_MS = 86_400_000
BEGIN_MS = 1_700_000_000_000
CONFIGURATION = encode({"v": 1, "model": "m", "version": "1.0.0", "bundle": "b" * 64, "favourable": ["yes"]})
NAME = sha256(CONFIGURATION.encode()).hexdigest()


@dataclass(frozen=True)
class Recorded:
    """A filled database."""

    engine: Engine
    keys: Keys
    store: Store
    signer: Ed25519PrivateKey
    decisions: list[str]


def decision(at_ms: int, generator: random.Random, configuration: str = NAME) -> Event:
    """One decision, as the service writes it."""
    name, final = ulid(), generator.random()
    answer = {"label": "yes" if final > 0.5 else "no", "score": final, "favourable": final > 0.5}
    body = {
        "v": 1,
        "kind": "decision",
        "id": name,
        "time": time_of(at_ms),
        "model": "m",
        "version": "1.0.0",
        "configuration": configuration,
        "input": generator.randbytes(32).hex(),
        "declared": ["sex"],
        "latency_s": 0.004,
        "replica": "r1",
        "mode": {"sex": "apply"},
        "risk": {"sex": generator.random()},
        "flagged": [],
        "base": answer,
        "final": answer,
        "p_favourable": final,
        "corrected": False,
        "error": None,
    }
    return Event(name, "decision", at_ms, encode(body))


def label(of: Event, at_ms: int) -> Event:
    """A true label, as it is noted."""
    name = ulid()
    body = {"v": 1, "kind": "label", "id": name, "time": time_of(at_ms), "subject": of.id, "label": "yes"}
    return Event(name, "label", at_ms, encode(body), of.id)


def fill(url: str, decisions: int = 20, days: int = 0, seed: int = 0) -> Recorded:
    """Decisions in lots of five, every other one with a label, a checkpoint after each lot.

    Args:
        url: An empty database.
        decisions: How many; a multiple of five.
        days: Over how many days they are spread.
        seed: Of their content.
    """
    generator, keys = random.Random(seed), Keys(bytes(32))
    store, signer = Store(url, keys.fingerprint), Ed25519PrivateKey.generate()
    names = []
    for first in range(0, decisions, 5):
        at_ms = BEGIN_MS + first * days * DAY_MS // decisions
        made = [decision(at_ms + i, generator) for i in range(5)]
        marks = [label(of, at_ms + 1000) for of in made[::2]]
        groups = [(keys.pseudonym(one.id), "sex", "female", at_ms // DAY_MS) for one in made]
        store.append([RecordBatch([*made, *marks], {NAME: CONFIGURATION}, groups, {})], again=False)
        with store.engine.begin() as connection:
            _labels(connection, marks)
        checkpoints.checkpoint(store.engine, signer)
        names += [one.id for one in made]
    store.append([RecordBatch([event("mode", {"attribute": "sex", "mode": "shadow"})])], again=False)
    return Recorded(store.engine, keys, store, signer, names)


def _labels(connection: Connection, marks: list[Event]) -> None:
    rows = [{"decision": mark.subject, "label": "yes", "at_ms": mark.at_ms} for mark in marks]
    connection.execute(insert(labels), rows)
