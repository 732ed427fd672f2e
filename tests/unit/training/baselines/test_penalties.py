"""Penalties are what their definitions say, on numbers computed another way."""

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel

from evenhand.training.baselines.penalties import BANDWIDTHS, Coral, Mmd, RateGap, RunningMeans

RNG = np.random.default_rng(0)
N = 300
GROUPS, LABELS = RNG.integers(0, 3, N), RNG.integers(0, 2, N)
LOGITS = RNG.normal(size=(N, 2)) + np.stack([np.zeros(N), 0.8 * GROUPS], axis=1)
SHARE = 1 / (1 + np.exp(LOGITS[:, 0] - LOGITS[:, 1]))
FAVOURABLE = torch.tensor([False, True])
STATES = RNG.normal(size=(N, 5)) * (1 + 0.5 * GROUPS[:, None]) + GROUPS[:, None] * np.arange(5) * 0.2


def tensors(*values: np.ndarray) -> list[torch.Tensor]:
    return [torch.from_numpy(value) for value in values]


def parity(share: np.ndarray, groups: np.ndarray) -> float:
    return float(
        np.mean([(share[groups == group].mean() - share.mean()) ** 2 for group in np.unique(groups)])
    )


def test_parity_is_the_mean_squared_gap_to_the_rate_of_all() -> None:
    logits, groups = tensors(LOGITS, GROUPS)
    penalty = RateGap(FAVOURABLE, 3, 1)(logits, groups, torch.zeros_like(groups))
    assert float(penalty) == pytest.approx(parity(SHARE, GROUPS))


def test_odds_are_parity_within_every_label() -> None:
    logits, groups, labels = tensors(LOGITS, GROUPS, LABELS)
    penalty = RateGap(FAVOURABLE, 3, 2)(logits, groups, labels)
    within = [parity(SHARE[label == LABELS], GROUPS[label == LABELS]) for label in (0, 1)]
    assert float(penalty) == pytest.approx(sum(within))


def test_the_gradient_of_a_first_batch_is_that_of_the_definition() -> None:
    logits, groups = tensors(LOGITS, GROUPS)
    leaf = logits.clone().requires_grad_()
    RateGap(FAVOURABLE, 3, 1)(leaf, groups, torch.zeros_like(groups)).backward()
    plain = logits.clone().requires_grad_()
    share = torch.softmax(plain, dim=1)[:, 1]
    torch.stack([(share[groups == group].mean() - share.mean()) ** 2 for group in range(3)]).mean().backward()
    assert torch.allclose(leaf.grad, plain.grad)


def test_a_group_that_was_never_seen_has_no_gap() -> None:
    logits, groups = tensors(LOGITS, GROUPS)
    at = groups < 2
    penalty = RateGap(FAVOURABLE, 3, 1)(logits[at], groups[at], torch.zeros_like(groups[at]))
    assert float(penalty) == pytest.approx(parity(SHARE[GROUPS < 2], GROUPS[GROUPS < 2]) * 2 / 3)


def test_running_means_remember_what_a_batch_lacks_and_learn_from_what_it_has() -> None:
    running = RunningMeans(3, step=0.5)
    running(torch.tensor([6.0, 10.0, 0.0]), torch.tensor([2, 1, 0]))
    sums = torch.tensor([12.0, 0.0, 0.0], requires_grad=True)
    means = running(sums, torch.tensor([2, 0, 0]))
    assert means[:2].tolist() == [4.5, 10.0]
    assert running.seen.tolist() == [True, True, False]
    means[0].backward()
    assert sums.grad.tolist() == [0.5, 0.0, 0.0]


def test_coral_is_the_squared_difference_of_means_and_covariances() -> None:
    expected = []
    for label in (0, 1):
        whole = STATES[label == LABELS]
        for group in range(3):
            part = STATES[(label == LABELS) & (group == GROUPS)]
            means = ((part.mean(axis=0) - whole.mean(axis=0)) ** 2).mean()
            spread = np.cov(part.T, bias=True) - np.cov(whole.T, bias=True)
            expected.append(means + (spread**2).mean())
    assert float(Coral(3, 2)(*tensors(STATES, GROUPS, LABELS))) == pytest.approx(np.mean(expected))


def test_mmd_is_the_u_statistic_under_scikit_learns_kernel() -> None:
    squared = ((STATES[:, None] - STATES[None]) ** 2).sum(axis=2)
    usual = squared.sum() / (N * (N - 1))
    kernel = np.mean([rbf_kernel(STATES, gamma=1 / (usual * width)) for width in BANDWIDTHS], axis=0)

    def within(at: np.ndarray) -> float:
        part = kernel[np.ix_(at, at)]
        return (part.sum() - np.trace(part)) / (at.sum() * (at.sum() - 1))

    expected = []
    for label in (0, 1):
        for group in range(3):
            a, b = (label == LABELS) & (group == GROUPS), (label == LABELS) & (group != GROUPS)
            expected.append(within(a) + within(b) - 2 * kernel[np.ix_(a, b)].mean())
    assert float(Mmd()(*tensors(STATES, GROUPS, LABELS))) == pytest.approx(np.mean(expected))


def test_mmd_of_groups_that_do_not_differ_is_zero_on_average_however_few_rows() -> None:
    rng = np.random.default_rng(1)
    penalties = [
        float(Mmd()(*tensors(rng.normal(size=(12, 4)), rng.integers(0, 2, 12), np.zeros(12, dtype=int))))
        for _ in range(800)
    ]
    assert abs(np.mean(penalties)) < 4 * np.std(penalties) / np.sqrt(len(penalties))


def test_mmd_of_one_group_alone_is_nothing_and_can_be_differentiated() -> None:
    states = torch.randn(4, 3, requires_grad=True)
    penalty = Mmd()(states, torch.zeros(4, dtype=torch.int64), torch.zeros(4, dtype=torch.int64))
    penalty.backward()
    assert float(penalty.detach()) == 0
    assert (states.grad == 0).all()
