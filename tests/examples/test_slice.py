"""The tutorial's table is what its maker draws, small, and holds what its page says."""

import os
from pathlib import Path

import pandas as pd
import pytest
from documents import ROOT

from evenhand.training.recipes import census
from examples.data.make_slice import OUT, ROWS, part

DATA = Path(os.environ.get("EVENHAND_DATA", ROOT.parent / "shared/data"))


def test_the_table_is_small_and_its_page_names_every_column() -> None:
    table = pd.read_parquet(OUT)
    page = (OUT.parent / "README.md").read_text()
    assert len(table) == ROWS
    assert OUT.stat().st_size < 1_500_000
    assert all(f"`{column}`" in page for column in table.columns)
    for split, count in table["split"].value_counts().items():
        assert f"`{split}` ({count:,}" in page


def test_the_salary_itself_and_other_attributes_are_not_in_it() -> None:
    table = pd.read_parquet(OUT)
    assert set(table["salary"]) == {census.OVER, census.UP_TO}
    assert not {"sex", "race", "race2", "nativity"} & set(table.columns)


@pytest.mark.slow
def test_the_table_is_drawn_anew_alike() -> None:
    if not (DATA / census.FILES["staff"]).exists():
        pytest.skip("gov_census is not here; set EVENHAND_DATA to the folder that holds it")
    assert part(DATA).astype(str).equals(pd.read_parquet(OUT).astype(str))
