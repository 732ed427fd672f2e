"""The model card says what the bundle does: in every mode, under every gate, for every method."""

from pathlib import Path
from typing import Any

import pytest
from tiny_model import write_tiny_bundle

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import Certificate, Manifest, Trial
from evenhand.training.correctors import correctors
from evenhand.training.fit.model_card import BASE_ANSWER, write

SPLIT = {
    "rows": 100,
    "min_cell_rows": 30,
    "accuracy": {
        **{kind: {"n": 100, "value": 0.8, "low": 0.7, "high": 0.9} for kind in ("base", "final")},
        "difference": {"value": 0.0, "low": -0.01, "high": 0.01, "mended": 0, "broken": 0},
    },
    "worst_cell": {"base": None, "final": None},
    "flagged_share": 0.4,
    "corrected_share": 0.0,
    "abstained_share": 0.0,
    "flips": {},
    "attributes": {},
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    folder = tmp_path_factory.mktemp("card") / "tiny"
    write_tiny_bundle(folder)
    return bundles.load(folder).manifest


def changed(
    manifest: Manifest, method: str = "lora", modes: tuple[str, ...] = ("apply", "apply"), **other: Any
) -> str:
    """The card of a bundle with another method, other modes and other facts of its attributes."""
    attributes = [
        of.model_copy(update={"mode": mode, **other})
        for of, mode in zip(manifest.attributes, modes, strict=True)
    ]
    correction = manifest.correction.model_copy(update={"method": method})
    corrects = correction.changes_answers and "apply" in modes
    judged = {**SPLIT, "corrected_share": 0.4 if corrects else 0.0}
    return write(
        manifest.model_copy(update={"attributes": attributes, "correction": correction}), {"test": judged}
    )


def test_without_a_correction_the_card_claims_none(tiny: Manifest) -> None:
    card = changed(tiny, "none", ("off", "off"))
    assert f"Nothing is corrected: flagged rows are only counted, and every row gets {BASE_ANSWER}." in card
    assert "There is nothing to certify" in card
    assert "rows flagged: 40.0 %; rows corrected: 0.0 %" in card
    assert "rows with a correction" not in card


def test_abstaining_corrects_nothing_and_says_who_gets_no_decision(tiny: Manifest) -> None:
    card = changed(tiny, "abstain", abstain_below=0.7)
    assert "No answer is changed. A flagged row whose answer is less probable" in card
    assert "team below 0.700" in card
    assert "rows corrected: 0.0 %" in card
    assert "no row goes without a decision" in changed(tiny, "abstain")
    assert "no row goes without a decision" in changed(tiny, "abstain", ("off", "shadow"), abstain_below=0.7)


def test_each_mode_is_said_for_its_attribute(tiny: Manifest) -> None:
    first, second = tiny.attribute_names
    card = changed(tiny, modes=("apply", "shadow"))
    assert f"Rows flagged for {first} are corrected; every other row gets {BASE_ANSWER}" in card
    assert f"For {second} the corrected answer is recorded and not served" in card
    card = changed(tiny, modes=("off", "shadow"))
    assert f"no row is corrected: each gets {BASE_ANSWER}" in card
    assert f"For {first} the correction is off" in card


def test_an_open_gate_leaves_no_row_to_the_base(tiny: Manifest) -> None:
    card = changed(tiny, threshold=0.0)
    assert "every row is corrected, whatever its risk" in card
    assert "every other row" not in card


@pytest.mark.parametrize("name", [name for name, method in correctors().items() if method.chosen])
def test_every_corrector_says_what_it_does(tiny: Manifest, name: str) -> None:
    card = changed(tiny, name)
    said = (
        "A corrected row is finished a second time" if name == "lora" else f"answered by the method {name}: "
    )
    assert said in card


def test_methods_that_change_no_answer_are_those_whose_settings_are_not_chosen(tiny: Manifest) -> None:
    for name, method in correctors().items():
        assert tiny.correction.model_copy(update={"method": name}).changes_answers == method.chosen


def test_a_certificate_of_the_open_gate_survives_the_manifest_and_is_named(tiny: Manifest) -> None:
    trial = Trial(
        strength=0.6, levels=["always"], p_accuracy_loss=0.01, p_worst_cell_gain=0.02, certified=True
    )
    certificate = Certificate(
        epsilon=0.01, alpha=0.05, rows=100, worst_cell=("team", "a", "x"), settings_in_order=1, trials=[trial]
    )
    manifest = tiny.model_copy(update={"certificate": certificate, "certified": True})
    read = Manifest.model_validate_json(manifest.model_dump_json())
    assert read.certificate == certificate
    assert "| 0.6 | always | 0.0100 | 0.0200 | yes |" in changed(read)


def test_the_card_says_why_there_is_no_certificate(tiny: Manifest) -> None:
    none = Certificate(epsilon=0.01, alpha=0.05, rows=100, worst_cell=None, settings_in_order=0, trials=[])
    manifest = tiny.model_copy(update={"certificate": none, "certified": False})
    assert "no setting did better than the base on the tuning rows" in changed(manifest, modes=("off", "off"))
    assert "The correction is off." in changed(manifest, modes=("off", "off"))
    settings = {"correction": {"require_certificate": False}}
    provenance = manifest.provenance.model_copy(update={"settings": settings})
    assert "nor was that tried" in changed(manifest.model_copy(update={"provenance": provenance}))


def test_a_base_that_was_trained_another_way_is_named(tiny: Manifest, tmp_path: Path) -> None:
    provenance = tiny.provenance.model_copy(update={"settings": {"retraining": "reweighting"}})
    card = changed(tiny.model_copy(update={"provenance": provenance}), "none", ("off", "off"))
    assert "trained by the method reweighting" in card
