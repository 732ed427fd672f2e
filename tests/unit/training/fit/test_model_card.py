"""The model card says what the bundle does: in every mode, under every gate, for every method."""

from pathlib import Path
from typing import Any

import pytest
from tiny_model import write_tiny_bundle

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import Certificate, Manifest, Trial
from evenhand.models.bundle.manifest import TestedClaim as Claim
from evenhand.models.bundle.target import AttributeTarget, Target
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
    "target": {"attributes": [], "losing": [], "max_loss": 0.005, "max_cell_loss": 0.05},
}
TARGET = Target(
    attributes=[AttributeTarget(attribute="team", measure="equalized-odds")],
    max_loss=0.005,
    max_cell_loss=0.05,
)
CLAIMS = [
    Claim(kind="target", said="equalized odds of team gets better", p=0.02, margin=0.05, rows_needed=100),
    Claim(kind="accuracy", said="accuracy falls by less than 0.5 points", p=0.01, margin=0.004),
    Claim(kind="cells", said="team = a, x loses less than 5 points", p=0.03),
]


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


def certified(tiny: Manifest, yes: bool, refusal: tuple[str, ...] = (), trials: int = 1) -> Manifest:
    """A bundle with a target, and so many trials of an open gate."""
    trial = Trial(
        strength=0.6, levels=["always", 0.0], offsets=[[0.0, 0.5], [0.0, 0.0]], claims=CLAIMS, certified=yes
    )
    certificate = Certificate(
        alpha=0.05,
        rows=1234,
        named="the false positive rate of team = a",
        trials=[trial] * trials,
        refusal=list(refusal),
    )
    return tiny.model_copy(update={"certificate": certificate, "certified": yes, "target": TARGET})


def test_a_certificate_names_the_target_and_every_claim(tiny: Manifest) -> None:
    manifest = certified(tiny, yes=True)
    read = Manifest.model_validate_json(manifest.model_dump_json())
    assert read == manifest
    card = changed(read)
    assert "**Certified**, on rows like the validation rows" in card
    assert "Target: equalized odds of team, at most 0.5 points of accuracy lost, 5 in any cell." in card
    assert "on 1234 validation rows" in card
    assert "| 0.6 | always, 0 | equalized odds of team gets better | +5.00 | 0.0200 | yes |" in card
    assert "| 0.6 | always, 0 | accuracy falls by less than 0.5 points | +0.40 | 0.0100 | yes |" in card
    assert "| 0.6 | always, 0 | team = a, x loses less than 5 points |  | 0.0300 | yes |" in card


def test_the_card_says_why_there_is_no_certificate(tiny: Manifest) -> None:
    reason = "too few rows: not shown that accuracy falls by less; about 4,000 validation rows would do"
    manifest = certified(tiny, yes=False, refusal=(reason,), trials=0)
    card = changed(manifest, modes=("off", "off"))
    assert "**Nothing is certified.** The correction is off." in card
    assert f"- {reason}" in card
    assert "All the same it is on" in changed(manifest)
    settings = {"correction": {"require_certificate": False}}
    provenance = manifest.provenance.model_copy(update={"settings": settings})
    assert "nor was that tried" in changed(manifest.model_copy(update={"provenance": provenance}))


def test_the_target_and_every_cell_that_loses_stand_next_to_each_other(tiny: Manifest) -> None:
    span = {"value": 0.2, "low": 0.15, "high": 0.25}
    aim = {"attribute": "team", "measure": "equalized-odds", "figure": "equalized_odds_difference"}
    gain = {"value": -0.2, "low": -0.28, "high": -0.12}
    before = {name: value + 0.2 for name, value in span.items()}
    cells = [
        {
            "attribute": "team",
            "group": group,
            "label": "positive",
            "surely": high < 0,
            "difference": {
                "n": 250,
                "value": -0.04,
                "low": -0.09,
                "high": high,
                "mended": 2,
                "broken": 12,
            },
        }
        for group, high in (("a", -0.01), ("b", 0.01))
    ]
    target = {
        **SPLIT["target"],
        "attributes": [{**aim, "base": before, "final": span, "difference": gain}],
        "losing": cells,
    }
    card = write(certified(tiny, yes=True), {"test": {**SPLIT, "target": target}})
    (line,) = [line for line in card.splitlines() if line.startswith("| equalized odds difference of team")]
    assert all(figure in line for figure in ("0.400", "0.200", "-20.0"))
    losing = [line for line in card.splitlines() if "team = " in line and "positive" in line]
    assert any("surely" in line and "team = a" in line for line in losing)
    assert any("surely" not in line and "team = b" in line for line in losing)


def test_both_stages_are_described(tiny: Manifest) -> None:
    assert "offset" not in changed(tiny)
    offsets = {"team": {"negative": 0.0, "positive": 0.75}, "colour": {"negative": -1.5, "positive": 0.0}}
    correction = tiny.correction.model_copy(update={"offsets": offsets})
    card = changed(tiny.model_copy(update={"correction": correction}))
    assert "A corrected row is finished a second time" in card
    assert "team: negative +0, positive +0.75; colour: negative -1.5, positive +0." in card
    assert "multiplied" not in card
    soft = correction.model_copy(update={"soft": True})
    card = changed(tiny.model_copy(update={"correction": soft}), "steering")
    assert "this change is multiplied by the row's risk" in card
    none = changed(tiny.model_copy(update={"correction": correction}), "none", ("off", "off"))
    assert "offset" not in none


def test_a_base_that_was_trained_another_way_is_named(tiny: Manifest, tmp_path: Path) -> None:
    provenance = tiny.provenance.model_copy(update={"settings": {"retraining": "reweighting"}})
    card = changed(tiny.model_copy(update={"provenance": provenance}), "none", ("off", "off"))
    assert "trained by the method reweighting" in card
