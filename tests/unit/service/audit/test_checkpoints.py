"""A checkpoint says where the chain ended; its key is made once, and its line can be kept anywhere."""

import json
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from recorded import fill
from sqlalchemy import select

from evenhand.service.audit.checkpoints import (
    CheckpointError,
    checkpoint,
    load_key,
    public_bytes,
    read,
    read_lines,
    sign,
)
from evenhand.service.audit.events import event
from evenhand.service.audit.record_batch import RecordBatch
from evenhand.service.audit.tables import chain

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "checkpoint.key"
    with ThreadPoolExecutor(8) as pool:
        keys = {public_bytes(key) for key in pool.map(lambda _: load_key(path), range(16))}
    assert len(keys) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    assert os.listdir(path.parent) == ["checkpoint.key"]


def test_a_file_that_is_no_key_of_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.key"
    other = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"", b"nonsense", other):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="move it away for a new one"):
            load_key(path)


def test_a_signature_is_of_every_field(tmp_path: Path) -> None:
    made = sign(KEY, 7, bytes(range(32)), 1000)
    assert made.is_valid()
    for changed in (
        {"seq": 8},
        {"link": bytes(32)},
        {"at_ms": 1001},
        {"public_key": bytes(32)},
        {"signature": b""},
    ):
        assert not replace(made, **changed).is_valid()
    assert read(json.loads(made.line())) == made
    (tmp_path / "kept.jsonl").write_text(f"{made.line()}\n\n{made.line()}\n")
    assert read_lines(tmp_path / "kept.jsonl") == [made, made]
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_lines(tmp_path / "absent.jsonl")


@pytest.mark.parametrize("facts", [[], {}, {"v": 2}, {"v": 1, "seq": 1}, {"v": 1, "link": 5}])
def test_what_is_no_checkpoint_is_refused(facts: object) -> None:
    with pytest.raises(ValueError, match="no checkpoint"):
        read(facts)


def test_the_head_is_signed_if_it_moved_by_one_of_all_who_try(database: str) -> None:
    record = fill(database, decisions=5)
    with ThreadPoolExecutor(4) as pool:
        made = [
            one for one in pool.map(lambda _: checkpoint(record.engine, KEY), range(8)) if one is not None
        ]
    (one,) = made
    with record.engine.connect() as connection:
        head = connection.execute(select(chain.c.seq, chain.c.link)).one()
    assert (one.seq, one.link, one.is_valid()) == (head.seq, head.link, True)
    assert checkpoint(record.engine, KEY) is None
    record.store.append([RecordBatch([event("mode", {"mode": "off"})])], again=False)
    assert checkpoint(record.engine, KEY) is not None


def test_an_empty_chain_is_not_signed(database: str) -> None:
    record = fill(database, decisions=0)
    with record.engine.begin() as connection:
        connection.execute(chain.update().values(seq=0))
    assert checkpoint(record.engine, KEY) is None


def test_the_library_is_loaded_by_who_signs_alone() -> None:
    """``evenhand`` starts without it."""
    imports = "import sys, evenhand.cli.main, evenhand.service.audit.checkpoints"
    code = f"{imports}; print('cryptography' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )
