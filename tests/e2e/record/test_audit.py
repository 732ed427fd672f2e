"""``evenhand audit`` as an operator runs it: a process, its exit code, and what it prints."""

import json
import os
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from audit_command import RUN, audit
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from databases import database, postgres
from recorded import Recorded, fill
from sqlalchemy import text
from waiting import until

from evenhand.service.audit.checkpoints import public_bytes

__all__ = ["database", "postgres"]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state folder of the record that ``fill`` makes."""
    folder = tmp_path / "state"
    folder.mkdir()
    (folder / "record.key").write_text("00" * 32)
    return folder


@pytest.fixture
def lone(tmp_path: Path) -> str:
    """An empty database; both kinds are tried where the code is, and with ``verify``."""
    return f"sqlite:///{tmp_path / 'record.db'}"


def change(record: Recorded, statement: str) -> None:
    with record.engine.begin() as connection:
        connection.execute(text(statement))


def sign_with(record: Recorded, path: Path) -> None:
    path.write_bytes(record.signer.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def test_verify_says_what_holds_what_does_not_and_what_it_does_not_prove(
    database: str, state: Path, tmp_path: Path
) -> None:
    record = fill(database)
    sign_with(record, state / "checkpoint.key")
    held = audit("verify", "--record", database, "--state", state)
    assert held[0].startswith("holds: 33 records (1 to 33), 2023-11-14T22:13:20.000Z to ")
    assert held[1] == "20 decisions; 0 bodies erased, each by an event that names it"
    assert held[2].startswith("checkpoints: 4 hold, up to record 32, ")
    assert sum(line.startswith("not proved: ") for line in held) == 3
    (tmp_path / "kept.jsonl").write_text("\n".join(audit("checkpoints", EVENHAND_RECORD=database)))
    change(record, "DELETE FROM checkpoints")
    change(record, "UPDATE records SET at_ms = at_ms + 1 WHERE seq = 4")
    change(record, "DELETE FROM records WHERE seq = 9")
    assert audit("verify", code=1, EVENHAND_RECORD=database, EVENHAND_STATE=str(state)) == [
        "record 4: its at_ms was changed",
        "record 9: it is missing",
        "does not hold: first at record 4: its at_ms was changed",
    ]
    change(record, "UPDATE chain SET seq = 20, link = (SELECT link FROM records WHERE seq = 20)")
    change(record, "DELETE FROM records WHERE seq > 20")
    kept = ("--checkpoints", tmp_path / "kept.jsonl", "--public-key", public_bytes(record.signer).hex())
    lines = audit("verify", "--record", database, *kept, code=1)
    assert lines[2].endswith("a checkpoint was signed of record 32")


def test_public_keys_are_digits_or_files(lone: str, tmp_path: Path) -> None:
    record = fill(lone)
    plain = audit("verify", "--record", lone)
    assert "a key that nothing but the record itself vouches for" in plain[2]
    pem = record.signer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(pem)
    assert "vouches" not in audit("verify", "--record", lone, "--public-key", tmp_path / "key.pem")[2]
    lines = audit("verify", "--record", lone, "--public-key", "ab" * 32, code=1)
    assert "signed with another key" in lines[0]
    assert audit("verify", "--record", lone, "--public-key", "nonsense", code=2) == [
        "error: the public key is neither a file nor 64 hexadecimal digits"
    ]


def test_export_and_verify_the_file(lone: str, state: Path, tmp_path: Path) -> None:
    fill(lone)
    (line,) = audit("export", "--record", lone, "--out", tmp_path / "log.jsonl.gz")
    assert line.startswith("33 records, 1 to 33, in ")
    assert audit("verify", "--file", tmp_path / "log.jsonl.gz")[0].startswith("holds: 33 records")
    out = ("--record", lone, "--state", state, "--out", tmp_path / "with.jsonl")
    assert audit("export", *out, "--with-attributes", code=2)[0].startswith(
        "error: --with-attributes and --purpose"
    )
    audit(
        "export", *out, "--with-attributes", "--purpose", "yearly audit", "--by", "Ada", "--to", "2024-01-01"
    )
    head, *lines = map(json.loads, (tmp_path / "with.jsonl").read_text().splitlines())
    assert (head["purpose"], len(lines)) == ("yearly audit", 32)
    assert lines[0]["attributes"] == {"sex": "female"}
    assert audit("export", *out, "--from", "2020-01-01", "--to", "2021-01-01", code=2) == [
        "error: there is no record in this period"
    ]
    assert audit("export", *out, "--from", "soon", code=2)[0].startswith("error: --from and --to are moments")


def test_prune_says_what_would_leave_then_lets_go(lone: str) -> None:
    fill(lone, decisions=50, days=100)
    days = {"EVENHAND_KEEP_DECISIONS_DAYS": "100", "EVENHAND_RECORD": lone}
    expected = "80 records, up to record 80, and 50 sensitive attributes"
    disagree = "the newest records are of 2024-02-"
    first, second = audit("prune", "--dry-run", **days)
    assert first == f"{expected} would be deleted"
    assert second.startswith(f"not without --yes-beyond-limits: {disagree}")
    assert audit("prune", **days, code=2)[0].startswith(f"error: nothing was deleted: {disagree}")
    assert audit("prune", "--yes-beyond-limits", **days) == [f"{expected} deleted"]
    assert audit("prune", **days) == ["0 records, and 0 sensitive attributes deleted"]
    assert audit("verify", "--record", lone)[0].startswith("holds: 2 records (81 to 82)")


def test_erase_names_what_it_does_not_know(lone: str, state: Path) -> None:
    record = fill(lone)
    place = ("--record", lone, "--state", state, "--by", "Ada")
    assert audit("erase", *place, record.decisions[0]) == [
        "erased: 2 bodies, 1 sensitive attributes, 1 labels, 0 own ids; 0 decisions were erased before"
    ]
    lines = audit("erase", *place, record.decisions[0], "0" * 26, code=2)
    assert lines[0].endswith("0 labels, 0 own ids; 1 decisions were erased before")
    assert lines[1].startswith(f"not in the database: 1 ({'0' * 26})")
    assert (
        audit("verify", "--record", lone)[1]
        == "20 decisions; 2 bodies erased, each by an event that names it"
    )


def test_what_keeps_a_command_from_running_is_told_in_a_line(lone: str, state: Path, tmp_path: Path) -> None:
    assert audit("verify", "--record", "off", code=2)[0].startswith("error: the record is off")
    assert audit("verify", "--state", tmp_path, code=2)[0].startswith("error: no record at ")
    assert audit("verify", "--record", "nonsense", code=2)[0].startswith(
        "error: setting record: no usable URL"
    )
    gone = "postgresql+psycopg://evenhand@127.0.0.1:9/none"
    assert audit("verify", "--record", gone, code=2)[0].startswith(
        "error: the record's database cannot be used: "
    )
    fill(lone)
    (tmp_path / "bad.jsonl").write_text("{}\n")
    lines = audit("verify", "--record", lone, "--checkpoints", tmp_path / "bad.jsonl", code=2)
    assert lines[0].endswith("line 1 is not a checkpoint of version 1")
    assert audit("erase", "--record", lone, "--state", tmp_path, "x", code=2)[0].startswith(
        "error: no key at "
    )
    (state / "record.key").write_text("11" * 32)
    lines = audit("erase", "--record", lone, "--state", state, "x", code=2)
    assert lines[0].startswith("error: the record's database was begun with another key")


def ask(port: int, path: str, body: object = None) -> tuple[int, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", data, {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=600) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, None
    except OSError:
        return 0, None


@contextmanager
def serving(demo: Path, state: Path) -> Iterator[int]:
    """A service with its record in a folder; told to stop at the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*RUN[:-1], "serve", str(demo), "--port", str(port)]
    process = subprocess.Popen(
        command, env={**os.environ, "EVENHAND_STATE": str(state)}, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: ask(port, "/readyz")[0] == 200)
        yield port
        process.terminate()
        assert process.wait(600) == 0
    finally:
        process.kill()
        process.wait()


