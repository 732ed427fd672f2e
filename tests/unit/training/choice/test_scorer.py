"""The value of answers under a target, against the target's figures, Fairlearn and a plain count."""

import time
from itertools import product

import fairlearn.metrics
import numpy as np
import pytest

from evenhand.models.bundle.target import MEASURES, AttributeTarget, Measure, Target
from evenhand.training.choice.scorer import (
    EVERYONE,
    FROM_BELOW,
    OVERALL,
    TargetScorer,
    allowed_losses,
    cell_aims,
    enough_rows,
)
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.targets import losing_cells, target_figures

SCHEMA = Schema(("no", "yes"), ("yes",), {"team": ("none", "a"), "place": ("x", "y", "z")})
FAIRLEARN = {
    "equalized-odds": fairlearn.metrics.equalized_odds_difference,
    "equal-opportunity": fairlearn.metrics.equal_opportunity_difference,
    "demographic-parity": fairlearn.metrics.demographic_parity_difference,
}


def made(count: int = 900, seed: int = 0, classes: int = 2) -> tuple[Rows, np.ndarray, np.ndarray]:
    """Rows with unknown groups among them, the base's answers and a method's."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, count)
    groups = {"team": rng.integers(-1, 2, count), "place": rng.choice([-1, 0, 1, 2], count)}
    base, final = (
        np.where(rng.random(count) < wrong, rng.integers(0, classes, count), truth)
        for wrong in (0.3 + 0.3 * (groups["team"] == 1), 0.35)
    )
    rows = Rows([""] * count, truth, groups, np.full(count, "val"), np.arange(count))
    return rows, base, final


def target_of(*pairs: tuple[str, Measure], loss: float = 1.0, cell: float | None = None) -> Target:
    """A target of attributes and measures."""
    listed = [AttributeTarget(attribute=attribute, measure=measure) for attribute, measure in pairs]
    return Target(attributes=listed, max_loss=loss, max_cell_loss=cell)


def lowest_cell(rows: Rows, predicted: np.ndarray) -> float:
    """The lowest accuracy of label x group over all attributes, counted plainly; every cell is large."""
    right = predicted == rows.labels
    return min(
        float(right[(rows.labels == label) & (rows.groups[name] == group)].mean())
        for name, groups in SCHEMA.groups.items()
        for group in range(len(groups))
        for label in range(2)
    )


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("attribute", ["team", "place"])
def test_figures_and_value_are_those_of_the_targets_module(attribute: str, measure: Measure) -> None:
    rows, base, final = made()
    target = target_of((attribute, measure))
    scorer = TargetScorer(rows, SCHEMA, rows.all(), base, target)
    figures = target_figures(target, rows, SCHEMA, rows.all(), base, final)["attributes"][0]
    assert scorer.figures(base) == [pytest.approx(figures["base"]["value"])]
    assert scorer.figures(final) == [pytest.approx(figures["final"]["value"])]
    good = figures["final"]["value"] if measure == "worst-cell" else 1 - figures["final"]["value"]
    right = (final == rows.labels).mean()
    from_below = 0.0 if measure == "worst-cell" else FROM_BELOW * lowest_cell(rows, final)
    assert scorer.value(final) == pytest.approx(2 * good + from_below + OVERALL * right)
    assert scorer.accuracy(final) == pytest.approx(right)


@pytest.mark.parametrize("measure", FAIRLEARN)
def test_gaps_are_fairlearns(measure: Measure) -> None:
    rows, base, final = made(seed=1)
    kept = np.flatnonzero(rows.groups["place"] >= 0)
    scorer = TargetScorer(rows, SCHEMA, kept, base[kept], target_of(("place", measure)))
    gap = FAIRLEARN[measure](rows.labels[kept], final[kept], sensitive_features=rows.groups["place"][kept])
    assert scorer.figures(final[kept]) == [pytest.approx(gap)]


def test_several_aims_are_their_mean_plus_the_lowest() -> None:
    rows, base, final = made(seed=2)
    pairs: list[tuple[str, Measure]] = [("team", "worst-cell"), ("place", "equalized-odds")]
    scorer = TargetScorer(rows, SCHEMA, rows.all(), base, target_of(*pairs))
    worst, gap = scorer.figures(final)
    assert worst is not None
    assert gap is not None
    good = [worst, 1 - gap]
    right = (final == rows.labels).mean()
    below = FROM_BELOW * lowest_cell(rows, final)
    assert scorer.value(final) == pytest.approx(np.mean(good) + min(good) + below + OVERALL * right)


def test_of_two_ways_to_close_a_gap_the_one_from_below_is_better() -> None:
    """Team none is right in 9 of 10 rows, team a in 6: one way lifts a's, the other lowers none's."""
    labels, groups = np.tile([0, 1], 400), np.repeat([0, 1], 400)
    rows = Rows([""] * 800, labels, {"team": groups}, np.full(800, "val"), np.arange(800))
    schema = Schema(("no", "yes"), ("yes",), {"team": ("none", "a")})

    def answers(right: tuple[float, float]) -> np.ndarray:
        place = np.arange(800) % 400
        return np.where(place < 400 * np.array(right)[groups], labels, 1 - labels)

    scorer = TargetScorer(
        rows, schema, rows.all(), answers((0.9, 0.6)), target_of(("team", "equalized-odds"))
    )
    lifted, lowered = answers((0.9, 0.9)), answers((0.6, 0.6))
    assert scorer.figures(lifted) == scorer.figures(lowered) == [pytest.approx(0.0)]
    assert scorer.value(lifted) - scorer.value(lowered) == pytest.approx((FROM_BELOW + OVERALL) * 0.3)


@pytest.mark.parametrize("classes", [2, 4])
def test_many_settings_have_the_values_of_each(classes: int) -> None:
    rows, base, _ = made(seed=3, classes=classes)
    schema = Schema(("a", "b", "c", "d")[:classes], ("b",), SCHEMA.groups)
    rng = np.random.default_rng(4)
    many = np.stack([np.where(rng.random(900) < share, base, rows.labels) for share in rng.random(600)])
    many = np.where(rng.random(many.shape) < rng.random((600, 1)), 0, many)
    target = target_of(("team", "equalized-odds"), ("place", "worst-cell"), loss=0.1, cell=0.3)
    scorer = TargetScorer(rows, schema, rows.all(), base, target)
    values = scorer.values(many)
    assert 0 < np.isfinite(values).sum() < len(values)
    assert values.tolist() == [scorer.value(each) for each in many]


def test_limits_of_overall_and_cell_loss_are_kept() -> None:
    rows, base, final = made(seed=5)
    free = TargetScorer(rows, SCHEMA, rows.all(), base, target_of(("team", "worst-cell")))
    overall = (base == rows.labels).mean() - (final == rows.labels).mean()
    assert free.accuracy_loss(final) == pytest.approx(overall)
    costly = np.where(rows.labels == 0, rows.labels, 0)
    for answers, loss, cell in product((final, costly), (0.0, 0.05, 1.0), (None, 0.1, 0.5)):
        scorer = TargetScorer(
            rows, SCHEMA, rows.all(), base, target_of(("team", "worst-cell"), loss=loss, cell=cell)
        )
        lost = (base == rows.labels).mean() - (answers == rows.labels).mean()
        kept = lost <= loss and (cell is None or free.cell_losses(answers).max() <= cell)
        assert np.isfinite(scorer.value(answers)) == kept
        assert scorer.merit(answers) == pytest.approx(free.value(answers))


def test_a_cell_too_small_to_be_proven_harmless_may_lose_what_chance_explains_and_no_more() -> None:
    rows, base, _ = made(seed=6)
    free = TargetScorer(rows, SCHEMA, rows.all(), base, target_of(("team", "worst-cell")))
    sizes = free.members.sum(axis=1)
    limit = float(next(each for each in np.linspace(0.05, 0.001, 50) if enough_rows(each) > sizes.max()))
    scorer = TargetScorer(rows, SCHEMA, rows.all(), base, target_of(("team", "worst-cell"), cell=limit))
    allowed = allowed_losses(sizes, limit)
    assert (allowed > limit).all()
    place, right = int(sizes.argmin()), base == rows.labels
    broken = np.flatnonzero(free.members[place] & right)
    for count, kept in ((int(allowed[place] * sizes[place]), True), (len(broken), False)):
        answers = base.copy()
        answers[broken[:count]] = (base[broken[:count]] + 1) % len(SCHEMA.labels)
        assert scorer.cell_losses(answers)[place] > limit
        assert np.isfinite(scorer.value(answers)) == kept
    assert allowed_losses(np.array([10**6]), limit).tolist() == [limit]


def test_losses_of_cells_are_those_that_the_targets_module_lists() -> None:
    rows, base, final = made(seed=6)
    scorer = TargetScorer(rows, SCHEMA, rows.all(), base, target_of(("team", "worst-cell")))
    losses = dict(zip(scorer.cells, scorer.cell_losses(final).tolist(), strict=True))
    listed = {
        (each["attribute"], each["group"], each["label"]): -each["difference"]["value"]
        for each in losing_cells(rows, SCHEMA, rows.all(), base, final)
    }
    assert listed
    assert {name: loss for name, loss in losses.items() if loss > 0} == pytest.approx(listed)


def test_an_aim_without_enough_rows_counts_nothing() -> None:
    rows, base, final = made()
    few = rows.all()[:25]
    scorer = TargetScorer(rows, SCHEMA, few, base[few], target_of(("team", "equal-opportunity")))
    assert scorer.figures(final[few]) == [None]
    assert scorer.value(final[few]) == pytest.approx((final[few] == rows.labels[few]).mean())


def test_data_without_attributes_is_one_group() -> None:
    rows, base, final = made()
    bare, schema = (
        Rows(rows.items, rows.labels, {}, rows.split, rows.row),
        Schema(("no", "yes"), ("yes",), {}),
    )
    target = Target(attributes=cell_aims(schema), max_loss=1.0)
    scorer = TargetScorer(bare, schema, rows.all(), base, target)
    assert scorer.cells == [(EVERYONE, EVERYONE, "no"), (EVERYONE, EVERYONE, "yes")]
    right = final == rows.labels
    assert scorer.figures(final) == [
        pytest.approx(min(right[rows.labels == 0].mean(), right[rows.labels == 1].mean()))
    ]


def test_a_thousand_settings_of_five_thousand_rows_take_less_than_two_seconds() -> None:
    rows, base, _ = made(5000)
    many = np.random.default_rng(0).integers(0, 2, (1000, 5000))
    target = target_of(("team", "equalized-odds"), ("place", "worst-cell"))
    scorer = TargetScorer(rows, SCHEMA, rows.all(), base, target)
    start = time.process_time()
    scorer.values(many)
    assert time.process_time() - start < 2.0
