"""The linear program's offsets move the rate of members towards the reference's."""

import numpy as np
import pytest
from population import SCHEMA, Population

from evenhand.training.choice.program import RateProblem, offsets


@pytest.mark.parametrize("measure", ["demographic-parity", "equal-opportunity", "predictive-equality"])
def test_the_rate_of_members_is_raised_where_it_is_too_low(measure: str) -> None:
    population = Population(shift=2.0)
    material = population.draw(3000, 0)
    favourable = np.isin(SCHEMA.labels, SCHEMA.favourable)
    problem = RateProblem(
        material.features.base_logits,
        population.risk(material)[:, 0],
        favourable,
        measure,  # type: ignore[arg-type]
    )
    exact, half = offsets(problem, 0)
    assert exact[0] == 0.0
    assert exact[1] > half[1] > 0.0


def test_of_three_classes_the_favourable_ones_move_together() -> None:
    rng = np.random.default_rng(0)
    risk = rng.random(800).astype(np.float32)
    logits = rng.normal(size=(800, 3)).astype(np.float32)
    logits[:, 1:] -= 2 * risk[:, None]
    problem = RateProblem(logits, risk, np.array([False, True, True]), "demographic-parity")
    first, second, third = offsets(problem, 0)[0]
    assert first == 0.0
    assert second == third > 0.0


def test_a_worst_cell_has_no_program() -> None:
    problem = RateProblem(
        np.zeros((4, 2), np.float32), np.ones(4, np.float32), np.array([False, True]), "worst-cell"
    )
    assert offsets(problem, 0) == []
