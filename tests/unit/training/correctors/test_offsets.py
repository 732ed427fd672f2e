"""The decision stage as a corrector of its own: the base's answer, until offsets are chosen."""

from pathlib import Path

import numpy as np
from corrector_cases import OFFSETS, learnt, selected

from evenhand.training.correctors import named


def test_without_offsets_it_is_the_base_and_there_is_nothing_to_learn(tmp_path: Path) -> None:
    fairnet, data, notes = learnt("offsets", tmp_path)
    rows = data.held[:50]
    assert notes == {}
    fairnet.decision.set([(0.0, 0.0)])
    assert not fairnet.decision.active
    assert fairnet.reads == ("logits",)
    unchanged = fairnet.correct(selected(data, rows)).numpy()
    assert np.array_equal(unchanged, data.material.features.base_logits[rows])


def test_offsets_move_flagged_rows_by_their_risk_and_no_other_row(tmp_path: Path) -> None:
    fairnet, data, _ = learnt("offsets", tmp_path)
    rows = data.held[:50]
    assert fairnet.reads == ("logits", "risk")
    moved = fairnet.correct(selected(data, rows)).numpy() - data.material.features.base_logits[rows]
    flagged = data.gates[rows, 0]
    assert 0 < flagged.sum() < 50
    assert np.allclose(moved[flagged], data.risk[rows][flagged] * np.array(OFFSETS), atol=1e-6)
    assert not moved[~flagged].any()


def test_offsets_alone_are_chosen_at_no_strength() -> None:
    method = named("offsets")
    assert method.strengths == (0.0,)
    assert method.decides
    assert not method.soft
