"""``evenhand compare`` killed in the middle: finished work stays, and the end equals an undisturbed run's."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

METHODS = "base,erm,dfr,gated-leace,ours-full,certified-full"
CONTROLS = (
    "global-threshold",
    "gradient-boosted",
    "gradient-boosted-all",
    "thresholds",
    "declared-offsets",
)
PATIENCE_S = 600.0


def adult_lines(rows: int, seed: int) -> str:
    """Lines like Adult's, in which income has something to do with age, education and sex."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(rows):
        age, years, male, white = (
            rng.integers(20, 60),
            rng.integers(5, 16),
            rng.random() < 0.6,
            rng.random() < 0.7,
        )
        sex, race = "Male" if male else "Female", "White" if white else "Black"
        rich = 0.05 * (age - 40) + 0.4 * (years - 10) + 0.8 * male + rng.normal(0, 1) > 0.3
        lines.append(
            f"{age}, Private, 1, HS-grad, {years}, Never-married, Sales, Husband, {race}, {sex}, 0, 0, "
            f"{rng.integers(20, 60)}, United-States, {'>50K' if rich else '<=50K'}"
        )
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adult")
    (folder / "adult.data").write_text(adult_lines(1000, 0))
    (folder / "adult.test").write_text(adult_lines(500, 1))
    return folder


def start(data: Path, out: Path) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-c",
        "from evenhand.cli.main import main; main()",
        "compare",
        "--recipe",
        "adult",
    ]
    command += ["--data", str(data), "--out", str(out), "--seeds", "0", "--methods", METHODS, "--epochs", "2"]
    out.mkdir(exist_ok=True)
    with (out / "said.log").open("w") as said:
        return subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=said, env={**os.environ, "COLUMNS": "300"}
        )


def finish(data: Path, out: Path) -> str:
    process = start(data, out)
    try:
        assert process.wait(PATIENCE_S) == 0, (out / "said.log").read_text()
    finally:
        process.kill()
    return (out / "said.log").read_text()


def kill_once_there(data: Path, out: Path, pattern: str) -> None:
    process = start(data, out)
    try:
        until = time.monotonic() + PATIENCE_S
        while not any(out.glob(pattern)):
            assert process.poll() is None, (out / "said.log").read_text()
            assert time.monotonic() < until, pattern
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    finally:
        process.kill()


def results(out: Path) -> dict[str, dict[str, object]]:
    documents = {file.name: json.loads(file.read_text()) for file in (out / "results").glob("*.json")}
    return {
        name: {key: value for key, value in of.items() if key != "seconds"} for name, of in documents.items()
    }


@pytest.mark.slow
def test_a_killed_comparison_is_resumed_and_ends_as_if_nothing_had_been(data: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    said = finish(data, whole)
    assert "results to go, about" in said
    kill_once_there(data, broken, "work/*/ours/attributes-correction-*/state.json")
    before = {file.name: file.stat().st_mtime_ns for file in (broken / "results").glob("*.json")}
    learnt = ("base", "erm", "dfr", "gated-leace", *CONTROLS)
    assert set(before) == {f"{name}-seed0.json" for name in learnt}
    again = finish(data, broken)
    assert "ERM" not in again
    assert "DFR" not in again
    assert {name: (broken / "results" / name).stat().st_mtime_ns for name in before} == before
    assert results(broken) == results(whole)
    for name in ("table.txt", "recommendation.json"):
        assert (broken / name).read_text() == (whole / name).read_text()
