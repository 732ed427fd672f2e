"""Intervals equal SciPy's and published examples; no rows is no rate."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from evenhand.stats import Rate, newcombe, wilson


@given(st.integers(1, 500), st.data())
def test_wilson_equals_scipy(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    assert wilson(hits / n, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_newcombe_equals_the_published_example() -> None:
    # Newcombe 1998, Statistics in Medicine 17:873-890, table II, 56/70 - 48/80, method 10.
    a, b = Rate(70, 56 / 70, *wilson(56 / 70, 70)), Rate(80, 48 / 80, *wilson(48 / 80, 80))
    assert newcombe(a, b) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert newcombe(a, Rate(0, None, None, None)) is None


def test_a_rate_of_counts_is_the_rate_of_rows() -> None:
    assert Rate.of_counts(3, 4) == Rate.of(np.array([True, True, False, True]))
    assert Rate.of_counts(0, 0) == Rate(0, None, None, None)
