"""What was normal in validation is read from the demo bundle as it is, and a strange file is refused."""

from pathlib import Path

import pytest

from evenhand.models.bundle.reference import read


def test_the_demo_bundle_says_what_was_normal(demo: Path) -> None:
    attributes = read(
        (demo / "reference.json").read_bytes(), (demo / "evaluation/evaluation.json").read_bytes()
    )
    assert list(attributes) == ["race", "religion", "gender", "orientation"]
    race = attributes["race"]
    assert race.flagged == pytest.approx(0.322, abs=0.001)
    assert race.risk[0] == pytest.approx((924 + 142) / 1922)
    assert race.risk[-1] == 1.0
    assert list(race.risk) == sorted(race.risk)
    assert race.worst_group_accuracy == pytest.approx(
        0.744, abs=0.001
    )  # of 1,457 rows; 26 with 0.692 are too few
    assert race.worst_cell_accuracy == pytest.approx(23 / 32)  # of 17 rows 0.41 is too few
    assert race.detector is not None
    assert (race.detector.others.n, race.detector.reference.n) == (465, 1457)
    assert race.flagged_cells["African", "toxic"].n == 267
    assert attributes["gender"].worst_group_accuracy == pytest.approx(0.7027, abs=0.0001)


def test_no_rows_are_no_shares() -> None:
    content = (
        b'{"rows": 0, "edges": [0, 1], "attributes": {"race": {"flagged": {"value": null}, "risk": [0]}}}'
    )
    race = read(content, b"")["race"]
    assert race.flagged is None
    assert race.risk == ()
    assert race.worst_group_accuracy is None


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"edges": [], "rows": 1, "attributes": {"race": {}}}']
)
def test_another_form_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"package the bundle again"):
        read(content, b"")


@pytest.mark.parametrize(
    ("flagged", "edges", "risk"),
    [
        ("1e999", "[0, 1]", "[1]"),
        ("NaN", "[0, 1]", "[1]"),
        ('"a"', "[0, 1]", "[1]"),
        ("0", "[0, 1]", "[0]"),
        ("0", "[0, 1e999]", "[1]"),
        ("0", "[0, 1" + "0" * 400 + "]", "[1]"),
        ("0", "[0, 1]", "[NaN]"),
        ("[" * 100_000, "", ""),
    ],
)
def test_figures_that_are_none_are_refused(flagged: str, edges: str, risk: str) -> None:
    said = f'{{"flagged": {{"value": {flagged}}}, "risk": {risk}}}'
    content = f'{{"rows": 1, "edges": {edges}, "attributes": {{"race": {said}}}}}'
    with pytest.raises(ValueError, match=r"package the bundle again"):
        read(content.encode(), b"")
