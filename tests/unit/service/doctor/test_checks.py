"""Each thing that the doctor looks at is broken once, for real; it must say so, and what to do."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from databases import database, postgres
from recording import batch, recorder
from typer.testing import CliRunner, Result

from evenhand.cli.main import app
from evenhand.service.audit.checkpoints import checkpoint, load_key
from evenhand.service.audit.digest_keys import load_keys
from evenhand.service.audit.record_batch import make
from evenhand.service.audit.spool import Spool
from evenhand.service.audit.store import make_engine
from evenhand.service.auth.key_file import new_key
from evenhand.service.doctor import checks, package_checks
from evenhand.service.doctor.findings import Finding
from evenhand.service.settings import Settings, load

__all__ = ["database", "postgres"]
DAY_MS = 86_400_000


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder of a service that recorded, signed and stopped as it should."""
    folder = tmp_path / "state"
    writing = recorder(folder)
    writing.take(batch(3))
    writing.close()
    engine = make_engine(f"sqlite:///{folder / 'record.db'}")
    assert checkpoint(engine, load_key(folder / "checkpoint.key")) is not None
    engine.dispose()
    return folder


def record(folder: Path, url: str = "") -> dict[str, Finding]:
    """What is found of the record, by check; of several the worst."""
    from evenhand.service.doctor.record_checks import check_record

    return by_check(check_record(Settings(state=folder, record=url)))


def by_check(findings: Iterator[Finding]) -> dict[str, Finding]:
    order = ("ok", "warning", "problem")
    return {finding.check: finding for finding in sorted(findings, key=lambda one: order.index(one.state))}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["doctor", "--port", "0", *arguments])


