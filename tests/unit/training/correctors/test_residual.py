"""The residual finds what the base's last layer should have added, and lowers the loss that it is for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from corrector_cases import given_of, learnt, logits_of, selected, tiny_split
from torch.nn import functional

from evenhand.training.correctors import residual
from evenhand.training.correctors.interface import CorrectorInput
from evenhand.training.correctors.residual import RIDGES, cell_weights
from evenhand.training.learning.config import CorrectionConfig

ROWS, WIDTH = 3000, 32


def case(seed: int = 0, rows: int = ROWS) -> CorrectorInput:
    """The base reads the first feature; for team a, a third of the rows, the second decides instead."""
    rng = np.random.default_rng(seed)
    states = rng.normal(size=(rows, WIDTH))
    groups = (rng.random(rows) < 1 / 3).astype(np.int64)
    margins = 2 * states[:, 0]
    true = margins + groups * (3 * states[:, 1] - 2 * states[:, 0])
    labels = (rng.random(rows) < 1 / (1 + np.exp(-true))).astype(np.int64)
    return given_of(
        labels,
        groups,
        groups == 1,
        logits=logits_of(margins),
        representation=states,
        risk=groups.astype(float),
    )


def learnt_on(inputs: CorrectorInput):
    corrector = residual.make(tiny_split(), ("team",), config=CorrectionConfig())
    return corrector, residual.learn(corrector, inputs)


def weighted_loss(inputs: CorrectorInput, logits: torch.Tensor) -> float:
    rows = np.arange(len(logits))
    losses = functional.cross_entropy(logits, torch.from_numpy(inputs.material.rows.labels), reduction="none")
    return float((losses * torch.from_numpy(cell_weights(inputs, rows))).mean())


def test_it_finds_what_the_base_should_have_added() -> None:
    corrector, notes = learnt_on(case())
    # Of two classes only the difference matters.
    added = (corrector.weights[0, :, 1] - corrector.weights[0, :, 0]).numpy()
    # -2 and 3 are right; the ridge makes them smaller.
    assert -2.3 < added[0] < -1.2
    assert 2.0 < added[1] < 3.3
    assert np.abs(added[2:]).max() < 0.5
    assert notes == {"residual's ridge": notes["residual's ridge"], "rows it learnt from": ROWS}
    assert notes["residual's ridge"] in RIDGES


def test_it_lowers_the_weighted_loss_on_fresh_rows_and_leaves_shut_rows_alone() -> None:
    corrector, _ = learnt_on(case())
    fresh = case(seed=1)
    rows = np.arange(ROWS)
    base = torch.from_numpy(fresh.material.features.base_logits)
    corrected = corrector.correct(selected(fresh, rows))
    assert weighted_loss(fresh, corrected) < 0.8 * weighted_loss(fresh, base)
    shut = torch.from_numpy(~fresh.gates[:, 0])
    assert torch.equal(corrected[shut], base[shut])
    right = (corrected.argmax(dim=1).numpy() == fresh.material.rows.labels)[fresh.gates[:, 0]]
    before = (base.argmax(dim=1).numpy() == fresh.material.rows.labels)[fresh.gates[:, 0]]
    assert right.mean() > before.mean() + 0.15


def test_its_change_grows_with_strength_and_risk() -> None:
    inputs = case(rows=400)
    corrector, _ = learnt_on(inputs)
    rows = np.flatnonzero(inputs.gates[:, 0])
    base = torch.from_numpy(inputs.material.features.base_logits[rows])
    whole = corrector.correct(selected(inputs, rows)) - base
    with corrector.at_strength(0.5):
        half = corrector.correct(selected(inputs, rows)) - base
    unsure = corrector.correct(selected(replace(inputs, risk=inputs.risk / 2), rows)) - base
    assert torch.allclose(half, whole / 2, atol=1e-5)
    assert torch.allclose(unsure, whole / 2, atol=1e-5)
    assert whole.abs().max() > 1.0


def test_where_the_base_is_right_as_it_is_little_is_added() -> None:
    """Labels are drawn by the base's own scores, so what is learnt is noise, and the ridge holds it down."""
    rng = np.random.default_rng(2)
    states, groups = rng.normal(size=(ROWS, WIDTH)), rng.integers(0, 2, ROWS)
    margins = 2 * states[:, 0]
    labels = (rng.random(ROWS) < 1 / (1 + np.exp(-margins))).astype(np.int64)
    inputs = given_of(
        labels,
        groups,
        groups == 1,
        logits=logits_of(margins),
        representation=states,
        risk=groups.astype(float),
    )
    corrector, notes = learnt_on(inputs)
    assert notes["residual's ridge"] > RIDGES[0]
    changed = corrector.correct(selected(inputs, np.arange(ROWS))).argmax(dim=1).numpy()
    base = inputs.material.features.base_logits.argmax(axis=1)
    assert (changed != base).mean() < 0.05


def test_cells_are_weighed_alike() -> None:
    labels, groups = (
        np.repeat([0, 1, 0, 1], [400, 200, 300, 100]),
        np.repeat([0, 0, 1, 1], [400, 200, 300, 100]),
    )
    weights = cell_weights(given_of(labels, groups, groups == 1), np.arange(1000))
    sums = [weights[(labels == label) & (groups == group)].sum() for label in (0, 1) for group in (0, 1)]
    assert sums == pytest.approx([250] * 4, rel=1e-4)
    assert weights.mean() == pytest.approx(1.0)


def test_a_handful_of_rows_of_a_cell_does_not_rule() -> None:
    labels, groups = np.repeat([0, 1], [997, 3]), np.zeros(1000, int)
    weights = cell_weights(given_of(labels, groups, groups == 1), np.arange(1000))
    # As if the cell had 30 rows, the least that count as a cell.
    assert weights[-1] / weights[0] == pytest.approx(997 / 30, rel=1e-4)


def test_too_few_held_out_rows_teach_nothing() -> None:
    corrector, notes = learnt_on(case(rows=29))
    assert notes == {}
    assert not corrector.weights.any()


def test_the_same_rows_teach_the_same(tmp_path: Path) -> None:
    one, other = (learnt("residual", tmp_path)[0].correction for _ in range(2))
    assert torch.equal(one.weights, other.weights)
    assert one.weights.any()
