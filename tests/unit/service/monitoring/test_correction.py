"""What the correction does: harm is called only where it is sure, and silence is not taken for benefit."""

from typing import Any

import numpy as np
import pytest
from counted import Answered, cells_of

from evenhand.models.bundle.aims import Aim, Price
from evenhand.service.monitoring.correction import change, correction_of
from evenhand.service.monitoring.disparity import BREACH, INSUFFICIENT, NO_EVIDENCE
from evenhand.service.monitoring.groups import LabelKinds, PairCounts, groups_of
from evenhand.service.monitoring.targets import change_of, worsening

KINDS = LabelKinds("high", "low")
FREE = Price(0.0, None)
WORST = Aim("worst-cell", None, None)
PARITY = Aim("demographic-parity", 0.05, "bundle")


def judged(rows: list[Answered], price: Price = FREE, aim: Aim = PARITY) -> dict[str, Any]:
    groups = groups_of(cells_of(rows), "sex", "declared", ("none", "a", "b"))
    return correction_of(groups, price, 100, KINDS, worsening(groups, aim, 100, KINDS))


def rows(group: str, label: bool | None, **counts: int) -> list[Answered]:
    """Rows by base and final answer: yy, yn, ny, nn."""
    return [
        Answered(group, kind[0] == "y", kind[1] == "y", label) for kind, n in counts.items() for _ in range(n)
    ]


def test_changed_mended_and_broken_are_counted_on_the_same_rows() -> None:
    verdict = judged(
        rows("none", True, ny=3, yn=2, yy=5) + rows("a", False, ny=7, yn=11) + rows("b", None, yn=4)
    )
    assert {key: verdict[key] for key in ("changed", "mended", "broken", "labels", "rows")} == {
        "changed": 27,
        "mended": 14,
        "broken": 9,
        "labels": 28,
        "rows": 32,
    }
    assert verdict["accuracy_change"]["value"] == pytest.approx(5 / 28)


def test_more_errors_are_a_breach_once_they_are_sure() -> None:
    some = judged(rows("none", True, yy=180, yn=4, ny=1, nn=15))
    assert some["state"] == NO_EVIDENCE
    many = judged(rows("none", True, yy=1800, yn=80, ny=10, nn=110))
    assert many["state"] == BREACH
    assert many["why"].startswith(
        "It broke 80 answers and mended 10 of 2,000 labelled ones: accuracy fell by 3.5 points"
    )


def test_a_gap_that_grew_surely_is_a_breach_even_without_labels() -> None:
    verdict = judged(rows("none", None, yy=500, ny=100, nn=400) + rows("a", None, yy=400, yn=50, nn=550))
    assert verdict["state"] == BREACH
    assert verdict["why"] == "It made the gap in favourable answers worse: 5.0 points became 20.0."
    other = judged(
        rows("none", None, yy=500, ny=100, nn=400) + rows("a", None, yy=400, yn=50, nn=550),
        aim=Aim("equal-opportunity", 0.05, "bundle"),
    )
    assert other["state"] == INSUFFICIENT  # not the target's gap
    turned = judged(rows("none", None, ny=900, nn=100) + rows("a", None, yy=100, yn=100, nn=800))
    assert turned["state"] == BREACH


def test_a_gap_that_grew_by_a_few_rows_is_no_evidence() -> None:
    verdict = judged(rows("none", True, yy=500, ny=3, nn=497) + rows("a", True, yy=450, yn=2, nn=548))
    assert verdict["state"] == NO_EVIDENCE


def test_a_cell_that_lost_is_listed_with_its_interval_beside_the_gain_of_all() -> None:
    verdict = judged(
        rows("none", True, yy=300, ny=100, nn=100)
        + rows("a", False, nn=80, ny=20)
        + rows("a", True, yy=25, yn=1)
        + rows("b", True, yy=40, yn=2, ny=1),
        aim=WORST,
    )
    assert verdict["accuracy_change"]["low"] > 0
    assert [(cell["group"], cell["label"], cell["n"], cell["surely"]) for cell in verdict["losing"]] == [
        ("a", "low", 100, True),
        ("b", "high", 43, False),
    ]  # “a” with label “high” has 26 rows
    lost = verdict["losing"][0]
    assert (lost["value"], lost["low"], lost["high"]) == change(PairCounts(80, 20, 0, 0))
    assert verdict["state"] == NO_EVIDENCE
    assert verdict["why"].endswith("“a” with true label “low” surely lost 20.0 points (11.4 to 27.8).")


