"""Bounds from the detector's error rates hold the truth on rows whose groups are known to the test."""

from typing import Any

import numpy as np
import pytest
from counted import Answered, cells_of

from evenhand.models.bundle.aims import Aim
from evenhand.models.bundle.reference import FlaggedShares, Normal
from evenhand.service.monitoring.bounds import DetectorErrors, detector_bounds
from evenhand.service.monitoring.groups import INFERRED, Group, groups_of
from evenhand.stats import Rate

OTHERS, RATE_OF = 0.3, {"true_positive_rate": True, "false_positive_rate": False}


class World:
    """Rows with a true group, a flag that leans on the answer too, and answers that differ between groups."""

    def __init__(self, seed: int, n: int = 40_000) -> None:
        random = np.random.default_rng(seed)
        self.other = random.random(n) < OTHERS
        self.label = random.random(n) < np.where(self.other, 0.3, 0.5)
        self.base = random.random(n) < 0.15 + 0.6 * self.label - 0.1 * self.other
        self.final = np.where(self.other & (random.random(n) < 0.3), self.label, self.base)
        self.flagged = random.random(n) < np.where(self.other, 0.85, 0.1) - 0.05 * self.base

    def groups(self) -> list[Group]:
        answers = zip(self.flagged, self.base, self.final, self.label, strict=True)
        rows = [Answered(INFERRED[int(flag)], bool(b), bool(f), bool(label)) for flag, b, f, label in answers]
        return groups_of(cells_of(rows, source="inferred"), "sex", "inferred", INFERRED)

    def errors(self) -> DetectorErrors:
        def shares(inside: Any) -> FlaggedShares:
            return FlaggedShares(
                Rate.of(self.flagged[self.other & inside]), Rate.of(self.flagged[~self.other & inside])
            )

        everyone = np.ones(len(self.other), dtype=bool)
        return DetectorErrors(
            {
                "selection_rate": shares(everyone),
                **{rate: shares(self.label == label) for rate, label in RATE_OF.items()},
            }
        )

    def difference(self, rate: str, side: str) -> float:
        """What the bounds are of, from the true groups."""
        inside = np.ones(len(self.other), dtype=bool) if rate not in RATE_OF else self.label == RATE_OF[rate]
        answers = getattr(self, side)
        return float(answers[inside & ~self.other].mean() - answers[inside & self.other].mean())

    def worst_cell(self, side: str) -> float:
        right = getattr(self, side) == self.label
        cells = [(self.other == o) & (self.label == k) for o in (True, False) for k in (True, False)]
        return float(min(right[cell].mean() for cell in cells))


@pytest.mark.parametrize("seed", range(3))
def test_the_truth_lies_within_the_bounds_of_every_rate_and_of_the_target(seed: int) -> None:
    world = World(seed)
    for measure in ("worst-cell", "equalized-odds", "equal-opportunity", "demographic-parity"):
        bounds = detector_bounds(world.groups(), world.errors(), Aim(measure, None, None))  # type: ignore[arg-type]
        assert bounds is not None
        widths = []
        for side in ("base", "final"):
            for rate in bounds["rates"]:
                assert rate[side]["low"] <= world.difference(rate["rate"], side) <= rate[side]["high"]
                widths.append(rate[side]["high"] - rate[side]["low"])
            gaps = {rate: abs(world.difference(rate, side)) for rate in ("selection_rate", *RATE_OF)}
            truth = {
                "worst-cell": world.worst_cell(side),
                "equalized-odds": max(gaps[rate] for rate in RATE_OF),
                "equal-opportunity": gaps["true_positive_rate"],
                "demographic-parity": gaps["selection_rate"],
            }[measure]
            assert bounds["target"][side]["low"] <= truth <= bounds["target"][side]["high"]
        assert max(widths) < 1.0  # they say something
        assert bounds["rests_on"] == "detector"


def test_a_detector_that_never_errs_leaves_the_counted_gap() -> None:
    rows = [Answered("flagged", place < 40, place < 60, None) for place in range(100)]
    rows += [Answered("unflagged", place < 50, place < 50, None) for place in range(100)]
    exact = FlaggedShares(Rate(1, 1.0, 1.0, 1.0), Rate(1, 0.0, 0.0, 0.0))
    errors = DetectorErrors(dict.fromkeys(("selection_rate", *RATE_OF), exact))
    groups = groups_of(cells_of(rows, source="inferred"), "sex", "inferred", INFERRED)
    bounds = detector_bounds(groups, errors, None)
    assert bounds is not None
    assert bounds["base"] == {"low": pytest.approx(0.1), "high": pytest.approx(0.1)}
    assert bounds["final"] == {"low": pytest.approx(-0.1), "high": pytest.approx(-0.1)}
    assert bounds["rates"][1]["base"] is None  # no labels
    assert bounds["target"] is None


def test_a_flagged_share_that_does_not_fit_is_said_and_bounds_nothing() -> None:
    rows = [Answered("flagged", True, True)] * 90 + [Answered("unflagged", True, True)] * 10
    errors = DetectorErrors(
        {"selection_rate": FlaggedShares(Rate.of_counts(500, 1000), Rate.of_counts(100, 1000))}
    )
    groups = groups_of(cells_of(rows, source="inferred"), "sex", "inferred", INFERRED)
    bounds = detector_bounds(groups, errors, None)
    assert bounds is not None
    assert (bounds["base"], bounds["final"]) == (None, None)
    assert "does not fit the detector's error rates" in bounds["why"]
    assert detector_bounds(groups_of(cells_of([]), "sex", "inferred", INFERRED), errors, None) is None


def test_error_rates_are_those_of_the_label_where_enough_rows_support_it() -> None:
    whole = FlaggedShares(Rate.of_counts(80, 100), Rate.of_counts(10, 100))
    cells = {
        ("men", "high"): Rate.of_counts(5, 50),
        ("women", "high"): Rate.of_counts(30, 40),
        ("men", "low"): Rate.of_counts(10, 50),
        ("women", "low"): Rate.of_counts(10, 29),
    }
    normal = Normal(None, (), None, detector=whole, flagged_cells=cells)
    errors = DetectorErrors.read(normal, "men", ["high"])
    assert errors is not None
    of_good = errors.of["true_positive_rate"]
    assert (of_good.others.value, of_good.reference.value) == (0.75, 0.1)
    assert errors.of["false_positive_rate"] == errors.of["selection_rate"] == whole
    assert DetectorErrors.read(Normal(None, (), None), "men", ["high"]) is None
