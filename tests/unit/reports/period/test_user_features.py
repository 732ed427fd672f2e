"""Features of decisions from any table: every type becomes values that a page and JSON can hold."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evenhand.reports.period import user_features
from evenhand.reports.period.slices import Feature
from evenhand.reports.period.source import ReportError

ROWS = 60


def feature(folder: Path, values: Any, suffix: str = "parquet") -> Feature:
    frame = pd.DataFrame({"id": [f"d{row}" for row in range(ROWS)], "x": values})
    file = folder / f"f.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(file)
    elif suffix == "csv":
        frame.to_csv(file, index=False)
    else:
        frame.to_json(file, orient="records", lines=True, date_format="iso")
    read = user_features.read(file)
    (only,), n = read.of([f"d{row}" for row in range(ROWS)])
    assert n == ROWS
    json.dumps([only.name, list(only.values)])
    assert set(np.unique(only.codes)) <= set(range(len(only.values)))
    return only


def rows_of(of: Feature) -> dict[str, int]:
    rows = np.bincount(of.codes, minlength=len(of.values)).tolist()
    return {value: n for value, n in zip(of.values, rows, strict=True) if n}


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_every_format_gives_the_same_values(tmp_path: Path, suffix: str) -> None:
    values = pd.array([None if row % 4 == 0 else row % 2 == 1 for row in range(ROWS)], dtype="boolean")
    assert rows_of(feature(tmp_path, values, suffix)) == {"True": 30, "False": 15, "missing": 15}
    codes = [f"{row % 3:03}" for row in range(ROWS)]
    assert rows_of(feature(tmp_path, codes, suffix)) == {"000": 20, "001": 20, "002": 20}
    days = pd.Timestamp("2026-01-01") + pd.to_timedelta([row % 2 for row in range(ROWS)], unit="D")
    assert rows_of(feature(tmp_path, days, suffix)) == {"2026-01-01": 30, "2026-01-02": 30}


def test_numbers_are_cut_and_infinite_ones_are_apart(tmp_path: Path) -> None:
    numbers = np.arange(ROWS, dtype=float)
    numbers[[3, 7]] = np.inf
    numbers[9] = np.nan
    of = rows_of(feature(tmp_path, numbers))
    assert of.pop("infinite") == 2
    assert of.pop("missing") == 1
    assert len(of) == 5
    assert max(of.values()) - min(of.values()) <= 1


def test_rare_values_are_taken_together(tmp_path: Path) -> None:
    values = [f"c{row % 20}" if row % 2 else "other" for row in range(ROWS)]
    of = rows_of(feature(tmp_path, pd.Categorical(values)))
    assert of["other"] == 30
    assert sum(of.values()) == ROWS
    many = rows_of(feature(tmp_path, pd.Categorical([f"c{row % 20}" for row in range(ROWS)])))
    assert many["other"] == 8 * 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("x\n1\n", "no column 'id'"),
        ("id,x\na,1\nb,2\na,3\n", "names a decision more than once; row 3 does so again"),
        ("id\na\n", "0 columns besides 'id'"),
        ("id,x\na,1\nb\n", "1 rows cannot be read; the first is row 2: 1 cells where the header has 2"),
        ("id,x,x\na,1,2\n", "two columns of the same name"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_sentence(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "f.csv").write_text(content)
    with pytest.raises(ReportError, match=said):
        user_features.read(tmp_path / "f.csv")
