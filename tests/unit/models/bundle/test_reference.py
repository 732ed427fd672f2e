"""What was normal in validation is read from the demo bundle as it is, and a strange file is refused."""

import itertools
import json
from pathlib import Path

import pytest

from evenhand.models.bundle.bundle import EVALUATION, REFERENCE
from evenhand.models.bundle.reference import read


def test_the_demo_bundle_says_what_was_normal(demo: Path) -> None:
    content, evaluation = ((demo / name).read_bytes() for name in (REFERENCE, EVALUATION))
    attributes = read(content, evaluation)
    assert list(attributes) == ["any_group", "religion", "race", "gender", "orientation"]
    said, figures = json.loads(content), json.loads(evaluation)["val"]["attributes"]
    for name, normal in attributes.items():
        counts, detector = said["attributes"][name]["risk"], figures[name]["detector"]
        assert normal.flagged == said["attributes"][name]["flagged"]["value"]
        assert normal.risk[0] == pytest.approx(sum(counts[:2]) / said["rows"])  # of 20 bins
        assert normal.risk[-1] == 1.0
        assert list(normal.risk) == sorted(normal.risk)
        assert normal.detector is not None
        others, reference = normal.detector.others, normal.detector.reference
        assert (others.n, reference.n) == tuple(
            sum(cell["flagged"]["n"] for cell in detector["cells"] if cell["group"] == group)
            for group in ("mentioned", "not mentioned")
        )
        assert set(normal.flagged_cells) == set(
            itertools.product(("mentioned", "not mentioned"), ("hate", "not hate"))
        )
        assert normal.worst_cell_accuracy is not None
        assert normal.worst_group_accuracy is not None
        assert normal.worst_cell_accuracy <= normal.worst_group_accuracy


def test_a_group_or_cell_of_few_rows_is_never_the_worst() -> None:
    def rate(n: int, value: float) -> dict[str, float]:
        return {"n": n, "value": value, "low": 0.0, "high": 1.0}

    groups = {
        "none": {
            "accuracy": rate(60, 0.9),
            "true_positive_rate": rate(30, 0.8),
            "false_positive_rate": rate(30, 0.3),
        },
        "few": {
            "accuracy": rate(29, 0.1),
            "true_positive_rate": rate(29, 0.2),
            "false_positive_rate": rate(0, 0.0),
        },
    }
    of = {"disparities": {"final": {"groups": groups}}}
    evaluation = {"val": {"attributes": {"race": of, "race:sex": of}}}
    content = (
        b'{"rows": 9, "edges": [0, 1], "attributes": {"race": {"flagged": {"value": 0.5}, "risk": [9]}}}'
    )
    race = read(content, json.dumps(evaluation).encode())["race"]
    assert race.worst_group_accuracy == 0.9
    assert race.worst_cell_accuracy == pytest.approx(0.7)
    both = read(content, json.dumps(evaluation).encode())["race:sex"]  # evaluated, and without a detector
    assert (both.worst_group_accuracy, both.worst_cell_accuracy) == (0.9, pytest.approx(0.7))
    assert (both.flagged, both.risk, both.detector) == (None, (), None)


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
