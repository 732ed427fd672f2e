"""Losses by hand, and their edges."""

import pytest
import torch
from torch.nn import functional

from evenhand.training.learning.losses import contrastive_loss, detector_loss, keep_loss, task_loss


def test_unknown_groups_teach_the_detector_nothing() -> None:
    logits = torch.randn(4, 2, requires_grad=True)
    mask = torch.tensor([[True, False], [True, False], [False, False], [False, True]])
    detector_loss(logits, torch.ones(4, 2), mask, torch.ones(2)).backward()
    assert torch.equal(logits.grad != 0, mask)
    nothing = detector_loss(logits, torch.ones(4, 2), torch.zeros(4, 2, dtype=torch.bool), torch.ones(2))
    assert nothing == 0


def test_the_detector_loss_balances_classes() -> None:
    logits, members = torch.zeros(10, 1), torch.tensor([1.0] + [0.0] * 9).unsqueeze(1)
    balanced = detector_loss(
        logits.requires_grad_(), members, torch.ones(10, 1, dtype=torch.bool), torch.tensor([9.0])
    )
    balanced.backward()
    assert logits.grad.sum() == pytest.approx(0.0, abs=1e-7)


def test_the_hinge_is_shut_at_the_own_prototype_and_open_at_a_wrong_one() -> None:
    prototypes = torch.eye(3)
    at_home, share = contrastive_loss(prototypes, torch.arange(3), prototypes, torch.ones(3), 0.5)
    assert (at_home, share) == (0.0, 0.0)
    astray, share = contrastive_loss(prototypes[[1]], torch.tensor([0]), prototypes, torch.ones(1), 0.5)
    assert astray == pytest.approx(2.5)
    assert share == 1.0


def test_only_the_direction_of_a_representation_counts() -> None:
    prototypes = functional.normalize(torch.randn(2, 8), dim=1)
    z, labels = torch.randn(6, 8), torch.tensor([0, 1, 0, 1, 0, 1])
    one = contrastive_loss(z, labels, prototypes, torch.ones(6), 0.5)[0]
    assert torch.allclose(
        one, contrastive_loss(z * 100, labels, prototypes, torch.ones(6), 0.5)[0], atol=1e-5
    )


def test_the_negative_is_the_nearest_wrong_class() -> None:
    prototypes = functional.normalize(torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]), dim=1)
    z = torch.tensor([[0.6, 0.8]])
    loss = contrastive_loss(z, torch.tensor([0]), prototypes, torch.ones(1), 0.5)[0]
    assert loss == pytest.approx((0.4**2 + 0.8**2) - (0.6**2 + 0.2**2) + 0.5, abs=1e-5)


def test_row_weights_move_the_task_loss() -> None:
    logits, labels = torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
    even = task_loss(logits, labels, torch.ones(2))
    assert even == pytest.approx(functional.cross_entropy(logits, labels).item())
    assert task_loss(logits, labels, torch.tensor([0.5, 1.5])) > even


def test_keeping_the_base_costs_nothing_and_leaving_it_something() -> None:
    base = torch.randn(5, 3)
    assert keep_loss(base + 7.0, base) == pytest.approx(0.0, abs=1e-6)
    assert keep_loss(base.flip(1), base) > 0.01
