"""What data could prove, by its rows."""

import numpy as np
import pytest

from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.training.choice.power import provable
from evenhand.training.data.dataset import Rows, Schema

SCHEMA = Schema(("no", "yes"), ("yes",), {"sex": ("m", "f")})


def data(rows: int) -> Rows:
    rng = np.random.default_rng(0)
    split = np.array(["tune", "val", "val", "test"])[np.arange(rows) % 4]
    return Rows(
        [""] * rows, rng.integers(0, 2, rows), {"sex": rng.integers(0, 2, rows)}, split, np.arange(rows)
    )


@pytest.mark.parametrize(("rows", "enough"), [(2000, False), (400_000, True)])
def test_more_rows_prove_smaller_changes(rows: int, enough: bool) -> None:
    aim = AttributeTarget(attribute="sex", measure="equal-opportunity")
    target = Target(attributes=[aim], max_loss=0.005, max_cell_loss=0.05)
    drawn = data(rows)
    listed = provable(drawn, SCHEMA, target, 0.05, len(drawn.of("tune")))
    overall = next(each for each in listed if each.claim.startswith("overall"))
    assert overall.enough is enough
    assert {each.claim for each in listed if "lost" in each.claim} == {
        f"less than 5 points lost: {label} of sex = {sex}" for label in ("no", "yes") for sex in ("m", "f")
    }
    gains = [each for each in listed if each.claim.startswith("a gain")]
    assert [each.claim for each in gains] == [
        f"a gain: true positive rate of sex = {sex}" for sex in ("m", "f")
    ]
    # A half of the rows validate; all of them certify, as tuning rows are a third of both.
    assert sum(each.rows for each in gains) == pytest.approx(rows / 4, rel=0.1)
    # Without a tuning row a third of the validation rows order instead.
    fewer = [each for each in provable(drawn, SCHEMA, target, 0.05, 0) if each.claim.startswith("a gain")]
    assert sum(each.rows for each in fewer) == pytest.approx(rows / 6, rel=0.1)