def test_a_service_s_record_holds_while_it_serves_and_after_a_decision_was_erased(
    demo: Path, tmp_path: Path
) -> None:
    place = ("--state", tmp_path)
    with serving(demo, tmp_path) as port:
        groups = [{"religion": "mentioned"}, {"religion": "not mentioned"}]
        _, body = ask(port, "/predict", {"inputs": ["a mosque", "nice day"], "groups": groups})
        first, second = (prediction["id"] for prediction in body["predictions"])
        assert ask(port, "/feedback", {"id": first, "label": "not hate"})[0] == 200
        until(lambda: ask(port, f"/decisions/{second}")[0] == 200)
        assert audit("verify", *place)[1].startswith("2 decisions; 0 bodies erased")
        assert audit("erase", *place, first)[0].startswith(
            "erased: 2 bodies, 1 sensitive attributes, 1 labels, 0 own ids;"
        )
        assert ask(port, f"/decisions/{first}")[0] == 404
        assert ask(port, f"/decisions/{second}")[0] == 200
        feedback = {"id": first, "label": "hate", "groups": {"religion": "mentioned"}}
        assert ask(port, "/feedback", feedback)[1]["results"][0]["result"] == "orphan"
    lines = audit("verify", *place)
    assert lines[1].startswith("2 decisions; 2 bodies erased")
    last = lines[0].split(" to ")[1].split(")")[0]
    assert lines[2].startswith(f"checkpoints: 1 hold, up to record {last}, ")
    audit("export", *place, "--out", tmp_path / "log.jsonl")
    assert "mentioned" not in (tmp_path / "log.jsonl").read_text().split("\n", 1)[1]
    assert audit("verify", "--file", tmp_path / "log.jsonl")[0].startswith("holds: ")
