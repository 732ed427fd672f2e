"""Two processes share the work of one fit, and the bundle is one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_model import tiny_table, write_tiny_base

from evenhand.models.bundle.bundle import DECISIONS, load


def launch(place: Path, out: str, processes: int) -> str:
    """What ``accelerate launch --multi_gpu`` does underneath; on processors it starts one process only."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", str(processes)]
    options = [
        "--data",
        "data.csv",
        "--base",
        "base",
        "--text",
        "text",
        "--label",
        "label",
        "--attribute",
        "team",
    ]
    options += ["--reference", "team=none", "--split", "split", "--max-tokens", "16", "--epochs", "2"]
    options += ["--favourable", "positive", "--no-certificate", "--out", out]
    process = subprocess.run(
        [*command, "--master_port", str(port), "-m", "evenhand", "fit", *options],
        cwd=place,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    write_tiny_base(folder / "base")
    tiny_table(600).to_csv(folder / "data.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def said(place: Path) -> str:
    return launch(place, "two", 2)


def test_two_processes_write_one_bundle(said: str, place: Path) -> None:
    assert "learning on 2 x cpu" in said
    assert said.count("wrote two") == 1
    assert load(place / "two").manifest.labels


@pytest.mark.slow
def test_the_bundle_of_two_processes_is_like_that_of_one(said: str, place: Path) -> None:
    launch(place, "one", 1)
    one, two = load(place / "one"), load(place / "two")
    assert two.manifest.provenance.rows == one.manifest.provenance.rows
    judged = [json.loads((of.path / "evaluation/evaluation.json").read_text())["val"] for of in (one, two)]
    # The same batches in two halves: other dropout and other rounding, so like answers, not the same.
    assert abs(judged[0]["accuracy"]["final"]["value"] - judged[1]["accuracy"]["final"]["value"]) < 0.1
    rows = [np.loadtxt(of.path / DECISIONS, delimiter=",", skiprows=1, dtype=str) for of in (one, two)]
    assert np.array_equal(rows[0][:, :2], rows[1][:, :2])
    assert (rows[0][:, 3] == rows[1][:, 3]).mean() > 0.8
