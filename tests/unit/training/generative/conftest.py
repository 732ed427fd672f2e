from pathlib import Path

import pytest
from tiny_language import write_language_model, write_tables


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny language model that has learnt a bias."""
    return write_language_model(tmp_path_factory.mktemp("language") / "tiny-lm")


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Pairs and neutral prompts."""
    return write_tables(tmp_path_factory.mktemp("tables"))
