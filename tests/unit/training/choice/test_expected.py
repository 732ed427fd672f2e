"""Expected changes are the counted ones where labels are certain, and nearer to the truth elsewhere."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evenhand.models.bundle.target import AttributeTarget, Measure, Target
from evenhand.training.choice.expected import ExpectedShares, LabelledSet, label_probabilities
from evenhand.training.choice.scorer import TargetScorer
from evenhand.training.data.dataset import Rows, Schema

SCHEMA = Schema(("a", "b", "c"), ("c",), {"team": ("red", "blue", "green")})
ROWS = 600


def made(seed: int) -> tuple[Rows, np.ndarray, np.ndarray]:
    """Rows, the base's classes, and other answers ``(settings, rows)``."""
    rng = np.random.default_rng(seed)
    labels, base = rng.integers(0, 3, (2, ROWS))
    rows = Rows(
        [""] * ROWS, labels, {"team": rng.integers(-1, 3, ROWS)}, np.full(ROWS, "val"), np.arange(ROWS)
    )
    return rows, base, rng.integers(0, 3, (4, ROWS))


@given(st.integers(0, 1000), st.sampled_from(["worst-cell", "equalized-odds", "demographic-parity"]))
def test_certain_labels_count(seed: int, measure: Measure) -> None:
    rows, base, predicted = made(seed)
    target = Target(attributes=[AttributeTarget(attribute="team", measure=measure)], max_loss=1.0)
    certain = np.eye(3, dtype=np.float32)[rows.labels]
    counted = TargetScorer(rows, SCHEMA, rows.all(), base, target)
    expected = TargetScorer(rows, SCHEMA, rows.all(), base, target, certain)
    assert expected.merits(predicted) == pytest.approx(counted.merits(predicted), abs=1e-5)
    assert expected.cell_losses(predicted[0]) == pytest.approx(counted.cell_losses(predicted[0]), abs=1e-5)
    assert expected.accuracy_loss(predicted[0]) == pytest.approx(
        counted.accuracy_loss(predicted[0]), abs=1e-5
    )


def test_what_moves_is_counted_whatever_it_moves_to() -> None:
    base, labels = np.array([0, 0, 1, 1]), np.eye(2, dtype=np.float32)[[0, 1, 1, 0]]
    everyone = LabelledSet(np.ones(4, bool), np.ones(2, bool))
    first = LabelledSet(np.array([True, True, False, False]), np.array([False, True]))
    shares = ExpectedShares.right(labels, base, [everyone, first])
    answers = np.array([[1, 1, 1, 1], [0, 0, 1, 1]])
    assert shares.change(answers).tolist() == [[0.0, 1.0], [0.0, 0.0]]
    change, moved = shares.change_and_moved(answers)
    assert change.tolist() == shares.change(answers).tolist()
    assert moved.tolist() == [[0.5, 1.0], [0.0, 0.0]]
    favourable = ExpectedShares.favourable(labels, base, [everyone, first], np.array([False, True]))
    assert favourable.change(answers).tolist() == [[0.5, 1.0], [0.0, 0.0]]


def population(seed: int, size: int) -> tuple[Rows, np.ndarray]:
    """Rows whose labels follow their scores, shifted for one group; logits ``(rows, 2)``."""
    rng = np.random.default_rng(seed)
    group, margin = rng.integers(0, 2, size), rng.normal(size=size)
    labels = (rng.random(size) < 1 / (1 + np.exp(-2 * margin - group))).astype(int)
    rows = Rows([""] * size, labels, {"team": group}, np.full(size, "val"), np.arange(size))
    return rows, np.stack([-margin / 2, margin / 2], axis=1).astype(np.float32)


def test_expected_changes_are_nearer_to_the_truth_than_counted_ones() -> None:
    schema = Schema(("no", "yes"), ("yes",), {"team": ("red", "blue")})

    def change(seed: int, size: int, *, expects: bool) -> float:
        """What an offset of 0.3 for one group does to the accuracy."""
        rows, logits = population(seed, size)
        base = logits.argmax(axis=1)
        moved = np.where(rows.groups["team"] == 1, (logits[:, 1] + 0.3 > logits[:, 0]).astype(int), base)
        if not expects:
            return float((moved == rows.labels).mean() - (base == rows.labels).mean())
        probabilities = label_probabilities(rows, schema, rows.all(), [logits])
        everyone = LabelledSet(np.ones(size, bool), np.ones(2, bool))
        return float(ExpectedShares.right(probabilities, base, [everyone]).change(moved[None])[0, 0])

    truth = change(0, 400_000, expects=False)
    errors = {
        expects: np.sqrt(
            np.mean([(change(seed, 1000, expects=expects) - truth) ** 2 for seed in range(1, 41)])
        )
        for expects in (True, False)
    }
    assert errors[True] < 0.6 * errors[False]


def test_a_label_that_no_row_has_is_never_expected() -> None:
    rows, logits = population(0, 50)
    schema = Schema(("no", "yes"), ("yes",), {"team": ("red", "blue")})
    one = np.flatnonzero(rows.labels == 1)
    probabilities = label_probabilities(rows, schema, one, [logits[one]])
    assert probabilities.tolist() == [[0.0, 1.0]] * len(one)
