"""Massaging changes as many labels as Kamiran and Calders say, those nearest to the boundary, and no others."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from evenhand.training.baselines.group_labels import LEFT_OUT
from evenhand.training.baselines.massaging import massaged, targets


def test_ten_applicants_by_hand() -> None:
    # Four of six men and one of four women are selected: M = |4/6 - 1/4| * 6 * 4 / 10 = 1 promotion and
    # demotion.
    men = np.array([True, True, True, True, False, False])
    women = np.array([True, False, False, False])
    score = np.array([0.9, 0.8, 0.4, 0.7, 0.6, 0.1, 0.9, 0.2, 0.5, 0.3])
    changed = massaged(np.concatenate([men, women]), np.array([0] * 6 + [1] * 4), score)
    assert np.flatnonzero(changed != np.concatenate([men, women])).tolist() == [2, 8]
    assert changed.tolist() == [True, True, False, True, False, False, True, False, True, False]


rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0, 1, 2, LEFT_OUT]), st.integers(-20, 20)),
    min_size=1,
    max_size=80,
)


@given(rows)
def test_rates_become_alike_and_only_the_nearest_rows_change(cells: list[tuple[bool, int, int]]) -> None:
    selected, codes, score = (np.array(column) for column in zip(*cells, strict=True))
    if not (codes != LEFT_OUT).any():
        return
    changed = massaged(selected, codes, score)
    known = codes != LEFT_OUT
    assert changed.sum() == selected.sum()
    assert (changed == selected)[~known].all()
    for code in np.unique(codes[known]):
        inside = codes == code
        assert abs(changed[inside].sum() - selected[known].mean() * inside.sum()) < 1
        up, down = inside & changed & ~selected, inside & ~changed & selected
        assert not (up.any() and down.any())
        if up.any():
            assert score[up].min() >= score[inside & ~changed].max(initial=-99)
        if down.any():
            assert score[down].max() <= score[inside & changed].min(initial=99)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_two_groups_move_what_the_papers_formula_says(first: int, second: int, data: st.DataObject) -> None:
    good = data.draw(st.integers(0, first)), data.draw(st.integers(0, second))
    selected = np.concatenate([np.arange(first) < good[0], np.arange(second) < good[1]])
    wanted = targets(selected, np.array([0] * first + [1] * second))
    paper = (good[0] / first - good[1] / second) * first * second / (first + second)
    assert abs((good[0] - wanted[0]) - paper) < 1
    assert good[0] - wanted[0] == wanted[1] - good[1]
