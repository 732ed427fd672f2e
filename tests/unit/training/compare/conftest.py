"""One seed on a tiny base, with its rows, for methods that run the base itself."""

import pytest
from tiny_model import tiny_table, write_tiny_base

from training.compare.context import Context, prepare
from training.config import BaseConfig, Columns, CorrectionConfig, DetectorConfig, FitConfig
from training.data import from_table

COLUMNS = Columns("text", "label", ("team", "colour"), "split", {"team": "none"}, favourable=("positive",))


@pytest.fixture(scope="package")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    folder = tmp_path_factory.mktemp("context")
    config = FitConfig(
        "tiny",
        str(write_tiny_base(folder / "base")),
        COLUMNS,
        base_stage=BaseConfig(epochs=1, hold_out=0.3, max_tokens=16),
        detector=DetectorConfig(epochs=3),
        correction=CorrectionConfig(epochs=2),
    )
    rows, schema = from_table(tiny_table(900), COLUMNS, 0)
    return prepare(config, rows, schema, "digest", folder / "work")
