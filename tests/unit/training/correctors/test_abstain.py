"""The bound is the lowest at which answered flagged rows are right as often as the others are."""

import numpy as np
from corrector_cases import given_of, logits_of, selected, tiny_split
from hypothesis import given
from hypothesis import strategies as st

from evenhand.training.correctors import abstain
from evenhand.training.correctors.abstain import LEAST_ANSWERED, bound
from evenhand.training.learning.config import CorrectionConfig

ROW = st.tuples(st.sampled_from([0.5, 0.6, 0.7, 0.8, 0.9, 0.99]), st.booleans(), st.booleans())


def by_trying(score: np.ndarray, right: np.ndarray, flagged: np.ndarray) -> float:
    """The lowest of all bounds that could matter, one after the other."""
    if not flagged.any() or flagged.all():
        return 0.0
    for tried in [0.0, *np.unique(score[flagged])]:
        answered = flagged & (score >= tried)
        if answered.sum() < LEAST_ANSWERED * flagged.sum():
            return 0.0
        if right[answered].mean() >= right[~flagged].mean():
            return float(tried) if answered.sum() < flagged.sum() else 0.0
    return 0.0


@given(st.lists(ROW, max_size=30))
def test_the_bound_is_what_trying_all_of_them_finds(rows: list[tuple[float, bool, bool]]) -> None:
    columns = [np.array([row[place] for row in rows]) for place in range(3)]
    score, right, flagged = columns[0].astype(float), columns[1].astype(bool), columns[2].astype(bool)
    lowest = bound(score, right, flagged)
    assert lowest == by_trying(score, right, flagged)
    assert (score[flagged] >= lowest).sum() >= LEAST_ANSWERED * flagged.sum()


def test_rows_of_equal_probability_are_answered_together_or_not_at_all() -> None:
    # Counting only the right one of two equal rows would call 0.7 good enough.
    score = np.array([0.6, 0.7, 0.7, 0.9, 0.9, 0.8])
    right = np.array([False, False, True, True, True, True])
    flagged = np.array([True, True, True, True, True, False])
    assert bound(score, right, flagged) == 0.0
    assert bound(score[1:], right[1:], flagged[1:]) == 0.9


def test_it_learns_a_bound_and_changes_no_answer() -> None:
    rng = np.random.default_rng(0)
    flagged = rng.random(4000) < 0.5
    margins = rng.normal(0, 3, 4000)
    # Flagged rows below a probability of 0.8 are right by chance only.
    unsure = flagged & (np.abs(margins) < np.log(0.8 / 0.2))
    wrong = rng.random(4000) < np.where(unsure, 0.5, np.where(flagged, 0.1, 0.15))
    truth = ((margins > 0) ^ wrong).astype(np.int64)
    data = given_of(truth, flagged.astype(np.int64), flagged, logits=logits_of(margins))
    corrector = abstain.make(tiny_split(), ("team",), config=CorrectionConfig())
    notes = abstain.learn(corrector, data)
    (lowest,) = corrector.abstain_below
    assert 0.7 < lowest < 0.85
    assert notes == {"no decision below a probability of": [round(lowest, 4)]}
    batch = selected(data, np.arange(100))
    assert np.array_equal(corrector.correct(batch).numpy(), batch.logits.numpy())


def test_nothing_is_withheld_where_flagged_rows_are_right_as_often() -> None:
    right = np.array([True, False] * 50)
    flagged = np.arange(100) < 50
    assert bound(np.linspace(0.5, 1.0, 100), right, flagged) == 0.0
