"""Several attributes become one group in one place, and rare ones never decide anything."""

from dataclasses import replace

import numpy as np
import pytest

from evenhand.training.baselines.group_labels import FLOOR_ROWS, LEFT_OUT, OTHER, floor_of, merge
from evenhand.training.data.dataset import Rows, Schema

TWO = Schema(("no", "yes"), ("yes",), {"sex": ("m", "f"), "race": ("w", "b", "a")})


def rows_of(cells: dict[tuple[int, int, int], int]) -> Rows:
    """Rows from counts per (label, sex, race)."""
    codes = np.array([cell for cell, count in cells.items() for _ in range(count)])
    n = len(codes)
    groups = {"sex": codes[:, 1], "race": codes[:, 2]}
    return Rows([""] * n, codes[:, 0], groups, np.full(n, "train"), np.arange(n))


def test_combinations_of_membership_stand_alone_where_both_labels_are_frequent() -> None:
    rows = rows_of({(y, s, r): 50 for y in (0, 1) for s in (0, 1) for r in (0, 1, 2)})
    groups = merge(rows, TWO, rows.all())
    assert groups.names == ("reference", "sex", "race", "sex + race")
    assert (groups.codes == (rows.groups["sex"] > 0) + 2 * (rows.groups["race"] > 0)).all()
    assert groups.cell_count == 8
    assert set(groups.cells.tolist()) == set(range(8))


def test_a_combination_that_is_rare_in_one_label_falls_to_other() -> None:
    few = FLOOR_ROWS - 1
    cells = {(y, 0, 0): 100 for y in (0, 1)} | {
        (0, 1, 0): 100,
        (1, 1, 0): few,
        (0, 0, 1): 100,
        (1, 0, 1): few,
    }
    rows = rows_of(cells)
    groups = merge(rows, TWO, rows.all())
    assert groups.names == ("reference", OTHER)
    assert (groups.codes == ((rows.groups["sex"] > 0) | (rows.groups["race"] > 0))).all()


def test_unknown_rows_and_an_other_that_is_rare_itself_are_left_out() -> None:
    rows = rows_of(
        {(0, 0, 0): 100, (1, 0, 0): 100, (0, 1, 0): 100, (1, 1, 0): 3, (0, 0, -1): 50, (1, -1, 1): 50}
    )
    groups = merge(rows, TWO, rows.all())
    assert groups.names == ("reference",)
    assert (groups.codes[200:] == LEFT_OUT).all()
    assert (groups.cells[200:] == LEFT_OUT).all()


def test_the_rows_fitted_on_decide_what_is_rare_and_others_take_it_over() -> None:
    rows = rows_of({(y, s, 0): 50 for y in (0, 1) for s in (0, 1)} | {(0, 0, 1): 5})
    train = np.arange(200)
    groups = merge(rows, TWO, train)
    assert groups.names == ("reference", "sex")
    assert (groups.codes[200:] == LEFT_OUT).all()


def test_a_single_attribute_keeps_its_own_groups() -> None:
    rows = rows_of({(y, 0, r): 50 for y in (0, 1) for r in (0, 1, 2)})
    schema = Schema(TWO.labels, TWO.favourable, {"race": TWO.groups["race"]})
    rows = replace(rows, groups={"race": rows.groups["race"]})
    groups = merge(rows, schema, rows.all())
    assert groups.names == ("w", "b", "a")
    assert (groups.codes == rows.groups["race"]).all()


@pytest.mark.parametrize(("rows", "floor"), [(100, 20), (2000, 20), (20000, 100)])
def test_the_floor_grows_with_the_rows(rows: int, floor: int) -> None:
    assert floor_of(rows) == floor
