"""The margin is the favourable class's lead, and moving it moves nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from corrector_cases import given_of, logits_of, material, tiny_split

from evenhand.training.correctors import group_calibration, label_flip, named, thresholds
from evenhand.training.correctors.interface import CorrectorInput, NotApplicableError
from evenhand.training.correctors.margins import MarginCorrector, favourable_truth

MODULES = (group_calibration, label_flip, thresholds)


class Same(MarginCorrector):
    """Changes nothing."""

    method = "same"

    def correct(self, rows):
        return self.with_margin(rows.logits, self.margin(rows.logits))


def some(margins=(2.0, -1.0, 0.5)) -> CorrectorInput:
    count = len(margins)
    zeros = np.zeros(count, dtype=np.int64)
    return given_of(zeros, zeros, np.zeros(count, dtype=bool), logits=logits_of(np.array(margins)))


def test_the_margin_is_the_favourable_classs_lead() -> None:
    data = some()
    assert Same(tiny_split()).begin(data).tolist() == [2.0, -1.0, 0.5]
    schema = replace(data.material.schema, favourable=("no",))
    other = replace(data, material=replace(data.material, schema=schema))
    assert Same(tiny_split()).begin(other).tolist() == [-2.0, 1.0, -0.5]
    assert favourable_truth(data).tolist() == [False] * 3
    assert favourable_truth(other).tolist() == [True] * 3


def test_a_moved_margin_keeps_the_sum_of_the_logits() -> None:
    corrector = Same(tiny_split())
    corrector.begin(some())
    logits = torch.tensor([[1.0, 4.0], [-2.0, -5.0]])
    moved = corrector.with_margin(logits, torch.tensor([-1.0, 0.5]))
    assert corrector.margin(moved).tolist() == [-1.0, 0.5]
    assert moved.sum(dim=1).tolist() == logits.sum(dim=1).tolist()


@pytest.mark.parametrize("name", [method.name for module in MODULES for method in module.METHODS])
def test_three_classes_have_no_margin(name: str) -> None:
    split, rows, groups = material(labels=("no", "maybe", "yes"))
    method = named(name)
    config = some().config
    gates = np.ones((len(groups), 1), dtype=bool)
    data = CorrectorInput(rows, gates, gates.astype(np.float32), groups[:, None], config, some().folder)
    with pytest.raises(NotApplicableError, match="defined for two classes; this data has 3"):
        method.learn(method.make(split, ("team",), config=config), data)
