"""Keep what this version writes, before a new migration: ``python tests/older/keep.py``; needs PostgreSQL."""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "support"))

from databases import Postgres, programs  # noqa: E402
from recording import batch, recorder  # noqa: E402

from evenhand.service.audit.checkpoints import checkpoint, load_key  # noqa: E402
from evenhand.service.audit.digest_keys import Keys  # noqa: E402
from evenhand.service.audit.events import event  # noqa: E402
from evenhand.service.audit.feedback import Feedback  # noqa: E402
from evenhand.service.audit.maintenance.migrate import HEAD  # noqa: E402
from evenhand.service.audit.record_batch import make  # noqa: E402
from evenhand.service.audit.spool import Spool  # noqa: E402

KEY = bytes([7]) * 32


def fill(state: Path, url: str) -> None:
    """Write what README.md says."""
    state.mkdir(mode=0o700)
    (state / "record.key").write_text(KEY.hex())
    record = recorder(state, url)
    women, african, others = batch(6, 1, gender="Women"), batch(4, 2, race="African"), batch(2, 3)
    for answered in (women, african, others):
        record.take(answered)
    labels = women.manifest.labels
    joined = record.feedback(
        [
            Feedback(women.rows[0].id, labels[0], {}),
            Feedback(women.rows[1].id, labels[1], {}),
            Feedback(others.rows[0].id, None, {"gender": "Men"}),
        ]
    )
    assert [one.result for one in joined] == ["joined"] * 3
    assert record.override(women.rows[2].id, labels[0], "a reviewer", "seen again")
    record.note(event("mode", {"model": women.manifest.name, "attribute": None, "mode": "shadow"}))
    record.close()
    record.engine.dispose()
    checkpoint(record.engine, load_key(state / "checkpoint.key"))


def keep(work: Path, out: Path) -> None:
    """Both databases as SQL, and a spool."""
    fill(work / "sqlite", "")
    with sqlite3.connect(work / "sqlite/record.db") as connection:
        (out / "sqlite.sql").write_text("\n".join(connection.iterdump()) + "\n")
    spool = Spool(work / "spool", lambda _: None)
    spool.append(make([batch(3, 4, gender="Women")], Keys(KEY)))
    spool.close()
    shutil.copy(next((work / "spool").iterdir()), out / "waiting.spool")
    folder = programs()
    assert folder is not None, "PostgreSQL's server is not installed"
    server = Postgres(folder)
    try:
        url = server.create()
        fill(work / "postgresql", url)
        command = ["pg_dump", "--inserts", "--no-owner", url.replace("+psycopg", "")]
        dump = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    finally:
        server.close()
    left_out = ("--", "SET ", "\\", "SELECT pg_catalog.set_config")
    lines = [line for line in dump.splitlines() if line.strip() and not line.startswith(left_out)]
    (out / "postgresql.sql").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    made = HERE / f"record-{HEAD}"
    made.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        keep(Path(folder), made)
