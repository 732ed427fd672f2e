"""``evenhand report`` as a process of its own, without torch, over a record on each kind of database."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import reported
from blocked import NO_TRAINING
from databases import database, postgres
from places import ROOT

__all__ = ["database", "postgres"]  # fixtures

REPORT = (
    sys.executable,
    "-c",
    f"{NO_TRAINING}\nimport typer; from evenhand.cli.report import report; typer.run(report)",
)


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("EVENHAND_")}
    inherited["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), inherited.get("PYTHONPATH", "")])
    return subprocess.run(
        [*REPORT, *arguments],
        cwd=folder,
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_a_report_of_a_record_on_each_database(database: str, tmp_path: Path) -> None:
    people = reported.write(tmp_path / "state", 1500, database)
    start, end = reported.window()
    done = run(
        tmp_path,
        *("--from", start, "--to", end, "--record", database, "--state", "state"),
        *("--out", "r.html", "--json", "r.json", "--sex-attribute", "sex", "--race-attribute", "race"),
    )
    assert done.returncode == 0, done.stderr
    assert "wrote r.html" in done.stderr
    assert "The record of this time holds" in done.stdout
    report = json.loads((tmp_path / "r.json").read_text())
    assert (report["rows"]["counted"], report["rows"]["recorded"], report["rows"]["labelled"]) == (
        1500,
        1500,
        750,
    )
    lines = report["local_law_144"]["intersections"]["lines"]
    assert sum(line["selection_rate"]["n"] for line in lines) == sum(one.declares for one in people)
    assert re.search(r"<title>Fairness report: hiring, ", (tmp_path / "r.html").read_text())


def test_the_services_own_settings_say_where_and_what_is_tolerated(tmp_path: Path) -> None:
    reported.write(tmp_path / "state", 1500)
    start, end = reported.window()
    arguments = ("--from", start, "--to", end, "--out", "r.html", "--json", "r.json")
    done = run(tmp_path, *arguments, EVENHAND_STATE="state", EVENHAND_GAP_LIMIT="0.6", EVENHAND_MIN_ROWS="50")
    assert done.returncode == 0, done.stderr
    limits = json.loads((tmp_path / "r.json").read_text())["fairness"]["limits"]
    assert (limits["gap"], limits["rows"]) == (0.6, 50)


def test_a_parquet_file_that_nothing_here_can_read_is_one_line(tmp_path: Path) -> None:
    reported.write(tmp_path / "state", 100)
    (tmp_path / "f.parquet").write_bytes(b"PAR1")
    start, end = reported.window()
    done = run(
        tmp_path,
        "--from",
        start,
        "--to",
        end,
        "--out",
        "r.html",
        "--features",
        "f.parquet",
        "--state",
        "state",
    )
    assert done.returncode == 1
    assert done.stderr.strip().startswith("error: f.parquet: Parquet needs the package pyarrow"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "2026-01-01", "--to", "2026-01-31"), "error: no record in evenhand-state"),
        (("--from", "2026-02-30", "--to", "2026-03-31"), "error: --from '2026-02-30' is not a date"),
        (("--from", "2026-01-01", "--to", "2026-01-31", "--card", "c.md"), "error: --card needs --bundle"),
        (("--from", "2026-01-01", "--to", "2026-01-31", "--bundle", "nothing"), "error: nothing"),
        (("--from", "2026-01-01", "--to", "2026-01-31", "--record", "off"), "error: nothing is recorded"),
    ],
)
def test_what_cannot_be_is_said_in_a_line_or_two(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = run(tmp_path, *arguments, "--out", "r.html")
    assert done.returncode == 1
    assert done.stderr.startswith(said), done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert not (tmp_path / "r.html").exists()
