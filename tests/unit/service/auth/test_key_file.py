"""The file of keys: made, read, refused, and followed."""

import os
import threading
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from evenhand.cli.main import app
from evenhand.service.auth.key_file import (
    AccessError,
    Key,
    KeyFile,
    find,
    new_key,
    read_keys,
    read_keys_again,
    revoke,
)
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
    keys = read_keys(file).keys
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
    assert {key.name for key in read_keys(file).keys} == {f"key-{n}" for n in range(16)}


def test_a_line_goes_on_a_line_of_its_own(tmp_path: Path) -> None:
    file = write(tmp_path / "keys", "# mine\n\n" + LINE.strip())
    new_key(file, "b", ["metrics"], None)
    assert [key.name for key in read_keys(file).keys] == ["a", "b"]


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
    assert len(read_keys(write(tmp_path / "keys", LINE, mode)).keys) == 1


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
def test_a_wrong_line_is_named_by_its_number_and_costs_its_own_key_alone(tmp_path: Path, line: str) -> None:
    file = write(
        tmp_path / "keys", f"# keys\nfirst audit sha256:{'0' * 64}\n".replace("0" * 64, "1" * 64) + line
    )
    if line.startswith("other"):
        file = write(file, f"# keys\nfirst audit sha256:{'0' * 64}\n{line}")
    read = read_keys(file)
    (problem,) = read.problems
    assert "line 3: " in problem
    assert problem.endswith("the line counts as revoked")
    assert "\n" not in problem
    assert [key.name for key in read.keys] == ["first"]


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_content_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = write(tmp_path_factory.getbasetemp() / "any-keys", content)
    read = read_keys(file)
    assert len(read.keys) <= content.count(b"sha256:")
    assert read_keys_again(file, KeyFile()) == read


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


class Watched:
    """A key file in use: one look after another, a second apart."""

    def __init__(self, file: Path) -> None:
        self.file, self.now_s, self.problems = file, 0.0, []
        self.made = ReloadableFile(file, read_keys, read_keys_again, self.problems.append)

    def names(self) -> list[str]:
        self.now_s += LOOK_EVERY_S
        return [key.name for key in self.made.get(self.now_s).keys]


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    new_key(file, "first", ["predict"], None)
    watched = Watched(file)
    assert watched.names() == ["first"]
    new_key(file, "second", ["predict"], None)
    assert [key.name for key in watched.made.get(watched.now_s).keys] == ["first"]
    assert watched.names() == ["first", "second"]
    revoke(file, "first")
    assert watched.names() == ["second"]
    assert watched.problems == [0, 0, 0]


FIRST, SECOND, OTHER = (
    f"{name} predict sha256:{digit * 64}\n" for name, digit in zip("abc", "123", strict=True)
)


@pytest.mark.parametrize(
    ("content", "mode", "kept", "problems"),
    [
        (FIRST, 0o600, ["a"], 0),
        (FIRST + "new predict sha256:abc\n", 0o600, ["a"], 1),
        (FIRST + FIRST, 0o600, ["a"], 1),
        (FIRST + SECOND.replace("predict", "predict,nonsense"), 0o600, ["a"], 1),
        (FIRST, 0o644, ["a"], 1),
        (FIRST + OTHER, 0o666, ["a"], 1),
        (FIRST + OTHER + "x\n", 0o620, ["a"], 2),
        ("", 0o600, [], 0),
        ("#" * (2**20 + 1), 0o600, [], 1),
        (None, 0, [], 1),
    ],
)
def test_a_revoked_key_does_not_outlive_a_mistake_in_the_file(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    content: str | None,
    mode: int,
    kept: list[str],
    problems: int,
) -> None:
    """The second key is to be revoked, and something is wrong with the file that does it."""
    file = write(tmp_path / "keys", FIRST + SECOND)
    watched = Watched(file)
    assert watched.names() == ["a", "b"]
    if content is None:
        file.unlink()
    else:
        os.replace(write(tmp_path / "draft", content, mode), file)
    assert watched.names() == watched.names() == kept
    assert watched.problems == [0, problems]
    errors = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == problems
    assert all(str(file) in error for error in errors)
    os.replace(write(tmp_path / "draft", FIRST + OTHER), file)
    assert watched.names() == ["a", "c"]
    assert watched.problems[-1] == 0


