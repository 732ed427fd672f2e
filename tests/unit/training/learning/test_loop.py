"""A run that was interrupted and resumed ends as one that was not, bit for bit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from evenhand.training.learning.loop import Plan, batches, fit

LENGTHS = list(np.random.default_rng(0).integers(1, 30, 90))


class Interrupted(Exception):
    pass


class Problem:
    """A small regression with dropout, so that randomness matters."""

    def __init__(self) -> None:
        torch.manual_seed(5)
        self.x, self.y = torch.randn(90, 6), torch.randn(90, 1)
        self.net = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 1))
        self.scores: list[float] = []
        self.stop_after: int | None = None

    def loss(self, rows: np.ndarray) -> Tensor:
        self.net.train()
        return (self.net(self.x[rows]) - self.y[rows]).square().mean()

    @torch.no_grad()
    def score(self) -> float:
        if self.stop_after is not None and len(self.scores) >= self.stop_after:
            raise Interrupted
        self.net.eval()
        self.scores.append(-float((self.net(self.x) - self.y).square().mean()))
        return self.scores[-1]

    def run(self, folder: Path, epochs: int = 6, patience: int = 9, rate: float = 1e-2) -> dict[str, Tensor]:
        plan = Plan("toy", epochs, rate, batch_rows=8, patience=patience, seed=3)
        fit(plan, dict(self.net.named_parameters()), LENGTHS, self.loss, self.score, folder)
        return {name: value.clone() for name, value in self.net.state_dict().items()}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("after", [0, 1, 3])
def test_resuming_changes_nothing(tmp_path: Path, after: int) -> None:
    whole = Problem().run(tmp_path / "whole")
    broken = Problem()
    broken.stop_after = after
    with pytest.raises(Interrupted):
        broken.run(tmp_path / "broken")
    resumed = Problem()
    assert same(resumed.run(tmp_path / "broken"), whole)
    assert len(resumed.scores) == 6 - after


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    first = Problem().run(tmp_path)
    again = Problem()
    assert same(again.run(tmp_path), first)
    assert not again.scores


def test_another_plan_starts_anew(tmp_path: Path) -> None:
    Problem().run(tmp_path)
    other = Problem()
    other.run(tmp_path, rate=2e-2)
    assert len(other.scores) == 6


def test_the_best_epoch_is_kept_and_patience_ends_the_run(tmp_path: Path) -> None:
    problem = Problem()
    worse = iter([0.1, 0.9, 0.5, 0.4, 0.3, 0.2])
    kept = {}

    def score() -> float:
        value = next(worse)
        if value == 0.9:
            kept.update({name: p.clone() for name, p in problem.net.state_dict().items()})
        problem.scores.append(value)
        return value

    problem.score = score  # type: ignore[method-assign]
    final = problem.run(tmp_path, patience=2)
    assert problem.scores == [0.1, 0.9, 0.5, 0.4]
    assert same(final, kept)


def test_a_loss_that_explodes_says_what_to_do(tmp_path: Path) -> None:
    problem = Problem()
    problem.x[0] = float("nan")
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        problem.run(tmp_path)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=300), st.integers(1, 40), st.integers(0, 5))
def test_batches_hold_every_row_once(lengths: list[int], rows: int, seed: int) -> None:
    row_batches = list(batches(lengths, rows, seed))
    assert sorted(np.concatenate(row_batches).tolist()) == list(range(len(lengths)))
    assert max(map(len, row_batches)) <= rows


def test_rows_of_a_batch_are_of_like_length() -> None:
    lengths = np.random.default_rng(1).integers(1, 100, 1000)
    padding = [lengths[b].max() * len(b) - lengths[b].sum() for b in batches(lengths.tolist(), 20, 0)]
    assert sum(padding) < 0.1 * lengths.sum()
