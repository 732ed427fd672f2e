"""Fresh adapters answer as the base and learn from flagged rows; ``learning`` tests what they learn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from corrector_cases import learnt, material

from evenhand.training.correctors.lora import LORA, learn
from evenhand.training.learning.adapters import answers
from evenhand.training.learning.config import CorrectionConfig


def test_fresh_adapters_answer_as_the_base() -> None:
    split, data, _ = material()
    corrector = LORA.make(split, ("team",), config=CorrectionConfig())
    rows = np.arange(100)
    fresh = answers(corrector, data.features, rows, np.ones((100, 1), dtype=bool))
    assert np.allclose(fresh, data.features.base_logits[rows], atol=1e-4)


def test_rank_and_scale_are_the_settings() -> None:
    split, _, _ = material()
    corrector = LORA.make(split, ("team",), config=CorrectionConfig(rank=3, alpha=6))
    shapes = {tuple(p.shape) for name, p in corrector.peft.named_parameters() if "lora_A" in name}
    assert {shape[0] for shape in shapes} == {3}


def test_learning_moves_them_and_says_how_often_the_hinge_was_open(tmp_path: Path) -> None:
    fairnet, data, notes = learnt("lora", tmp_path)
    (share,) = notes.values()
    assert 0.0 <= share <= 1.0
    rows = data.held[:100]
    corrected = answers(fairnet.correction, data.material.features, rows, np.ones((100, 1), dtype=bool))
    assert np.abs(corrected - data.material.features.base_logits[rows]).max() > 1e-3


def test_where_nothing_is_flagged_nothing_is_learnt(tmp_path: Path) -> None:
    fairnet, data, _ = learnt("lora", tmp_path)
    assert learn(fairnet.correction, replace(data, gates=np.zeros_like(data.gates))) == {}
