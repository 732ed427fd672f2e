"""Levels become risks on held-out rows, and the table gives both stages' inputs."""

from pathlib import Path

import numpy as np
import pytest
from corrector_cases import learnt

from evenhand.training.choice.candidates import (
    ALWAYS,
    LEVELS,
    NEVER,
    SURE,
    UNLIKELY,
    WIDEST,
    Cuts,
    LogitTable,
    levels_of,
    untouched,
)
from evenhand.training.data.dataset import Rows
from evenhand.training.learning.adapters import answers
from evenhand.training.learning.config import CorrectionConfig

ROWS = 6000


def cuts(share: float = 0.2, least: float = 0.0) -> tuple[Cuts, np.ndarray, Rows]:
    rng = np.random.default_rng(0)
    members = (rng.random(ROWS) < share).astype(int)[:, None]
    risk = (least + (1 - least) * rng.random((ROWS, 1))).astype(np.float32)
    split = np.array(["train", "held", "tune"])[np.arange(ROWS) % 3]
    rows = Rows([""] * ROWS, np.zeros(ROWS, int), {}, split, np.arange(ROWS))
    return Cuts(risk, members, rows), risk, rows


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_flags_that_multiple_of_the_members(level: float) -> None:
    made, risk, rows = cuts()
    held = rows.of("held", "tune")
    flagged = (risk[held, 0] >= made.thresholds((level,))[0]).mean()
    assert flagged == pytest.approx(min(WIDEST, level * made.shares[0]), abs=0.002)


def test_never_always_and_the_widest_level() -> None:
    made, risk, rows = cuts(share=0.7, least=0.4)
    assert made.thresholds((0.0,)) == (NEVER,)
    assert made.thresholds((ALWAYS,)) == (0.0,)
    widest = made.threshold(0, max(LEVELS))
    assert (risk[rows.of("held", "tune"), 0] >= widest).mean() == pytest.approx(WIDEST, abs=0.002)


def test_what_is_not_corrected_is_counted_from_the_risk_that_flags_as_many_rows_as_are_members() -> None:
    made, risk, rows = cuts()
    (counted_from,) = made.counting(CorrectionConfig())
    flagged = (risk[rows.of("held", "tune"), 0] >= counted_from).mean()
    assert flagged == pytest.approx(made.shares[0], abs=0.002)
    assert made.counting(CorrectionConfig(gate="always")) == (NEVER,)


def test_no_level_splits_rows_that_surely_belong_to_a_group() -> None:
    """A detector that is nearly never wrong says 0.9999 of all members, in no order that means anything."""
    rng = np.random.default_rng(0)
    members = (rng.random(ROWS) < 0.4).astype(int)[:, None]
    risk = (0.0001 + 0.9998 * members - 1e-5 * rng.random((ROWS, 1))).astype(np.float32)
    rows = Rows([""] * ROWS, np.zeros(ROWS, int), {}, np.full(ROWS, "held"), np.arange(ROWS))
    made = Cuts(risk, members, rows)
    for level in (0.5, 0.75):
        assert made.threshold(0, level) == SURE
        assert np.array_equal(risk >= SURE, members == 1)


def test_no_level_flags_rows_that_are_unlikely_to_belong_to_a_group() -> None:
    rng = np.random.default_rng(0)
    members = (rng.random(ROWS) < 0.4).astype(int)[:, None]
    risk = np.where(members == 1, 0.9, 0.05).astype(np.float32)
    rows = Rows([""] * ROWS, np.zeros(ROWS, int), {}, np.full(ROWS, "held"), np.arange(ROWS))
    made = Cuts(risk, members, rows)
    assert made.threshold(0, 2.0) == pytest.approx(UNLIKELY * made.shares[0])
    assert np.array_equal(risk >= made.threshold(0, 2.0), members == 1)


def test_only_always_may_be_chosen_where_every_row_is_corrected() -> None:
    assert levels_of(CorrectionConfig(gate="always")) == (ALWAYS,)
    assert untouched(2, 3).plain_levels == [0.0, 0.0]


def test_answers_are_computed_once_and_are_those_of_the_corrector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fairnet, inputs, _ = learnt("lora", tmp_path)
    features, rows = inputs.material.features, inputs.material.rows.of("val")[:40]
    table = LogitTable(fairnet.correction, features, inputs.risk)
    gates = np.arange(len(rows))[:, None] % 2 == 0
    gates = np.repeat(gates, inputs.risk.shape[1], axis=1)
    some, computed = table.logits(0.5, gates[:10], rows[:10]), []
    monkeypatch.setattr(
        "evenhand.training.choice.candidates.answers",
        lambda *arguments: computed.extend(arguments[2]) or answers(*arguments),
    )
    every = table.logits(0.5, gates, rows)
    assert set(computed) == set(rows[10:][gates[10:, 0]])
    assert np.array_equal(every[:10], some)
    with fairnet.correction.at_strength(0.5):
        expected = answers(fairnet.correction, features, rows, gates, inputs.risk[rows])
    np.testing.assert_allclose(every[gates[:, 0]], expected[gates[:, 0]], atol=1e-5)
    assert np.array_equal(every[~gates[:, 0]], features.base_logits[rows[~gates[:, 0]]])
    assert np.array_equal(table.logits(0.0, gates, rows), features.base_logits[rows])
    assert not np.allclose(every, features.base_logits[rows])
