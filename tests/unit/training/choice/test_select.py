"""The choice keeps to its limits, is certified only where it may be, and never looks at a test row."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_model import tiny_base

from evenhand.models.network.backbones import SplitModel
from evenhand.models.network.gated_lora import ConditionalLora
from evenhand.training.choice import candidates, select
from evenhand.training.choice.candidates import LEVELS, NEVER, STRENGTHS, CellScorer, Cuts, Setting
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.config import CorrectionConfig
from evenhand.training.learning.features import Features, Material

ROWS = 6000
SCHEMA = Schema(("no", "yes"), ("yes",), {"team": ("none", "a")})


class Known(candidates.PredictionTable):
    """What a corrected model would say, made up."""

    def __init__(self, answers: np.ndarray, base: np.ndarray) -> None:
        self._bits = np.array([1])
        self._predicted = np.stack([np.stack([base, answers], axis=1)] * len(STRENGTHS))


def chooser(mends: float, harms: float = 0.0, seed: int = 0, useless: bool = False) -> select.Chooser:
    """A base that is right for 80 % of the rows and for half of team a's "no" rows; a detector that sees the team."""
    rng = np.random.default_rng(seed)
    team, labels = (rng.random(ROWS) < 0.2).astype(int), rng.integers(0, 2, ROWS)
    right = rng.random(ROWS) < np.where((team == 1) & (labels == 0), 0.5, 0.8)
    base = np.where(right, labels, 1 - labels)
    split = np.array(["train", "held", "tune", "val", "test"])[rng.integers(0, 5, ROWS)]
    rows = Rows([""] * ROWS, labels, {"team": team}, split, np.arange(ROWS))
    improved = np.where((team == 1) & ~right & (rng.random(ROWS) < mends), labels, base)
    answers = np.where((team == 0) & (rng.random(ROWS) < harms), 1 - labels, improved)
    risk = rng.random(ROWS) if useless else np.where(team == 1, 0.9, 0.1) + 0.05 * rng.random(ROWS)
    logits = np.eye(2, dtype=np.float32)[base]
    features = Features(np.zeros((ROWS, 1), np.float32), np.arange(ROWS + 1), logits, logits)
    material = Material(features, rows, SCHEMA, 0)
    empty = ConditionalLora(SplitModel(tiny_base(), 2), ("team",))
    never = np.zeros((ROWS, 1), np.float32)
    made = select.Chooser(empty, material, never, team[:, None], rows.all()[:0])
    made.risk, made.cuts = (
        risk[:, None].astype(np.float32),
        Cuts(risk[:, None].astype(np.float32), team[:, None], rows),
    )
    made._table, made._place, made._chosen = Known(answers, base), np.arange(ROWS), np.arange(ROWS)
    return made


def choose(made: select.Chooser, **changes: float) -> select.Choice:
    rows = made.rows
    return made.choose(rows.of("tune"), rows.of("val"), replace(CorrectionConfig(epsilon=0.01), **changes))


def test_a_correction_that_helps_is_certified() -> None:
    choice = choose(chooser(mends=0.6))
    assert choice.certified
    assert choice.helps(0)
    assert choice.worst_cell == ("team", "a", "no") or choice.worst_cell == ("team", "any but none", "no")
    assert all(trial.loss_p < 0.05 and trial.gain_p < 0.05 for trial in choice.trials if trial.certified)
    plain = choice.plain()
    assert plain["settings_in_order"] == choice.tried
    assert len(plain["trials"]) == len(choice.trials)


def test_a_correction_that_does_nothing_or_harm_is_off() -> None:
    for made in (chooser(mends=0.0), chooser(mends=0.6, harms=0.4, useless=True)):
        choice = choose(made)
        assert not choice.certified
        assert not choice.helps(0)
        assert choice.setting.levels == (0.0,)


def test_a_useless_detector_is_certified_in_few_of_many_trials() -> None:
    certified = [
        choose(chooser(mends=0.0, harms=0.02, seed=seed, useless=True)).certified for seed in range(40)
    ]
    assert np.mean(certified) <= 0.05


def test_without_a_certificate_the_first_in_order_is_taken_and_nothing_is_claimed() -> None:
    made = chooser(mends=0.6)
    choice = made.choose(made.rows.of("tune", "val"), None, CorrectionConfig())
    assert choice.helps(0)
    assert not choice.certified
    assert choice.trials == ()


def test_no_test_row_decides() -> None:
    made = chooser(mends=0.6)
    before = choose(made)
    test = made.rows.of("test")
    made.rows.labels[test] = 1 - made.rows.labels[test]
    assert choose(made) == before


def test_a_setting_may_not_cost_more_than_was_allowed() -> None:
    made = chooser(mends=0.6, harms=0.5, useless=True)
    tune = made.rows.of("tune")
    floor = (made.base[tune] == made.rows.labels[tune]).mean()
    for setting in made.order(tune, 0.0):
        assert (made.predict(setting, tune) == made.rows.labels[tune]).mean() >= floor - 1e-9


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_flags_that_multiple_of_the_members(level: float) -> None:
    made = chooser(mends=0.5)
    held = made.rows.of("held", "tune")
    threshold = made.cuts.thresholds((level,))[0]
    share = (made.risk[held, 0] >= threshold).mean()
    assert share == pytest.approx(level * made.cuts.shares[0], abs=0.002)
    assert made.cuts.thresholds((0.0,)) == (NEVER,)


def test_settings_are_all_combinations_but_never() -> None:
    found = candidates.settings(2)
    assert len(found) == len(set(found)) == len(STRENGTHS) * ((len(LEVELS) + 1) ** 2 - 1)
    assert Setting(1.0, (0.0, 1.0)) in found


def test_small_cells_do_not_decide_and_no_attribute_means_everyone() -> None:
    made = chooser(mends=0.5)
    few = made.rows.of("val")[:40]
    scorer = CellScorer(made.rows, SCHEMA, few, made.base[few], 0.0)
    assert all(cell.sum() >= 30 for cell in scorer.members)
    everyone = CellScorer(
        made.rows, replace(SCHEMA, groups={}), made.rows.of("val"), made.base[made.rows.of("val")], 0.0
    )
    assert everyone.names == [("everyone", "everyone", "no"), ("everyone", "everyone", "yes")]


def test_where_attributes_of_tuning_rows_are_hidden_half_of_the_validation_rows_order() -> None:
    made = chooser(mends=0.5)
    order, certify = select.choice_rows(made.material, True)
    assert np.array_equal(order, made.rows.of("tune"))
    assert np.array_equal(certify, made.rows.of("val"))
    hidden = made.rows.groups["team"].copy()
    hidden[made.rows.of("train", "held", "tune")] = -1
    blind = replace(made.material, rows=replace(made.rows, groups={"team": hidden}))
    order, certify = select.choice_rows(blind, True)
    assert not set(order) & set(certify)
    assert set(order) | set(certify) == set(made.rows.of("tune", "val"))
    assert select.choice_rows(blind, False)[1] is None
