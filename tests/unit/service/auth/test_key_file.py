"""The file of keys: made, read, refused, and followed."""

import os
import threading
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from evenhand.cli.main import app
from evenhand.service.auth.key_file import AccessError, Key, find, new_key, read_keys
from evenhand.service.auth.policy import SCOPES
from evenhand.service.auth.reloadable_file import LOOK_EVERY_S, ReloadableFile

LINE = f"a predict sha256:{'0' * 64}\n"


def write(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def test_a_key_is_found_again_and_is_not_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "new/keys"
    shown = [new_key(file, f"key-{number}", ["predict", "audit", "predict"], 2.5) for number in range(3)]
    keys = read_keys(file)
    assert [key.name for key in keys] == ["key-0", "key-1", "key-2"]
    assert keys[0] == Key("key-0", frozenset({"predict", "audit"}), sha256(shown[0].encode()).digest(), 2.5)
    assert [find(keys, one) for one in shown] == list(keys)
    assert find(keys, "evenhand_" + "A" * 43) is None
    assert not any(one in file.read_text() for one in shown)
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(shown[0]) == len("evenhand_") + 43


def test_of_many_that_make_keys_at_once_none_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    makers = [threading.Thread(target=new_key, args=(file, f"key-{n}", ["predict"], None)) for n in range(16)]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert {key.name for key in read_keys(file)} == {f"key-{n}" for n in range(16)}


def test_a_line_goes_on_a_line_of_its_own(tmp_path: Path) -> None:
    file = write(tmp_path / "keys", "# mine\n\n" + LINE.strip())
    new_key(file, "b", ["metrics"], None)
    assert [key.name for key in read_keys(file)] == ["a", "b"]


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o644, 0o666])
def test_a_file_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    file = write(tmp_path / "keys", LINE, mode)
    with pytest.raises(AccessError, match="chmod 600"):
        read_keys(file)
    with pytest.raises(AccessError, match="chmod 600"):
        new_key(file, "b", ["predict"], None)
    assert file.read_text() == LINE


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_group_of_its_own_may_read_it(tmp_path: Path, mode: int) -> None:
    assert len(read_keys(write(tmp_path / "keys", LINE, mode))) == 1


@pytest.mark.parametrize(
    "line",
    [
        "a",
        "a predict",
        f"a predict {'0' * 64}",
        f"a predict sha256:{'0' * 63}",
        f"a predict sha256:{'0' * 64} rate=1 more",
        f"a predict sha256:{'0' * 64} 5",
        f"a predict sha256:{'0' * 64} rate=",
        f"a predict sha256:{'0' * 64} rate=0",
        f"a predict sha256:{'0' * 64} rate=-1",
        f"a predict sha256:{'0' * 64} rate=nan",
        f"a predict sha256:{'0' * 64} rate=inf",
        f"a everything sha256:{'0' * 64}",
        f"a predict,, sha256:{'0' * 64}",
        f"a/b predict sha256:{'0' * 64}",
        f"first audit sha256:{'1' * 64}",
        f"other audit sha256:{'0' * 64}",
    ],
)
def test_a_wrong_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    file = write(
        tmp_path / "keys", f"# keys\nfirst audit sha256:{'0' * 64}\n".replace("0" * 64, "1" * 64) + line
    )
    if line.startswith("other"):
        file = write(file, f"# keys\nfirst audit sha256:{'0' * 64}\n{line}")
    with pytest.raises(AccessError, match="line 3: ") as caught:
        read_keys(file)
    assert "\n" not in str(caught.value)


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_content_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = write(tmp_path_factory.getbasetemp() / "any-keys", content)
    try:
        keys = read_keys(file)
    except AccessError:
        return
    assert len(keys) <= content.count(b"sha256:")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match="evenhand key new"):
        read_keys(tmp_path / "none")
    with pytest.raises(AccessError):
        read_keys(tmp_path)
    with pytest.raises(AccessError, match="larger"):
        read_keys(write(tmp_path / "long", "#" * (2**20 + 1)))


@pytest.mark.parametrize(
    ("name", "scopes", "rate"),
    [
        ("a b", ["predict"], None),
        ("", ["predict"], None),
        ("x" * 65, ["predict"], None),
        ("a\n", ["predict"], None),
        ("a", [], None),
        ("a", ["all"], None),
        ("a", ["predict"], 0.0),
        ("a", ["predict"], float("nan")),
    ],
)
def test_a_key_that_cannot_be_made_leaves_no_file(
    tmp_path: Path, name: str, scopes: list[str], rate: float | None
) -> None:
    with pytest.raises(AccessError):
        new_key(tmp_path / "keys", name, scopes, rate)
    assert not (tmp_path / "keys").exists()


def test_a_file_is_read_again_when_it_changes_and_a_bad_one_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "keys"
    new_key(file, "first", ["predict"], None)
    watched, now_s = ReloadableFile(file, read_keys), 0.0

    def names() -> list[str]:
        nonlocal now_s
        now_s += LOOK_EVERY_S
        return [key.name for key in watched.get(now_s)]

    assert names() == ["first"]
    new_key(file, "second", ["predict"], None)
    assert [key.name for key in watched.get(now_s)] == ["first"]
    assert names() == ["first", "second"]
    good = file.read_text()
    file.write_text("nonsense\n")
    assert names() == names() == ["first", "second"]
    file.unlink()
    assert names() == names() == ["first", "second"]
    errors = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 2
    assert all("stays in force" in record.message for record in errors)
    draft = write(tmp_path / "draft", good.replace("first", "third"))
    os.replace(draft, file)
    assert names() == ["third", "second"]
    file.chmod(0o644)
    assert names() == ["third", "second"]


def test_the_command_prints_a_key_once_and_lists_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, runner = tmp_path / "keys", CliRunner()
    made = runner.invoke(
        app, ["key", "new", "client", "--scope", "predict", "--scope", "feedback", "--file", str(file)]
    )
    assert made.exit_code == 0
    (key,) = read_keys(file)
    assert find([key], made.stdout.strip()) is key
    monkeypatch.setenv("EVENHAND_KEYS_FILE", str(file))
    assert runner.invoke(app, ["key", "new", "scraper", "--scope", "metrics", "--rate", "0.5"]).exit_code == 0
    listed = runner.invoke(app, ["key", "list"])
    assert listed.stdout == "client\tfeedback,predict\nscraper\tmetrics\t0.5/s\n"
    again = runner.invoke(app, ["key", "new", "client", "--scope", "predict"])
    assert (again.exit_code, again.stdout) == (2, "")
    assert "of this name" in again.stderr
    assert runner.invoke(app, ["key", "list", "--file", str(tmp_path / "none")]).exit_code == 2


def test_scopes_are_those_of_the_issue() -> None:
    assert set(SCOPES) == {"predict", "feedback", "decisions", "admin", "metrics", "audit"}
