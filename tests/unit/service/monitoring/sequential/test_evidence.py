"""Evidence: valid at any time, and fast. The streams are simulated; the code is the service's."""

import json
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.evidence import KEY, RULES, RUN_LENGTH, Population, changed, delays, follow, rows, steady
from evenhand.service.monitoring.sequential import evidence
from evenhand.service.monitoring.sequential.evidence import (
    HELD,
    OVER,
    SIDES,
    STEP_DAYS,
    Comparison,
    Evidence,
    EvidenceSettings,
    Seen,
    planned,
)

METRIC = KEY[2]
ROWS = st.lists(st.tuples(st.booleans(), st.booleans(), st.floats(0, 3)), max_size=300)


def comparison(gap: float = 0.05, limit: float = 365.0) -> Comparison:
    return Comparison("reference", gap, limit, math.log(3 / 0.05), 0.0)


def seen(ours: bool, favourable: bool, day: float, attribute: str = "attribute") -> Seen:
    return Seen(
        attribute, ("reference", "group"), "reference", 3, "group" if ours else "reference", favourable, day
    )


def fed(stream: list[tuple[bool, bool, float]], rules: EvidenceSettings = RULES) -> Evidence:
    """Rows with the days that pass before each."""
    made, day = Evidence(rules, {}), 0.0
    for ours, favourable, passed in stream:
        day += passed
        made.add(seen(ours, favourable, day), METRIC)
    return made


def states(made: Evidence) -> dict[tuple[str, str, str], str]:
    return {key: json.dumps(comparison.state()) for key, comparison in made.comparisons.items()}


@given(ROWS, st.floats(0.001, 0.5), st.floats(1, 10_000))
def test_values_stay_positive_finite_and_fit_into_json(
    stream: list[tuple[bool, bool, float]], gap: float, days: float
) -> None:
    for comparison in fed(stream, EvidenceSettings(gap, days)).comparisons.values():
        assert all(0 <= part <= HELD * days for part in comparison.detector)
        assert all(math.isfinite(part) for part in comparison.start_ln)
        assert math.isfinite(comparison.detector_ln)
        assert math.isfinite(comparison.since_start_ln)
        assert Comparison(**json.loads(json.dumps(comparison.state()))) == comparison


@pytest.mark.parametrize("favourable", [True, False])
def test_a_hundred_thousand_rows_at_the_widest_gap_neither_overflow_nor_fall_to_nothing(
    favourable: bool,
) -> None:
    process = comparison()
    for n in range(100_000):
        if process.add(n % 2 == 0, favourable == (n % 2 == 0)):
            process.bet(float(n), 1)
    assert process.since_start_ln > 1000
    assert min(process.start_ln) < -1000
    assert 365 < sum(process.detector) <= len(SIDES) * HELD * 365
    assert process.above == favourable


@given(ROWS, ROWS, st.integers(0, 2**32))
def test_bets_never_look_ahead(
    past: list[tuple[bool, bool, float]], future: list[tuple[bool, bool, float]], seed: int
) -> None:
    made = fed(past)
    before = states(made)
    shuffled = [future[place] for place in np.random.default_rng(seed).permutation(len(future))]
    for tail in (future, shuffled):
        again, day = Evidence(RULES, {}), 0.0
        for n, (ours, favourable, passed) in enumerate([*past, *tail]):
            if n == len(past):
                assert states(again) == before
            day += passed
            again.add(seen(ours, favourable, day), METRIC)


@given(ROWS)
def test_where_blocks_end_depends_on_groups_and_never_on_answers(
    stream: list[tuple[bool, bool, float]],
) -> None:
    other = [(ours, not favourable, passed) for ours, favourable, passed in stream]
    for mine, theirs in zip(fed(stream).comparisons.values(), fed(other).comparisons.values(), strict=True):
        assert (mine.blocks, mine.day, mine.block_rows) == (theirs.blocks, theirs.day, theirs.block_rows)
        half = len(SIDES) // 2  # and no direction is favoured over the other
        assert mine.start_ln == pytest.approx(theirs.start_ln[half:] + theirs.start_ln[:half])


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.lists(st.booleans(), min_size=1, max_size=30))
def test_groups_may_come_in_any_order_within_a_block(ours: list[bool], theirs: list[bool]) -> None:
    comparisons = []
    for mixed in (
        [(True, good) for good in ours] + [(False, good) for good in theirs],
        [(False, good) for good in reversed(theirs)] + [(True, good) for good in reversed(ours)],
    ):
        one = comparison()
        for mine, good in mixed:
            one.add(mine, good)
        full = len(ours) * len(theirs) >= evidence.BLOCK * (len(ours) + len(theirs))
        if full:
            one.bet(1.0, 1)
        comparisons.append(one)
    assert comparisons[0] == comparisons[1]


