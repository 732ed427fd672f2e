"""Worst slices: the same as SliceLine's own, a planted one is found, fair rows are left alone."""

import numpy as np
import pytest

from evenhand.reports.period.slices import LEVEL, Feature, SliceRules, find_worst, score
from evenhand.service.monitoring.disparity import BREACH, INSUFFICIENT, NO_EVIDENCE

SIZES = (3, 4, 2, 5, 2)


def features(rng: np.random.Generator, rows: int) -> list[Feature]:
    return [
        Feature(
            f"f{index}", [f"v{value}" for value in range(size)], rng.integers(0, size, rows).astype(np.int16)
        )
        for index, size in enumerate(SIZES)
    ]


def test_the_search_finds_what_the_library_of_sliceline_finds() -> None:
    from sliceline.slicefinder import Slicefinder

    from evenhand.reports.period import slices

    rng = np.random.default_rng(1)
    table = features(rng, 4000)
    planted = (table[0].codes == 1) & (table[1].codes == 2)
    bad = rng.random(4000) < 0.1 + 0.25 * planted
    rows = np.arange(4000)
    counted, best = slices._search(table, bad, rows, 60, "test")

    codes = np.stack([feature.codes for feature in table], axis=1) + 1
    library = Slicefinder(alpha=slices.ALPHA, k=10, max_l=slices.DEPTH, min_sup=60, verbose=False)
    library.fit(codes, bad.astype(float))
    theirs = [
        tuple((index, int(value) - 1) for index, value in enumerate(top) if value is not None)
        for top in library.top_slices_
    ]
    assert best[: len(theirs)] == theirs
    top = library.top_slices_statistics_[0]
    ours = score(np.array([top["sum_slice_error"]]), np.array([top["slice_size"]]), float(bad.mean()), 4000)
    assert ours[0] == pytest.approx(top["slice_score"], abs=1e-12)
    assert counted > len(best)


def test_a_planted_slice_is_found_and_called_a_breach() -> None:
    rng = np.random.default_rng(2)
    table = features(rng, 20_000)
    planted = (table[0].codes == 1) & (table[3].codes == 4)
    bad = rng.random(20_000) < np.where(planted, 0.4, 0.1)
    search = find_worst(table, bad, SliceRules(0.05, 100, 0), "test")
    assert search.verdict == BREACH
    first = search.slices[0]
    assert dict(first.where) == {"f0": "v1", "f3": "v4"}
    assert first.rows == int(planted.sum())
    assert first.verdict == BREACH
    assert first.rate.low is not None
    assert first.rate.high is not None
    assert first.rate.low < 0.4 < first.rate.high


def test_fair_rows_are_called_a_breach_no_more_often_than_is_said() -> None:
    """At a tolerance of nothing, where the level is sharp: with one of 0.05 it would hardly ever be met."""
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(1000 + seed)
        search = find_worst(features(rng, 3000), rng.random(3000) < 0.2, SliceRules(0.0, 100, seed), "test")
        assert search.verdict in (BREACH, NO_EVIDENCE)
        alarms += search.verdict == BREACH
    # 200 reports at a level of 5 %: more than 18 would happen in one of 200 honest runs.
    assert alarms <= 18, f"{alarms} of 200 at a level of {LEVEL}"


def test_rows_without_any_difference_in_rate_are_not_flattered_by_the_search() -> None:
    """On the half that found it the worst slice looks bad; on the other half it does not."""
    rng = np.random.default_rng(3)
    bad = rng.random(6000) < 0.2
    search = find_worst(features(rng, 6000), bad, SliceRules(0.05, 100, 0), "test")
    assert search.verdict == NO_EVIDENCE
    mean = np.mean([each.rate.value for each in search.slices])
    assert mean == pytest.approx(0.2, abs=0.03)


def test_few_rows_are_insufficient_and_no_bad_row_is_no_evidence() -> None:
    rng = np.random.default_rng(4)
    few = find_worst(features(rng, 200), rng.random(200) < 0.5, SliceRules(0.05, 100, 0), "test")
    assert (few.verdict, few.slices, few.counted) == (INSUFFICIENT, [], 0)
    none = find_worst(features(rng, 5000), np.zeros(5000, dtype=bool), SliceRules(0.05, 100, 0), "test")
    assert none.verdict == NO_EVIDENCE
    empty = find_worst([], np.zeros(0, dtype=bool), SliceRules(0.05, 100, 0), "test")
    assert (empty.verdict, empty.rows) == (INSUFFICIENT, 0)


def test_the_same_seed_gives_the_same_slices() -> None:
    rng = np.random.default_rng(5)
    table, bad = features(rng, 5000), rng.random(5000) < 0.3
    assert find_worst(table, bad, SliceRules(0.05, 100, 7), "test") == find_worst(
        table, bad, SliceRules(0.05, 100, 7), "test"
    )
    assert find_worst(table, bad, SliceRules(0.05, 100, 7), "test") != find_worst(
        table, bad, SliceRules(0.05, 100, 8), "test"
    )
