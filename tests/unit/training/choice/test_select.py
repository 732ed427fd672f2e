"""The choice keeps to its limits, is certified only where it may be, and never looks at a test row."""

from dataclasses import replace

import numpy as np
import pytest
from population import Population, chooser

from evenhand.training.choice import select
from evenhand.training.choice.claims import Claim
from evenhand.training.choice.select import Choice, Chooser, SettingTrial, refusal_of
from evenhand.training.learning.config import TargetConfig

BIASED = Population(shift=1.2)
LOOSE = TargetConfig("equalized-odds", max_loss=0.01, max_cell_loss=None)


def choose(made: Chooser, certificate: bool = True) -> Choice:
    rows = made.rows
    if not certificate:
        return made.choose(rows.of("tune", "val"), None, 0.05)
    return made.choose(rows.of("tune"), rows.of("val"), 0.05)


def test_a_correction_that_helps_is_certified() -> None:
    choice = choose(chooser(BIASED, 9000, 0, LOOSE))
    assert choice.certified
    assert choice.helps(0)
    assert choice.named is not None
    assert choice.refusal == ()
    passed = [trial for trial in choice.trials if trial.certified][-1]
    assert passed.setting == choice.setting
    assert all(claim.p <= 0.05 for claim in passed.claims)
    assert {claim.kind for claim in passed.claims} == {"target", "accuracy"}
    plain = choice.plain()
    assert len(plain["trials"]) == len(choice.trials)
    assert plain["rows"] == 3000


def test_settings_are_tried_from_the_safest_to_the_one_nearest_to_the_target() -> None:
    trials = choose(chooser(BIASED, 3000, 1, replace(LOOSE, max_loss=0.002))).trials
    values = [trial.value for trial in trials]
    assert values == sorted(values)
    assert len({trial.setting for trial in trials}) == len(trials)


def test_without_a_gap_or_a_detector_nothing_is_corrected_and_the_reason_is_said() -> None:
    for population in (Population(shift=0.0), Population(shift=1.2, sees=0.0)):
        choice = choose(chooser(population, 1500, 3, replace(LOOSE, max_loss=0.001)))
        assert not choice.certified
        assert not choice.helps(0)
        assert choice.setting.levels == (0.0,)
        assert choice.refusal


@pytest.mark.parametrize("measure", ["worst-cell", "equal-opportunity", "demographic-parity"])
def test_without_a_certificate_the_best_within_the_limits_is_taken(measure: str) -> None:
    target = TargetConfig(measure, max_loss=0.003, max_cell_loss=0.05)  # type: ignore[arg-type]
    made = chooser(BIASED, 3000, 0, target)
    choice = choose(made, certificate=False)
    assert choice.helps(0)
    assert not choice.certified
    assert choice.trials == ()
    rows = made.rows.of("tune", "val")
    scorer = made.scorer(rows)
    predicted = made.predict(choice.setting, rows)
    assert scorer.accuracy_loss(predicted) <= 0.003 + 1e-9
    assert max(scorer.cell_losses(predicted)) <= 0.05 + 1e-9
    assert scorer.value(predicted) == pytest.approx(choice.value)
    assert choice.value > scorer.value(made.base[rows])


def test_no_test_row_decides() -> None:
    made = chooser(BIASED, 1500, 0, LOOSE)
    before = choose(made)
    test = made.rows.of("test")
    made.rows.labels[test] = 1 - made.rows.labels[test]
    assert choose(made) == before


def test_rows_below_the_threshold_keep_the_base_answer() -> None:
    made = chooser(BIASED, 3000, 0, LOOSE)
    choice = choose(made, certificate=False)
    rows = made.rows.all()
    moved = made.predict(choice.setting, rows) != made.base
    assert moved.any()
    assert (made.risk[moved, 0] >= choice.thresholds[0]).all()


def claim(kind: str, p: float, margin: float, needed: int | None) -> Claim:
    return Claim(kind, f"{kind} holds", p, margin, needed)  # type: ignore[arg-type]


def test_a_refusal_says_no_effect_too_costly_or_too_few_rows() -> None:
    made = chooser(BIASED, 1500, 0, LOOSE)
    setting = made._never()
    claims = (
        claim("target", 0.6, -0.01, None),
        claim("accuracy", 0.5, -0.001, None),
        claim("cells", 0.2, 0.01, 5000),
    )
    reasons = refusal_of((SettingTrial(setting, claims, False, 0.0),), 0.05)
    assert [reason.split(":")[0] for reason in reasons] == ["no effect", "too costly", "too few rows"]
    assert "about 5,000 validation rows" in reasons[2]
    assert "no setting" in refusal_of((), 0.05)[0]


def test_ordering_rows_are_a_third_and_hidden_attributes_move_more_of_them() -> None:
    made = chooser(BIASED, 3000, 0, LOOSE)
    material = made.material
    few = material.rows.split.copy()
    few[material.rows.of("tune")[300:]] = "train"
    material = replace(material, rows=replace(material.rows, split=few))
    order, certify = select.choice_rows(material, material.rows.of("tune"), True)
    assert certify is not None
    assert not set(order) & set(certify)
    assert len(order) == pytest.approx((300 + 1000) / 3, abs=1)
    assert set(order) | set(certify) == set(material.rows.of("tune", "val"))
    hidden = material.rows.groups["sex"].copy()
    hidden[material.rows.of("train", "tune")] = -1
    blind = replace(material, rows=replace(material.rows, groups={"sex": hidden}))
    seen = np.isin(select.choice_rows(blind, blind.rows.of("tune"), True)[0], material.rows.of("val")).sum()
    assert seen == pytest.approx(1000 / 3, abs=1)
    assert select.choice_rows(blind, blind.rows.of("tune"), False)[1] is None
