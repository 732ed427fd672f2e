"""``evenhand predict --ray`` on a local Ray: the answers of one process, in parts that survive a kill."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import bulk_rows
import pyarrow.parquet as pq
import pytest
from places import ROOT, SALARIES
from waiting import until

pytest.importorskip(
    "ray", reason="Ray is not installed; make test-ray runs this in an environment of its own"
)
OPTIONS = ("--id", "pid", "--keep", "sex", "--batch-rows", 100)


@pytest.fixture(scope="module")
def own_ray() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as short:
        yield {
            "PYTHONPATH": str(ROOT / "src"),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": short,  # a cluster of its own
        }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = bulk_rows.people(1800, seed=5)
    made = tmp_path / "rows"
    made.mkdir()
    bulk_rows.write(made / "a.parquet", rows[:1000])
    bulk_rows.write(made / "b.csv", rows[1000:])
    with (made / "b.csv").open("a") as file:
        file.write("broken\n")
    return made


def expected(folder: Path, name: str) -> list[dict[str, object]]:
    out = folder.parent / f"{name}.out.parquet"
    bulk_rows.predict(SALARIES, folder / name, "--out", out, *OPTIONS, code=int(name == "b.csv"))
    return [{**row, "id": str(row["id"])} for row in bulk_rows.read(out)]


def answered(out: Path, name: str) -> list[dict[str, object]]:
    parts = sorted(file for file in out.iterdir() if file.name.startswith(name))
    return [{**row, "id": str(row["id"])} for part in parts for row in bulk_rows.read(part)]


def same(rows: list[dict[str, object]], others: list[dict[str, object]]) -> None:
    assert len(rows) == len(others)
    for row, other in zip(rows, others, strict=True):
        assert row == pytest.approx(other, abs=1e-6)


def test_parts_are_what_one_process_answers(folder: Path, own_ray: dict[str, str]) -> None:
    out = folder.parent / "out"
    printed, _ = bulk_rows.predict(
        SALARIES, folder, "--out", out, *OPTIONS, "--ray", "--actors", 2, code=1, **own_ray
    )
    assert "1,801 rows; corrected" in printed
    assert "1 failed" in printed
    assert sorted(os.listdir(out)) == [
        *(f"a.parquet.{start:012}.parquet" for start in (0, 333, 666, 999)),
        "b.csv.000000000000.parquet",
    ]
    (error,) = map(json.loads, (folder.parent / "out.errors.jsonl").read_text().splitlines())
    assert (error["file"], error["row"]) == ("b.csv", 801)
    for name in ("a.parquet", "b.csv"):
        same(answered(out, name), expected(folder, name))
    assert len(pq.read_table(out)) == 1801, "all parts have the same columns"


def test_a_killed_command_goes_on_with_the_parts_that_are_missing(
    folder: Path, own_ray: dict[str, str]
) -> None:
    out, work = folder.parent / "out", folder.parent / ".out.parts"
    arguments = (SALARIES, folder, "--out", out, *OPTIONS, "--ray", "--actors", 1)
    process = subprocess.Popen(
        bulk_rows.command(*arguments),
        env={**os.environ, **own_ray},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    until(lambda: process.poll() is not None or list(work.glob(".*.done")))
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = {file.name: file.stat().st_mtime_ns for file in work.glob("*.parquet")}
    assert done
    assert not out.exists()
    _, said = bulk_rows.predict(*arguments, "--mode", "off", code=2, **own_ray)
    assert "with other options" in said
    bulk_rows.predict(*arguments, code=1, **own_ray)
    kept = {name: (out / name).stat().st_mtime_ns for name in done}
    assert sum(kept[name] == done[name] for name in done), "a part that was done is not done again"
    for name in ("a.parquet", "b.csv"):
        same(answered(out, name), expected(folder, name))
