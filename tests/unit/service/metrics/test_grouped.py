"""Every disparity from the counters equals Fairlearn's on the same rows; odd rows have explicit results."""

import math
from pathlib import Path
from typing import Any

import fairlearn.metrics as fl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis_profiles import examples
from prometheus_client import CollectorRegistry
from recording import MANIFEST

from evenhand.models.bundle.bundle import read_manifest
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.reference import Normal, read
from evenhand.models.bundle.target import AttributeTarget, Target
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.metrics.grouped import series_of
from evenhand.service.types import Answer, Counted, Decision, Row, Verdict

GROUPS = ("none", "African", "Arab", "multiple")


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return MANIFEST


def row(manifest: Manifest, base: bool, final: bool, risk: float = 0.5, **declared: str) -> Row:
    def answer(favourable: bool) -> Answer:
        label = next(one for one in manifest.labels if (one in manifest.favourable) == favourable)
        return Answer(label, {label: 0.9}, favourable)

    verdicts = tuple(Verdict(name, risk, risk >= 0.5, "off", None) for name in manifest.attribute_names)
    return Row("id", Decision(answer(final), answer(base), None, False, verdicts), declared, "")


def joined(
    manifest: Manifest,
    base: bool,
    final: bool,
    label: bool,
    outcomes: tuple[tuple[str, str, str], ...],
    decisions: tuple[tuple[str, str], ...] = (),
    p: float = 0.4,
) -> Counted:
    flagged, references = {"race": True}, {a.name: a.reference for a in manifest.attributes}
    return Counted(
        manifest.name, base, final, label, True, p, int(p * 10), flagged, references, decisions, outcomes
    )


