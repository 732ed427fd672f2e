"""The correction learns on flagged rows what the base gets wrong, and leaves the others alone."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import tiny_base

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.gated_lora import ConditionalLora
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.metrics import MIN_CELL
from evenhand.training.learning import adapters
from evenhand.training.learning.adapters import anchor_weights, answers, prototypes
from evenhand.training.learning.config import CorrectionConfig
from evenhand.training.learning.features import Features, Material

ROWS = 400


Case = tuple[ConditionalLora, Material, np.ndarray]


def learn(folder: Path, keep_weight: float) -> Case:
    """The base's own answer is the label, except in team a, where it is the opposite for 80 % of the rows."""
    rng = np.random.default_rng(0)
    split = SplitModel(tiny_base(), 2)
    groups = rng.choice([0, 1], ROWS, p=[0.6, 0.4])
    ids = torch.from_numpy(rng.integers(4, 16, (ROWS, 6)))
    ids[:, 1:4] = torch.from_numpy(groups + 61)[:, None]  # the text names the team, loudly
    with torch.no_grad():
        # Centre the head, so that a random base says both labels equally often.
        split.model.classifier.bias.sub_(
            split.base({"input_ids": ids, "attention_mask": torch.ones_like(ids)})[0].median(dim=0).values
        )
        logits, hidden, representation = split.base(
            {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        )
    wrong = (groups == 1) & (rng.random(ROWS) < 0.8)
    own = logits.argmax(dim=1).numpy()
    labels = np.where(wrong, 1 - own, own)
    places = np.array(["train", "held", "val", "test"] * (ROWS // 4))
    rows = Rows([""] * ROWS, labels, {"team": groups}, places, np.arange(ROWS))
    features = Features(
        hidden.reshape(-1, 32).numpy(), np.arange(ROWS + 1) * 6, logits.numpy(), representation.numpy()
    )
    material = Material(features, rows, Schema(("no", "yes"), ("yes",), {"team": ("none", "a")}), seed=0)
    torch.manual_seed(0)
    correction = ConditionalLora(split, ("team",))
    config = CorrectionConfig(epochs=24, learning_rate=5e-3, keep_weight=keep_weight)
    hinge_open = adapters.learn(correction, material, groups[:, None] == 1, config, folder)
    assert hinge_open is not None
    assert 0.0 <= hinge_open <= 1.0
    return correction, material, groups


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return learn(tmp_path_factory.mktemp("work"), keep_weight=3.0)


def gain(case: Case, group: int) -> float:
    """Change in test accuracy of one group with every gate open."""
    correction, material, groups = case
    chosen = material.rows.of("test")
    chosen = chosen[groups[chosen] == group]
    truth = material.rows.labels[chosen]
    before = material.features.base_logits[chosen].argmax(axis=1) == truth
    after = (
        answers(correction, material.features, chosen, np.ones((len(chosen), 1), bool)).argmax(axis=1)
        == truth
    )
    return float(after.mean() - before.mean())


def test_flagged_rows_get_better(learnt: Case) -> None:
    assert gain(learnt, group=1) > 0.1


def test_holding_reference_rows_at_the_base_shrinks_the_harm_of_a_wrong_gate(
    learnt: Case, tmp_path: Path
) -> None:
    without = learn(tmp_path, keep_weight=0.0)
    assert gain(without, group=0) < gain(learnt, group=0) - 0.05


def test_prototypes_are_class_means_of_reference_held_out_rows() -> None:
    representation = np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0], [5.0, 5.0], [9.0, 0.0]], np.float32)
    rows = Rows(
        [""] * 5,
        np.array([0, 0, 1, 1, 1]),
        {},
        np.array(["held", "held", "held", "held", "val"]),
        np.arange(5),
    )
    features = Features(
        np.zeros((5, 2), np.float32), np.arange(6), np.zeros((5, 2), np.float32), representation
    )
    means = prototypes(features, rows, np.array([[True], [True], [True], [False], [True]]), 2)
    assert torch.allclose(means, torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]))


def test_balance_goes_from_all_rows_alike_to_all_cells_alike(learnt: Case) -> None:
    _, material, groups = learnt
    gates = np.ones((ROWS, 1), dtype=bool)
    held = material.rows.of("held")
    cell = (2 * material.rows.labels + groups)[held]
    assert torch.allclose(anchor_weights(material, gates, 0.0), torch.ones(ROWS, 1))
    weights = anchor_weights(material, gates, 1.0)[held, 0].numpy()
    assert weights.mean() == pytest.approx(1.0, abs=1e-5)
    masses = [weights[cell == kind].sum() for kind in range(4) if (cell == kind).sum() >= MIN_CELL]
    assert len(masses) > 1
    assert max(masses) == pytest.approx(min(masses), rel=1e-3)


def test_a_class_without_a_reference_row_gets_the_prototype_of_all_its_rows() -> None:
    representation = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
    rows = Rows([""] * 2, np.array([0, 1]), {}, np.array(["held", "held"]), np.arange(2))
    features = Features(
        np.zeros((2, 2), np.float32), np.arange(3), np.zeros((2, 2), np.float32), representation
    )
    means = prototypes(features, rows, np.array([[True], [False]]), 3)
    assert torch.allclose(means, torch.tensor([[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]))


def test_nothing_flagged_is_nothing_to_learn(learnt: Case, tmp_path: Path) -> None:
    correction, material, _ = learnt
    nobody = np.zeros((ROWS, 1), dtype=bool)
    assert adapters.learn(correction, material, nobody, CorrectionConfig(), tmp_path) is None
