"""The same table as CSV, TSV, JSON, Parquet and frame gives the same rows, groups, labels and features."""

import datetime
import decimal
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evenhand.tables.cells import text_of
from evenhand.tables.column import Column
from evenhand.tables.frame import frame_table
from evenhand.tables.read import FORMATS, header, read_table, scan
from evenhand.tables.table import Table
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import from_table

WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\x85"), max_size=6
)
FINITE = st.floats(allow_nan=False, allow_infinity=False, width=64)
KINDS: dict[str, tuple[st.SearchStrategy[Any], Any]] = {
    "integers": (st.integers(-(2**62), 2**62), "Int64"),
    "small": (st.integers(0, 3), "Int64"),
    "floats": (FINITE, "float64"),
    "singles": (st.floats(allow_nan=False, allow_infinity=False, width=32), "float32"),
    "whole floats": (st.integers(0, 3).map(float), "float64"),
    "booleans": (st.booleans(), "boolean"),
    "decimals": (st.decimals(-1000, 1000, allow_nan=False, places=2), object),
    "codes": (st.integers(0, 20).map("{:03}".format), object),
    "categories": (st.sampled_from(["a", "b", "f\u00e9", "fe\u0301"]), "category"),
    "words": (WORDS, object),
    "days": (st.dates(datetime.date(1900, 1, 1), datetime.date(2200, 1, 1)), object),
    "moments": (
        st.datetimes(datetime.datetime(1980, 1, 1), datetime.datetime(2100, 1, 1)).map(
            lambda moment: moment.replace(microsecond=0)
        ),
        "datetime64[us]",
    ),
    "marks": (st.sampled_from(["x", "?", "N/A", "None", "null"]), object),
}


def _plain(value: Any) -> Any:
    """As JSON has it: a float of 32 bits with its own digits."""
    if pd.isna(value):
        return None
    if isinstance(value, float | np.floating):
        return float(str(value))
    if isinstance(value, bool | np.bool_):
        return bool(value)
    return int(value) if isinstance(value, int | np.integer) else text_of(value)


def write(frame: pd.DataFrame, folder: Path) -> dict[str, Table]:
    """The frame in every format, read again."""
    names = [str(name) for name in frame.columns]
    # Iterating over a column of 32 bits gives floats of 64, with more digits.
    columns = [
        [_plain(value) for value in (column.to_numpy() if column.dtype == "float32" else column)]
        for _, column in frame.items()
    ]
    plain = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    frame.to_csv(folder / "t.csv", index=False)
    frame.to_csv(folder / "t.tsv", index=False, sep="\t")
    frame.to_parquet(folder / "t.parquet")
    (folder / "t.json").write_text(json.dumps(plain))
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in plain))
    (folder / "t.ndjson").write_text((folder / "t.jsonl").read_text())
    return {suffix: read_table(folder / f"t{suffix}") for suffix in FORMATS} | {"frame": frame_table(frame)}


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    """Some columns of some kinds, with gaps."""
    rows, kinds = (
        draw(st.integers(2, 8)),
        draw(st.lists(st.sampled_from(list(KINDS)), min_size=1, max_size=4)),
    )
    columns = {}
    for place, kind in enumerate(kinds):
        values, dtype = KINDS[kind]
        drawn = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        columns[f"{kind} {place}"] = pd.Series(drawn, dtype=object).astype(dtype)
    return pd.DataFrame(columns).assign(row=range(rows))


@given(frames())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_every_format_gives_the_same_values(frame: pd.DataFrame) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        tables = write(frame, Path(folder))
    for name in frame.columns:
        first = Column.of(name, tables[".parquet"].cells[name])
        for suffix, table in tables.items():
            column = Column.of(name, table.cells.get(name, [None] * len(table)))
            assert (column.type, column.texts()) == (first.type, first.texts()), (name, suffix)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Table]:
    """A table of every type in every format."""
    draw, rows = np.random.default_rng(0), 300
    gaps = draw.random((9, rows)) < 0.1
    age = draw.integers(18, 70, rows)
    good = (age / 70 + draw.normal(0, 0.3, rows) > 0.6).astype(int)
    frame = pd.DataFrame(
        {
            "age": pd.Series(age, dtype="Int64").mask(gaps[0]),
            "income": pd.Series(draw.normal(40, 10, rows)).mask(gaps[1]),
            "weight": pd.Series(draw.normal(70, 9, rows), dtype="float32"),
            "rate": [decimal.Decimal(int(cents)) / 100 for cents in draw.integers(0, 999, rows)],
            "member": pd.Series(draw.random(rows) < 0.5, dtype="boolean").mask(gaps[2]),
            "postcode": [f"{code:05}" for code in draw.integers(0, 9, rows) * 1010],
            "level": pd.Categorical(draw.choice(["low", "high"], rows)),
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(draw.integers(0, 900, rows), unit="D"),
            "sex": pd.Series(draw.integers(1, 3, rows), dtype="Int64").mask(gaps[3]),
            "smoker": pd.Series(draw.random(rows) < 0.3, dtype="boolean").mask(gaps[4]),
            "good": pd.Series(good, dtype="Int64").mask(gaps[5]),
        }
    )
    return write(frame, tmp_path_factory.mktemp("people"))


@pytest.mark.parametrize("suffix", [*FORMATS, "frame"])
def test_every_format_is_learnt_from_alike(people: dict[str, Table], suffix: str) -> None:
    columns = Columns(
        "", "good", ("sex", "smoker"), task="table", references={"smoker": "false"}, favourable=("1.0",)
    )
    rows, schema = from_table(people[suffix], columns, seed=0)
    expected, _ = from_table(people[".parquet"], columns, seed=0)
    assert schema.labels == ("0", "1")
    assert schema.favourable == ("1",)
    assert schema.groups == {"sex": ("2", "1"), "smoker": ("False", "True")}
    assert {of.name: of.kind for of in schema.columns} == {
        **dict.fromkeys(("age", "income", "weight", "rate", "sex", "good"), "number"),
        **dict.fromkeys(("member", "postcode", "level", "smoker"), "category"),
        "joined": "date",
    }
    assert rows.items == expected.items
    assert np.array_equal(rows.labels, expected.labels)
    assert np.array_equal(rows.row, expected.row)
    assert np.array_equal(rows.split, expected.split)
    for name, groups in rows.groups.items():
        assert np.array_equal(groups, expected.groups[name])


def test_rows_one_by_one_are_those_of_the_whole_table(tmp_path: Path) -> None:
    write(pd.DataFrame({"a": [1, None, 3], "b": ["x", "y, z", '"']}), tmp_path)
    for suffix in FORMATS:
        file = tmp_path / f"t{suffix}"
        assert list(scan(file)) == list(read_table(file).rows()), suffix


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("start", [0, 1, 4, 7, 9, 10, 11])
def test_a_scan_goes_on_at_any_row(tmp_path: Path, suffix: str, start: int) -> None:
    rows = [{"a": str(number), "a.b": f"{number} b", "c": "c"} for number in range(10)]
    file = tmp_path / f"table{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=4)
    elif suffix == ".csv":
        pd.DataFrame(rows).to_csv(file, index=False)
    else:
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert header(file) == ["a", "a.b", "c"]
    scanned = list(scan(file, {"a", "c"}, start))
    assert [number for number, _ in scanned] == list(range(start + 1, 11))
    assert [(row["a"], row["c"]) for _, row in scanned if not isinstance(row, str)] == [
        (row["a"], "c") for row in rows[start:]
    ]
