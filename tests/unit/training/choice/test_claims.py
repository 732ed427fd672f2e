"""Claims about the target, overall accuracy and cells, and the chance to pass them."""

from dataclasses import replace

import numpy as np
import pytest

from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.training.choice.claims import Claims, PassChance, Sample
from evenhand.training.choice.scorer import enough_rows
from evenhand.training.data.dataset import Rows, Schema

SCHEMA = Schema(("no", "yes"), ("yes",), {"sex": ("m", "f")})
ROWS = 8000


def target(measure: str, max_loss: float = 0.02, max_cell_loss: float | None = None) -> Target:
    aim = AttributeTarget(attribute="sex", measure=measure)  # type: ignore[arg-type]
    return Target(attributes=[aim], max_loss=max_loss, max_cell_loss=max_cell_loss)


def sample(seed: int = 0) -> Sample:
    """A base that finds 80 % of the men's "yes" rows and half of the women's; "no" is right for 80 %."""
    rng = np.random.default_rng(seed)
    labels, sex = rng.integers(0, 2, ROWS), rng.integers(0, 2, ROWS)
    right = rng.random(ROWS) < np.where((labels == 1) & (sex == 1), 0.5, 0.8)
    split = np.array(["order", "certify"])[np.arange(ROWS) % 2]
    rows = Rows([""] * ROWS, labels, {"sex": sex}, split, np.arange(ROWS))
    base = np.where(right, labels, 1 - labels)
    return Sample(rows, SCHEMA, base, rows.of("order"), rows.of("certify"))


def mended(of: Sample, cell: tuple[int, int], share: float, seed: int = 1) -> np.ndarray:
    """Answers with a share of a cell's wrong ones put right; a negative share breaks right ones."""
    label, sex = cell
    inside = (of.rows.labels == label) & (of.rows.groups["sex"] == sex)
    drawn = np.random.default_rng(seed).random(ROWS) < abs(share)
    wrong = of.base != of.rows.labels
    moved = inside & drawn & (wrong if share > 0 else ~wrong)
    return np.where(moved, 1 - of.base, of.base)


def of_answers(of: Sample, aim: Target, answers: np.ndarray):
    claims = Claims(of, aim, 0.05)
    return claims, {claim.kind: claim for claim in claims.test(answers[of.order], answers[of.certify])}


def test_the_worst_cell_is_named_on_other_rows_and_its_gain_is_proven() -> None:
    of = sample()
    claims, by_kind = of_answers(of, target("worst-cell"), mended(of, (1, 1), 0.4))
    assert claims.named == "the cell sex = f, yes"
    assert by_kind["target"].p < 1e-6
    assert by_kind["target"].margin == pytest.approx(0.2, abs=0.05)
    assert by_kind["accuracy"].p < 0.002
    assert "cells" not in by_kind


@pytest.mark.parametrize("measure", ["equalized-odds", "equal-opportunity"])
def test_a_gap_that_narrows_is_proven(measure: str) -> None:
    of = sample()
    claims, by_kind = of_answers(of, target(measure), mended(of, (1, 1), 0.5))
    assert claims.named == "the gap in true positive rate of sex between m and f"
    assert by_kind["target"].p < 0.005


def test_a_gap_that_changes_its_sign_by_as_much_is_not_narrower() -> None:
    of = sample()
    both = mended(of, (1, 1), 1.0)
    hurt = mended(of, (1, 0), -0.7)
    answers = np.where(hurt != of.base, hurt, both)
    _, by_kind = of_answers(of, target("equal-opportunity"), answers)
    assert by_kind["target"].p > 0.05


def test_another_gap_that_grows_beyond_the_named_one_is_no_gain_in_equalized_odds() -> None:
    of = sample()
    better, worse = mended(of, (1, 1), 0.5), mended(of, (0, 1), -0.6)
    answers = np.where(worse != of.base, worse, better)
    _, odds = of_answers(of, target("equalized-odds", max_loss=0.5), answers)
    _, opportunity = of_answers(of, target("equal-opportunity", max_loss=0.5), answers)
    assert odds["target"].p > 0.05
    assert opportunity["target"].p < 0.005


