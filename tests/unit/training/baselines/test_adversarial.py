"""The direction is the paper's, and fairlearn's where fairlearn's is the paper's."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fairlearn.adversarial import _pytorch_engine
from torch import nn

from evenhand.training.baselines.adversarial import Adversary, against, surrogate
from evenhand.training.baselines.group_labels import LEFT_OUT, Groups


def test_no_part_of_a_step_helps_the_adversary() -> None:
    generator = torch.Generator().manual_seed(0)
    task, other = ([torch.randn(3, 4, generator=generator)] for _ in range(2))
    (projected,) = against(task, other, 0.0)
    assert float((projected * other[0]).sum()) == pytest.approx(0, abs=1e-5)
    (step,) = against(task, other, 2.0)
    assert torch.allclose(step, projected - 2.0 * other[0])
    assert torch.equal(against(task, [None], 2.0)[0], task[0])
    assert torch.equal(against(task, [torch.zeros(3, 4)], 2.0)[0], task[0])


def test_one_step_is_fairlearns(monkeypatch: pytest.MonkeyPatch) -> None:
    """On weights of one row: of a wider matrix its engine multiplies every row with every other (0.15)."""
    torch.manual_seed(0)
    x, y, a = torch.randn(16, 4), torch.randint(0, 2, (16, 1)).float(), torch.randint(0, 2, (16, 1)).float()
    predictor = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
    adversary = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1), nn.Sigmoid())
    loss, weights = nn.BCELoss(), list(predictor.parameters())
    answer = predictor(x)
    task, adversary_loss = loss(answer, y), loss(adversary(torch.cat([answer, y], dim=1)), a)
    own = torch.autograd.grad(task, weights, retain_graph=True)
    other = torch.autograd.grad(adversary_loss, weights)
    gradients = against(own, other, 0.7)
    monkeypatch.setattr(_pytorch_engine, "torch", torch)  # its own constructor does, and wants whole models
    engine = _pytorch_engine.PytorchEngine.__new__(_pytorch_engine.PytorchEngine)
    engine.base = SimpleNamespace(pass_y_=True, alpha=0.7)
    engine.predictor_model, engine.adversary_model = predictor, adversary
    engine.predictor_loss = engine.adversary_loss = loss
    engine.predictor_optimizer, engine.adversary_optimizer = (
        torch.optim.SGD(model.parameters(), lr=0.0) for model in (predictor, adversary)
    )
    engine.train_step(x, y, a)
    for weight, gradient in zip(weights, gradients, strict=True):
        assert torch.allclose(weight.grad, gradient, atol=1e-6)


def test_a_surrogate_has_the_value_and_the_gradients_that_it_is_given() -> None:
    weights = [torch.randn(2, 3, requires_grad=True), torch.randn(4, requires_grad=True)]
    gradients = [torch.randn(2, 3), torch.randn(4)]
    loss = surrogate(weights, gradients, torch.tensor(1.5))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(1.5, abs=1e-5)
    assert all(torch.allclose(w.grad, g) for w, g in zip(weights, gradients, strict=True))


@pytest.mark.parametrize("tells", [True, False])
def test_the_adversary_learns_groups_that_answers_give_away_beyond_the_label(tells: bool) -> None:
    rng = np.random.default_rng(0)
    codes, labels = rng.integers(0, 3, 600), rng.integers(0, 2, 600)
    shown = np.stack([np.zeros(600), (2.0 * codes if tells else 2.0 * labels) - 2.0], axis=1)
    torch.manual_seed(0)
    adversary = Adversary(Groups(("a", "b", "c"), codes, labels, 2))
    logits = torch.from_numpy(shown).float()
    for _ in range(300):
        adversary.step(logits, np.arange(600))
    loss = float(adversary.loss(logits, np.arange(600)))
    assert loss < 0.1 if tells else loss == pytest.approx(np.log(3), abs=0.02)


def test_rows_that_are_left_out_teach_it_nothing() -> None:
    adversary = Adversary(Groups(("a", "b"), np.full(4, LEFT_OUT), np.zeros(4, dtype=np.int64), 2))
    before = [weight.clone() for weight in adversary.net.parameters()]
    adversary.step(torch.randn(4, 2), np.arange(4))
    assert all(torch.equal(a, b) for a, b in zip(before, adversary.net.parameters(), strict=True))
