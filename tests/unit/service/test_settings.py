"""The environment over the file over defaults; a misspelt name stops the start."""

import inspect
from pathlib import Path

import pytest
from pydantic import ValidationError

from evenhand.service.audit.writer import FLUSH_S
from evenhand.service.settings import Settings, SettingsError, load


def test_defaults_are_safe() -> None:
    settings = load()
    assert (settings.host, settings.port, settings.bundles) == ("127.0.0.1", 8000, ())


def test_the_command_line_wins_over_the_environment_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "evenhand.yaml"
    file.write_text("port: 1\nmax_items: 11\nthreads: 3\nbundles: [a, b]\n")
    monkeypatch.setenv("EVENHAND_CONFIG", str(file))
    monkeypatch.setenv("EVENHAND_PORT", "2")
    monkeypatch.setenv("EVENHAND_MAX_ITEMS", "22")
    settings = load(port=3, host=None)
    assert (settings.port, settings.max_items, settings.threads, settings.host) == (3, 22, 3, "127.0.0.1")
    assert settings.bundles == (Path("a"), Path("b"))


def test_bundles_are_separated_like_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENHAND_BUNDLES", "/a:/b")
    assert load().bundles == (Path("/a"), Path("/b"))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "EVENHAND_MAX_BATHC_ROWS",
            "8",
            "unknown environment variable EVENHAND_MAX_BATHC_ROWS; did you mean EVENHAND_MAX_BATCH_ROWS",
        ),
        ("evenhand_prot", "8", "did you mean EVENHAND_PORT"),
        ("EVENHAND_PORT", "many", "setting port"),
        ("EVENHAND_KEEP_ATTRIBUTES_DAYS", "30", "must not be less than feedback_days"),
        ("EVENHAND_PORT", "70000", "setting port"),
        ("EVENHAND_LOG_LEVEL", "loud", "setting log_level"),
        ("EVENHAND_DEADLINE_S", "0", "setting deadline_s"),
        ("EVENHAND_CONFIG", "/nowhere.yaml", "no file"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=message) as caught:
        load()
    assert "\n" not in str(caught.value)


def test_the_text_on_durability_says_what_a_killed_process_loses() -> None:
    text = inspect.getsource(Settings).split("durability: Literal", 1)[1].split('"""')[1]
    assert f"the records of its last {FLUSH_S:g} s" in " ".join(text.split())


def test_names_that_belong_to_others_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVENHAND_DATA", "/data")
    load()


@pytest.mark.parametrize("content", ["prot: 1\n", "port: [1\n", "- 1\n"])
def test_a_file_that_is_wrong_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    file = tmp_path / "evenhand.yaml"
    file.write_text(content)
    monkeypatch.setenv("EVENHAND_CONFIG", str(file))
    with pytest.raises(SettingsError):
        load()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


def test_the_room_for_all_bodies_has_room_for_one() -> None:
    with pytest.raises(SettingsError, match="max_bodies_bytes must not be less than max_body_bytes"):
        load(max_body_bytes=4096, max_bodies_bytes=4095)
    assert load(max_body_bytes=4096, max_bodies_bytes=4096).max_bodies_bytes == 4096
