"""What is reported, on rows where the answer is known."""

import json

import numpy as np
import pytest

from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.evaluation.bundle_score import Answers, reference, score, summary

SCHEMA = Schema(("bad", "good"), ("good",), {"team": ("none", "a")})
TARGET = Target(
    attributes=[AttributeTarget(attribute="team", measure="equal-opportunity")],
    max_loss=0.005,
    max_cell_loss=0.05,
)


@pytest.fixture(scope="module")
def case() -> tuple[Answers, Rows]:
    """100 rows of each cell; in team a every second good row is called bad; the correction mends half."""
    labels, groups = np.repeat([0, 1, 0, 1], 100), np.repeat([0, 0, 1, 1], 100)
    base, final = labels.copy(), labels.copy()
    good_a = np.flatnonzero((labels == 1) & (groups == 1))
    base[good_a[::2]] = 0
    final[good_a[::4]] = 0
    final[0] = 1
    rows = Rows([""] * 400, labels, {"team": groups}, np.array(["test"] * 400), np.arange(400))
    risk = np.where(groups == 1, 0.9, 0.2).astype(np.float32)[:, None]
    scores = np.full((400, 2), 0.25, np.float32)
    scores[np.arange(400), final] = 0.75
    flagged = risk > 0.5
    none = np.zeros(400, bool)
    return Answers(np.arange(400), base, final, risk, flagged, scores, scores, flagged[:, 0], none), rows


def test_accuracy_worst_cell_and_flips_by_hand(case: tuple[Answers, Rows]) -> None:
    figures = score(*case, SCHEMA, TARGET)
    assert figures["accuracy"]["base"]["value"] == 350 / 400
    assert figures["accuracy"]["final"]["value"] == 374 / 400
    assert figures["accuracy"]["difference"]["mended"] == 25
    assert figures["accuracy"]["difference"]["broken"] == 1
    assert figures["worst_cell"]["base"]["accuracy"]["value"] == 0.5
    assert figures["worst_cell"]["final"]["accuracy"]["value"] == 0.75
    assert (figures["worst_cell"]["base"]["group"], figures["worst_cell"]["base"]["label"]) == ("a", "good")
    assert figures["flips"] == {"bad -> good": 26}
    assert figures["corrected_share"] == 0.5


def test_the_target_comes_with_the_cells_that_pay_by_hand(case: tuple[Answers, Rows]) -> None:
    figures = score(*case, SCHEMA, TARGET)["target"]
    (aim,) = figures["attributes"]
    assert (aim["attribute"], aim["measure"]) == ("team", "equal-opportunity")
    assert (aim["base"]["value"], aim["final"]["value"]) == (0.5, 0.25)
    (lost,) = figures["losing"]
    assert (lost["group"], lost["label"]) == ("none", "bad")
    assert lost["difference"]["value"] == pytest.approx(-0.01)
    assert not lost["surely"]
    assert (figures["max_loss"], figures["max_cell_loss"]) == (0.005, 0.05)


def test_a_bundle_without_a_target_aims_at_the_worst_cell(case: tuple[Answers, Rows]) -> None:
    (aim,) = score(*case, SCHEMA, None)["target"]["attributes"]
    assert aim["measure"] == "worst-cell"
    assert (aim["base"]["value"], aim["final"]["value"]) == (0.5, 0.75)


def test_disparities_and_detector_by_hand(case: tuple[Answers, Rows]) -> None:
    team = score(*case, SCHEMA, TARGET)["attributes"]["team"]
    assert team["disparities"]["base"]["demographic_parity_difference"] == 0.25
    assert team["disparities"]["base"]["equal_opportunity_difference"] == 0.5
    assert team["disparities"]["final"]["equal_opportunity_difference"] == 0.25
    assert team["disparities_pooled"]["base"]["equalized_odds_difference"] == 0.5
    assert team["detector"]["true_positive_rate"]["value"] == 1.0
    assert team["detector"]["false_positive_rate"]["value"] == 0.0
    assert [cell["group"] for cell in team["cells"]][-1] == "any but none"


def test_reports_are_plain_json_and_the_summary_agrees(case: tuple[Answers, Rows]) -> None:
    figures = score(*case, SCHEMA, TARGET)
    assert json.loads(json.dumps(figures))["rows"] == 400
    short = summary(figures)
    assert short["worst_cell"] == figures["worst_cell"]
    assert short["target"] == figures["target"]
    assert short["attributes"]["team"]["equalized_odds_difference"] == {"base": 0.5, "final": 0.25}


def test_reference_histograms_hold_every_row(case: tuple[Answers, Rows]) -> None:
    histograms = reference(case[0], SCHEMA, case[1])
    assert sum(histograms["score"]) == sum(histograms["attributes"]["team"]["risk"]) == 400
    assert len(histograms["edges"]) == len(histograms["score"]) + 1
    assert histograms["attributes"]["team"]["selection_rate"]["base"]["a"]["value"] == 0.25
