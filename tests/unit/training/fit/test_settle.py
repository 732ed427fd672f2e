"""What was chosen is what is written: after the choice the model answers as the chooser said it would."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from corrector_cases import learnt, selected

from evenhand.models.network.fairnet import FairNet
from evenhand.training.choice.candidates import HARD_LEVEL, Setting
from evenhand.training.choice.select import Chooser, LearntCorrector
from evenhand.training.correctors import correctors, named
from evenhand.training.correctors.interface import CorrectorInput
from evenhand.training.fit.run import settle
from evenhand.training.learning.config import CorrectionConfig, TargetConfig

CONFIG = CorrectionConfig(target=TargetConfig("equalized-odds", max_loss=1.0, max_cell_loss=None))
CHOSEN = [name for name, method in correctors().items() if method.chosen]


def case(name: str, folder: Path) -> tuple[FairNet, CorrectorInput, Chooser]:
    fairnet, inputs, _ = learnt(name, folder)
    fresh = inputs.material.rows.of("tune")
    of_learner = LearntCorrector(fairnet.correction, named(name), inputs.risk, inputs.members, fresh)
    chooser = Chooser(of_learner, inputs.material, CONFIG)
    return fairnet, inputs, chooser


@pytest.mark.parametrize("name", CHOSEN)
def test_the_model_answers_as_the_chooser_said(name: str, tmp_path: Path) -> None:
    fairnet, inputs, chooser = case(name, tmp_path)
    rows = inputs.material.rows.of("val")
    choice = chooser.choose(rows, None, 0.05)
    chosen = choice.setting
    if not any(chosen.levels):  # nothing did better: any setting must answer as it says
        chosen = Setting(chooser.method.strengths[-1], (HARD_LEVEL,), chosen.offsets)
    # Where offsets may be chosen, some that are not nought, at full strength: both stages answer.
    setting = chosen
    if named(name).decides:
        setting = Setting(chooser.method.strengths[-1], setting.levels, ((-0.3, 0.4),))
    expected = chooser.space(rows).logits(setting)
    settle(fairnet, replace(choice, setting=setting))
    gates = chooser.space(rows).is_open(setting.levels)
    assert gates.any()
    flagged = rows[gates.any(axis=1)]
    inside = replace(inputs, gates=inputs.risk >= np.array(chooser.cuts.thresholds(setting.levels)))
    with torch.no_grad():
        answered = fairnet.correct(selected(inside, flagged)).numpy()
    assert np.allclose(answered, expected[gates.any(axis=1)], atol=1e-4)
    base = inputs.material.features.base_logits[rows]
    assert np.allclose(expected[~gates.any(axis=1)], base[~gates.any(axis=1)], atol=1e-5)


@pytest.mark.parametrize("name", ["lora", "residual", "steering"])
def test_a_first_stage_of_strength_nought_leaves_the_model(name: str, tmp_path: Path) -> None:
    fairnet, inputs, chooser = case(name, tmp_path)
    rows = inputs.material.rows.of("val")
    choice = replace(
        chooser.choose(rows, None, 0.05), setting=Setting(0.0, (1.0,), ((-0.3, 0.4),)), thresholds=(0.5,)
    )
    settle(fairnet, choice)
    assert fairnet.correction.method == "offsets"
    assert fairnet.reads == ("logits", "risk")
    assert not fairnet.soft
    flagged = rows[inputs.gates[rows, 0]]
    moved = fairnet.correct(selected(inputs, flagged)).numpy()
    base = inputs.material.features.base_logits[flagged]
    assert np.allclose(moved - base, inputs.risk[flagged] * np.array([[-0.3, 0.4]]), atol=1e-6)


def test_a_choice_of_nothing_keeps_what_was_learnt_for_a_later_look(tmp_path: Path) -> None:
    """Its modes are off; the adapters stay in the bundle for an operator who wants to see them."""
    fairnet, inputs, chooser = case("lora", tmp_path)
    rows = inputs.material.rows.of("val")
    choice = chooser.choose(rows, None, 0.05)
    before = [layer.lora_B["team"].weight.clone() for layer in fairnet.correction.gated_layers()]
    settle(fairnet, replace(choice, setting=Setting(0.0, (0.0,), ((0.0, 0.0),)), thresholds=(1.0,)))
    after = [layer.lora_B["team"].weight for layer in fairnet.correction.gated_layers()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert not fairnet.decision.active
