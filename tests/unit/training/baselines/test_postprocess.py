"""Thresholds are fairlearn's, and the reject option touches the critical band only."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fairlearn.postprocessing import ThresholdOptimizer
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from synthetic import SCHEMA, context_of, spurious

from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.training.baselines.postprocess import (
    OptimisedThresholds,
    RejectOption,
    constraint_of,
    deprived_groups,
    reject_option,
)
from evenhand.training.benchmark.score import ScoredRows, score_answers
from evenhand.training.correctors.interface import NotApplicableError
from evenhand.training.data.dataset import Schema

ROWS, X = spurious()
X = X.astype(np.float64)  # fairlearn cannot put its probabilities into float32 ones
MODEL = LogisticRegression().fit(X[ROWS.of("train")], ROWS.labels[ROWS.of("train")])
LOGITS = np.stack([np.zeros(len(ROWS)), MODEL.decision_function(X)], axis=1)


@pytest.fixture
def context(tmp_path: Path):
    return context_of(ROWS, X, LOGITS, tmp_path)


def gap(context, predicted: np.ndarray, split: str) -> float:
    at = context.rows.split[context.scored] == split
    scored = ScoredRows(context.rows, context.schema, context.rows.of(split))
    return score_answers(scored, context.target, predicted[at], predicted[at])["equalized_odds_mean"]["value"]


def test_thresholds_equal_fairlearns_own(context) -> None:
    answer = OptimisedThresholds().answer(context)
    validation, place = ROWS.of("val"), ROWS.groups["place"]
    oracle = ThresholdOptimizer(
        estimator=MODEL, constraints="equalized_odds", prefit=True, predict_method="predict_proba"
    ).fit(X[validation], ROWS.labels[validation], sensitive_features=place[validation])
    expected = oracle.predict(
        X[context.scored], sensitive_features=place[context.scored], random_state=context.seed
    )
    assert (answer.predicted == expected).mean() > 0.999
    assert answer.score is None


@pytest.mark.parametrize(
    ("measure", "constraint"),
    [
        ("equal-opportunity", "true_positive_rate_parity"),
        ("predictive-equality", "false_positive_rate_parity"),
        ("demographic-parity", "demographic_parity"),
    ],
)
def test_thresholds_make_the_targets_rates_equal(context, measure, constraint: str) -> None:
    target = Target(attributes=[AttributeTarget(attribute="place", measure=measure)], max_loss=1.0)
    context.__dict__["target"] = target
    answer = OptimisedThresholds().answer(context)
    assert answer.notes["constraint"] == constraint
    scorer = context.criterion.scorer
    base = context.on_validation(LOGITS[context.scored].argmax(axis=1))
    (before,), (after,) = scorer.figures(base), scorer.figures(context.on_validation(answer.predicted))
    assert before > 0.3
    assert after < 0.1
    both = Target(
        attributes=[*target.attributes, AttributeTarget(attribute="other", measure="worst-cell")], max_loss=0
    )
    assert constraint_of(both) == "equalized_odds"


def test_thresholds_shrink_the_equalized_odds_difference(context) -> None:
    answer = OptimisedThresholds().answer(context)
    base = LOGITS[context.scored].argmax(axis=1)
    assert gap(context, base, "test") > 0.3
    assert gap(context, answer.predicted, "val") < 0.1
    assert gap(context, answer.predicted, "test") < 0.15


def test_rows_without_a_known_group_keep_the_bases_answer(tmp_path: Path) -> None:
    unknown = np.arange(len(ROWS)) % 4 == 0
    rows = replace(ROWS, groups={"place": np.where(unknown, -1, ROWS.groups["place"])})
    context = context_of(rows, X, LOGITS, tmp_path)
    base = LOGITS[context.scored].argmax(axis=1)
    for method in (OptimisedThresholds(), RejectOption()):
        predicted = method.answer(context).predicted
        assert (predicted == base)[unknown[context.scored]].all()
        assert (predicted != base).any()


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(["low", "high", "none"])), min_size=1),
    st.floats(0.5, 1),
)
def test_the_reject_option_changes_rows_of_the_critical_band_only(
    cells: list[tuple[float, str]], bound: float
) -> None:
    probability = np.array([p for p, _ in cells])
    low, high = (np.array([kind == name for _, kind in cells]) for name in ("low", "high"))
    selected = reject_option(probability, low, high, bound)
    critical = np.maximum(probability, 1 - probability) < bound
    plain = probability >= 0.5
    assert (selected == plain)[~critical].all()
    assert (selected == plain)[~low & ~high].all()
    assert selected[critical & low].all()
    assert not selected[critical & high].any()


def test_the_deprived_group_is_the_one_selected_less() -> None:
    selected = np.array([True, True, False, True, False, False, True])
    assert deprived_groups(selected, np.array([0, 0, 0, 1, 1, 1, -1])) == [1]


def test_the_reject_option_chooses_a_band_that_helps_the_worst_cell(context) -> None:
    answer = RejectOption().answer(context)
    base = LOGITS[context.scored].argmax(axis=1)
    value = context.criterion.value
    assert value(context.on_validation(answer.predicted)) >= value(context.on_validation(base))
    assert answer.notes["deprived"]


@pytest.mark.parametrize("method", [OptimisedThresholds(), RejectOption()])
def test_both_say_what_they_are_not_defined_for(method, tmp_path: Path) -> None:
    three = Schema(("a", "b", "c"), ("a",), SCHEMA.groups)
    with pytest.raises(NotApplicableError, match="two classes; this data has 3"):
        method.answer(context_of(ROWS, X, np.zeros((len(ROWS), 3)), tmp_path, three))
    alone = replace(ROWS, groups={"place": np.zeros(len(ROWS), dtype=int)})
    with pytest.raises(NotApplicableError, match="fewer than two groups"):
        method.answer(context_of(alone, X, LOGITS, tmp_path))
