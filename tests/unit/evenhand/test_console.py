"""Progress without a terminal: plain lines now and then, and every item is handed on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from evenhand import console


def test_every_item_comes_with_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console._console.cache_clear()
    monkeypatch.setattr(console, "LINE_EVERY_S", -1.0)
    monkeypatch.setattr(console, "FIRST_LINE_S", -1.0)
    assert list(console.track(range(3), 3000, "reading")) == [0, 1, 2]
    with console.bar("checking") as show:
        show(2, 5)
    said = capsys.readouterr().err
    assert "reading: 2 of 3,000" in said
    assert "checking: 2 of 5" in said


def test_quick_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    console._console.cache_clear()
    assert list(console.track("ab", 2, "reading")) == ["a", "b"]
    assert capsys.readouterr().err == ""


def test_of_several_processes_one_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    console._console.cache_clear()
    monkeypatch.setattr(console, "MAIN", False)
    monkeypatch.setattr(console, "LINE_EVERY_S", -1.0)
    monkeypatch.setattr(console, "FIRST_LINE_S", -1.0)
    console.say("loading")
    assert list(console.track("ab", 2, "reading")) == ["a", "b"]
    assert capsys.readouterr().err == ""


def test_work_goes_on_where_nobody_reads_the_messages_any_more(tmp_path: Path) -> None:
    program = (
        "from evenhand.console import say\n"
        "for line in range(3): say('message')\n"
        f"open({str(tmp_path / 'done')!r}, 'w').close()"
    )
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([sys.executable, "-c", program], stderr=writing)
    os.close(writing)
    assert done.returncode == 0
    assert (tmp_path / "done").exists()
