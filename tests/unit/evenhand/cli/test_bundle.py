"""``evenhand bundle inspect``: the target first, and every cell that pays for the gain."""

from pathlib import Path

import pytest
import typer
from tiny_model import write_tiny_bundle
from typer.testing import CliRunner

from evenhand.cli.bundle import app as commands
from evenhand.cli.bundle import show
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import Certificate, Manifest
from evenhand.models.bundle.target import AttributeTarget, Target

TARGET = Target(
    attributes=[AttributeTarget(attribute="team", measure="equalized-odds", limit=0.2)],
    max_loss=0.005,
    max_cell_loss=0.05,
)


def span(value: float, half: float = 0.05) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def losing(group: str, high: float) -> dict:
    change = {"n": 250, "value": -0.04, "low": -0.09, "high": high, "mended": 2, "broken": 12}
    return {
        "attribute": "team",
        "group": group,
        "label": "positive",
        "difference": change,
        "surely": high < 0,
    }


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("inspect") / "tiny")


@pytest.fixture(scope="module")
def manifest(tiny: Path) -> Manifest:
    rate = {"n": 100, "value": 0.8, "low": 0.7, "high": 0.9}
    aim = {"attribute": "team", "measure": "equalized-odds", "figure": "equalized_odds_difference"}
    nothing = {"value": None, "low": None, "high": None}
    aims = [
        {**aim, "base": span(0.43), "final": span(0.17), "difference": span(-0.26)},
        {**aim, "attribute": "colour", "base": nothing, "final": nothing, "difference": nothing},
    ]
    target = {"attributes": aims, "losing": [losing("a", -0.01), losing("b", 0.01)], "max_loss": 0.005}
    of = {
        "target": target,
        "accuracy": {"base": rate, "final": rate},
        "worst_cell": {"base": None, "final": None},
    }
    refusal = "too few rows: not shown that accuracy falls by less; about 4,000 validation rows would do"
    certificate = Certificate(alpha=0.05, rows=500, named=None, trials=[], refusal=[refusal])
    return bundles.load(tiny).manifest.model_copy(
        update={"target": TARGET, "evaluation": {"test": of}, "certificate": certificate}
    )


def shown(manifest: Manifest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", "250")
    show(manifest, "0" * 64)
    return " ".join(capsys.readouterr().out.split())


def test_the_target_stands_first_with_its_figures(
    manifest: Manifest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = shown(manifest, capsys, monkeypatch)
    assert "target: equalized odds of team, at most 0.5 points of accuracy lost, 5 in any cell" in said
    assert "equalized odds difference of team │ 0.430 (0.380 to 0.480) │ 0.170 (0.120 to 0.220)" in said
    assert "equalized odds difference of colour │ too few rows │ too few rows" in said
    assert said.index("equalized odds difference of team") < said.index("worst cell")
    assert "not certified: too few rows: not shown that accuracy falls by less; about 4,000" in said


def test_how_the_target_is_watched_stands_beside_it(
    manifest: Manifest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "in any cell limits in service: team at most 0.2" in shown(manifest, capsys, monkeypatch)
    more = [manifest.attributes[0].model_copy(update={"name": "colour"})]
    aims = [
        AttributeTarget(attribute=name, measure="worst-cell", limit=0.8)
        for name in ("team:colour", "team:age")
    ]
    crossed = manifest.model_copy(
        update={"target": Target(attributes=aims, max_loss=0.0), "attributes": [*manifest.attributes, *more]}
    )
    said = shown(crossed, capsys, monkeypatch)
    assert "limits in service: team:colour at least 0.8, team:age at least 0.8" in said
    assert "team:colour counts rows whose team and colour are both declared" in said
    assert "not watched in service: team:age: The service counts by team, colour and by pairs" in said


def test_every_cell_that_loses_is_named_with_its_interval(
    manifest: Manifest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = shown(manifest, capsys, monkeypatch)
    assert "test: team = a, positive surely loses 4.0 points of accuracy (1.0 to 9.0, n 250)" in said
    assert "test: team = b, positive loses 4.0 points of accuracy (-1.0 to 9.0, n 250)" in said


def test_a_bundle_of_an_earlier_version_is_shown_without_a_target(tiny: Path) -> None:
    wrapped = typer.Typer()
    wrapped.add_typer(commands, name="bundle")
    result = CliRunner().invoke(wrapped, ["bundle", "inspect", str(tiny)], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "tiny 1" in result.output
    assert "target:" not in result.output
    assert "not certified:" not in result.output
