"""What is known of the heads on frozen representations holds on rows whose spurious part is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from synthetic import SCHEMA, context_of, spurious, worst_cell

from evenhand.training.baselines.group_labels import LEFT_OUT, merge
from evenhand.training.baselines.heads import (
    LEACE,
    Constrained,
    DeepFeatureReweighting,
    balanced_draw,
    erase,
    logistic,
    logits_of,
)
from evenhand.training.benchmark.score import ScoredRows, score_answers
from evenhand.training.correctors.interface import NotApplicableError
from evenhand.training.data.dataset import Schema

ROWS, X = spurious()
TRAIN = ROWS.of("train", "held")
BASE = logistic(X[ROWS.of("train")], ROWS.labels[ROWS.of("train")], 1.0)


@pytest.fixture
def context(tmp_path: Path):
    return context_of(ROWS, X, logits_of(BASE, X), tmp_path)


def base_answer(context) -> np.ndarray:
    return context.features.base_logits[context.scored].argmax(axis=1)


def test_dfr_recovers_the_core_feature(context) -> None:
    answer = DeepFeatureReweighting().answer(context)
    assert worst_cell(context, base_answer(context)) < 0.55
    assert worst_cell(context, answer.predicted) > 0.75
    assert answer.notes["rows"] in ("held-out rows", "all training rows")


def test_dfrs_head_leans_on_the_core_feature_and_the_bases_on_the_shortcut() -> None:
    groups = merge(ROWS, SCHEMA, TRAIN)
    head = DeepFeatureReweighting().fit(X, groups, TRAIN, 1.0, seed=0)
    core, shortcut = np.abs(head[-1].coef_[0, :2])
    assert core > 5 * shortcut
    core, shortcut = np.abs(BASE[-1].coef_[0, :2])
    assert shortcut > core


def test_dfr_is_seeded(context) -> None:
    first, second = (DeepFeatureReweighting(draws=2).answer(context) for _ in range(2))
    assert (first.score == second.score).all()


def test_a_balanced_draw_has_as_many_of_each_cell_as_the_rarest() -> None:
    cells = np.array([0] * 10 + [1] * 4 + [2] * 7 + [LEFT_OUT] * 5)
    drawn = balanced_draw(cells, np.arange(26), np.random.default_rng(0))
    assert np.bincount(cells[drawn]).tolist() == [4, 4, 4]
    assert len(set(drawn.tolist())) == 12
    with pytest.raises(NotApplicableError, match="enough rows"):
        balanced_draw(cells, np.arange(21, 26), np.random.default_rng(0))


def test_after_leace_no_linear_classifier_beats_chance_on_the_attribute() -> None:
    erased = erase(X, ROWS, SCHEMA, TRAIN)
    place = ROWS.groups["place"][TRAIN]
    chance = max(place.mean(), 1 - place.mean())
    before, after = (
        LogisticRegression(C=1e4).fit(x, place).score(x, place) for x in (X[TRAIN], erased[TRAIN])
    )
    assert before > 0.95
    assert after <= chance + 0.005
    # The means of both groups are the same: what makes every linear loss blind to the attribute.
    assert erased[TRAIN][place == 0].mean(axis=0) == pytest.approx(
        erased[TRAIN][place == 1].mean(axis=0), abs=1e-4
    )


def test_leace_erases_all_groups_of_all_attributes_at_once() -> None:
    rng = np.random.default_rng(0)
    colour = rng.choice(3, len(ROWS), p=(0.9, 0.09, 0.01))
    x = X.copy()
    x[:, 2] += colour == 1
    x[:, 3] += 2 * (colour == 2)
    rows = replace(ROWS, groups={**ROWS.groups, "colour": colour})
    schema = Schema(SCHEMA.labels, SCHEMA.favourable, {**SCHEMA.groups, "colour": ("a", "b", "c")})
    erased = erase(x, rows, schema, TRAIN)[TRAIN]
    for name in schema.attributes:
        codes = rows.groups[name][TRAIN]
        means = [erased[codes == code].mean(axis=0) for code in np.unique(codes)]
        assert np.ptp(means, axis=0).max() < 1e-3


def test_leace_leaves_rows_with_an_unknown_attribute_out_of_the_fit() -> None:
    unknown = np.arange(len(ROWS)) % 3 == 0
    rows = replace(ROWS, groups={"place": np.where(unknown, -1, ROWS.groups["place"])})
    complete = TRAIN[~unknown[TRAIN]]
    assert np.allclose(erase(X, rows, SCHEMA, TRAIN), erase(X, ROWS, SCHEMA, complete), atol=1e-5)
    nothing = replace(ROWS, groups={"place": np.full(len(ROWS), -1)})
    with pytest.raises(NotApplicableError, match="all attributes known"):
        erase(X, nothing, SCHEMA, TRAIN)


def test_leace_with_a_refitted_head_answers_better_in_the_worst_cell(tmp_path: Path) -> None:
    # Where the attribute is as frequent in both labels, erasing it costs nothing and the shortcut is gone.
    rows, x = spurious(agree=0.5)
    x[:, 1] *= 4
    biased = np.stack([-x[:, 1] - x[:, 0], x[:, 1] + x[:, 0]], axis=1)
    context = context_of(rows, x, biased, tmp_path)
    answer = LEACE[1].answer(context)
    assert worst_cell(context, base_answer(context)) < 0.5
    assert worst_cell(context, answer.predicted) > 0.75


def test_the_constraint_shrinks_the_equalized_odds_difference(context) -> None:
    answer = Constrained().answer(context)
    test = context.rows.of("test")
    at = context.rows.split[context.scored] == "test"
    scored = ScoredRows(context.rows, SCHEMA, test)
    before, after = (
        score_answers(scored, context.target, base_answer(context)[at], predicted[at])["equalized_odds_mean"][
            "value"
        ]
        for predicted in (base_answer(context), answer.predicted)
    )
    assert after < before / 2
    assert (Constrained().answer(context).predicted == answer.predicted).all()


def test_the_constraint_needs_two_classes_and_two_groups(tmp_path: Path) -> None:
    three = Schema(("a", "b", "c"), ("a",), SCHEMA.groups)
    with pytest.raises(NotApplicableError, match="two classes; this data has 3"):
        Constrained().answer(context_of(ROWS, X, np.zeros((len(ROWS), 3)), tmp_path, three))
    alone = replace(ROWS, groups={"place": np.zeros(len(ROWS), dtype=int)})
    with pytest.raises(NotApplicableError, match="fewer than two groups"):
        Constrained().answer(context_of(alone, X, np.zeros((len(ROWS), 2)), tmp_path))
