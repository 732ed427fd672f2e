"""The breaker's three states, by a clock of the test's."""

from evenhand.service.proxy.breaker import Breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(3, 2.0)
    for _ in range(10):
        assert not breaker.fail(0.0)
        assert not breaker.fail(0.0)
        assert not breaker.succeed()
    assert [breaker.fail(0.0) for _ in range(3)] == [False, False, True]
    assert breaker.state == "open"
    assert not breaker.admits(1.9)
    assert breaker.left_s(0.5) == 1.5


def test_one_request_is_tried_and_decides() -> None:
    breaker = Breaker(1, 2.0)
    breaker.fail(0.0)
    assert breaker.admits(2.0)
    assert breaker.state == "half_open"
    assert not breaker.admits(2.1)
    assert not breaker.fail(3.0)
    assert breaker.state == "open"
    assert not breaker.admits(4.9)
    assert breaker.admits(5.0)
    assert breaker.succeed()
    assert breaker.state == "closed"
    assert breaker.admits(5.0)


def test_a_trial_that_never_ends_does_not_refuse_all_for_ever() -> None:
    breaker = Breaker(1, 2.0)
    breaker.fail(0.0)
    assert breaker.admits(2.0)
    assert breaker.admits(4.1)


def test_none_opens_it_never() -> None:
    breaker = Breaker(0, 2.0)
    assert not any(breaker.fail(0.0) for _ in range(100))
    assert breaker.admits(0.0)
