"""Levels become risks on held-out rows, and the table gives both stages' inputs."""

import numpy as np
import pytest

from evenhand.training.choice.candidates import ALWAYS, LEVELS, NEVER, WIDEST, Cuts, levels_of, untouched
from evenhand.training.data.dataset import Rows
from evenhand.training.learning.config import CorrectionConfig

ROWS = 6000


def cuts(share: float = 0.2) -> tuple[Cuts, np.ndarray, Rows]:
    rng = np.random.default_rng(0)
    members = (rng.random(ROWS) < share).astype(int)[:, None]
    risk = rng.random((ROWS, 1)).astype(np.float32)
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
    made, risk, rows = cuts(share=0.7)
    assert made.thresholds((0.0,)) == (NEVER,)
    assert made.thresholds((ALWAYS,)) == (0.0,)
    widest = made.threshold(0, max(LEVELS))
    assert (risk[rows.of("held", "tune"), 0] >= widest).mean() == pytest.approx(WIDEST, abs=0.002)


def test_only_always_may_be_chosen_where_every_row_is_corrected() -> None:
    assert levels_of(CorrectionConfig(gate="always")) == (ALWAYS,)
    assert untouched(2, 3).plain_levels == [0.0, 0.0]