def test_a_loss_is_a_breach_from_where_it_is_surely_more_than_the_target_allows() -> None:
    answered = rows("none", True, yy=300, ny=100, nn=100) + rows("a", False, nn=80, ny=20)
    assert judged(answered, Price(0.0, 0.15), WORST)["state"] == NO_EVIDENCE
    verdict = judged(answered, Price(0.0, 0.1), WORST)
    assert verdict["state"] == BREACH
    assert verdict["why"].endswith("surely lost 20.0 points (11.4 to 27.8), and 10.0 are allowed.")
    costly = rows("none", True, yy=1800, yn=80, ny=10, nn=110)
    assert judged(costly, Price(0.02, None))["state"] == BREACH
    assert judged(costly, Price(0.03, None))["state"] == NO_EVIDENCE


def test_the_change_of_the_target_is_paired_and_sure_where_many_rows_moved() -> None:
    aim = Aim("worst-cell", 0.5, "bundle")
    answered = rows("none", True, yy=450, nn=50) + rows("a", True, yy=200, ny=60, yn=5, nn=235)
    groups = groups_of(cells_of(answered), "sex", "declared", ("none", "a"))
    moved = change_of(groups, aim, 100, KINDS)
    assert moved.value == pytest.approx(0.11)
    assert moved.low is not None
    assert moved.high is not None
    exact = change(groups[1].positives)
    assert (moved.low, moved.high) == pytest.approx(exact[1:], abs=0.006)
    assert worsening(groups, aim, 100, KINDS) is None
    few = change_of(groups, aim, 1000, KINDS)
    assert (few.value, few.low, few.high) == (None, None, None)


def test_without_labels_nothing_is_said_of_errors() -> None:
    verdict = judged(
        rows("none", None, yy=500, yn=5, ny=5, nn=490) + rows("a", None, yy=500, yn=5, ny=10, nn=485)
    )
    assert verdict["state"] == INSUFFICIENT
    assert "what it breaks is not known" in verdict["why"]
    assert verdict["accuracy_change"] == {"value": None, "low": None, "high": None}


def test_no_row_is_insufficient_data_and_no_change_is_no_harm() -> None:
    assert judged([])["state"] == INSUFFICIENT
    verdict = judged(rows("none", None, yy=100, nn=100))
    assert (verdict["state"], verdict["why"]) == (NO_EVIDENCE, "The correction changed no answer.")


def test_where_the_correction_does_nothing_on_average_harm_is_rarely_called() -> None:
    rng = np.random.default_rng(0)
    calls = 0
    for _ in range(200):
        drawn = []
        for group in ("none", "a"):
            both, lost, gained, neither = rng.multinomial(1500, (0.4, 0.03, 0.03, 0.54))
            drawn += rows(group, bool(rng.integers(2)), yy=both, yn=lost, ny=gained, nn=neither)
        calls += judged(drawn)["state"] == BREACH
    assert calls <= 20


def test_limits_of_a_change_hold_where_few_rows_changed() -> None:
    rng = np.random.default_rng(1)
    for lost, gained in ((0.002, 0.004), (0.05, 0.01), (0.0, 0.01)):
        inside = 0
        for _ in range(500):
            drawn = PairCounts(*rng.multinomial(1000, (0.5, lost, gained, 0.5 - lost - gained)).tolist())
            _, low, high = change(drawn)
            inside += low <= gained - lost <= high
        assert inside >= 465, (lost, gained)
    assert change(PairCounts(500, 0, 3, 497))[1] < 0.0 < change(PairCounts(500, 0, 20, 480))[1]
