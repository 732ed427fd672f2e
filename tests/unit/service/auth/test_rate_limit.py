"""Token buckets let through what they promise, and no more."""

from hypothesis import given, settings
from hypothesis import strategies as st

from evenhand.service.auth.rate_limit import MAX_CALLERS, Buckets


@settings(deadline=None)
@given(st.floats(0.1, 50), st.lists(st.floats(0, 2), min_size=1, max_size=80))
def test_never_more_than_the_rate_and_a_second_s_worth(rate_per_s: float, pauses: list[float]) -> None:
    buckets, now_s, let_through = Buckets(), 100.0, 0
    for pause_s in pauses:
        now_s += pause_s
        let_through += not buckets.take("a", rate_per_s, now_s)
    assert 1 <= let_through <= max(1.0, rate_per_s) + (now_s - 100 - pauses[0]) * rate_per_s + 1e-6


def test_who_waits_as_long_as_told_may_go_on() -> None:
    buckets, now_s = Buckets(), 0.0
    assert [buckets.take("a", 2, now_s) for _ in range(3)] == [0, 0, 0.5]
    assert buckets.take("a", 2, 0.25) == 0.25
    assert buckets.take("b", 2, 0.25) == 0
    assert buckets.take("a", 2, 0.5) == 0


def test_a_slow_rate_still_lets_one_through() -> None:
    buckets = Buckets()
    assert buckets.take("a", 0.1, 0) == 0
    assert round(buckets.take("a", 0.1, 1), 6) == 9


def test_callers_that_were_not_seen_for_long_are_forgotten() -> None:
    buckets = Buckets()
    for number in range(MAX_CALLERS + 1):
        buckets.take(str(number), 1, 0)
    assert buckets.take("0", 1, 0) == 0
    assert buckets.take(str(MAX_CALLERS), 1, 0) == 1
