"""A certificate is wrong no more often than it says: fits without an effect, and figures on fresh rows."""

import pytest
from population import Population, chooser
from scipy import stats

from evenhand.training.choice.select import Chooser
from evenhand.training.evaluation.targets import target_figures
from evenhand.training.learning.config import TargetConfig

ALPHA = 0.05
FEW = pytest.param(20, id="few")
MANY = pytest.param(1000, id="many", marks=pytest.mark.slow)
NOTHING = Population(shift=0.0)
"""No gap: whatever is certified is wrong."""
BIASED = Population(shift=1.2)
TIGHT = TargetConfig("equalized-odds", max_loss=0.001, max_cell_loss=0.055)
"""With 3,600 rows every cell has enough that certify, so that every cell is under the limit."""


def fitted(population: Population, target: TargetConfig, fits: int, rows: int = 2400) -> list[Chooser]:
    return [chooser(population, rows, seed, target) for seed in range(fits)]


def at_most(wrong: int, fits: int, share: float) -> bool:
    """Whether so many would not surprise (1 in 1,000) if the share were as stated."""
    return float(stats.binom.sf(wrong - 1, fits, share)) > 1e-3


@pytest.mark.parametrize("fits", [FEW, MANY])
def test_without_an_effect_at_most_the_stated_share_is_certified(fits: int) -> None:
    target = TargetConfig("equalized-odds", max_loss=0.02, max_cell_loss=None)
    certified = 0
    for made in fitted(NOTHING, target, fits):
        tune, val = made.rows.of("tune"), made.rows.of("val")
        certified += made.choose(tune, val, ALPHA).certified
    assert at_most(certified, fits, ALPHA), f"{certified} of {fits}"


@pytest.mark.parametrize("fits", [FEW, MANY])
def test_on_fresh_rows_at_most_the_stated_share_breaks_a_claim(fits: int) -> None:
    broken = 0
    fresh = BIASED.draw(120_000, seed=10**6)
    for made in fitted(BIASED, TIGHT, fits, rows=3600):
        choice = made.choose(made.rows.of("tune"), made.rows.of("val"), ALPHA)
        if choice.certified:
            broken += breaks(made, choice, fresh)
    assert at_most(broken, fits, ALPHA), f"{broken} of {fits}"


def test_without_a_certificate_the_same_limits_are_broken_often() -> None:
    """What the tests above count does happen, where no test stands between the choice and the claim."""
    fresh = BIASED.draw(120_000, seed=10**6)
    broken = 0
    for made in fitted(BIASED, TIGHT, 20, rows=3600):
        choice = made.choose(made.rows.of("tune"), None, ALPHA)
        broken += choice.helps(0) and breaks(made, choice, fresh)
    assert broken > 2


def breaks(made: Chooser, choice, fresh) -> bool:
    """Whether a claim is false over so many fresh rows that chance hardly matters."""
    risk = BIASED.risk(fresh)[:, 0]
    offsets, threshold = choice.setting.offsets[0], choice.thresholds[0]
    base = fresh.features.base_logits
    moved = base + ((risk >= threshold) * risk)[:, None] * offsets
    answers = base.argmax(axis=1), moved.argmax(axis=1)
    figures = target_figures(choice.target, fresh.rows, fresh.schema, fresh.rows.all(), *answers)
    truth = fresh.rows.labels
    lost = float((answers[0] == truth).mean() - (answers[1] == truth).mean())
    (aim,) = figures["attributes"]
    worst = max((-cell["difference"]["value"] for cell in figures["losing"]), default=0.0)
    return aim["difference"]["value"] >= 0 or lost >= TIGHT.max_loss or worst >= (TIGHT.max_cell_loss or 1.0)


def test_an_effect_that_is_there_is_certified() -> None:
    target = TargetConfig("equalized-odds", max_loss=0.01, max_cell_loss=None)
    made = fitted(BIASED, target, 1, rows=9000)[0]
    choice = made.choose(made.rows.of("tune"), made.rows.of("val"), ALPHA)
    assert choice.certified
    assert choice.helps(0)
    assert choice.refusal == ()
