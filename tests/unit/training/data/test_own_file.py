"""A bundle judges and serves the very file that it was fitted on: the same rows, labels, groups, features."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from table_bundle import table_bundle

from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.inputs import InputError
from evenhand.tables.read import read_table
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import from_table
from evenhand.training.data.select_rows import RowSelection, select_rows
from evenhand.training.evaluation.feature_drift import feature_changes

ROWS = 240
COLUMNS = Columns("", "good", ("sex", "smoker"), task="table", favourable=("true",))


def people() -> list[dict[str, Any]]:
    """Rows of every JSON type, some of which cannot be used."""
    draw = np.random.default_rng(3)
    rows: list[dict[str, Any]] = [
        {
            "age": int(draw.integers(18, 70)),
            "income": float(draw.normal(40, 10)),
            "member": bool(draw.random() < 0.5),
            "postcode": f"{int(draw.integers(0, 9)):05}",
            "town": str(draw.choice(["Orle\u0301ans", "Orl\u00e9ans", "Tours"])),
            "sex": int(draw.integers(1, 3)),
            "smoker": bool(draw.random() < 0.3),
            "good": bool(draw.random() < 0.5),
        }
        for _ in range(ROWS)
    ]
    rows[3]["good"] = None
    rows[4]["good"] = "N/A"
    rows[5]["sex"] = None
    rows[6]["sex"] = "unknown"
    rows[7]["age"] = "unknown"
    rows[8]["income"] = float("inf")
    rows[9]["income"] = 1e300
    rows[10]["age"] = 39.0
    rows[11]["age"] = "39"
    return rows


@pytest.fixture(scope="module", params=["jsonl", "csv"])
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("own") / f"t.{request.param}"
    rows = people()
    if request.param == "jsonl":
        lines = [json.dumps(row) for row in rows]
        lines.insert(20, lines[20][:30])
    else:
        cells = [["" if value is None else str(value) for value in row.values()] for row in rows]
        lines = [",".join(rows[0]), *(",".join(row) for row in cells)]
        lines.insert(21, '"' + lines[21])
    place.write_text("\n".join(lines) + "\n")
    return place


def test_the_same_rows_labels_groups_and_features(file: Path) -> None:
    table = read_table(file)
    rows, schema = from_table(table, COLUMNS, seed=0)
    assert schema.labels == ("False", "True")
    assert schema.groups == {"sex": ("1", "2"), "smoker": ("False", "True")} or schema.groups["sex"][0] == "2"
    bundle = table_bundle(rows, schema, COLUMNS, table.sha256)
    selected = select_rows(table, bundle, RowSelection())
    assert np.array_equal(selected.rows.row, rows.row)
    assert np.array_equal(selected.rows.labels, rows.labels)
    for name in COLUMNS.attributes:
        assert np.array_equal(selected.rows.groups[name], rows.groups[name]), name
    assert selected.new_groups == {}
    encoder = TableEncoder(bundle.preprocess)
    for item, encoded in zip(rows.items, selected.encoded, strict=True):
        for name, values in encoder.encode(item).arrays.items():
            assert np.array_equal(values, encoded.arrays[name])
    # Nothing of it is new or gone.
    assert feature_changes(table, selected.rows.row + 1, encoder.features) == []


def test_what_is_left_out_is_counted_alike_and_named(file: Path) -> None:
    table = read_table(file)
    rows, schema = from_table(table, COLUMNS, seed=0)
    selected = select_rows(table, table_bundle(rows, schema, COLUMNS), RowSelection())
    broken = "not readable as JSON" if file.suffix == ".jsonl" else table.refused[0].reason
    reasons = {
        broken: [21],
        "no label": [4, 5],
        "feature 'income' is not a finite number of a usable size": [9, 10],
    }
    assert rows.left_out == {reason: len(numbers) for reason, numbers in reasons.items()}
    assert rows.first_left_out == {reason: numbers[0] for reason, numbers in reasons.items()}
    refused: dict[str, list[int]] = {}
    for row in selected.refused:
        refused.setdefault(row.reason, []).append(row.row_number)
    assert refused == reasons


def test_the_rows_can_be_sent_as_they_are(file: Path) -> None:
    """What JSON holds of a row is what ``/predict`` gets; the same row of a CSV has strings alone."""
    table = read_table(file)
    rows, schema = from_table(table, COLUMNS, seed=0)
    encoder = TableEncoder(features := table_bundle(rows, schema, COLUMNS).preprocess)
    names = json.loads(features)
    taken = [each["name"] for each in (*names["numeric"], *names["categorical"])]
    for place, item in zip(rows.row, rows.items, strict=True):
        row = people()[place if place < 20 else place - 1]
        sent = encoder.encode({name: row[name] for name in taken})
        as_text = encoder.encode({name: str(row[name]) for name in taken})
        for name, values in encoder.encode(item).arrays.items():
            assert np.array_equal(values, sent.arrays[name])
            assert np.array_equal(values, as_text.arrays[name])
    with pytest.raises(InputError, match="'age' is not a number"):
        encoder.encode({"age": "old"})


def test_the_fits_own_split_is_found_though_lines_are_broken(file: Path) -> None:
    table = read_table(file)
    rows, schema = from_table(table, COLUMNS, seed=0)
    bundle = table_bundle(rows, schema, COLUMNS, table.sha256)
    selected = select_rows(table, bundle, RowSelection(split="test"))
    assert np.array_equal(selected.rows.row, rows.row[rows.of("test")])
