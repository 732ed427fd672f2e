"""A million decisions on record: how fast are they written, verified and looked up?

    python -m bench.record --rows 1000000
    python -m bench.record --rows 1000000 --url postgresql+psycopg://user@127.0.0.1/empty

Decisions are those of the demo bundle, with random answers; the record's own store writes them in batches of
2,000. Then ``evenhand audit verify`` runs as its own process, and decisions are looked up by their ids.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.prepare import BUNDLE
from bench.summary import percentile, rounded
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import Manifest
from evenhand.service.audit import record_batch
from evenhand.service.audit.checkpoints import checkpoint, load_key
from evenhand.service.audit.digest_keys import Keys, load_keys
from evenhand.service.audit.events import AnsweredRows, configuration
from evenhand.service.audit.store import Store
from evenhand.service.ids import ulid
from evenhand.service.types import Answer, Decision, Row, Verdict

LOT_ROWS = 2000
LOOKUPS = 1000
VERIFY = (sys.executable, "-c", "from evenhand.cli.main import main; main()", "audit", "verify")


def decided(manifest: Manifest, keys: Keys, generator: random.Random) -> Row:
    """One answered row."""
    shares = [generator.random() for _ in manifest.labels]
    scores = {label: share / sum(shares) for label, share in zip(manifest.labels, shares, strict=True)}
    label = max(scores, key=lambda name: scores[name])
    answer = Answer(label, scores, label in manifest.favourable)
    verdicts = []
    for attribute in manifest.attributes:
        risk = generator.random()
        flagged = risk >= attribute.threshold
        verdicts.append(Verdict(attribute.name, risk, flagged, "apply", "applied" if flagged else None))
    declared = {attribute.name: generator.choice(attribute.groups) for attribute in manifest.attributes}
    result = Decision(answer, answer, None, any(verdict.flagged for verdict in verdicts), tuple(verdicts))
    return Row(ulid(), result, declared, keys.digest(generator.randbytes(16)))


def fill(store: Store, keys: Keys, rows: int) -> tuple[list[str], float]:
    """Write decisions; gives the ids of some, and the seconds that writing took."""
    manifest, digest = bundles.read_manifest(BUNDLE)
    named, generator = configuration(manifest, digest), random.Random(0)
    some: list[str] = []
    took_s, said_s = 0.0, time.monotonic()
    for first, after in pairwise([*range(0, rows, LOT_ROWS), rows]):
        made = [decided(manifest, keys, generator) for _ in range(after - first)]
        batch = AnsweredRows(manifest, named, made, time.time_ns() // 1_000_000, 0.004, "bench")
        began_s = time.monotonic()
        store.append([record_batch.make([batch], keys)], again=False)
        took_s += time.monotonic() - began_s
        some.append(generator.choice(made).id)
        if time.monotonic() - said_s > 15:
            said_s = time.monotonic()
            print(f"written: {after:,} of {rows:,}", file=sys.stderr)
    return some, took_s


def verified(url: str, folder: Path) -> dict[str, Any]:
    """Run the command; wall and processor seconds, and its memory at most."""
    began_s = time.monotonic()
    process = subprocess.Popen(
        [*VERIFY, "--record", url, "--state", str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = process.stdout.read().splitlines()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "said": said[:3],
        "code": process.returncode,
        "wall_s": rounded(time.monotonic() - began_s),
        "processor_s": rounded(used.ru_utime + used.ru_stime),
        "memory_mib": rounded(used.ru_maxrss / 1024),
    }


def lookup_times(store: Store, names: list[str]) -> dict[str, float | None]:
    """Times to look up a decision, in milliseconds."""
    generator = random.Random(1)
    took_ms = []
    for _ in range(LOOKUPS):
        began_s = time.monotonic()
        assert store.decision(generator.choice(names)) is not None
        took_ms.append((time.monotonic() - began_s) * 1000)
    return {"p50": rounded(percentile(took_ms, 0.5)), "p99": rounded(percentile(took_ms, 0.99))}


def measure(url: str, folder: Path, rows: int) -> dict[str, Any]:
    """Fill a database, verify it and ask."""
    keys = load_keys(folder / "record.key")
    store = Store(url, keys.fingerprint)
    names, took_s = fill(store, keys, rows)
    checkpoint(store.engine, load_key(folder / "checkpoint.key"))
    figures = {"database": store.engine.dialect.name, "rows": rows, "written_per_s": rounded(rows / took_s)}
    figures |= {"verify": verified(url, folder), "decision_ms": lookup_times(store, names)}
    store.engine.dispose()
    if store.engine.dialect.name == "sqlite":
        figures["file_mib"] = rounded((folder / "record.db").stat().st_size / 2**20)
    return figures


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--url", default="", help="an empty database; a SQLite file that is removed where not given"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="evenhand-record-") as name:
        folder = Path(name)
        figures = measure(options.url or f"sqlite:///{folder / 'record.db'}", folder, options.rows)
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