def test_what_is_lost_is_too_costly_or_has_too_few_rows() -> None:
    of = sample()
    _, by_kind = of_answers(of, target("worst-cell", 0.02, 0.05), mended(of, (0, 0), -0.2))
    assert by_kind["accuracy"].margin < 0
    assert by_kind["accuracy"].rows_needed is None
    assert by_kind["cells"].margin < 0
    assert "sex = m, no" in by_kind["cells"].said
    _, little = of_answers(of, target("worst-cell", 0.005), mended(of, (1, 1), 0.01))
    assert little["accuracy"].p < 0.05
    assert little["target"].rows_needed is not None
    assert little["target"].p > 0.025
    assert little["target"].rows_needed > len(of.certify)


def test_cells_of_too_few_rows_cannot_be_tested() -> None:
    of = sample()
    assert enough_rows(0.05) == 248
    claims = Claims(of, target("worst-cell", 0.02, 0.05), 0.05)
    assert (len(claims.cells), len(claims.small_cells)) == (4, 0)
    claims = Claims(of, target("worst-cell", 0.02, 0.005), 0.05)
    assert (len(claims.cells), len(claims.small_cells)) == (0, 4)


def with_a_small_group(seed: int = 0) -> Sample:
    """A twentieth of the rows are of a third group, whose cells have about 100 rows that certify."""
    of = sample(seed)
    third = np.random.default_rng(seed + 7).random(ROWS) < 0.05
    rows = replace(of.rows, groups={"sex": np.where(third, 2, of.rows.groups["sex"])})
    return replace(of, rows=rows, schema=Schema(("no", "yes"), ("yes",), {"sex": ("m", "f", "x")}))


@pytest.mark.parametrize(("share", "seen"), [(-0.03, False), (-0.25, True)])
def test_a_smaller_cell_that_surely_loses_more_than_the_limit_is_no_candidate(
    share: float, seen: bool
) -> None:
    of, aim = with_a_small_group(), target("worst-cell", 0.05, 0.05)
    hurt = mended(of, (0, 2), share, seed=3)
    answers = np.where(hurt != of.base, hurt, mended(of, (1, 1), 0.4))
    claims, by_kind = of_answers(of, aim, answers)
    assert ("x", "no") in {(group, label) for (_, group, label), _ in claims.small_cells}
    assert by_kind["target"].p < 1e-6
    assert by_kind["accuracy"].p < 0.05
    if not seen:
        assert by_kind["cells"].p < 0.05
        return
    assert (by_kind["cells"].p, by_kind["cells"].rows_needed) == (1.0, None)
    assert by_kind["cells"].margin < -0.1
    assert "no smaller cell surely falls by more than 5 points (sex = x, no of " in by_kind["cells"].said
    chance = PassChance(claims, 0.025)
    harmless = mended(of, (1, 1), 0.4)
    seldom, mostly = chance.chances(np.stack([answers[of.order], harmless[of.order]]))
    assert seldom < 0.1
    assert mostly > 0.9


def test_a_worst_cell_beside_which_another_stays_as_bad_has_not_become_better() -> None:
    of = with_a_small_group()
    of.base[(of.rows.labels == 1) & (of.rows.groups["sex"] > 0)] = 0  # both groups' cells are always wrong
    claims, by_kind = of_answers(of, target("worst-cell", 0.05), mended(of, (1, 1), 0.4))
    assert claims.named is not None
    assert by_kind["target"].p == 1.0
    assert (
        by_kind["target"].said == "the worst cell becomes better (sex = x, yes is right in 0.0 % of its rows)"
    )
    both = np.where(of.rows.groups["sex"] == 2, mended(of, (1, 2), 0.4), mended(of, (1, 1), 0.4))
    _, by_kind = of_answers(of, target("worst-cell", 0.05), both)
    assert by_kind["target"].p < 1e-6


def test_the_chance_to_pass_grows_with_the_margin() -> None:
    of = sample()
    chance = PassChance(Claims(of, target("equal-opportunity", 0.01, 0.05), 0.05), 0.025)
    answers = np.stack([mended(of, (1, 1), share)[of.order] for share in (0.0, 0.05, 0.5)])
    none, little, much = chance.chances(answers)
    assert none < 0.1
    assert little > none
    assert much > 0.99


def test_no_group_of_enough_rows_proves_nothing() -> None:
    of = sample()
    rows = Rows(of.rows.items, of.rows.labels, {"sex": np.zeros(ROWS, np.int64)}, of.rows.split, of.rows.row)
    alone = Sample(rows, SCHEMA, of.base, of.order, of.certify)
    claims, by_kind = of_answers(alone, target("equal-opportunity"), of.base)
    assert claims.named is None
    assert by_kind["target"].p == 1.0
    assert PassChance(claims, 0.05).chances(of.base[None, of.order]).tolist() == [0.0]
