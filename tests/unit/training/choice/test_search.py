"""The search aims at the objective over levels and offsets together, and stays within sane offsets."""

import numpy as np
import pytest
from population import SCHEMA, Population

from evenhand.training.choice.candidates import LARGEST_OFFSET, Setting
from evenhand.training.choice.scorer import TargetScorer
from evenhand.training.choice.search import search
from evenhand.training.choice.select import Chooser, LearntCorrector
from evenhand.training.correctors.offsets import OFFSETS
from evenhand.training.learning.config import CorrectionConfig, TargetConfig

CONFIG = CorrectionConfig(
    method="offsets", target=TargetConfig("equalized-odds", max_loss=1.0, max_cell_loss=None)
)
START = Setting(0.0, (1.0,), ((0.0, 0.0),))


def chooser(scale: float = 1.0, config: CorrectionConfig = CONFIG) -> Chooser:
    """A base that puts group f at a disadvantage, and risks that are too small by a factor."""
    population = Population(shift=1.5)
    material = population.draw(3000, 0)
    risk = population.risk(material) * np.float32(scale)
    members, fresh = material.rows.groups["sex"][:, None], material.rows.of("tune")
    learnt = LearntCorrector(None, OFFSETS, risk, members, fresh)  # type: ignore[arg-type]
    return Chooser(learnt, material, config)


def test_the_best_of_a_search_is_what_its_objective_says_and_better_than_the_start() -> None:
    made = chooser()
    rows = made.rows.of("val")
    scorer = TargetScorer(made.rows, SCHEMA, rows, made.base[rows], made.target)
    space = made.space(rows)
    results = search(space, scorer.values, [START])
    value, best = results[0]
    assert value == pytest.approx(scorer.value(space.predict(best)))
    assert value > scorer.value(made.base[rows]) + 0.2
    # Of two classes the second has the offset; group f gets it too seldom.
    assert best.offsets[0][0] == 0.0
    assert best.offsets[0][1] > 0.5
    assert [value for value, _ in results] == sorted((value for value, _ in results), reverse=True)


@pytest.mark.parametrize("scale", [1.0, 1e-2, 1e-6])
@pytest.mark.parametrize("measure", ["equalized-odds", "demographic-parity", "worst-cell"])
def test_rows_of_hardly_any_risk_ask_for_no_huge_offset(scale: float, measure) -> None:
    target = TargetConfig(measure, max_loss=1.0, max_cell_loss=None)
    made = chooser(scale, CorrectionConfig(method="offsets", target=target))
    rows = made.rows.of("tune", "val")
    choice = made.choose(rows, None, 0.05)
    offsets = np.array(choice.setting.offsets)
    assert np.isfinite(offsets).all()
    assert np.abs(offsets).max() <= LARGEST_OFFSET
    if scale == 1.0:
        assert np.abs(offsets).max() > 0.0