def test_a_key_ends_with_its_last_day(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    shown = new_key(file, "guest", ["predict"], 5.0, until=date(2026, 12, 31))
    (key,) = read_keys(file).keys
    assert (key.rate_per_s, key.until) == (5.0, date(2026, 12, 31))
    assert find([key], shown, today=date(2026, 12, 31)) is key
    assert find([key], shown, today=date(2027, 1, 1)) is None
    ended = new_key(file, "old", ["predict"], None, until=date(2020, 1, 1))
    assert find(read_keys(file).keys, ended) is None


def test_a_revoked_key_s_lines_go_and_nothing_else_does(tmp_path: Path) -> None:
    file = write(
        tmp_path / "keys", f"# mine\n{FIRST}b predict sha256:broken\n{SECOND}\nnonsense\n{OTHER}", 0o640
    )
    revoke(file, "b")
    assert file.read_text() == f"# mine\n{FIRST}\nnonsense\n{OTHER}"
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]
    with pytest.raises(AccessError, match="no key b"):
        revoke(file, "b")
    with pytest.raises(AccessError, match="is not revoked"):
        revoke(tmp_path / "none", "b")
    file.chmod(0o644)
    with pytest.raises(AccessError, match="chmod 600"):
        revoke(file, "a")


def test_of_keys_made_and_revoked_at_once_none_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    for number in range(8):
        new_key(file, f"old-{number}", ["predict"], None)
    work = [threading.Thread(target=new_key, args=(file, f"new-{n}", ["predict"], None)) for n in range(8)]
    work += [threading.Thread(target=revoke, args=(file, f"old-{n}")) for n in range(8)]
    for one in work:
        one.start()
    for one in work:
        one.join()
    assert {key.name for key in read_keys(file).keys} == {f"new-{n}" for n in range(8)}


def test_the_command_prints_a_key_once_and_lists_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, runner = tmp_path / "keys", CliRunner()
    made = runner.invoke(
        app, ["key", "new", "client", "--scope", "predict", "--scope", "feedback", "--file", str(file)]
    )
    assert made.exit_code == 0
    (key,) = read_keys(file).keys
    assert find([key], made.stdout.strip()) is key
    monkeypatch.setenv("EVENHAND_KEYS_FILE", str(file))
    assert runner.invoke(app, ["key", "new", "scraper", "--scope", "metrics", "--rate", "0.5"]).exit_code == 0
    listed = runner.invoke(app, ["key", "list"])
    assert listed.stdout == "client\tfeedback,predict\nscraper\tmetrics\t0.5/s\n"
    again = runner.invoke(app, ["key", "new", "client", "--scope", "predict"])
    assert (again.exit_code, again.stdout) == (2, "")
    assert "of this name" in again.stderr
    assert runner.invoke(app, ["key", "list", "--file", str(tmp_path / "none")]).exit_code == 2
    guest = runner.invoke(app, ["key", "new", "guest", "--scope", "predict", "--until", "2020-01-31"])
    assert guest.exit_code == 0
    with file.open("a") as end:
        end.write("nonsense\n")
    listed = runner.invoke(app, ["key", "list"])
    assert listed.stdout.splitlines()[-1] == "guest\tpredict\tended 2020-01-31"
    assert (listed.exit_code, listed.stderr.count("line 5: ")) == (2, 1)
    revoked = runner.invoke(app, ["key", "revoke", "client"])
    assert (revoked.exit_code, revoked.stdout) == (0, "client is revoked\n")
    assert [key.name for key in read_keys(file).keys] == ["scraper", "guest"]
    assert runner.invoke(app, ["key", "revoke", "client"]).exit_code == 2


def test_scopes_are_those_of_the_issue() -> None:
    assert set(SCOPES) == {"predict", "feedback", "decisions", "admin", "metrics", "audit"}
