"""Several labels are one bundle each, with settings of their own and none of the others' columns."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_model import write_tiny_bundle
from typer.testing import CliRunner

from evenhand.cli.fit_labels import fit_each, for_label, is_fitted, summary
from evenhand.cli.main import app
from evenhand.models.bundle.bundle import read_manifest
from evenhand.models.bundle.manifest import Manifest
from evenhand.tables.frame import frame_table
from evenhand.tables.table import Table
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import DataError
from evenhand.training.learning.config import FitConfig

LABELS = ["toxic", "insult"]
COLUMNS = Columns("text", "toxic", ("team",), favourable=("0", "insult=no"))
RATE = {"n": 10, "value": 0.5}
FIGURES = {
    "rows": 1234,
    "accuracy": {"base": RATE, "final": {"n": 10, "value": 0.75}},
    "worst_cell": {"base": {"accuracy": RATE}, "final": None},
    "attributes": {"a": {"equalized_odds_difference": {"base": 0.2, "final": None}}},
}
CONFIG = FitConfig(name="talk", base="base", columns=COLUMNS)


@pytest.fixture
def table() -> Table:
    rows = np.arange(200)
    return frame_table(pd.DataFrame({"toxic": rows % 2, "insult": rows % 3 == 0, "hours": rows % 7}))


def test_each_label_has_its_own_favourable_value_or_the_common_one() -> None:
    toxic, insult = (for_label(CONFIG, label, LABELS) for label in LABELS)
    assert (toxic.name, toxic.columns.label, toxic.columns.favourable) == ("talk-toxic", "toxic", ("0",))
    assert (insult.columns.favourable, insult.columns.other_labels) == (("no",), ("toxic",))
    odd = replace(CONFIG, columns=replace(COLUMNS, favourable=("<=50K",)))
    assert for_label(odd, "toxic", LABELS).columns.favourable == ("<=50K",)


def test_one_that_fails_stops_none_of_the_others(table: Table, tmp_path: Path) -> None:
    fitted = []

    def fit_one(config: FitConfig, _: Table, places: tuple[Path, Path] | None) -> None:
        if config.columns.label == "toxic":
            raise DataError("too few rows")
        assert places == (tmp_path / "out/insult", tmp_path / "work/insult")
        write_tiny_bundle(places[0])
        manifest, _ = read_manifest(places[0])
        evaluated = manifest.model_copy(update={"evaluation": {"test": FIGURES}})
        (places[0] / "manifest.json").write_text(evaluated.model_dump_json())
        fitted.append(config.columns.label)

    with pytest.raises(DataError, match="not fitted: toxic"):
        fit_each(CONFIG, LABELS, table, (tmp_path / "out", tmp_path / "work"), fit_one)
    assert fitted == ["insult"]


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["toxic", "toxic"], "name it once"),
        (["toxic", "../insult"], "names a folder"),
        (["", "a"], "names a"),
    ],
)
def test_labels_that_are_no_folders_are_refused(labels: list[str], said: str, table: Table) -> None:
    with pytest.raises(DataError, match=said):
        fit_each(CONFIG, labels, table, None, lambda *_: None)


def test_a_bundle_that_stands_is_known_by_its_settings_and_its_table(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    manifest, _ = read_manifest(folder)
    settings = CONFIG.as_dict()
    provenance = manifest.provenance.model_copy(update={"settings": settings, "data_sha256": "d" * 64})
    changed = manifest.model_copy(update={"provenance": provenance, "version": CONFIG.version})
    (folder / "manifest.json").write_text(changed.model_dump_json())
    assert is_fitted(folder, CONFIG, "d" * 64)
    assert not is_fitted(folder, CONFIG, "e" * 64)
    assert not is_fitted(folder, replace(CONFIG, seed=1), "d" * 64)
    assert not is_fitted(tmp_path / "nothing", CONFIG, "d" * 64)


def test_the_summary_says_base_and_corrected() -> None:
    manifest = Manifest.model_construct(evaluation={"test": FIGURES}, certified=True)
    assert summary(manifest) == ("1,234", "50.0 -> 75.0", "50.0 -> -", "20.0 -> -", "yes")


def test_a_dry_run_of_two_labels_writes_nothing(tmp_path: Path) -> None:
    rows = np.arange(600)
    noise, other = np.random.default_rng(0).random((2, 600))
    frame = pd.DataFrame(
        {
            "team": np.where(rows % 3 == 0, "a", "b"),
            "hours": noise,
            "toxic": (noise + other > 1).astype(int),
            "insult": (other > 0.6).astype(int),
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    options = ["--task", "table", "--data", str(tmp_path / "t.csv"), "--attribute", "team", "--dry-run"]
    labels = ["--label", "toxic", "--label", "insult", "--favourable", "0", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["fit", *options, *labels])
    assert done.exit_code == 0, done.output
    assert len(re.findall("Nothing was learnt or written", done.output)) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t.csv"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ranges", "age=0-24,25+"], "age is not named with --attribute"),
        (["--attribute", "age", "--ranges", "age=0-24"], "name 2 to 16 ranges"),
        (["--attribute", "age", "--ranges", "age"], "is not attribute=ranges"),
        (["--attribute", "age", "--ranges", "age=0-24,20+"], "overlap"),
        (["--attribute", "age", "--ranges", "age=a-b,20+"], "is no range"),
        (["--attribute", "age", "--ranges", "age=0-9,10+", "--ranges", "age=0-9,10+"], "name all its ranges"),
        (["--model", "m.onnx", "--label", "b"], "--model answers one label"),
    ],
)
def test_options_that_cannot_be_used_are_refused_before_the_data_is_read(
    options: list[str], said: str, tmp_path: Path
) -> None:
    common = ["--task", "table", "--data", str(tmp_path / "none.csv"), "--label", "l", "--out", "x"]
    done = CliRunner().invoke(app, ["fit", *common, "--favourable", "1", *options])
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", "").split())
