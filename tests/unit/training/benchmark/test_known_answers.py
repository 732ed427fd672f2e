"""Retrainings on a table where a shortcut tells the group: each improves its own aim over plain ERM."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from synthetic import SCHEMA, spurious, worst_cell

from evenhand.training.baselines.adversarial import Adversarial
from evenhand.training.baselines.base import Context, prepare
from evenhand.training.baselines.penalties import (
    CoralPenalty,
    HeadInput,
    MmdPenalty,
    RegularisedOdds,
    RegularisedParity,
)
from evenhand.training.baselines.resampling import Massaging, Mixup
from evenhand.training.baselines.retrain import Erm, Retraining
from evenhand.training.correctors.interface import NotApplicableError
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import DataError
from evenhand.training.learning.config import BaseConfig, CorrectionConfig, FitConfig, TargetConfig
from evenhand.training.learning.finetune import logits_of, predict

ROWS, X = spurious(1500, agree=0.9)
ROWS = replace(ROWS, items=[{"core": float(row[0]), "shortcut": float(row[1])} for row in X])
METHODS = (
    Massaging(),
    Mixup(),
    Adversarial(),
    RegularisedParity(),
    RegularisedOdds(),
    MmdPenalty(),
    CoralPenalty(),
)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    stage = BaseConfig(epochs=4, learning_rate=3e-3, batch_rows=64, hold_out=0.0)
    columns = Columns("", "label", ("place",), task="table")
    # Any loss of accuracy may be bought: here the question is what a method does, not what it costs.
    config = FitConfig(
        "made",
        "tabular",
        columns,
        base_stage=stage,
        correction=CorrectionConfig(target=TargetConfig(max_loss=1.0, max_cell_loss=None)),
    )
    return prepare(config, ROWS, SCHEMA, "made", tmp_path_factory.mktemp("known"))


def answers(context: Context, method: Retraining) -> tuple[torch.nn.Module, np.ndarray]:
    """The retrained model and its answers to the scored rows."""
    torch.manual_seed(0)
    model = method.retrained(context)
    assert not model.training
    return model, predict(model, context.base.encoded, context.scored, 0).argmax(1)


def parity(context: Context, predicted: np.ndarray) -> float:
    """Difference of the places' selection rates on test rows, where places say nothing about labels."""
    test = ROWS.split[context.scored] == "test"
    place, selected = ROWS.groups["place"][context.scored][test], predicted[test]
    return abs(float(selected[place == 1].mean() - selected[place == 0].mean()))


def group_accuracy(context: Context, model: torch.nn.Module) -> float:
    """How well a linear reader tells the place within a label from the representation, AUC on test rows."""
    states = {split: representation(context, model, ROWS.of(split)) for split in ("val", "test")}
    accuracies = []
    for label in (0, 1):
        rows = {split: ROWS.labels[ROWS.of(split)] == label for split in states}
        place = {split: ROWS.groups["place"][ROWS.of(split)][inside] for split, inside in rows.items()}
        reader = LogisticRegression(C=0.01).fit(states["val"][rows["val"]], place["val"])
        accuracies.append(
            roc_auc_score(place["test"], reader.decision_function(states["test"][rows["test"]]))
        )
    return float(np.mean(accuracies))


def representation(context: Context, model: torch.nn.Module, rows: np.ndarray) -> np.ndarray:
    """The head's input."""
    head = HeadInput(model)
    with head.around(rows), torch.no_grad():
        logits_of(model, [context.base.encoded[row] for row in rows], 0)
    return head.caught.numpy()


@pytest.fixture(scope="module")
def plain(context: Context) -> tuple[torch.nn.Module, np.ndarray]:
    return answers(context, Erm())


def test_plain_learning_takes_the_shortcut(
    context: Context, plain: tuple[torch.nn.Module, np.ndarray]
) -> None:
    model, predicted = plain
    assert worst_cell(context, predicted) < 0.3
    assert parity(context, predicted) > 0.5
    assert group_accuracy(context, model) > 0.98


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_groups_get_more_alike_answers_and_the_worst_cell_a_better_one(
    context: Context, plain: tuple[torch.nn.Module, np.ndarray], method: Retraining
) -> None:
    model, predicted = answers(context, method)
    assert worst_cell(context, predicted) > worst_cell(context, plain[1]) + 0.2
    assert parity(context, predicted) < 0.6 * parity(context, plain[1])
    if isinstance(method, MmdPenalty | CoralPenalty):
        assert group_accuracy(context, model) < group_accuracy(context, plain[0]) - 0.05


def test_where_no_group_stands_out_a_retraining_that_needs_them_says_so(context: Context) -> None:
    nobody = replace(ROWS, groups={"place": np.full(len(ROWS), -1)})
    for method in METHODS:
        with pytest.raises(NotApplicableError, match="fewer than two groups"):
            method.answer(replace(context, rows=nobody))
        with pytest.raises(DataError, match=f"--method {method.name}: fewer than two groups"):
            method.retrained(replace(context, rows=nobody))