@pytest.mark.parametrize(("mine", "theirs"), [(2, 6), (3, 3), (6, 2), (2, 12)])
@pytest.mark.parametrize("gap", [0.01, 0.05, 0.2])
def test_a_factor_has_a_mean_of_at_most_one_while_the_gap_is_in_order(
    mine: int, theirs: int, gap: float
) -> None:
    """Exactly, over all that a block can hold."""
    outcomes = {}
    for mine_good, theirs_good in product(range(mine + 1), range(theirs + 1)):
        one = comparison(gap)
        for ours, n, good in ((True, mine, mine_good), (False, theirs, theirs_good)):
            for row in range(n):
                full = one.add(ours, row < good)
        assert full
        one.bet(1.0, 1)
        outcomes[mine_good, theirs_good] = np.exp(one.start_ln)
    for below in np.linspace(0, 1 - gap, 9):
        for rates in ((below, below + gap), (below + gap, below), (below, below)):
            mean = sum(
                _chance(mine, mine_good, rates[0]) * _chance(theirs, theirs_good, rates[1]) * factors
                for (mine_good, theirs_good), factors in outcomes.items()
            )
            assert np.max(mean) <= 1 + 1e-12
        wide = sum(
            _chance(mine, mine_good, below + gap) * _chance(theirs, theirs_good, below - 0.01) * factors
            for (mine_good, theirs_good), factors in outcomes.items()
        )
        assert below < 0.01 or np.max(wide) > 1  # and grows as soon as it is not


def _chance(n: int, good: int, rate: float) -> float:
    return float(math.comb(n, good) * rate**good * (1 - rate) ** (n - good))


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_processes_do_not_grow_on_average_at_the_widest_gap_in_order(share: float) -> None:
    """The e-process has a mean of at most 1, the detector one of at most the days gone by."""
    values = []
    for seed in range(3_000):
        made = Evidence(RULES, {})
        follow(made, rows(Population(share=share, gap=RULES.gap), 150, seed))
        one = made.comparisons[KEY]
        day = RULES.days_per_false_alarm / RUN_LENGTH
        values.append((math.exp(one.since_start_ln), sum(one.detector) / (150 * day)))
    means, errors = np.mean(values, axis=0), np.std(values, axis=0) / math.sqrt(len(values))
    assert np.all(means <= 1 + 3 * errors)
    assert np.all(means > 0.3)  # and is not merely small


@given(ROWS, st.integers(0, 300))
def test_evidence_goes_on_from_what_was_kept_as_if_nothing_had_happened(
    stream: list[tuple[bool, bool, float]], stop: int
) -> None:
    whole, part, day = fed(stream), Evidence(RULES, {}), 0.0
    for n, (ours, favourable, passed) in enumerate(stream):
        if n == stop:
            part = Evidence(RULES, {key: json.loads(state) for key, state in states(part).items()})
        day += passed
        part.add(seen(ours, favourable, day), METRIC)
    assert states(part) == states(whole)


def test_an_alarm_stands_until_the_gap_is_gone_and_then_it_begins_again() -> None:
    made = Evidence(RULES, {})
    comparison = follow(made, rows(Population(gap=0.2), 20_000, 1))
    one = made.comparisons[KEY]
    assert comparison.alarms == 1
    assert one.alarm_day is not None
    risen = one.alarm_day
    for row in rows(Population(), 6_000, 2, 20_000):
        made.add(row, METRIC)
        if one.alarm_day is None:
            break
        assert one.alarm_day == risen
        assert sum(one.detector) >= OVER * RULES.days_per_false_alarm or one.block_rows != [0, 0]
    assert one.alarm_day is None
    assert one.detector == [0.0] * len(SIDES)
    assert one.found_day is not None  # what was found since the start stays found
    follow(made, rows(Population(gap=-0.2), 10_000, 3, 26_000))
    assert (one.alarms, one.alarm_day is not None, one.above) == (2, True, True)


def test_the_promise_is_shared_by_all_comparisons_that_run() -> None:
    alone, beside = Evidence(RULES, {}), Evidence(RULES, {})
    for n in range(40):
        ours, good = n % 2 == 0, n % 3 == 0
        alone.add(seen(ours, good, n * 0.01), METRIC)
        for attribute in ("attribute", "other", "third"):
            beside.add(seen(ours, good, n * 0.01, attribute), METRIC)
    one = sum(alone.comparisons[KEY].detector)
    assert sum(beside.comparisons["attribute", "group", METRIC].detector) == pytest.approx(one / 3)
    reference_only = Evidence(RULES, {})
    reference_only.add(seen(False, True, 0.0, "other"), METRIC)
    for n in range(40):
        reference_only.add(seen(n % 2 == 0, n % 3 == 0, n * 0.01), METRIC)
    assert sum(reference_only.comparisons[KEY].detector) == one  # what has no block yet takes no share


def test_a_month_without_rows_counts_as_one_day_and_a_clock_set_back_as_nothing() -> None:
    def after(*days: float) -> float:
        one = comparison()
        for day in days:
            for n in range(12):
                if one.add(n % 2 == 0, n % 4 < 2):
                    one.bet(day, 1)
        return sum(one.detector)

    assert (
        after(0.0, 30.0) == after(0.0, STEP_DAYS) > after(0.0, 0.5) > after(0.0, 0.0) == after(0.0, -5.0) == 0
    )


