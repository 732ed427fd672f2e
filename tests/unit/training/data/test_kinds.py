"""Columns are told apart by their values: numbers, categories, texts, dates, names of rows."""

import datetime
import uuid
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evenhand.tables.column import Column
from evenhand.tables.frame import series_cells
from evenhand.training.data.kinds import Kind, kind_of, names_rows

ROWS = 200
DRAW = np.random.default_rng(0)
DAYS = pd.date_range("2020-03-01", periods=40, freq="D").repeat(5)


def values(name: str, column: Any) -> Column:
    return Column.of(name, series_cells(pd.Series(column)))


@pytest.mark.parametrize(
    ("name", "column", "kind"),
    [
        ("age", DRAW.integers(18, 90, ROWS), "number"),
        ("age", DRAW.integers(18, 90, ROWS).astype(str), "number"),
        ("income", DRAW.normal(0, 1, ROWS), "number"),
        ("income", [f"{value:.4f}" for value in DRAW.normal(0, 1, ROWS)], "number"),
        ("married", [True, False] * 100, "category"),
        ("year", DRAW.integers(1990, 2024, ROWS), "number"),
        ("time", DRAW.integers(0, 24, ROWS), "number"),
        ("admission_type_id", DRAW.integers(1, 9, ROWS), "number"),
        ("job", ["nurse", "smith"] * 100, "category"),
        ("age", ["[20-30)", "[30-40)"] * 100, "category"),
        ("tags", [["a"], ["b"]] * 100, "category"),
        ("note", ["not a good risk at all", "we know this family"] * 100, "text"),
        ("number", range(ROWS), "id"),
        ("number", [None, *range(ROWS)], "id"),
        ("anything", [uuid.UUID(int=row).hex for row in range(ROWS)], "id"),
        ("patient_nbr", [*range(120), *range(80)], "id"),
        ("customerId", [*range(80)] * 20, "id"),
        ("dates", DAYS, "date"),
        ("dates", DAYS.strftime("%Y-%m-%d"), "date"),
        ("dates", DAYS.strftime("%Y-%m-%dT%H:%M:%SZ"), "date"),
        ("dates", DAYS.strftime("%d/%m/%y"), "date"),
        ("dates", DAYS.strftime("%d.%m.%Y %H:%M"), "date"),
        ("dates", DAYS.strftime("%b-%Y"), "date"),
        ("dates", DAYS.strftime("%d %B %Y"), "date"),
        ("dates", DAYS.strftime("%B %d, %Y"), "date"),
        ("dates", [datetime.date(2020, 1, 1 + row % 28) for row in range(ROWS)], "date"),
        ("from", ["09:30", "17:00"] * 100, "date"),
        ("signed_date", DAYS.strftime("%Y%m%d").astype(int), "date"),
        ("createdAt", DAYS.astype("int64") // 10**9 % 2_000_000_000 + 10**9, "date"),
        ("nothing", [None, "?", "NaN", ""] * 50, "empty"),
    ],
)
def test_a_kind_is_seen_in_the_values(name: str, column: Any, kind: Kind) -> None:
    assert kind_of(values(name, column)) == kind


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("few", range(19)),
        ("measured", DRAW.normal(0, 1, ROWS)),
        ("amount", [*range(180), *range(20)]),
        ("body_mass_index", DRAW.integers(150, 400, 300)),
        ("num_medications", DRAW.integers(1, 60, ROWS)),
    ],
)
def test_measurements_and_few_rows_name_no_rows(name: str, column: Any) -> None:
    assert not names_rows(values(name, column))


def test_gaps_are_counted_and_values_stand_once() -> None:
    of = values("school", ["BSc", " BSc ", None, "?", "MSc"])
    assert of.codes.tolist() == [0, 0, -1, -1, 1]
    assert of.values == ["BSc", "MSc"]
    assert (of.rows, of.missing) == (3, pytest.approx(0.4))
