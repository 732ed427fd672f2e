"""Unusual features are named for what they are, row by row, in both forms of a row."""

import numpy as np
import pytest

from evenhand.models.bundle.encoders.table import Categorical, Numeric, TableEncoder, TableFeatures
from evenhand.models.bundle.encoders.unusual import FAR, MISSING, UNSEEN, FeatureCheck, UnusualFeatures


@pytest.fixture(params=[False, True], ids=["standard", "raw"])
def encoder(request: pytest.FixtureRequest) -> TableEncoder:
    features = TableFeatures(
        numeric=[Numeric(name="age", mean=40, scale=10), Numeric(name="pay", mean=0, scale=1e-3)],
        categorical=[Categorical(name="job", categories=["clerk", "smith"])],
        raw=request.param,
    )
    return TableEncoder(features.model_dump_json().encode())


def test_each_row_has_its_own_unusual_features(encoder: TableEncoder) -> None:
    usual = {"age": 40, "pay": 0.0, "job": "clerk"}
    rows = [
        usual,
        usual | {"age": 100},  # six standard deviations, and no more
        usual | {"age": 100.1},
        usual | {"age": -20.1, "pay": 1},
        usual | {"age": None, "job": "cook"},
        {},
    ]
    check = FeatureCheck(encoder.features)
    unusual = check.check([encoder.encode(row) for row in rows])
    assert [{(one.kind, name) for one in of_row for name in one.names} for of_row in unusual] == [
        set(),
        set(),
        {(FAR, "age")},
        {(FAR, "age"), (FAR, "pay")},
        {(UNSEEN, "job"), (MISSING, "age")},
        {(MISSING, "age"), (MISSING, "pay"), (MISSING, "job")},
    ]
    assert check.check([]) == []


def test_every_feature_has_its_series(encoder: TableEncoder) -> None:
    assert FeatureCheck(encoder.features).series == [
        *(("age", MISSING), ("age", FAR), ("pay", MISSING), ("pay", FAR)),
        *(("job", MISSING), ("job", UNSEEN)),
    ]


def test_numbers_of_any_size_are_compared_without_a_warning_of_numpy(encoder: TableEncoder) -> None:
    with np.errstate(all="raise", under="ignore"):
        (of_row,) = FeatureCheck(encoder.features).check(
            [encoder.encode({"age": 1e37, "pay": 0, "job": "smith"})]
        )
    assert of_row == (UnusualFeatures(FAR, ("age",)),)
