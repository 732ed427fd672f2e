"""One key, made once, of which nothing can be guessed."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evenhand.service.audit.digest_keys import KeyFileError, Keys, load_keys


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "record.key"
    with ThreadPoolExecutor(8) as pool:
        fingerprints = {keys.fingerprint for keys in pool.map(lambda _: load_keys(path), range(16))}
    assert len(fingerprints) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["record.key"]


def test_names_depend_on_the_key_and_on_what_they_are_for() -> None:
    one, other = Keys(bytes(32)), Keys(bytes([1]) * 32)
    assert one.pseudonym("x") == Keys(bytes(32)).pseudonym("x")
    assert len({one.pseudonym("x"), other.pseudonym("x"), one.pseudonym("y"), one.digest(b"x")[:32]}) == 4
    assert one.digest(b"x") != other.digest(b"x")
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize("text", ["", "not hexadecimal", "abcd"])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "record.key"
    path.write_text(text)
    with pytest.raises(KeyFileError, match=r"restore it from your backup"):
        load_keys(path)
