"""An output that grows beside its name: whatever moment a run ends at, the next one goes on."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from evenhand.service.bulk import journal as journals
from evenhand.service.bulk.journal import Journal, Progress
from evenhand.tables.table import DataError

JOB = {"--mode": None, "file": ["rows.csv", 3, 4]}


def begun(out: Path, job: dict[str, object] = JOB, restart: bool = False) -> Journal:
    journal = Journal(out)
    journal.begin(job, Progress(seed="ab", began_ms=7), restart)
    return journal


def add(journal: Journal, text: str, errors: str = "") -> None:
    journal.add(2, text.encode(), errors.encode(), Counter(failed=bool(errors)))


def test_what_a_kill_leaves_behind_the_journal_is_cut_off(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    first = begun(out)
    add(first, "one\n", "bad\n")
    with first.draft.open("ab") as file:
        file.write(b"half a chu")
    second = begun(out)
    assert (second.progress.rows, second.progress.seed, second.progress.began_ms) == (2, "ab", 7)
    add(second, "two\n")
    second.complete()
    second.publish(None)
    assert out.read_text() == "one\ntwo\n"
    assert second.errors.read_text() == "bad\n"
    assert sorted(os.listdir(tmp_path)) == ["out.csv", "out.csv.errors.jsonl"]


@pytest.mark.parametrize("at", range(5))
def test_the_names_at_the_end_may_be_interrupted_anywhere(
    tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.csv"
    journal = begun(out)
    add(journal, "one\n", "bad\n")
    journal.complete()
    calls = iter(range(100))

    def interrupted(call):
        def run(*arguments):
            if next(calls) == at:
                raise KeyboardInterrupt
            return call(*arguments)

        return run

    def remove(path: Path) -> None:
        if path.exists():
            os.unlink(path)

    with monkeypatch.context() as patched:
        patched.setattr(journals.os, "replace", interrupted(os.replace))
        patched.setattr(Path, "unlink", lambda path, missing_ok=False: interrupted(remove)(path))
        with pytest.raises(KeyboardInterrupt):
            journal.publish(None)
    again = begun(out)
    assert again.progress.complete
    again.publish(None)
    assert out.read_text() == "one\n"
    assert again.errors.read_text() == "bad\n"
    assert sorted(os.listdir(tmp_path)) == ["out.csv", "out.csv.errors.jsonl"]


def test_another_job_is_refused_by_what_differs_unless_it_begins_anew(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    add(begun(out), "one\n")
    with pytest.raises(DataError, match=r"another --mode wrote it after 2 rows\n.*--restart"):
        begun(out, {**JOB, "--mode": "off"})
    anew = begun(out, {**JOB, "--mode": "off"}, restart=True)
    assert anew.progress.rows == 0
    add(anew, "other\n")
    anew.complete()
    anew.publish(None)
    assert out.read_text() == "other\n"


def test_another_job_without_any_row_is_in_nobodys_way(tmp_path: Path) -> None:
    begun(tmp_path / "out.csv")
    assert begun(tmp_path / "out.csv", {**JOB, "--mode": "off"}).progress.rows == 0


def test_an_output_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("mine")
    for restart in (False, True):
        with pytest.raises(DataError, match="is there already"):
            begun(tmp_path / "out.csv", restart=restart)
    assert (tmp_path / "out.csv").read_text() == "mine"


@pytest.mark.parametrize("content", ["", "{}", "[]", "no JSON", '{"journal": 9}'])
def test_a_journal_that_cannot_be_read_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "out.csv.journal").write_text(content)
    with pytest.raises(DataError, match="not a journal; --restart"):
        begun(tmp_path / "out.csv")


def test_a_draft_that_was_shortened_is_refused(tmp_path: Path) -> None:
    journal = begun(tmp_path / "out.csv")
    add(journal, "one\n")
    journal.draft.write_text("")
    with pytest.raises(DataError, match="shorter than"):
        begun(tmp_path / "out.csv")


def test_errors_of_an_earlier_output_do_not_stay_beside_one_without(tmp_path: Path) -> None:
    journal = begun(tmp_path / "out.csv")
    journal.errors.write_text(json.dumps({"row": 1}))
    add(journal, "one\n")
    journal.complete()
    journal.publish(None)
    assert os.listdir(tmp_path) == ["out.csv"]


def test_two_processes_do_not_write_one_output(tmp_path: Path) -> None:
    with (
        Journal(tmp_path / "out.csv").held(),
        pytest.raises(DataError, match="another process is writing it"),
        Journal(tmp_path / "out.csv").held(),
    ):
        pass
    assert os.listdir(tmp_path) == []