class Counting:
    """Counters with what they show."""

    def __init__(self, manifest: Manifest) -> None:
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.metrics.add_model(manifest, "hash", live=True, normal={})

    def total(self, name: str, **labels: str) -> float:
        self.metrics.flush()
        values = [
            sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert values, (name, labels)
        return sum(values)


rows = st.lists(
    st.tuples(st.sampled_from(GROUPS), st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=60
)


@settings(max_examples=examples(25), deadline=None)
@given(drawn=rows)
def test_selection_rates_and_outcomes_equal_fairlearn(manifest: Manifest, drawn: list[Any]) -> None:
    # One row of each group and label, so that Fairlearn's rates exist for every group.
    drawn = [*drawn, *((group, label, True, False) for group in GROUPS for label in (True, False))]
    counted = Counting(manifest)
    for group, label, base, final in drawn:
        counted.metrics.fairness.decision(manifest, row(manifest, base, final, race=group))
        counted.metrics.fairness.joined(joined(manifest, base, final, label, (("race", group, "declared"),)))
    groups, truth, base, final = (np.array(column) for column in zip(*drawn, strict=True))
    for answer, predicted in (("base", base), ("final", final)):
        columns = {"y_true": truth, "y_pred": predicted, "sensitive_features": groups}

        def rate(
            group: str, of: str = "evenhand_decisions_total", answer: str = answer, **condition: str
        ) -> float:
            cell = {"attribute": "race", "group": group, "source": "declared", **condition}
            return counted.total(of, **cell, **{answer: "1"}) / counted.total(of, **cell)

        selection = [rate(group) for group in GROUPS]
        assert max(selection) - min(selection) == pytest.approx(
            fl.demographic_parity_difference(**columns), abs=1e-12
        )
        if max(selection):
            assert min(selection) / max(selection) == pytest.approx(
                fl.demographic_parity_ratio(**columns), abs=1e-12
            )
        tpr, fpr = (
            [rate(group, "evenhand_outcomes_total", label=label) for group in GROUPS] for label in ("1", "0")
        )
        gaps = [max(rates) - min(rates) for rates in (tpr, fpr)]
        assert gaps[0] == pytest.approx(fl.equal_opportunity_difference(**columns), abs=1e-12)
        assert max(gaps) == pytest.approx(fl.equalized_odds_difference(**columns), abs=1e-12)


def test_a_row_counts_once_per_attribute_declared_or_inferred(manifest: Manifest) -> None:
    counted = Counting(manifest)
    counted.metrics.fairness.decision(manifest, row(manifest, False, True, risk=0.7, race="Arab"))
    name = "evenhand_decisions_total"
    assert counted.total(name, attribute="race") == 1
    assert counted.total(name, attribute="race", group="Arab", source="declared", base="0", final="1") == 1
    assert counted.total(name, attribute="gender", group="flagged", source="inferred") == 1
    assert counted.total("evenhand_detector_total", attribute="race", flagged="1", truth="1") == 1
    assert counted.total("evenhand_detector_total", attribute="gender") == 0
    assert counted.total("evenhand_soft_decisions_total", attribute="race", group="other") == pytest.approx(
        0.7
    )
    assert counted.total("evenhand_soft_decisions_total", attribute="race") == pytest.approx(1.0)
    squares = counted.total("evenhand_soft_weight_squared_total", attribute="race")
    assert squares == pytest.approx(0.7**2 + 0.3**2)
    assert counted.total("evenhand_risk_bucket", attribute="race", le="0.7") == 1
    assert counted.total("evenhand_risk_bucket", attribute="race", le="0.6") == 0


def test_an_unknown_group_is_counted_and_says_nothing_of_the_detector(manifest: Manifest) -> None:
    counted = Counting(manifest)
    counted.metrics.fairness.decision(manifest, row(manifest, True, True, race="unknown"))
    assert (
        counted.total("evenhand_decisions_total", attribute="race", group="unknown", source="declared") == 1
    )
    assert counted.total("evenhand_detector_total") == 0


def test_a_risk_that_is_no_number_spoils_no_sum(manifest: Manifest) -> None:
    counted = Counting(manifest)
    counted.metrics.fairness.decision(manifest, row(manifest, True, True, risk=math.nan))
    counted.metrics.fairness.decision(manifest, row(manifest, True, True, risk=0.25))
    assert counted.total("evenhand_soft_decisions_total", attribute="race", group="other") == 0.25
    assert counted.total("evenhand_risk_sum", attribute="race") == 0.25
    assert counted.total("evenhand_decisions_total", attribute="race") == 2


def test_a_row_that_failed_is_no_decision(manifest: Manifest) -> None:
    counted = Counting(manifest)
    counted.metrics.fairness.decision(manifest, Row("id", "engine_failed", {"race": "Arab"}, ""))
    assert counted.total("evenhand_decisions_total") == 0


def test_groups_declared_later_count_a_decision_and_its_label_once(manifest: Manifest) -> None:
    counted = Counting(manifest)
    feedback = joined(
        manifest, False, True, True, (("race", "Arab", "declared"),), (("race", "Arab"),), p=0.95
    )
    counted.metrics.fairness.joined(feedback)
    cell = {"attribute": "race", "group": "Arab", "source": "declared"}
    assert counted.total("evenhand_decisions_total", **cell, base="0", final="1") == 1
    assert counted.total("evenhand_outcomes_total", **cell, base="0", final="1", label="1") == 1
    assert counted.total("evenhand_calibration_total", **cell, bin="9", label="1") == 1
    assert counted.total("evenhand_calibration_score_total", **cell, bin="9") == 0.95
    assert counted.total("evenhand_detector_total", attribute="race", flagged="1", truth="1") == 1


def test_every_cell_exists_before_the_first_row(manifest: Manifest) -> None:
    counted = Counting(manifest)
    for attribute in manifest.attributes:
        for group in (*attribute.groups, "unknown"):
            cell = {"attribute": attribute.name, "group": group, "source": "declared"}
            for name in ("decisions", "outcomes", "calibration", "calibration_score"):
                assert counted.total(f"evenhand_{name}_total", **cell) == 0


def test_the_number_of_series_is_known_before_they_are_made(demo: Path) -> None:
    manifest, _ = read_manifest(demo)
    counted = Counting(manifest)
    counted.metrics.fairness.expect(manifest, read((demo / "reference.json").read_bytes(), b""))
    made = [
        sample
        for family in counted.registry.collect()
        for sample in family.samples
        if "attribute" in sample.labels
    ]
    others = {"evenhand_group_overflow_total", "evenhand_threshold"}
    assert series_of(manifest) == sum(sample.name not in others for sample in made)


def test_an_intersection_has_the_series_of_declared_groups_and_no_detector() -> None:
    aim = AttributeTarget(attribute="race:gender", measure="worst-cell", limit=0.7)
    manifest = MANIFEST.model_copy(update={"target": Target(attributes=[aim], max_loss=0.01)})
    counted = Counting(manifest)
    counted.metrics.fairness.expect(
        manifest, {"race:gender": Normal(None, (), 0.6), "race:religion": Normal(None, (), 0.6)}
    )
    assert counted.total("evenhand_target_limit", attribute="race:gender", measure="worst-cell") == 0.7
    assert (
        counted.total("evenhand_reference", attribute="race:gender", reference="worst_group_accuracy") == 0.6
    )
    shown = [
        sample
        for family in counted.registry.collect()
        for sample in family.samples
        if sample.labels.get("attribute") == "race:gender"
    ]
    assert not any(sample.labels.get("attribute") == "race:religion" for sample in shown)
    alone = series_of(manifest) - series_of(manifest.model_copy(update={"target": None}))
    assert len(shown) == alone
    assert {sample.labels.get("source", "declared") for sample in shown} == {"declared"}
    others = {"evenhand_detector_total", "evenhand_risk_sum", "evenhand_corrections_total"}
    assert not others & {sample.name for sample in shown}
    counted.metrics.fairness.decision(manifest, row(manifest, True, False, race="Arab", gender="Women"))
    counted.metrics.fairness.decision(manifest, row(manifest, True, False, race="Arab"))
    cell = {"attribute": "race:gender", "group": "Arab & Women", "source": "declared"}
    assert counted.total("evenhand_decisions_total", **cell, base="1", final="0") == 1
    assert counted.total("evenhand_decisions_total", attribute="race:gender") == 1


def test_a_version_in_shadow_counts_an_intersection_too() -> None:
    aim = AttributeTarget(attribute="race:gender", measure="worst-cell")
    target = Target(attributes=[aim], max_loss=0.01)
    candidate = MANIFEST.model_copy(update={"target": target, "version": "9.9"})
    counted = Counting(MANIFEST)
    counted.metrics.add_model(candidate, "other", live=False, normal={})
    live = row(MANIFEST, True, True, race="Arab", gender="none")
    assert isinstance(live.result, Decision)
    counted.metrics.candidate(candidate, live, live.result)
    cell = {"attribute": "race:gender", "group": "not both", "source": "declared"}
    assert counted.total("evenhand_candidate_decisions_total", **cell) == 1


def test_the_target_and_its_price_are_shown_and_other_measures_have_no_limit(manifest: Manifest) -> None:
    counted = Counting(manifest)
    counted.metrics.fairness.expect(manifest, {"race": Normal(None, (), None, worst_cell_accuracy=0.7)})
    race = {"attribute": "race", "measure": "worst-cell"}
    assert counted.total("evenhand_target_limit", **race) == pytest.approx(0.65)
    assert math.isnan(counted.total("evenhand_target_limit", attribute="race", measure="equalized-odds"))
    assert math.isnan(counted.total("evenhand_target_limit", attribute="gender", measure="worst-cell"))
    assert counted.total("evenhand_target_loss", loss="overall") == 0.0
    assert counted.total("evenhand_target_loss", loss="cell") == 0.05
    aim = AttributeTarget(attribute="race", measure="equalized-odds", limit=0.1)
    stated = manifest.model_copy(update={"target": Target(attributes=[aim], max_loss=0.005)})
    counted.metrics.fairness.expect(stated, {})
    assert counted.total("evenhand_target_limit", attribute="race", measure="equalized-odds") == 0.1
    assert math.isnan(counted.total("evenhand_target_limit", **race))
    assert counted.total("evenhand_target_loss", loss="overall") == 0.005
    assert math.isnan(counted.total("evenhand_target_loss", loss="cell"))
