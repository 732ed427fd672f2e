"""Rows for ``evenhand predict``, and the command as a process."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from places import SALARIES
from waiting import MOST_S, until

from evenhand.models.bundle.bundle import load
from evenhand.models.bundle.encoders.table import TableFeatures

FEATURES = TableFeatures.model_validate_json(load(SALARIES).preprocess)
RUN = (sys.executable, "-c", "from evenhand.cli.main import main; main()", "predict")


def people(rows: int, seed: int = 0) -> list[dict[str, Any]]:
    """Objects of the salary model's features, some missing, with a number as their id and a sex."""
    draw = random.Random(seed)
    made = []
    for number in range(rows):
        numbers = {
            of.name: round(draw.gauss(of.mean, of.scale), 1) if draw.random() > 0.05 else None
            for of in FEATURES.numeric
        }
        texts = {
            of.name: draw.choice([*of.categories, "another"]) if draw.random() > 0.05 else None
            for of in FEATURES.categorical
        }
        made.append({"pid": 7000 + number, **numbers, **texts, "sex": draw.choice(["male", "female", None])})
    return made


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A file of the format that its name says."""
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=333)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    return path


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of an output; of delimited files all cells are texts."""
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text().splitlines()]
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t" if path.suffix == ".tsv" else ","))


def command(*arguments: object) -> list[str]:
    return [*RUN, *map(str, arguments), "--threads", "1"]


def predict(*arguments: object, code: int = 0, **variables: str) -> tuple[str, str]:
    """Run the command; gives what it printed and what it said."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=MOST_S, env={**os.environ, **variables}
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout, done.stderr


def killed(journal: Path, rows: int, *arguments: object) -> int:
    """Kill the command once its journal says so many rows; gives what it says then."""
    process = subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def done() -> int:
        return int(json.loads(journal.read_text())["progress"]["rows"]) if journal.exists() else 0

    until(lambda: process.poll() is not None or done() >= rows)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it had ended before it could be killed"
    return done()
