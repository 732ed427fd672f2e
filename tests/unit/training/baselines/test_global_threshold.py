"""The offsets are the best there are by exhaustive search, cost what they may, and need a group or none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fairlearn.metrics import equalized_odds_difference
from synthetic import SCHEMA, context_of, spurious

from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.training.baselines.base import Beside, Context
from evenhand.training.baselines.global_threshold import (
    DeclaredOffsets,
    GlobalThreshold,
    ThresholdAtCost,
    best_offsets,
)
from evenhand.training.correctors.interface import NotApplicableError
from evenhand.training.data.dataset import Rows, Schema

ROWS, X = spurious(3000)
RNG = np.random.default_rng(0)
MARGIN = X[:, 0] + 0.4 * X[:, 1] - 0.8  # the favourable class is answered too seldom, on water most of all
LOGITS = np.stack([np.zeros(len(ROWS)), MARGIN], axis=1)


def context(folder: Path, rows: Rows = ROWS, target: Target | None = None) -> Context:
    made = context_of(rows, X, LOGITS, folder)
    if target is not None:
        made.__dict__["target"] = target
    return made


def aimed(measure: str, loss: float, cell: float | None = None) -> Target:
    aim = AttributeTarget(attribute="place", measure=measure)
    return Target(attributes=[aim], max_loss=loss, max_cell_loss=cell)


@pytest.mark.parametrize("measure", ["worst-cell", "equalized-odds", "demographic-parity"])
@pytest.mark.parametrize(("loss", "cell"), [(0.0, None), (0.02, None), (0.02, 0.05)])
def test_no_other_threshold_has_a_higher_value_on_validation_rows(
    tmp_path: Path, measure: str, loss: float, cell: float | None
) -> None:
    made = context(tmp_path, target=aimed(measure, loss, cell))
    answer = GlobalThreshold().answer(made)
    value = made.criterion.value
    margin = LOGITS[made.validation, 1] - LOGITS[made.validation, 0]
    every = [value((margin > cut).astype(int)) for cut in [-9.0, *np.sort(margin)]]
    own = made.on_validation(answer.predicted)
    assert value(own) == pytest.approx(max(every))
    assert made.criterion.scorer.accuracy_loss(own) <= loss + 1e-9


def test_one_threshold_is_the_same_for_every_row(tmp_path: Path) -> None:
    made = context(tmp_path)
    answer = GlobalThreshold().answer(made)
    scored = LOGITS[made.scored]
    offset = answer.notes["offsets"]["yes"]
    assert offset > 0
    assert answer.notes["offsets"]["no"] == 0
    assert answer.predicted.tolist() == (scored[:, 1] + offset > scored[:, 0]).astype(int).tolist()
    assert answer.score is not None
    assert answer.score.min() >= 0.5


@pytest.mark.parametrize("lost", [-0.01, 0.0, 0.01, 0.2])
def test_held_to_a_cost_it_is_the_best_threshold_within_it(tmp_path: Path, lost: float) -> None:
    made = context(tmp_path, target=aimed("worst-cell", 0.05))
    truth = ROWS.labels[made.validation]
    accuracy = float((LOGITS[made.validation].argmax(axis=1) == truth).mean())
    answer = ThresholdAtCost().held_to(Beside("certified-full", accuracy - lost)).answer(made)
    allowed = min(max(0.0, lost), 0.05)
    same = context(tmp_path, target=aimed("worst-cell", allowed))
    assert answer.predicted.tolist() == GlobalThreshold().answer(same).predicted.tolist()
    assert accuracy - float((made.on_validation(answer.predicted) == truth).mean()) <= allowed + 1e-9
    assert answer.notes["beside"] == "certified-full"
    assert answer.notes["may_lose"] == pytest.approx(max(0.0, lost), abs=1e-6)


def test_without_a_line_to_be_held_to_there_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(NotApplicableError, match="no method is there whose cost it could keep: certified-f"):
        ThresholdAtCost().answer(context(tmp_path))


def test_a_base_that_no_threshold_betters_stays(tmp_path: Path) -> None:
    right = np.stack([np.zeros(len(ROWS)), 2.0 * ROWS.labels - 1], axis=1)
    made = context_of(ROWS, X, right, tmp_path)
    answer = GlobalThreshold().answer(made)
    assert answer.notes["offsets"] == {"no": 0, "yes": 0}
    assert (answer.predicted == ROWS.labels[made.scored]).all()


def test_declared_groups_close_a_gap_that_one_threshold_leaves(tmp_path: Path) -> None:
    made = context(tmp_path, target=aimed("equalized-odds", 0.05))
    test = ROWS.split[made.scored] == "test"
    truth, place = ROWS.labels[made.scored][test], ROWS.groups["place"][made.scored][test]

    def gap(predicted: np.ndarray) -> float:
        return float(equalized_odds_difference(truth, predicted[test], sensitive_features=place))

    base, one, declared = (
        gap(predicted)
        for predicted in (
            LOGITS[made.scored].argmax(axis=1),
            GlobalThreshold().answer(made).predicted,
            DeclaredOffsets().answer(made).predicted,
        )
    )
    assert declared < 0.5 * one <= 0.5 * base + 0.05


def test_rows_without_a_declared_group_keep_the_bases_answer(tmp_path: Path) -> None:
    unknown = np.arange(len(ROWS)) % 4 == 0
    rows = replace(ROWS, groups={"place": np.where(unknown, -1, ROWS.groups["place"])})
    made = context(tmp_path, rows)
    answer, base = DeclaredOffsets().answer(made), LOGITS[made.scored].argmax(axis=1)
    assert (answer.predicted == base)[unknown[made.scored]].all()
    assert (answer.predicted != base).any()
    assert set(answer.notes["offsets"]) == {"land", "water"}
    alone = replace(ROWS, groups={"place": np.zeros(len(ROWS), dtype=int)})
    with pytest.raises(NotApplicableError, match="fewer than two groups"):
        DeclaredOffsets().answer(context(tmp_path, alone))


def test_of_three_classes_the_one_that_is_never_answered_is_found(tmp_path: Path) -> None:
    labels = np.arange(len(ROWS)) % 3
    logits = np.eye(3)[labels] + RNG.normal(0, 0.3, (len(ROWS), 3)) - np.array([0.0, 0.0, 2.0])
    rows = replace(ROWS, labels=labels)
    made = context_of(rows, X, logits, tmp_path, Schema(("a", "b", "c"), ("a",), SCHEMA.groups))
    answer = GlobalThreshold().answer(made)
    test = rows.split[made.scored] == "test"
    truth = labels[made.scored]
    base = logits[made.scored].argmax(axis=1)
    assert (base == truth)[test & (truth == 2)].mean() < 0.1
    assert (answer.predicted == truth)[test & (truth == 2)].mean() > 0.9
    assert (answer.predicted == truth)[test].mean() > 0.9


def test_the_search_moves_only_the_rows_of_its_sets() -> None:
    logits = np.stack([np.zeros(100), np.linspace(-1, 1, 100)], axis=1)
    inside = np.arange(100) % 2 == 0

    def selected(predicted: np.ndarray) -> np.ndarray:
        return predicted.mean(axis=1)

    (offsets,) = best_offsets(logits, [inside], selected)
    assert offsets[0] == 0
    moved = logits + np.where(inside[:, None], offsets, 0)
    assert (moved.argmax(axis=1) == 1)[inside].mean() >= 0.98
