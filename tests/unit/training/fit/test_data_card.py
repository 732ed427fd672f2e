"""The card and the manifest say what every column was for, and hold no value of it."""

from pathlib import Path

import pandas as pd
from tiny_model import tiny_table, write_tiny_bundle

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import Manifest
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import from_table
from evenhand.training.fit.data_card import data_card, described_columns
from evenhand.training.fit.model_card import write


def manifest_of(table: pd.DataFrame, tmp_path: Path) -> Manifest:
    rows, schema = from_table(
        table, Columns("text", "label", ("team",), "split", favourable=("positive",)), seed=0
    )
    manifest = bundles.load(write_tiny_bundle(tmp_path / "tiny")).manifest
    changes = {"columns": described_columns(schema), "left_out": rows.left_out}
    return manifest.model_copy(update={"provenance": manifest.provenance.model_copy(update=changes)})


def test_the_card_lists_columns_and_rows_left_out(tmp_path: Path) -> None:
    table = tiny_table(200).rename(columns={"colour": "colour|shade"})
    table.loc[:2, "label"] = None
    manifest = manifest_of(table, tmp_path)
    card = write(manifest, {})
    assert "| text | text | text | 0.0 % |  |" in card
    assert "| label | label | category | 1.5 % |  |" in card
    assert "| colour\\|shade | dropped | category | 0.0 % | --task text does not read it |" in card
    assert "- 3 rows left out: no label" in card
    assert table["text"][10] not in card + manifest.model_dump_json()


def test_nothing_left_out_is_said_and_an_old_bundle_says_nothing(tmp_path: Path) -> None:
    manifest = manifest_of(tiny_table(200), tmp_path)
    assert data_card(manifest)[-1] == "No row of the table was left out."
    assert data_card(bundles.load(tmp_path / "tiny").manifest) == []
