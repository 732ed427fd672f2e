"""Figures are well-formed, deterministic, safe beside each other on a page, and say what they show."""

import re
from collections.abc import Callable
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from evenhand.reports.html.plots import (
    BeforeAfter,
    Curve,
    Point,
    accuracy_against,
    dumbbells,
    flips,
    gaps,
    reliability,
    risk_coverage,
)
from evenhand.stats import Rate
from evenhand.training.evaluation.metrics import Bin

NONE = Rate(0, None, None, None)
SPACES = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def share(hits: int, n: int) -> Rate:
    return Rate.of(np.arange(n) < hits)


def points() -> str:
    return accuracy_against(
        [
            Point("ERM $x$ <b>", 0.80, 0.78, 0.82, 0.50, 0.40, 0.60, frontier=True),
            Point("ours", 0.79, 0.77, 0.81, 0.50, 0.42, 0.58, highlighted=True),
        ],
        "worst-cell accuracy",
    )


def pairs() -> str:
    return dumbbells(
        [BeforeAfter("a", share(5, 10), share(6, 10)), BeforeAfter("nobody", NONE, NONE)], "accuracy"
    )


def diagram() -> str:
    bins = [Bin(0.0, 0.5, 0.3, share(3, 10)), Bin(0.5, 1.0, 0.75, NONE)]
    return reliability({"base": bins, "corrected": bins}, "confidence", "accuracy")


def curve() -> str:
    return risk_coverage({"base": Curve(np.array([0.5, 1.0]), np.array([0.9, 0.8]))})


def bars() -> str:
    return flips({"a": (3, 1), "b": (0, 0)})


def differences() -> str:
    return gaps(
        [
            BeforeAfter("by sex", Rate(90, 0.12, 0.03, 0.2), Rate(90, 0.02, 0.0, 0.1)),
            BeforeAfter("by age", NONE, NONE),
        ]
    )


FIGURES = [points, pairs, diagram, curve, bars, differences]


@pytest.mark.parametrize("draw", FIGURES)
def test_a_figure_is_well_formed_deterministic_and_labelled(draw: Callable[[], str]) -> None:
    svg = draw()
    assert svg == draw()
    root = ElementTree.fromstring(str(svg).replace("<svg", SPACES, 1))
    assert root.get("role") == "img"
    assert len(root.get("aria-label") or "") > 20
    assert root.findall(".//{http://www.w3.org/2000/svg}text")
    assert "http" not in svg
    assert "<style" not in svg
    assert "currentColor" in svg


def test_figures_share_no_ids_and_point_at_their_own() -> None:
    every = [draw() for draw in FIGURES]
    ids = re.findall(r' id="([^"]+)"', "".join(every))
    assert len(ids) == len(set(ids))
    for svg in every:
        inside = set(re.findall(r' id="([^"]+)"', svg))
        assert set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r"url\(#([^)]+)\)", svg)) == inside


def test_figures_say_their_numbers_and_show_labels_as_text() -> None:
    assert "ours: accuracy 0.790, worst-cell accuracy 0.500 (0.420 to 0.580)" in points()
    assert points().count(", on the frontier") == 1
    assert "ERM $x$ &lt;b&gt;" in points()
    assert "nobody: base no rows, corrected no rows" in pairs()
    assert "a: 3 mended, 1 broken" in bars()
    assert "a: 3 made good, 1 made bad" in flips({"a": (3, 1)}, ("made good", "made bad"))
    assert "by sex: base 0.120 (0.030 to 0.200), corrected 0.020" in differences()
    assert "base 0.800 over all rows" in curve()
    assert "base 10 rows, corrected 10 rows" in diagram()


def test_the_callers_settings_are_left_alone() -> None:
    before = dict(mpl.rcParams)
    bars()
    assert dict(mpl.rcParams) == before
