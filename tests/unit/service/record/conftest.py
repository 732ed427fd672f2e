"""An empty database, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path

import databases
import pytest


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    if databases.binaries() is None:
        pytest.skip("PostgreSQL is not installed")
    with databases.postgres_anywhere() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'record.db'}"
    return databases.new_database(request.getfixturevalue("server"))
