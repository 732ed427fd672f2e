"""After erasing, no linear classifier tells the groups apart; what does not tell them apart stays."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from concept_erasure import LeaceEraser
from corrector_cases import given_of, selected, tiny_split
from sklearn.linear_model import LogisticRegression

from evenhand.training.correctors import erasure
from evenhand.training.correctors.erasure import ABOVE_CHANCE, MOST_DIRECTIONS
from evenhand.training.correctors.interface import NotApplicableError
from evenhand.training.learning.config import CorrectionConfig

ROWS = 3000
DIRECTIONS = 3
"""In so many axes the groups differ, each by its own amount; the other axes are noise."""


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    groups = (rng.random(ROWS) < 0.3).astype(np.int64)
    x = rng.normal(0, 1, (ROWS, 32)) + rng.normal(0, 2, 32)
    x[:, :DIRECTIONS] += groups[:, None] * np.array([2.0, 1.0, 0.7])
    labels = rng.integers(0, 2, ROWS)
    return given_of(labels, groups, np.ones(ROWS, dtype=bool), representation=x)


def learnt(inputs, learn, kind):
    make = partial(erasure.make, kind=kind)
    corrector = make(tiny_split(), ("team",), config=CorrectionConfig())
    return corrector, learn(corrector, inputs)


def erased_of(corrector, inputs) -> np.ndarray:
    """What the head gets of every row; the erasure alone, by its definition."""
    x = torch.from_numpy(inputs.material.features.representation)
    return (x - (x - corrector.means[0]) @ corrector.projections[0].T).numpy()


def balanced_accuracy(x: np.ndarray, groups: np.ndarray) -> float:
    probe = LogisticRegression(class_weight="balanced", max_iter=1000).fit(x, groups)
    return float(np.mean([(probe.predict(x)[groups == group] == group).mean() for group in (0, 1)]))


def test_after_leace_a_probe_is_at_chance_and_the_means_are_one(inputs) -> None:
    corrector, _ = learnt(inputs, erasure.learn_leace, erasure.Leace)
    groups, before = inputs.members[:, 0], inputs.material.features.representation
    after = erased_of(corrector, inputs)
    assert balanced_accuracy(before, groups) > 0.85
    assert balanced_accuracy(after, groups) < 0.5 + ABOVE_CHANCE
    assert after[groups == 1].mean(axis=0) == pytest.approx(after[groups == 0].mean(axis=0), abs=1e-4)


def test_leace_is_the_librarys_own(inputs) -> None:
    corrector, _ = learnt(inputs, erasure.learn_leace, erasure.Leace)
    x = torch.from_numpy(inputs.material.features.representation.astype(np.float64))
    z = torch.nn.functional.one_hot(torch.from_numpy(inputs.members[:, 0])).double()
    exact = {"shrinkage": False, "constrain_cov_trace": False, "svd_tol": 1e-6}
    library = LeaceEraser.fit(x, z, **exact)(x)
    assert np.abs(erased_of(corrector, inputs) - library.numpy()).max() < 1e-4
    rows = np.arange(64)
    with torch.no_grad():
        logits = corrector.correct(selected(inputs, rows))
        assert torch.allclose(logits, corrector.head(library[rows].float()), atol=1e-4)


def test_inlp_leaves_nothing_to_find_and_all_else_as_it_is(inputs) -> None:
    corrector, notes = learnt(inputs, erasure.learn_inlp, erasure.Inlp)
    groups, before = inputs.members[:, 0], inputs.material.features.representation.astype(np.float64)
    basis = erasure.nullspace_directions(before, groups)
    assert notes == {"directions projected out": [len(basis)]}
    assert 1 <= len(basis) < MOST_DIRECTIONS
    assert np.allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-8)
    after = erased_of(corrector, inputs)
    assert balanced_accuracy(after, groups) < 0.5 + 2 * ABOVE_CHANCE
    assert np.abs(after @ basis.T).max() < 1e-3
    outside = np.eye(32) - basis.T @ basis
    assert np.abs((after - before) @ outside).max() < 1e-3


def test_one_row_is_erased_and_its_neighbour_is_not(inputs) -> None:
    corrector, _ = learnt(inputs, erasure.learn_leace, erasure.Leace)
    rows = np.arange(10)
    half = replace(inputs, gates=np.arange(ROWS)[:, None] % 2 == 0)
    heads = torch.from_numpy(inputs.material.features.representation[rows])
    expected = heads.clone()
    expected[::2] = torch.from_numpy(erased_of(corrector, inputs)[:10:2])
    with torch.no_grad():
        logits = corrector.correct(selected(half, rows))
        assert torch.allclose(logits, corrector.head(expected), atol=1e-5)
        assert torch.equal(logits[1::2], corrector.head(heads)[1::2])


def test_rows_of_unknown_group_teach_nothing(inputs) -> None:
    members = np.where(np.arange(ROWS)[:, None] % 3 == 0, -1, inputs.members)
    strange = inputs.material.features.representation.copy()
    strange[::3] = 1e3
    features = replace(inputs.material.features, representation=strange)
    partly = replace(inputs, members=members, material=replace(inputs.material, features=features))
    corrector, _ = learnt(partly, erasure.learn_leace, erasure.Leace)
    labelled = np.flatnonzero(members[:, 0] >= 0)
    means = [
        erased_of(corrector, partly)[labelled][members[labelled, 0] == group].mean(axis=0) for group in (0, 1)
    ]
    assert means[0] == pytest.approx(means[1], abs=1e-4)


@pytest.mark.parametrize("learn", [erasure.learn_leace, erasure.learn_inlp])
def test_one_group_cannot_be_erased(inputs, learn) -> None:
    alone = replace(inputs, members=np.where(inputs.members == 1, -1, inputs.members))
    with pytest.raises(NotApplicableError, match="team: training rows know fewer than two groups"):
        learnt(alone, learn, erasure.Leace)
