"""The record is backed up while a process writes to it, and restored as docs/howto/backup.md says."""

import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import record_writer
from audit_command import audit
from databases import Postgres, postgres, programs
from record_load import on_record
from recording import batch, bodies, recorder
from sqlalchemy.engine import make_url
from waiting import until

from evenhand.service.audit.maintenance.migrate import RecordRefused

__all__ = ["postgres"]
ENOUGH = 200


class Writing:
    """A process that records until it is killed, and what it was acknowledged so far."""

    def __init__(self, folder: Path, url: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, record_writer.__file__, str(folder), url],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self.acknowledged: list[str] = []
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.acknowledged.extend(line.strip() for line in self._process.stdout)

    def more(self, rows: int = ENOUGH) -> set[str]:
        """All that is acknowledged, once so many more are."""
        expected = len(self.acknowledged) + rows
        until(lambda: len(self.acknowledged) >= expected)
        return set(self.acknowledged)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()


def test_a_copy_made_while_a_service_writes_holds_and_goes_on(tmp_path: Path) -> None:
    state, copy, restored = tmp_path / "state", tmp_path / "backup.db", tmp_path / "restored"
    process = Writing(state)
    try:
        before = process.more()
        said = audit("backup", copy, "--state", state)
        during = len(process.acknowledged)
        after = process.more()
    finally:
        process.end()
    assert any("record.key" in line for line in said)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    restored.mkdir(mode=0o700)
    shutil.copy(copy, restored / "record.db")
    shutil.copy(state / "record.key", restored / "record.key")
    url = f"sqlite:///{restored / 'record.db'}"
    stored = on_record(url)
    assert before <= stored
    assert during > len(before)  # it wrote meanwhile
    assert not after <= stored  # it is a copy of one moment, and not of the file that went on
    assert any(line.startswith("holds:") for line in audit("verify", "--state", restored))
    again = recorder(restored)
    again.take(batch(2))
    again.close()
    assert len(bodies(url)) == len(stored) + 2


def test_nothing_is_overwritten_and_another_key_is_refused(tmp_path: Path) -> None:
    state, copy = tmp_path / "state", tmp_path / "backup.db"
    made = recorder(state)
    made.take(batch(2))
    made.close()
    audit("backup", copy, "--state", state)
    kept = copy.read_bytes()
    (line,) = audit("backup", copy, "--state", state, code=2)
    assert "exists already" in line
    assert copy.read_bytes() == kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.db", "state"]
    (line,) = audit("backup", tmp_path / "no" / "where", "--state", state, code=2)
    assert "No such file" in line
    # The copy with a key that is not its own: a service must not begin on it.
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(copy, other / "record.db")
    with pytest.raises(RecordRefused, match=r"copy record\.key"):
        recorder(other)


def test_postgresql_is_dumped_and_restored_with_its_own_tools(tmp_path: Path, postgres: Postgres) -> None:
    state, dump = tmp_path / "state", tmp_path / "record.dump"
    source, target = postgres.create(), postgres.create()
    tools = programs()
    assert tools is not None
    process = Writing(state, source)
    try:
        before = process.more()
        (line,) = audit("backup", tmp_path / "copy.db", "--state", state, "--record", source, code=2)
        assert "pg_dump" in line
        run(tools / "pg_dump", source, "--format=custom", "--file", str(dump))
    finally:
        process.end()
    run(tools / "pg_restore", target, "--no-owner", "--exit-on-error", str(dump))
    assert before <= on_record(target)
    assert any(line.startswith("holds:") for line in audit("verify", "--state", state, "--record", target))
    again = recorder(state, target)
    again.take(batch(2))
    again.close()
    assert any(line.startswith("holds:") for line in audit("verify", "--state", state, "--record", target))


def run(program: Path, url: str, *arguments: str) -> None:
    at = make_url(url)
    where = ["-h", str(at.host), "-p", str(at.port), "-U", str(at.username), "-d", str(at.database)]
    done = subprocess.run([program, *where, *arguments], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
