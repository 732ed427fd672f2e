"""A feature that a table lacks or has otherwise is named; one that moved by chance is not."""

from typing import Any

import numpy as np
import pytest

from evenhand.models.bundle.encoders.table import TableFeatures
from evenhand.tables.table import Table
from evenhand.training.data.dataset import Rows
from evenhand.training.data.preprocess_file import features_json
from evenhand.training.evaluation.feature_drift import FeatureChange, feature_changes

ROWS = 500


def people(seed: int, rows: int = ROWS, **changes: Any) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    made = {
        "age": draw.integers(18, 70, rows).astype(float),
        "children": draw.choice([0.0, 0.0, 0.0, 1.0, 2.0], rows),
        "job": draw.choice(["nurse", "smith", "clerk"], rows, p=[0.6, 0.3, 0.1]),
    }
    return {**made, **changes}


def with_gaps(columns: dict[str, Any]) -> dict[str, Any]:
    """Without a job in every twentieth row."""
    jobs = [str(job) if place % 20 else None for place, job in enumerate(columns["job"])]
    return {**columns, "job": jobs}


@pytest.fixture(scope="module")
def features() -> TableFeatures:
    fitted = with_gaps(people(0))
    items = [dict(zip(fitted, row, strict=True)) for row in zip(*fitted.values(), strict=True)]
    n = len(items)
    rows = Rows(items, np.zeros(n, dtype=int), {}, np.array(["train"] * n), np.arange(n))
    return TableFeatures.model_validate_json(features_json(rows))


def changes(features: TableFeatures, columns: dict[str, Any]) -> list[FeatureChange]:
    cells = {
        name: [None if value in (None, "") else str(value) for value in values]
        for name, values in columns.items()
    }
    rows = len(next(iter(cells.values())))
    table = Table("t", "", cells, list(range(1, rows + 1)))
    return feature_changes(table, np.arange(1, rows + 1), features)


@pytest.mark.parametrize("seed", range(1, 6))
@pytest.mark.parametrize("rows", [40, 500, 5000])
def test_rows_like_those_of_the_fit_have_not_drifted(features: TableFeatures, seed: int, rows: int) -> None:
    assert changes(features, with_gaps(people(seed, rows))) == []


def test_a_column_of_another_name_is_absent_and_its_like_is_named(features: TableFeatures) -> None:
    renamed = with_gaps(people(1))
    renamed["Age"] = renamed.pop("age")
    (change,) = changes(features, renamed)
    assert (change.name, change.status) == ("age", "absent")
    assert change.said == "the table has no such column; it has Age"


def test_a_column_without_a_value_is_empty(features: TableFeatures) -> None:
    (change,) = changes(features, people(1, job=["", "?"] * (ROWS // 2)))
    assert (change.name, change.status) == ("job", "empty")
    assert change.said == "no row has a value; in the fit 95.0 % had one"


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("age", np.random.default_rng(1).integers(40, 95, ROWS), "median 6"),
        ("children", [0] * 100 + [2] * 400, "median 2, in the fit 0; above 1 up to 2: 80.0 %"),
        ("job", ["clerk"] * 250 + ["nurse"] * 250, "clerk: 50.0 % of the rows, in the fit"),
        ("job", ["pilot"] * 250 + ["nurse"] * 250, "values that the fit did not see: 50.0 % of the rows"),
        ("job", [None] * 250 + ["nurse"] * 250, "missing: 50.0 % of the rows, in the fit 5.0 %"),
    ],
)
def test_what_moved_is_said_in_figures(features: TableFeatures, name: str, values: Any, said: str) -> None:
    plain = [int(value) if isinstance(value, np.integer) else value for value in values]
    listed = {change.name: change for change in changes(features, people(2, **{name: plain}))}
    assert listed[name].status == "drifted"
    assert said in listed[name].said
    assert listed[name].stability_index is not None
    assert listed[name].stability_index >= 0.1


def test_features_of_earlier_bundles_are_found_absent_and_no_more(features: TableFeatures) -> None:
    plain = features.model_dump(include={"numeric": {"__all__": {"name", "mean", "scale"}}})
    earlier = TableFeatures.model_validate({**plain, "categorical": []})
    assert changes(earlier, people(1, age=[99] * ROWS)) == []
    without = people(1)
    del without["age"]
    assert [change.status for change in changes(earlier, without)] == ["absent"]