def test_a_healthy_installation_has_no_finding_and_is_not_changed(
    state: Path, demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENHAND_STATE", str(state))
    before = {
        path: path.stat().st_mtime_ns for path in state.iterdir() if path.suffix not in (".db-shm", ".db-wal")
    }
    result = run(str(demo))
    # What else is installed, and how full the disk is, is not the test's to decide.
    bad = [line for line in result.stdout.splitlines() if line.startswith(("warning", "problem"))]
    assert not [line for line in bad if line.split()[1] not in ("versions", "disk", "files")], result.stdout
    assert "3 records" in result.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_exit_codes_and_json_say_the_same(demo: Path) -> None:
    fine = run(str(demo), "--json")
    said = json.loads(fine.stdout)
    assert fine.exit_code == {"ok": 0, "warning": 1, "problem": 2}[said["state"]]
    names = [setting["name"] for setting in said["settings"]]
    assert names == list(Settings.model_fields)
    broken = run("nowhere", "--json")
    assert broken.exit_code == 2
    assert json.loads(broken.stdout)["state"] == "problem"
    problems = [one for one in json.loads(broken.stdout)["findings"] if one["state"] == "problem"]
    assert [one["check"] for one in problems] == ["bundle"]
    assert all(one["do"] for one in problems)


def test_settings_say_where_they_came_from_and_hide_what_is_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "evenhand.yml"
    file.write_text("lanes: 1\nrecord: postgresql+psycopg://me:sesame@localhost/evenhand\n")
    monkeypatch.setenv("EVENHAND_CONFIG", str(file))
    monkeypatch.setenv("EVENHAND_WORKERS", "2")
    shown = {one["name"]: one for one in checks.sources(load(port=0), {"port": 0, "host": None})}
    assert shown["port"]["source"] == "command line"
    assert shown["workers"]["source"] == "environment: EVENHAND_WORKERS"
    assert shown["lanes"]["source"] == f"file: {file}"
    assert shown["host"]["source"] == "default"
    assert "sesame" not in json.dumps(shown)
    assert "localhost/evenhand" in shown["record"]["value"]


def test_settings_that_cannot_be_read_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENHAND_WORKRES", "2")
    result = run()
    assert result.exit_code == 2
    assert "did you mean EVENHAND_WORKERS?" in result.stdout


def test_a_damaged_bundle_and_one_that_is_named_twice(demo: Path, altered: Callable[..., Path]) -> None:
    broken, same = altered(0.5, "off"), altered(0.4, "off")
    (finding,) = checks.check_bundles(())
    assert finding.state == "problem"
    assert [one.state for one in checks.check_bundles((demo, same))] == ["ok", "problem"]
    with (broken / "model.onnx").open("ab") as file:
        file.write(b"x")
    (finding,) = checks.check_bundles((broken,))
    assert (finding.state, bool(finding.do)) == ("problem", True)
    assert "does not match its hash" in finding.said


def test_a_state_folder_that_cannot_serve(tmp_path: Path, state: Path) -> None:
    assert record(tmp_path / "new")["state"].state == "ok"
    (tmp_path / "file").write_text("")
    assert record(tmp_path / "file")["state"].state == "problem"
    assert record(tmp_path / "file" / "inside")["state"].state == "problem"
    state.chmod(0o755)
    assert record(state)["state"].state == "warning"
    assert record(state)["database"].state == "warning"


@pytest.mark.parametrize("name", ["record.key", "checkpoint.key"])
def test_keys_that_others_may_read_or_that_are_none(state: Path, name: str) -> None:
    key = state / name
    assert record(state)["key"].state == "ok"
    key.chmod(0o640)
    assert (record(state)["key"].state, record(state)["key"].do) == ("warning", f"chmod 600 {key}")
    key.chmod(0o644)
    assert record(state)["key"].state == "problem"
    key.chmod(0o600)
    key.write_text("no key")
    assert record(state)["key"].state == "problem"


def test_a_key_that_is_gone_and_one_of_another_record(state: Path, tmp_path: Path) -> None:
    (state / "record.key").rename(tmp_path / "kept")
    assert record(state)["key"].state == "warning"
    (state / "record.key").write_text("ab" * 32)
    (state / "record.key").chmod(0o600)
    finding = record(state)["database"]
    assert finding.state == "problem"
    assert "another key" in finding.said


def test_a_key_file_with_a_mistake_one_that_others_may_read_and_keys_that_end(tmp_path: Path) -> None:
    from evenhand.service.doctor.access_checks import check_access

    file, today = tmp_path / "keys", datetime.now(UTC).date()
    new_key(file, "client", ["predict"], None)
    new_key(file, "old", ["predict"], None, until=today - timedelta(days=1))
    look = partial(check_access, Settings(keys_file=file))
    (finding,) = look()
    assert (finding.state, finding.said) == ("ok", "1 keys count; ended: old")
    new_key(file, "soon", ["predict"], None, until=today + timedelta(days=3))
    with file.open("a") as end:
        end.write("nonsense\n")
    assert {(one.state, one.said.partition(" ends")[0]) for one in look() if one.state == "warning"} == {
        ("warning", "the key soon")
    }
    (problem,) = (one for one in look() if one.state == "problem")
    assert f"{file}, line 5: " in problem.said
    file.chmod(0o644)
    (finding,) = look()
    assert (finding.state, "chmod 600" in finding.said) == ("problem", True)
    keys = tmp_path / "jwks.json"
    keys.write_text("{")
    tokens = Settings(jwt_jwks=keys, jwt_issuer="i", jwt_audience="a")
    (finding,) = check_access(tokens)
    assert (finding.state, "not a usable JSON Web Key Set" in finding.said) == ("problem", True)


def test_a_database_that_is_away_is_none_or_is_of_another_version(state: Path) -> None:
    away = record(state, "postgresql+psycopg://nobody@127.0.0.1:1/none")["database"]
    assert away.state == "problem"
    assert record(state, "nothing://here")["database"].state == "problem"
    assert record(state, "off")["record"].state == "ok"
    with sqlite3.connect(state / "record.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    assert "newer version" in record(state)["database"].said
    (state / "record.db").write_bytes(b"no database at all" * 100)
    for left in state.glob("record.db-*"):
        left.unlink()
    assert record(state)["database"].state == "problem"


def test_a_database_of_either_kind_is_asked(tmp_path: Path, database: str) -> None:
    folder = tmp_path / "state"
    assert record(tmp_path / "new", database)["database"].state == "warning"
    folder.mkdir(mode=0o700)
    (folder / "record.key").write_text("ab" * 32)
    (folder / "record.key").chmod(0o600)
    assert "empty" in record(folder, database)["database"].said
    writing = recorder(folder, database)
    writing.take(batch(3))
    writing.close()
    findings = record(folder, database)
    assert findings["database"].said.startswith(database.split(":")[0].split("+")[0])
    assert findings["chain"].said.startswith("3 records")


def test_a_chain_that_is_cut_unsigned_or_of_tomorrow(state: Path) -> None:
    assert record(state)["chain"].state == "ok"
    database = sqlite3.connect(state / "record.db")
    with database:
        database.execute("DELETE FROM checkpoints")
        database.execute(f"UPDATE records SET at_ms = at_ms - {DAY_MS}")
    assert record(state)["chain"].state == "warning"
    with database:
        database.execute(f"UPDATE records SET at_ms = at_ms + {2 * DAY_MS}")
    assert record(state)["clock"].state == "problem"
    with database:
        database.execute("DELETE FROM records WHERE seq = (SELECT max(seq) FROM records)")
    finding = record(state)["chain"]
    assert (finding.state, finding.do) == ("problem", "Run: evenhand audit verify")
    database.close()


def test_a_spool_that_was_left_over_and_one_of_a_service_that_runs(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    making = recorder(folder)
    making.take(batch(3))
    making.close()
    spool = Spool(folder / "spool", lambda _: None)
    spool.append(make([batch(2)], load_keys(folder / "record.key")))
    assert "a service that runs" in record(folder)["spool"].said
    spool.close()
    finding = record(folder)["spool"]
    assert finding.state == "warning"
    assert "keep this folder" in finding.do
    (folder / "spool" / "01.aside").touch()
    assert "01.aside" in record(folder)["spool"].said


def test_a_disk_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "state"
    recorder(folder).close()
    usage = shutil.disk_usage(folder)
    for free, state in ((2**34, "ok"), (2**29, "warning"), (2**20, "problem")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        assert record(folder)["disk"].state == state


def test_the_folder_of_counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look() -> str:
        (finding,) = checks.check_metrics(Settings())
        return finding.state

    monkeypatch.delenv(checks.SHARED, raising=False)
    assert look() == "ok"
    monkeypatch.setenv(checks.SHARED, str(tmp_path / "gone"))
    assert look() == "problem"
    monkeypatch.setenv(checks.SHARED, str(tmp_path))
    (tmp_path / f"counter_{os.getpid()}.db").write_bytes(b"")
    assert look() == "ok"
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f"counter_{ended.pid}.db").write_bytes(b"")
    assert look() == "warning"


def test_a_clock_behind_its_files_and_one_that_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, settings = tmp_path / "file", Settings(state=tmp_path)
    file.write_text("")
    (finding,) = checks.check_clock(settings)
    assert finding.state == "ok"
    later_s = time.time() + 3600
    os.utime(file, (later_s, later_s))
    (finding,) = checks.check_clock(settings)
    assert finding.state == "problem"
    file.unlink()
    # The module's own clock only: the watching threads of other tests read the process's.
    jumps_s = iter((0.0, 0.0, 100.0))
    clock = SimpleNamespace(
        time=lambda: time.time() + next(jumps_s), monotonic=time.monotonic, sleep=time.sleep
    )
    monkeypatch.setattr(checks, "time", clock)
    (finding,) = checks.check_clock(settings)
    assert finding.state == "warning"


def distribution(folder: Path, name: str, version: str, *packages: str) -> None:
    """What pip leaves of an installed wheel."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "top_level.txt").write_text("\n".join(packages))


def test_strangers_two_runtimes_and_other_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def look(provider: str = "cpu") -> dict[str, Finding]:
        return by_check(package_checks.check_packages(provider))

    assert {one.state for name, one in look().items() if name != "versions"} == {"ok"}
    assert look("tensorrt")["runtime"].state == "problem"
    monkeypatch.syspath_prepend(str(tmp_path))
    distribution(tmp_path, "some-evenhand", "1.0", "evenhand")
    distribution(tmp_path, "onnxruntime-gpu", "1.0", "onnxruntime")
    distribution(tmp_path, "uvicorn", "0.0.1", "uvicorn")
    assert "some-evenhand ships evenhand/" in look()["packages"].said
    assert look()["runtime"].said.startswith("onnxruntime and onnxruntime-gpu")
    assert look()["versions"].state == "warning"


class Stranger(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Unready(Stranger):
    def do_GET(self) -> None:
        self.send_response(503)
        self.send_header("traceresponse", "00-0-0-00")
        self.end_headers()


@pytest.mark.parametrize(("who", "said"), [(Stranger, "another program"), (Unready, "is not ready")])
def test_a_port_that_is_taken(who: type[BaseHTTPRequestHandler], said: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), who)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        finding = checks.check_port("127.0.0.1", server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert finding.state == "problem"
    assert said in finding.said
    assert checks.check_port("127.0.0.1", server.server_port).state == "ok"
    assert checks.check_port("192.0.2.1", 8000).state == "problem"


def test_more_threads_than_cores_and_few_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    def look(**chosen: int) -> str:
        return by_check(checks.check_cores(Settings(**chosen), 2))["cores"].state

    assert look() == "ok"
    assert look(workers=4) == "warning"
    assert look(lanes=2, threads=2) == "warning"
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    assert by_check(checks.check_cores(Settings(), 2))["files"].state == "warning"