@pytest.mark.parametrize("waits", [True, False])
def test_rows_of_long_ago_are_not_compared_with_those_of_now(waits: bool) -> None:
    process = comparison()
    for n in range(10_000):
        assert not process.add(waits, n >= 9_999)
    assert sum(process.block_rows) <= evidence.STALE
    assert sum(process.rows) == 10_000
    assert sum(process.block_favourable) == sum(process.favourable) == 1  # the newest is kept


def test_rates_that_move_together_are_no_gap_and_groups_that_come_again_do_no_harm() -> None:
    """Shares and rates swing; and half of those who were refused come again at once."""
    for seed, swing, again in ((1, 0.25, 0.0), (2, 0.0, 0.5), (3, 0.25, 0.5)):
        chance, alarms = np.random.default_rng(seed), 0
        for _ in range(8):
            made, ours, good = Evidence(RULES, {}), False, True
            for n in range(20_000):
                phase = swing * math.sin(n / 300)
                if good or chance.random() >= again:
                    ours = bool(chance.random() < 0.25 + 0.8 * phase)
                good = bool(chance.random() < 0.45 + phase - RULES.gap * ours)
                made.add(seen(ours, good, n * RULES.days_per_false_alarm / RUN_LENGTH), METRIC)
            alarms += made.comparisons[KEY].alarms
        assert alarms <= 8  # as many as asked for, at the widest gap in order


@pytest.mark.slow
def test_all_comparisons_of_a_model_together_raise_no_more_alarms_than_asked_for() -> None:
    groups, alarms, streams, n = ("a", "b", "c", "d"), 0, 20, 20_000
    for seed in range(streams):
        chance, made = np.random.default_rng(seed), Evidence(RULES, {})
        places, good = chance.choice(4, n, p=[0.4, 0.2, 0.2, 0.2]), chance.random((2, n))
        for at, (place, first, second) in enumerate(zip(places.tolist(), *good.tolist(), strict=True)):
            rate, day = 0.45 - RULES.gap * (place > 0), at * RULES.days_per_false_alarm / RUN_LENGTH
            for metric, drawn in zip(evidence.METRICS, (first, second), strict=False):
                made.add(Seen("x", groups, "a", 9, groups[place], drawn < rate, day), metric)
        assert len(made.comparisons) == 6
        alarms += sum(comparison.alarms for comparison in made.comparisons.values())
    assert 0 < alarms <= streams * n // RUN_LENGTH


def test_every_row_of_the_reference_counts_for_each_other_group_and_unlisted_ones_for_none() -> None:
    made = Evidence(RULES, {})
    for group in ("a", "b", "c", "c"):
        made.add(Seen("attribute", ("a", "b", "c"), "a", planned([3]), group, True, 0.0), METRIC)
    assert {key[1]: comparison.rows for key, comparison in made.comparisons.items()} == {
        "b": [1, 1],
        "c": [1, 2],
    }
    assert planned([3, 2]) == 9


def test_another_gap_or_reference_begins_anew_and_another_promise_does_not() -> None:
    kept = states(fed([(n % 2 == 0, True, 0.1) for n in range(60)]))
    same, other = ("reference", "group", "third"), ("third", "group", "reference")
    for rules, groups, expected in (
        (EvidenceSettings(gap=0.1), same, [0, 1]),
        (EvidenceSettings(days_per_false_alarm=30.0), same, [30, 31]),
        (RULES, other, [0, 1]),
    ):
        made = Evidence(rules, {key: json.loads(state) for key, state in kept.items()})
        made.add(Seen("attribute", groups, groups[0], 6, "group", True, 10.0), METRIC)
        comparison = made.comparisons[KEY]
        assert comparison.rows == expected
        assert (comparison.reference, comparison.gap, comparison.limit) == (
            groups[0],
            rules.gap,
            rules.days_per_false_alarm,
        )


@pytest.mark.slow
def test_sixty_fair_streams_of_sixty_thousand_rows_raise_no_alarm() -> None:
    """A run length of 20,000 would allow 180 alarms; the process since the start may be wrong in 5 %."""
    comparisons = steady(Population(), 60_000, 60)
    assert sum(one.alarms for one in comparisons) == 0
    assert sum(one.since_start for one in comparisons) <= 3


def test_a_gap_at_the_limit_raises_no_more_alarms_than_asked_for() -> None:
    comparisons = steady(Population(gap=RULES.gap), 60_000, 40)
    assert 0 < sum(one.alarms for one in comparisons) <= 40 * 60_000 // RUN_LENGTH
    assert sum(one.since_start for one in comparisons) <= 5


@pytest.mark.parametrize(
    "world", [Population(0.2, 0.45, 0.15), Population(0.2, 0.3, 0.15), Population(0.05, 0.45, 0.15)]
)
def test_a_gap_of_15_points_is_found_within_350_rows_of_the_smaller_group(world: Population) -> None:
    middle, late = delays(changed(world, 80))
    assert middle <= 350
    assert late <= 700
