"""The resplits count certificates, and which of their claims fresh rows do not bear out."""

from dataclasses import replace

from population import Population, chooser

from bench.certificate import broken_on, tried
from evenhand.training.learning.config import TargetConfig

TARGET = TargetConfig("equalized-odds", max_loss=0.02, max_cell_loss=None)


def test_an_effect_is_certified_and_holds_on_the_other_half() -> None:
    result = tried(chooser(Population(shift=1.5), 9000, 0, TARGET), 4)
    assert (result["resplits"], len(result["each"])) == (4, 4)
    assert result["certified"] == 4
    assert result["wrong"] == 0
    assert all(one["trials"] for one in result["each"])


def test_without_an_effect_hardly_anything_is_certified() -> None:
    result = tried(chooser(Population(), 3000, 0, TARGET), 6)
    assert result["certified"] <= 1


def test_claims_that_fresh_rows_do_not_bear_out_are_named() -> None:
    made = chooser(Population(shift=1.5), 9000, 0, TARGET)
    tune, val, test = (made.rows.of(split) for split in ("tune", "val", "test"))
    setting = made.choose(tune, val, 0.05).setting
    assert broken_on(made, setting, tune, test) == []
    # Everybody who is flagged gets the favourable label.
    costly = replace(setting, offsets=((0.0, 50.0),))
    broken = broken_on(made, costly, tune, test)
    assert any("overall accuracy falls by less than 2 points" in claim for claim in broken)
