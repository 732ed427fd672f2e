"""What earlier versions wrote is read, and a target stands for itself."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError
from tiny_model import write_tiny_bundle

from evenhand.models.bundle.bundle import BundleError, load
from evenhand.models.bundle.manifest import Attribute, Certificate, Correction, Trial
from evenhand.models.bundle.target import MEASURES, AttributeTarget, Target, aims

EARLIER = {
    "epsilon": 0.01,
    "alpha": 0.05,
    "rows": 1922,
    "worst_cell": ["race", "african", "toxic"],
    "settings_in_order": 522,
    "trials": [
        {
            "strength": 0.6,
            "levels": [1.5, "always"],
            "p_accuracy_loss": 0.01,
            "p_worst_cell_gain": 0.03,
            "certified": True,
        },
        {
            "strength": 1.0,
            "levels": [0.5, 0.0],
            "p_accuracy_loss": 0.4,
            "p_worst_cell_gain": 0.001,
            "certified": False,
        },
    ],
}
TARGET = {
    "attributes": [
        {"attribute": "team", "measure": "equalized-odds", "limit": 0.2},
        {"attribute": "team:colour", "measure": "worst-cell", "limit": None},
    ],
    "max_loss": 0.005,
    "max_cell_loss": None,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny")


def with_fields(folder: Path, **fields: object) -> Path:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **fields}))
    return folder


def test_a_certificate_of_an_earlier_version_is_read(folder: Path) -> None:
    certificate = load(with_fields(folder, certificate=EARLIER, certified=True)).manifest.certificate
    assert certificate is not None
    assert (certificate.alpha, certificate.rows) == (0.05, 1922)
    assert certificate.named == "the cell race = african, toxic"
    assert certificate.refusal == []
    first, second = certificate.trials
    assert (first.strength, first.levels, first.certified) == (0.6, [1.5, "always"], True)
    assert first.offsets == []
    assert [(claim.kind, claim.said, claim.p) for claim in first.claims] == [
        ("target", "the cell race = african, toxic gains", 0.03),
        ("accuracy", "overall accuracy falls by less than 1 points", 0.01),
    ]
    assert not second.certified
    assert all(claim.margin is None and claim.rows_needed is None for claim in first.claims)


def test_it_is_written_again_in_todays_form(folder: Path) -> None:
    certificate = load(with_fields(folder, certificate=EARLIER)).manifest.certificate
    assert certificate is not None
    again = Certificate.model_validate_json(certificate.model_dump_json())
    assert again == certificate
    assert "epsilon" not in certificate.model_dump()


def test_an_earlier_certificate_without_a_named_cell_is_read() -> None:
    certificate = Certificate.model_validate({**EARLIER, "worst_cell": None})
    assert certificate.named is None
    assert certificate.trials[0].claims[0].said == "the worst cell gains"


@pytest.mark.parametrize(
    "broken",
    [
        {**EARLIER, "trials": [{"strength": 1.0}]},
        {**EARLIER, "trials": "none"},
        {name: value for name, value in EARLIER.items() if name != "alpha"},
        {**EARLIER, "epsilon": "a little"},
        {**EARLIER, "worst_cell": ["race"]},
    ],
    ids=["trial", "trials", "alpha", "epsilon", "cell"],
)
def test_a_broken_earlier_certificate_is_refused_in_one_sentence(folder: Path, broken: object) -> None:
    with pytest.raises(BundleError) as caught:
        load(with_fields(folder, certificate=broken))
    assert "\n" not in str(caught.value)
    assert "certificate" in str(caught.value)


def test_a_trial_says_every_claim() -> None:
    claims = [{"kind": "cells", "said": "no cell falls", "p": 0.01, "margin": 0.02, "rows_needed": 400}]
    trial = Trial.model_validate({"strength": 1, "levels": [0], "claims": claims, "certified": True})
    assert trial.claims[0].rows_needed == 400
    with pytest.raises(ValidationError):
        Trial.model_validate({"strength": 1, "levels": ["often"], "claims": [], "certified": True})


def test_a_target_is_part_of_the_manifest(folder: Path) -> None:
    assert load(folder).manifest.target is None
    target = load(with_fields(folder, target=TARGET)).manifest.target
    assert target is not None
    assert target.model_dump() == TARGET
    aim = target.of("team")
    assert aim is not None
    assert (aim.is_gap, aim.limit) == (True, 0.2)
    assert target.of("colour") is None


@pytest.mark.parametrize(
    "change",
    [
        {"attributes": []},
        {"max_loss": 1.5},
        {"max_loss": -0.1},
        {"max_cell_loss": 2},
        {"attributes": [{"attribute": "team", "measure": "fairness"}]},
        {"attributes": [{"attribute": "team", "measure": "worst-cell", "limit": 1.2}]},
        {"surprise": 1},
    ],
)
def test_an_impossible_target_is_refused(folder: Path, change: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="target"):
        load(with_fields(folder, target={**TARGET, **change}))


def test_a_target_in_words() -> None:
    assert Target.model_validate(TARGET).in_words() == (
        "equalized odds of team; worst cell of team:colour, at most 0.5 points of accuracy lost"
    )
    same = [AttributeTarget(attribute=name, measure="equal-opportunity") for name in ("sex", "race")]
    assert aims(same) == "equal opportunity of sex and race"
    limited = Target(attributes=same, max_loss=0.0, max_cell_loss=0.05)
    assert limited.in_words().endswith("at most 0 points of accuracy lost, 5 in any cell")


def test_only_the_worst_cell_should_grow() -> None:
    growing = [measure for measure in MEASURES if not AttributeTarget(attribute="a", measure=measure).is_gap]
    assert growing == ["worst-cell"]


def test_a_correction_of_an_earlier_version_is_hard_and_has_no_offsets() -> None:
    fields = {"layer": 2, "layers": 4, "pooling": "mean", "rank": 8, "alpha": 16, "targets": ["query"]}
    correction = Correction.model_validate(fields)
    assert correction.method == "lora"
    assert not correction.soft
    assert correction.offsets is None


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        (["0-24", "25-39"], "groups of 'age' must be among its ranges"),
        (["0-24"], "name 2 to 16 ranges"),
        (["0-24", "60+", "25-39"], "overlap"),
    ],
)
def test_ranges_that_are_none_are_refused(ranges: list[str], said: str) -> None:
    fields = {"name": "age", "groups": ["0-24", "60+"], "reference": "60+", "threshold": 0.5, "mode": "off"}
    assert Attribute(**fields, why="", ranges=["0-24", "25-39", "60+"]).groups == ["0-24", "60+"]
    with pytest.raises(ValidationError, match=said):
        Attribute(**fields, why="", ranges=ranges)
