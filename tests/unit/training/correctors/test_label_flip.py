"""Only close rows of flagged groups turn, and only in the direction of Kamiran's rule."""

import numpy as np
import pytest
from corrector_cases import given_of, logits_of, selected, tiny_split

from evenhand.training.baselines.postprocess import reject_option
from evenhand.training.correctors import label_flip
from evenhand.training.learning.config import CorrectionConfig

ROWS = 2000
NOBODY = np.zeros(ROWS, dtype=bool)


def case(lead: float):
    """Group 1's margins are ahead of the others' by ``lead``."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 2, ROWS)
    margins = (rng.normal(0, 1, ROWS) + lead * groups).astype(np.float32)
    inputs = given_of((margins > 0).astype(np.int64), groups, groups == 1, logits=logits_of(margins))
    corrector = label_flip.make(tiny_split(), ("team",), config=CorrectionConfig())
    return inputs, margins, corrector, label_flip.learn(corrector, inputs)


def turned(corrector, inputs, strength: float) -> np.ndarray:
    with corrector.at_strength(strength):
        return corrector.correct(selected(inputs, np.arange(ROWS))).numpy()


@pytest.mark.parametrize("lead", [-0.8, 0.8])
@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_it_is_the_reject_option_with_the_flag_for_the_group(lead: float, strength: float) -> None:
    inputs, margins, corrector, _ = case(lead)
    flagged = inputs.gates[:, 0]
    bound = 1.0 / (1.0 + np.exp(-strength * float(corrector.bands[0])))
    deprived, favoured = (flagged, NOBODY) if lead < 0 else (NOBODY, flagged)
    expected = reject_option(1.0 / (1.0 + np.exp(-margins.astype(np.float64))), deprived, favoured, bound)
    assert np.array_equal(turned(corrector, inputs, strength).argmax(axis=1) == 1, expected)


@pytest.mark.parametrize("lead", [-0.8, 0.8])
def test_close_flagged_rows_turn_one_way_and_no_other_row_moves(lead: float) -> None:
    inputs, margins, corrector, notes = case(lead)
    flagged, band = inputs.gates[:, 0], float(corrector.bands[0])
    assert band == pytest.approx(float(np.median(np.abs(margins[flagged]))), abs=1e-5)
    assert notes == {"widest band of margins": [pytest.approx(band, abs=1e-3)]}
    before, after = margins > 0, turned(corrector, inputs, 1.0)
    changed = before != (after.argmax(axis=1) == 1)
    close = flagged & (np.abs(margins) < band)
    assert changed.any()
    assert not (changed & ~close).any()
    assert (after.argmax(axis=1)[close] == (1 if lead < 0 else 0)).all()
    assert np.allclose(after[~close], logits_of(margins)[~close], atol=1e-6)
    # A turned row is as sure of its new label as it was of the old one.
    assert np.allclose(np.abs(after[:, 1] - after[:, 0]), np.abs(margins), atol=1e-5)


def test_with_nobody_to_compare_with_nothing_turns() -> None:
    inputs, margins, *_ = case(0.8)
    everyone = given_of(inputs.material.rows.labels, inputs.members[:, 0], ~NOBODY, logits=logits_of(margins))
    alone = label_flip.make(tiny_split(), ("team",), config=CorrectionConfig())
    label_flip.learn(alone, everyone)
    assert not alone.bands.any()
