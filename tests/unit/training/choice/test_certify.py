"""Certificates hold: exact tests keep their level, and a family of settings keeps alpha."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from scipy import stats

from evenhand.training.choice.certify import _tail, above_p_value, fallback, gain_p_value, loss_p_value


def outcome(mended: int, broken: int, both: int, neither: int) -> tuple[np.ndarray, np.ndarray]:
    base = np.repeat([False, True, True, False], [mended, broken, both, neither])
    final = np.repeat([True, False, True, False], [mended, broken, both, neither])
    return base, final


def test_the_gain_is_tested_as_mcnemar_does() -> None:
    base, final = outcome(9, 2, 20, 9)
    assert gain_p_value(base, final) == pytest.approx(stats.binomtest(9, 11, alternative="greater").pvalue)
    assert gain_p_value(base, base) == 1.0
    assert gain_p_value(*outcome(2, 9, 5, 5)) > 0.9


def test_a_small_loss_in_many_rows_is_certified_and_a_large_one_never() -> None:
    assert loss_p_value(*outcome(10, 10, 1000, 900), 0.01) < 0.05
    assert loss_p_value(*outcome(10, 40, 1000, 900), 0.01) > 0.5
    assert loss_p_value(*outcome(0, 0, 20, 10), 0.01) > 0.05
    empty = np.zeros(0, dtype=bool)
    assert loss_p_value(empty, empty, 0.01) == 1.0


@pytest.mark.parametrize("bound", [-0.05, 0.0, 0.04])
def test_a_mean_at_the_bound_is_rejected_no_more_often_than_alpha(bound: float) -> None:
    rng = np.random.default_rng(3)
    changing, n, trials = 0.1, 600, 300
    shares = [(changing + bound) / 2, (changing - bound) / 2, 1 - changing]
    wrong = sum(
        above_p_value(up, down, n, bound) <= 0.05 for up, down, _ in rng.multinomial(n, shares, trials)
    )
    assert wrong / trials <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)
    assert above_p_value(300, 0, n, bound) < 0.002


def test_bounds_beyond_all_means_and_no_rows_need_no_test() -> None:
    assert above_p_value(0, 5, 10, -1.0) == 0.0
    assert above_p_value(5, 0, 10, 1.0) == 1.0
    assert above_p_value(0, 0, 0, 0.0) == 1.0


@given(st.integers(0, 40), st.integers(0, 40), st.integers(200, 600))
@settings(max_examples=examples(40), deadline=None)
def test_more_broken_rows_never_make_a_loss_less_likely(mended: int, broken: int, rest: int) -> None:
    fewer, more = (loss_p_value(*outcome(mended, b, rest, rest), 0.01) for b in (broken, broken + 5))
    assert fewer <= more + 2e-3  # the interval of the nuisance parameter moves too


def test_the_tail_is_the_distribution_of_broken_minus_mended() -> None:
    rng = np.random.default_rng(0)
    changing, epsilon, n = 0.1, 0.02, 300
    draws = rng.multinomial(
        n, [(changing + epsilon) / 2, (changing - epsilon) / 2, 1 - changing], size=40_000
    )
    for observed in (-5, 0, 6, 12):
        share = (draws[:, 0] - draws[:, 1] <= observed).mean()
        (tail,) = _tail(n, observed, np.array([changing]), epsilon)
        counts = np.arange(n + 1)
        larger = stats.binom.cdf((counts + observed) // 2, counts, (changing + epsilon) / (2 * changing))
        assert tail == pytest.approx(stats.binom.pmf(counts, n, changing) @ larger, abs=1e-11)
        assert tail == pytest.approx(share, abs=0.01)
    assert list(_tail(n, -1, np.zeros(1), 0.0)) == [0.0]
    assert list(_tail(n, 0, np.zeros(1), 0.0)) == [1.0]


@pytest.mark.parametrize("changing", [0.02, 0.06, 0.2])
def test_a_loss_at_the_limit_is_certified_no_more_often_than_alpha(changing: float) -> None:
    rng = np.random.default_rng(1)
    epsilon, n, trials = 0.01, 800, 300
    shares = [(changing + epsilon) / 2, (changing - epsilon) / 2]
    wrong = 0
    for broken, mended, rest in rng.multinomial(n, [*shares, 1 - changing], size=trials):
        wrong += loss_p_value(*outcome(mended, broken, rest, 0), epsilon) <= 0.05
    assert wrong / trials <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / trials)


def test_an_early_rejection_hands_its_share_on_and_a_failure_does_not() -> None:
    alpha = 0.05
    assert fallback([0.03, 0.04, 0.049], alpha) == [True, True, True]
    assert fallback([0.045, 0.004, 0.009], alpha) == [False, True, True]
    assert fallback([0.045, 0.01, 0.01], alpha) == [False, False, False]
    assert fallback([], alpha) == []
    assert fallback([0.049], alpha) == [True]
    assert fallback([0.045, 0.009], alpha) == [False, True]


def test_a_family_of_true_nulls_is_rejected_no_more_often_than_alpha() -> None:
    rng = np.random.default_rng(2)
    wrong = np.mean([any(fallback(list(rng.random(5)), 0.05)) for _ in range(8000)])
    assert wrong <= 0.055
