import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.soak import drift
from bench.summary import LOST, UNANSWERED, Record, median, percentile, poisson, rounded, summarise


def record(due_s: float = 0.0, latency_s: float = 0.1, status: int = 200, **rest: object) -> Record:
    return Record(due_s, latency_s, status, **{"retry_after": False, "right": None, **rest})


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_percentile_is_a_value_that_enough_others_do_not_exceed(values: list[float], share: float) -> None:
    result = percentile(values, share)
    assert result in values
    assert sum(value <= result for value in values) >= share * len(values) - 1e-9
    assert sum(value < result for value in values) < share * len(values) + 1e-9


def test_percentiles_by_hand() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert percentile(values, 0.5) == 3.0
    assert percentile(values, 0.99) == 5.0
    assert percentile(values, 0.2) == 1.0
    assert percentile([], 0.5) is None


def test_arrivals_are_in_order_inside_the_time_and_as_many_as_asked_for() -> None:
    due = poisson(500.0, 20.0, seed=1)
    assert due == sorted(due)
    assert due[0] > 0
    assert due[-1] < 20.0
    assert abs(len(due) - 10_000) < 5 * math.sqrt(10_000)
    gaps = [b - a for a, b in itertools.pairwise(due)]
    mean = sum(gaps) / len(gaps)
    spread = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert spread == pytest.approx(mean, rel=0.05)  # exponential gaps, not an even beat
    assert poisson(500.0, 20.0, seed=2) != due


def test_what_comes_after_the_end_counts_for_latency_and_not_for_throughput() -> None:
    summary = summarise([record(0.0), record(0.5), record(0.95, 0.2)], 1.0)
    assert summary["throughput_per_s"] == 2.0
    assert summary["longest_ms"] == 200.0


def test_refused_lost_and_wrong_are_told_apart() -> None:
    records = [
        record(right=True),
        record(right=False),
        record(status=429, latency_s=0.01, retry_after=True),
        record(status=503, latency_s=0.03),
        record(status=LOST),
        record(status=UNANSWERED),
    ]
    summary = summarise(records, 2.0)
    assert summary["statuses"] == {"-1": 1, "0": 1, "200": 2, "429": 1, "503": 1}
    assert (summary["wrong"], summary["refused"], summary["refusals_with_retry_after"]) == (1, 2, 1)
    assert summary["refusals"]["p99_ms"] == 30.0
    assert summary["p99_ms"] == 100.0


def test_nothing_at_all_has_no_latency() -> None:
    assert summarise([], 1.0)["p50_ms"] is None
    assert median([None, 3.0, 1.0]) == 2.0
    assert median([None]) is None
    assert rounded(123456.0) == 123500.0


def test_drift_ignores_the_warm_up() -> None:
    assert drift([10.0, *[100.0] * 9]) == 0.0
    assert drift([10.0, *[100.0] * 18, 110.0, 110.0]) == 10.0
    assert drift([1.0, 2.0]) is None
