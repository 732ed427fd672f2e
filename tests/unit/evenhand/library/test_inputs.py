"""What is handed over in memory becomes the cells that a file of it would have."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from evenhand.library.inputs import SENSITIVE, features_of, groups_of, is_frame

FRAME = pd.DataFrame({"code": ["007", None], "n": [1.5, np.nan], "whole": [1, 2], "kept": [True, False]})


@pytest.mark.parametrize("make", [lambda f: f, pl.from_pandas, pa.Table.from_pandas])
def test_frames_of_every_kind_have_the_same_cells(make) -> None:
    features = features_of(make(FRAME))
    assert features.names == ("code", "n", "whole", "kept")
    assert features.cells == {
        "code": ["007", None],
        "n": ["1.5", None],
        "whole": ["1", "2"],
        "kept": ["True", "False"],
    }
    assert features.texts == ("code",)


def test_arrays_have_names_of_their_own() -> None:
    features = features_of(np.array([[1.5, np.nan], [2.0, 3.0]]))
    assert features.cells == {"x0": ["1.5", "2.0"], "x1": [None, "3.0"]}
    assert features.texts == ()
    mixed = features_of(np.array([["a", 1], ["b", 2]], dtype=object))
    assert mixed.texts == ("x0",)


def test_categories_keep_their_type() -> None:
    frame = FRAME.astype({"code": "category", "whole": "category"})
    features = features_of(frame)
    assert features.texts == ("code",)
    assert set(features.types) == {"code", "whole"}


def test_an_array_or_a_list_is_no_frame() -> None:
    assert not is_frame(np.zeros((2, 2)))
    assert not is_frame([[1, 2]])
    assert is_frame(pl.DataFrame({"a": [1]}))


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        (pd.Series(["a", "b"], name="sex"), ["sex"]),
        (pl.Series("sex", ["a", "b"]), ["sex"]),
        (pd.DataFrame({"sex": ["a", "b"], "age": ["x", "y"]}), ["sex", "age"]),
        (pl.DataFrame({"sex": ["a", "b"]}), ["sex"]),
        ({"sex": ["a", "b"]}, ["sex"]),
        (["a", "b"], [SENSITIVE]),
        (np.array([["a"], ["b"]]), [SENSITIVE]),
        (np.array([["a", "x"], ["b", "y"]]), [f"{SENSITIVE}_0", f"{SENSITIVE}_1"]),
        (pd.Series(["a", "b"]), [SENSITIVE]),
    ],
)
def test_groups_come_in_many_forms(groups, names) -> None:
    cells = groups_of(groups, 2)
    assert list(cells) == names
    assert cells[names[0]] == ["a", "b"]


def test_a_missing_group_is_unknown() -> None:
    assert groups_of(["a", None, float("nan")], 3) == {SENSITIVE: ["a", None, None]}
